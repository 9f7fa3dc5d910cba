//! Backups: how old the newest one is that this node signed.

use std::path::Path;

use huren_core::trust::TrustChain;
use jiff::Timestamp;

use super::{Check, Finding, Words, in_full};
use crate::{
    backup::{Newest, newest},
    config::{Config, Database},
};

/// Seconds after which a daily backup was missed.
const NOTICE: i64 = 36 * 60 * 60;
/// Seconds after which too much would be lost.
const PROBLEM: i64 = 7 * 24 * 60 * 60;

/// Checks the newest backup in a folder.
pub(super) fn check(
    config: &Config,
    (folder, chain): (Option<&Path>, Option<&TrustChain>),
    now: u64,
) -> Vec<Finding> {
    if let Database::Shared(_) = config.database {
        let words = Words::new(
            "数据库在 PostgreSQL 中，未检查其备份",
            "the database is PostgreSQL's: its backups were not looked at",
        );
        let remedy = Words::new(
            "用 PostgreSQL 自己的工具备份，见手册",
            "back it up with PostgreSQL's own tools, see the handbook",
        );
        return vec![Finding::notice(Check::Backups, words, remedy)];
    }
    let mut findings = Vec::new();
    if config.backup.recipients.is_empty() {
        let words = Words::new(
            "配置中没有备份的收件公钥",
            "the configuration names nobody that backups are encrypted for",
        );
        let remedy = Words::new(
            "用 age-keygen 生成一对，公钥写入 [backup] recipients，见手册",
            "make a pair with age-keygen and put the public one into [backup] recipients: see the handbook",
        );
        findings.push(Finding::notice(Check::Backups, words, remedy));
    }
    let (Some(folder), Some(chain)) = (folder, chain) else {
        if folder.is_none() {
            let words = Words::new("未检查备份", "no backup was looked at");
            let remedy = Words::new(
                "以 --backups DIR 指明备份所在的文件夹",
                "say with --backups DIR where they are",
            );
            findings.push(Finding::notice(Check::Backups, words, remedy));
        }
        return findings;
    };
    let found = match newest(config, folder, chain) {
        Ok(found) => judge(folder, found, now.cast_signed()),
        Err(error) => Finding::problem(
            Check::Backups,
            Words::new("备份文件夹无法读取", in_full(&error)),
            Words::new(
                "核对 --backups，或挂载其磁盘",
                "see to --backups, or mount its disk",
            ),
        ),
    };
    findings.push(found);
    findings
}

fn judge(folder: &Path, newest: Newest, now: i64) -> Finding {
    let back_up = || {
        Words::new(
            "运行 huren-node backup，并查明每日备份为何没有运行",
            "run huren-node backup, and find out why the daily one did not",
        )
    };
    let folder = folder.display();
    let Newest {
        made: Some((name, time)),
        unusable,
    } = newest
    else {
        let unusable = newest.unusable;
        let words = Words::new(
            format!("{folder} 中没有本节点的备份（{unusable} 个不可用）"),
            format!("no backup of this node in {folder} ({unusable} that cannot be used)"),
        );
        return Finding::problem(Check::Backups, words, back_up());
    };
    let hours = (now - time) / 3600;
    let made = Timestamp::from_second(time).map_or_else(|_| time.to_string(), |t| t.to_string());
    let words = Words::new(
        format!("最新备份 {name}，{hours} 小时前"),
        format!("the newest is {name} of {made}, {hours} hours ago"),
    );
    match now - time {
        age if age >= PROBLEM => Finding::problem(Check::Backups, words, back_up()),
        age if age >= NOTICE => Finding::notice(Check::Backups, words, back_up()),
        _ if unusable > 0 => {
            let words = Words::new(
                format!("{}；另有 {unusable} 个不可用", words.zh),
                format!("{}; {unusable} others cannot be used", words.en),
            );
            let remedy = Words::new(
                "用 huren-node restore --check 逐个核对，查明来源，移走不可用的",
                "try them out with huren-node restore --check, find out where they came from, and take them away",
            );
            Finding::notice(Check::Backups, words, remedy)
        }
        _ => Finding::ok(Check::Backups, words),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_backup_grows_old() {
        let now = 1_800_000_000;
        let level = |age: i64, unusable| {
            let made = Some(("33-1".to_owned(), now - age));
            judge(Path::new("/b"), Newest { made, unusable }, now).level
        };
        assert_eq!(level(3600, 0), Level::Ok);
        assert_eq!(level(3600, 1), Level::Notice);
        assert_eq!(level(NOTICE, 0), Level::Notice);
        assert_eq!(level(PROBLEM, 0), Level::Problem);
        let none = Newest {
            made: None,
            unusable: 0,
        };
        assert_eq!(judge(Path::new("/b"), none, now).level, Level::Problem);
    }
}
