//! The other members: each is connected to as a running node would, and asked once.

use std::time::Duration;

use huren_core::trust::{Member, TrustList};
use huren_proto::v1::{self, federation_service_client::FederationServiceClient};
use tonic::{Code, Status, metadata::MetadataMap};
use tonic_types::StatusExt as _;

use super::{Check, Finding, Words, in_full};
use crate::{
    config::Config,
    engine::Clock,
    rpc::channel_to,
    tls::{Identity, PinMismatch},
};

/// How long a member may take for its answer; all are asked at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a member answered.
pub(super) struct Answer {
    region: String,
    address: String,
    outcome: Result<Heard, Silence>,
}

/// An answer in time.
#[derive(Clone, Copy)]
struct Heard {
    /// Logs that it holds.
    logs: usize,
    /// By how many seconds its clock is ahead, if it says what time it is.
    ahead: Option<i64>,
}

/// Why there is none.
enum Silence {
    /// Nobody answers there.
    Unreachable(String),
    /// Who answers is somebody else.
    OtherKey(PinMismatch),
    /// It refuses this node.
    Refused(String),
    /// Its entry in the trust list cannot be used.
    Entry(String),
}

impl Answer {
    /// By how many seconds the member's clock is ahead.
    pub(super) fn seconds_ahead(&self) -> Option<i64> {
        self.outcome.as_ref().ok()?.ahead
    }
}

/// Asks every other member of a list at once.
pub(super) async fn ask(
    config: &Config,
    (identity, list): (&Identity, &TrustList),
    clock: &dyn Clock,
) -> Vec<Answer> {
    let others = list.members.iter();
    let others = others.filter(|member| member.origin != config.origin.as_str());
    let asked = others.map(async |member| Answer {
        region: member.region.clone(),
        address: member.grpc.clone(),
        outcome: heads(member, identity, clock).await,
    });
    futures::future::join_all(asked).await
}

async fn heads(member: &Member, identity: &Identity, clock: &dyn Clock) -> Result<Heard, Silence> {
    let channel = channel_to(member, identity).map_err(Silence::Entry)?;
    let mut client = FederationServiceClient::new(channel);
    // Connects first, so that the time of the answer is not that of the handshake.
    let asked = async {
        client.get_heads(v1::GetHeadsRequest {}).await?;
        let before = clock.now();
        let answer = client.get_heads(v1::GetHeadsRequest {}).await?;
        Ok((before, clock.now(), answer))
    };
    let (before, after, answer) = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answered) => answered.map_err(|status| silence(&status))?,
        Err(_) => return Err(Silence::Unreachable("no answer in time".to_owned())),
    };
    Ok(Heard {
        logs: answer.get_ref().heads.len(),
        ahead: date(answer.metadata()).map(|date| ahead(date, (before, after))),
    })
}

/// The time that an answer says (RFC 9110 section 6.6.1), in seconds since 1970.
fn date(metadata: &MetadataMap) -> Option<i64> {
    let text = metadata.get("date")?.to_str().ok()?;
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text);
    parsed.ok().map(jiff::Timestamp::as_second)
}

/// How far a time is outside of the span in which it was said.
fn ahead(date: i64, (before, after): (u64, u64)) -> i64 {
    let (before, after) = (before.cast_signed(), after.cast_signed());
    (date - after).max(0) + (date - before).min(0)
}

fn silence(status: &Status) -> Silence {
    if let Some(mismatch) = PinMismatch::among_causes_of(status) {
        return Silence::OtherKey(mismatch);
    }
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => {
            let source = std::error::Error::source(status);
            Silence::Unreachable(source.map_or_else(|| status.message().to_owned(), in_full))
        }
        code => {
            let reason = status.get_details_error_info().map(|info| info.reason);
            Silence::Refused(reason.unwrap_or_else(|| format!("{code:?}")))
        }
    }
}

/// What is to be said of the members' answers.
pub(super) fn judge(answers: &[Answer]) -> Vec<Finding> {
    answers.iter().map(one).collect()
}

fn one(answer: &Answer) -> Finding {
    let Answer {
        region, address, ..
    } = answer;
    let silence = match &answer.outcome {
        Ok(Heard { logs, .. }) => {
            let words = Words::new(
                format!("{region} 应答，持有 {logs} 份日志"),
                format!("{region} at {address} answers, and holds {logs} logs"),
            );
            return Finding::ok(Check::Peers, words);
        }
        Err(silence) => silence,
    };
    let (zh, en, remedy) = match silence {
        Silence::Unreachable(why) => (
            format!("{region} 无法连接（{address}）"),
            format!("{region} at {address} cannot be reached: {why}"),
            Words::new(
                "核对网络、防火墙与该地址；对方停机时请联系该省，期间本节点照常工作",
                "see to the network, firewalls and that address; where it is down, call that province: this \
                 node goes on meanwhile",
            ),
        ),
        Silence::OtherKey(mismatch) => (
            format!("{region}（{address}）出示的证书不是清单所列"),
            format!("{region} at {address}: {mismatch}"),
            Words::new(
                "向该省核实是否更换了证书：是则请其更新清单；否则有人冒充，勿继续连接",
                "ask that province whether it changed its certificate: if so the list has to be renewed, and \
                 if not somebody stands in its place",
            ),
        ),
        Silence::Refused(code) => (
            format!("{region}（{address}）拒绝本节点：{code}"),
            format!("{region} at {address} refuses this node: {code}"),
            Words::new(
                "多因本节点证书不在对方的信任清单中：比较两边的清单版本（huren trust show）",
                "mostly as its trust list does not name this node's certificate: compare the versions (huren \
                 trust show)",
            ),
        ),
        Silence::Entry(why) => (
            format!("{region} 在清单中的条目不可用"),
            format!("the entry of {region} cannot be used: {why}"),
            Words::new(
                "请联盟在下一版清单中更正",
                "have the federation correct it in the next list",
            ),
        ),
    };
    Finding::problem(Check::Peers, Words::new(zh, en), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_time_within_the_question_is_no_difference() {
        assert_eq!(ahead(100, (100, 100)), 0);
        assert_eq!(ahead(101, (100, 103)), 0);
        assert_eq!(ahead(110, (100, 103)), 7);
        assert_eq!(ahead(90, (100, 103)), -10);
    }

    #[test]
    fn a_date_is_read_as_http_writes_it() {
        let mut metadata = MetadataMap::new();
        assert_eq!(date(&metadata), None);
        // The example of RFC 9110 section 5.6.7.
        metadata.insert("date", "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        assert_eq!(date(&metadata), Some(784_111_777));
    }

    #[test]
    fn each_silence_says_what_to_do() {
        let answer = |outcome| Answer {
            region: "31".to_owned(),
            address: "https://sh.example:4433".to_owned(),
            outcome,
        };
        let heard = Heard {
            logs: 4,
            ahead: None,
        };
        assert_eq!(one(&answer(Ok(heard))).level, Level::Ok);
        let refused = silence(&Status::permission_denied("no"));
        let found = one(&answer(Err(refused)));
        assert!(found.words.en.ends_with("PermissionDenied"), "{found:?}");
        let unreachable = silence(&Status::unavailable("connection refused"));
        let found = one(&answer(Err(unreachable)));
        assert!(found.words.en.ends_with("connection refused"), "{found:?}");
        assert_eq!(found.level, Level::Problem);
    }
}
