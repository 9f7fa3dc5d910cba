//! Invented changes of status for some of the certificates.

use huren_core::codes::Date;

use super::people;
use super::random::Random;
use super::row::Row;
use crate::files::STATUS_EXPORT;

/// The cells of one change, in the order of [`STATUS_EXPORT`].
pub(super) type Change = [String; STATUS_EXPORT.len()];

/// Action and reason, as people write them.
const CHANGES: [(&str, &str); 6] = [
    ("撤销", "弄虚作假"),
    ("撤销", "机构违规"),
    ("作废", "导入错误"),
    ("暂停", "立案调查"),
    ("更正", "信息录入错误"),
    ("补发", "遗失损毁"),
];

/// The changes that one certificate goes through: one, or a suspension and its end.
pub(super) fn changes(random: &mut Random, certificate: &Row) -> Vec<Change> {
    let (action, reason) = *random.pick(&CHANGES);
    let Ok(issued) = Date::parse(certificate.get("issue_date")) else {
        return Vec::new();
    };
    let year = issued.year() + 1;
    let month = random.range(1, 11);
    let change = |action: &str, reason: &str, month: u16, name: String| {
        let date = format!("{year}-{month:02}-15");
        [
            certificate.get("number").to_owned(),
            action.to_owned(),
            reason.to_owned(),
            date,
            name,
        ]
    };
    let name = if action == "更正" {
        people::name(random)
    } else {
        String::new()
    };
    let mut changes = vec![change(action, reason, month, name)];
    if action == "暂停" && random.chance(500) {
        changes.push(change("恢复", "调查结案", month + 1, String::new()));
    }
    changes
}
