//! The trust list: it holds, is in force, and has this node in it.

use huren_core::{reason::Reason, trust::TrustChain};

use super::{Check, Finding, Words, in_full};
use crate::{config::Config, serve::expiry, startup::StartupError};

/// Checks the newest list of a chain.
pub(super) fn check(
    config: &Config,
    chain: &Result<TrustChain, StartupError>,
    now: u64,
) -> Vec<Finding> {
    let list = match chain {
        Ok(chain) => &chain.newest().list,
        Err(error) => {
            let words = Words::new("信任清单不可用", in_full(error));
            let remedy = Words::new(
                "向联盟或任一成员索取 roots 与 lists，核对后放到 [trust] 所指之处",
                "ask the federation or any member for roots and lists, and put them where [trust] says",
            );
            return vec![Finding::problem(Check::TrustList, words, remedy)];
        }
    };
    let mut findings = Vec::new();
    if list.member_of(&config.origin).is_none() {
        let words = Words::new(
            format!("第 {} 版中没有本节点（{}）", list.version, config.origin),
            format!(
                "version {} does not have this node ({})",
                list.version, config.origin
            ),
        );
        let remedy = Words::new(
            "请联盟以 member.json 将本节点列入；若已有更新的一版，用 huren trust install 装入",
            "have the federation add it by its member.json; where there is a newer version, huren trust \
             install it",
        );
        findings.push(Finding::problem(Check::TrustList, words, remedy));
    }
    let left = list.expires.as_second() - now.cast_signed();
    if let Some(notice) = expiry(left) {
        let remedy = Words::new(
            "按手册的“密钥仪式”签署新一版",
            "have the next version signed: see the key ceremonies in the handbook",
        );
        let is_over = notice.code == Reason::TrustListExpired.code();
        let words = Words::new(notice.zh, notice.en);
        findings.push(match is_over {
            true => Finding::problem(Check::TrustList, words, remedy),
            false => Finding::notice(Check::TrustList, words, remedy),
        });
    }
    if findings.is_empty() {
        let (version, members) = (list.version, list.members.len());
        let expires = list.expires.strftime("%Y-%m-%d");
        let words = Words::new(
            format!("第 {version} 版，{members} 个成员，有效至 {expires}"),
            format!("version {version}, {members} members, until {expires}"),
        );
        findings.push(Finding::ok(Check::TrustList, words));
    }
    findings
}
