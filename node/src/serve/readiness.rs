//! Whether a node can do its work, and what its operator should see to before it cannot.

use std::sync::Arc;

use async_trait::async_trait;
use huren_core::reason::Reason;
use tokio::sync::watch;

use super::reloading::{DAY, EXPIRY_WARNING};
use crate::{
    engine::{Clock, Engine},
    http::health::{Obstacle, Readiness},
};

/// Ready is a node whose store can be read and whose own log takes submissions, be it in another
/// process.
pub(super) struct EngineReadiness {
    pub(super) engine: Arc<Engine>,
    pub(super) clock: Arc<dyn Clock>,
    /// Where submissions are passed on to.
    pub(super) elsewhere: watch::Receiver<Option<String>>,
}

#[async_trait]
impl Readiness for EngineReadiness {
    async fn obstacles(&self) -> Vec<Obstacle> {
        let mut obstacles = Vec::new();
        if self.engine.store().log(self.engine.origin()).await.is_err() {
            obstacles.push(Obstacle {
                code: "STORE_UNAVAILABLE",
                zh: "数据库无法读取，请检查磁盘与服务器日志".to_owned(),
                en: "the database cannot be read: see to the disk, and to the server's log"
                    .to_owned(),
            });
        }
        if self.engine.is_frozen() {
            obstacles.push(Obstacle {
                code: "LOG_FROZEN",
                zh: "本省日志自相矛盾，已被冻结，不接受提交，见 huren evidence list".to_owned(),
                en: "the own log contradicted itself: it is frozen and takes nothing; see \
                     'huren evidence list'"
                    .to_owned(),
            });
        }
        let is_shown = !self.engine.book().is_unproven(self.engine.origin());
        let is_passed_on = self.elsewhere.borrow().is_some() && is_shown;
        if !self.engine.is_writable() && !is_passed_on {
            obstacles.push(Obstacle {
                code: "LOG_NOT_WRITABLE",
                zh: "本省日志暂不接受提交，原因见服务器日志".to_owned(),
                en: "the own log takes no submissions; the server's log says why".to_owned(),
            });
        }
        let withheld = self.engine.withheld().join(" ");
        if !withheld.is_empty() {
            obstacles.push(Obstacle {
                code: Reason::RestoredNotCaughtUp.code(),
                zh: format!("数据库由备份恢复，{withheld} 的日志尚未补齐，其披露信息暂不出示"),
                en: format!(
                    "the database was restored, and the logs of {withheld} have not caught up: \
                     their disclosures are withheld"
                ),
            });
        }
        obstacles
    }

    async fn notices(&self) -> Vec<Obstacle> {
        let expires = self.engine.trust().newest().list.expires.as_second();
        let mut notices: Vec<Obstacle> = expiry(expires - self.clock.now().cast_signed())
            .into_iter()
            .collect();
        let roles = self.engine.unnamed_keys().join(" ");
        if !roles.is_empty() {
            notices.push(Obstacle {
                code: "KEY_NOT_LISTED",
                zh: format!(
                    "信任清单未列出本节点现有的密钥：{roles}；请将清单所列的密钥放为 keys/*.next.key"
                ),
                en: format!(
                    "the trust list names none of this node's keys for: {roles}; put the key that \
                     it names in place as keys/*.next.key"
                ),
            });
        }
        notices
    }
}

/// What is to be said of a trust list that expires in so many seconds.
pub(crate) fn expiry(left: i64) -> Option<Obstacle> {
    if left <= 0 {
        return Some(Obstacle {
            code: Reason::TrustListExpired.code(),
            zh: "信任清单已过期：节点照常应答并注明此事，请尽快更新。".to_owned(),
            en:
                "the trust list has expired: the node goes on answering and says so; renew the list"
                    .to_owned(),
        });
    }
    let left = left.unsigned_abs();
    (left < EXPIRY_WARNING.as_secs()).then(|| {
        let days = left / DAY;
        Obstacle {
            code: "TRUST_LIST_EXPIRES_SOON",
            zh: format!("信任清单将在 {days} 天后过期，请更新。"),
            en: format!("the trust list expires in {days} days: renew it"),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_told_from_thirty_days_before() {
        let day = DAY.cast_signed();
        let code = |left: i64| expiry(left).map(|notice| notice.code);
        assert_eq!(code(30 * day), None);
        assert_eq!(code(30 * day - 1), Some("TRUST_LIST_EXPIRES_SOON"));
        assert_eq!(code(1), Some("TRUST_LIST_EXPIRES_SOON"));
        assert_eq!(code(0), Some("TRUST_LIST_EXPIRED"));
        assert_eq!(code(-day), Some("TRUST_LIST_EXPIRED"));
        let told = expiry(3 * day + 1).unwrap();
        assert!(told.zh.contains("3 天") && told.en.contains("3 days"));
    }
}
