//! The standby that look-ups come from. The node works without it: then all of them are the
//! database's.

use std::time::Duration;

use huren_store::{Error as StoreError, ReplicaFound};

use super::{Check, Finding, Words, in_full};

/// What is to be said of a replica that may lag by so much.
pub(super) fn judge(found: &Result<ReplicaFound, StoreError>, lag_max: Duration) -> Finding {
    let never = |zh: &str, en: &str, remedy| {
        let words = Words::new(
            format!("{zh}，不会被查询"),
            format!("{en}: it is never asked"),
        );
        Finding::problem(Check::Replica, words, remedy)
    };
    match found {
        Ok(ReplicaFound::OtherCluster) => never(
            "从库属于另一数据库集群",
            "the replica is of another database cluster",
            Words::new(
                "使 database.replica_url 指向本数据库的流复制从库，或留空",
                "have database.replica_url name a streaming standby of this database, or leave it empty",
            ),
        ),
        Ok(ReplicaFound::NoStandby) => never(
            "从库不是备用服务器（已提升？）",
            "the replica is no standby, or was promoted",
            Words::new(
                "重建为从库；若数据库已切换到它，将 database.url 改为它的地址",
                "make it a standby anew; if the database has moved there, name it in database.url",
            ),
        ),
        Ok(ReplicaFound::CommitsNotOnDisk) => never(
            "数据库设有 synchronous_commit = off",
            "the database has synchronous_commit = off",
            Words::new(
                "设回 on：否则已确认的记录断电即失",
                "set it to on: without it a power cut loses what was acknowledged",
            ),
        ),
        Ok(ReplicaFound::Standby { behind, seconds }) => {
            let lag = seconds.map_or_else(|| "?".to_owned(), |lag| lag.to_string());
            let words = match behind {
                0 => Words::new("没有落后", "not behind"),
                _ => Words::new(
                    format!("落后 {behind} 字节，{lag} 秒"),
                    format!("{behind} bytes behind, {lag} s"),
                ),
            };
            // One that has replayed nothing since it was started may be behind by any time.
            if *behind == 0 || seconds.is_some_and(|lag| lag <= lag_max.as_secs()) {
                return Finding::ok(Check::Replica, words);
            }
            let remedy = Words::new(
                "超过 database.replica_lag_max，此间查询改由数据库答复：检查从库的磁盘、网络与长查询",
                "more than database.replica_lag_max, so that the database answers meanwhile: see to the \
                 standby's disk and network, and to long queries there",
            );
            Finding::notice(Check::Replica, words, remedy)
        }
        Err(error) => Finding::notice(
            Check::Replica,
            Words::new("从库无法查询", in_full(error)),
            Words::new(
                "此间查询改由数据库答复：检查从库是否运行、database.replica_url 与口令",
                "the database answers meanwhile: see that the standby runs, and to database.replica_url and the \
                 password",
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_replica_that_is_never_asked_is_a_problem_and_one_that_is_late_a_notice() {
        let level = |found| judge(&found, Duration::from_secs(30)).level;
        let late = |behind, seconds| Ok(ReplicaFound::Standby { behind, seconds });
        assert_eq!(level(late(0, None)), Level::Ok);
        assert_eq!(level(late(800, Some(30))), Level::Ok);
        assert_eq!(level(late(800, Some(31))), Level::Notice);
        assert_eq!(level(late(800, None)), Level::Notice);
        let away = StoreError::Unavailable("connection refused".into());
        assert_eq!(level(Err(away)), Level::Notice);
        for never in [
            ReplicaFound::OtherCluster,
            ReplicaFound::NoStandby,
            ReplicaFound::CommitsNotOnDisk,
        ] {
            assert_eq!(level(Ok(never)), Level::Problem, "{never:?}");
        }
    }
}
