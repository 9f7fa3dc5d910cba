//! TLS certificates: readable, in force, and what the trust list says that members expect.

use std::time::{Duration, SystemTime};

use huren_core::trust::{Member, TrustChain};
use rustls::pki_types::CertificateDer;

use super::{Check, Finding, Words, in_full};
use crate::{
    config::Config,
    serve::EXPIRY_WARNING,
    startup::{NodeTls, StartupError},
    tls::{self, NotACertificate},
};

/// A certificate that ends within this time is a problem: renewing one takes days.
const URGENT: Duration = Duration::from_secs(7 * DAY);
const DAY: u64 = 24 * 60 * 60;

/// Checks the node's certificate and its authority's, beside the entry of the trust list.
pub(super) fn check(
    config: &Config,
    tls: &Result<NodeTls, StartupError>,
    chain: Option<&TrustChain>,
    now: u64,
) -> Vec<Finding> {
    let tls = match tls {
        Ok(tls) => tls,
        Err(error) => {
            let words = Words::new("证书或其私钥不可用", in_full(error));
            let remedy = Words::new(
                "按所述更正，或由密钥备份恢复 tls 文件夹（restore-keys）",
                "correct it, or restore the folder tls from the backup of keys (restore-keys)",
            );
            return vec![Finding::problem(Check::Certificates, words, remedy)];
        }
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
    let own = ("节点证书", config.tls.certificate.display().to_string());
    let authority = ("签发机构证书", config.tls.ca.display().to_string());
    let mut findings = vec![validity(&own, tls.identity.certificate(), now)];
    let of_authority = tls.authority.iter();
    findings.extend(of_authority.map(|one| validity(&authority, one, now)));
    let member = chain.and_then(|chain| chain.newest().list.member_of(&config.origin));
    if let Some(member) = member {
        findings.extend(expected(tls, member, now));
    }
    findings
}

fn validity(
    (zh, file): &(&str, String),
    certificate: &CertificateDer<'_>,
    now: SystemTime,
) -> Finding {
    match tls::not_after(certificate) {
        Ok(end) => ends((zh, file), end.duration_since(now).ok()),
        Err(NotACertificate) => Finding::problem(
            Check::Certificates,
            Words::new(
                format!("{zh} {file} 无法解读"),
                format!("{file} is no certificate"),
            ),
            renew(),
        ),
    }
}

/// What is to be said of a certificate that ends in so much time; `None` if it has ended.
fn ends((zh, file): (&str, &str), left: Option<Duration>) -> Finding {
    let Some(left) = left else {
        let words = Words::new(format!("{zh} {file} 已过期"), format!("{file} has expired"));
        return Finding::problem(Check::Certificates, words, renew());
    };
    let days = left.as_secs() / DAY;
    let words = Words::new(
        format!("{zh} {file} 还有 {days} 天"),
        format!("{file} is valid for {days} days"),
    );
    match left {
        left if left < URGENT => Finding::problem(Check::Certificates, words, renew()),
        left if left < EXPIRY_WARNING => Finding::notice(Check::Certificates, words, renew()),
        _ => Finding::ok(Check::Certificates, words),
    }
}

fn renew() -> Words {
    Words::new(
        "由签发机构以同一密钥换发，放到原位；节点一分钟内或收到 SIGHUP 时启用。换用新密钥须先更新信任清单（见手册）",
        "have it issued anew over the same key and put it in place: the node takes it within a minute, or \
         on SIGHUP. Another key needs another trust list first (see the handbook)",
    )
}

/// What other members would refuse.
fn expected(tls: &NodeTls, member: &Member, now: SystemTime) -> Vec<Finding> {
    let mut findings = Vec::new();
    let key = tls.identity.spki_sha256().to_string();
    if !member.tls_keys.contains(&key) {
        let words = Words::new(
            "信任清单未列出本证书的公钥，成员将拒绝连接",
            format!(
                "the trust list does not name the key of the certificate, {key}: members refuse it"
            ),
        );
        let remedy = Words::new(
            "换回清单所列的证书与私钥，或先以 --replace-key tls=… 更新清单",
            "put the certificate and key that it names back, or first renew the list: --replace-key tls=…",
        );
        findings.push(Finding::problem(Check::Certificates, words, remedy));
    }
    let roots = tls::parse_roots(member.tls_ca.as_bytes());
    let accepted =
        roots.and_then(|roots| tls::check_server(&tls.identity, (&roots, &member.grpc), now));
    if let Err(error) = accepted {
        let address = &member.grpc;
        let words = Words::new(
            format!("成员按信任清单连接 {address} 时不会接受本证书"),
            format!(
                "members that connect to {address} by the trust list do not take it: {}",
                in_full(&error)
            ),
        );
        let remedy = Words::new(
            "证书须在有效期内、由清单所列机构签发并含该主机名：换发证书，或更新清单中本节点的地址与 tls_ca",
            "it has to be in force, issued by the authority in the list and to name that host: have it issued \
             anew, or renew the address and tls_ca of this node in the list",
        );
        findings.push(Finding::problem(Check::Certificates, words, remedy));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{doctor::Level, tls::Authority};

    #[test]
    fn what_ends_soon_is_told_and_what_ends_at_once_is_a_problem() {
        let level = |left| ends(("证书", "node.crt"), left).level;
        let days = |days: u64| Some(Duration::from_secs(days * DAY));
        assert_eq!(level(days(30)), Level::Ok);
        assert_eq!(level(days(29)), Level::Notice);
        assert_eq!(level(days(7)), Level::Notice);
        assert_eq!(level(days(6)), Level::Problem);
        assert_eq!(level(None), Level::Problem);
    }

    #[test]
    fn a_certificate_is_what_members_expect_or_it_is_said_what_is_not() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let authority = Authority::new("Huren 33", now).unwrap();
        let other = Authority::new("Huren 32", now).unwrap();
        let issued = authority.node("node", &["zj.example".to_owned()], &[], now);
        let issued = issued.unwrap();
        let roots = vec![authority.own().certificate().clone()];
        let identity = issued.identity().unwrap();
        let check = |by: &Authority, endpoint: &str, now| {
            let roots = [by.own().certificate().clone()];
            tls::check_server(&identity, (&roots, endpoint), now).is_ok()
        };
        assert!(check(&authority, "https://zj.example:4433", now));
        assert!(!check(&authority, "https://sh.example:4433", now));
        assert!(!check(&other, "https://zj.example:4433", now));
        let later = now + Duration::from_secs(3 * 365 * DAY);
        assert!(!check(&authority, "https://zj.example:4433", later));
        assert!(tls::check_server(&identity, (&roots, "nonsense:"), now).is_err());
    }
}
