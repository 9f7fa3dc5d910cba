//! The clock, beside those of other members and by what the system says of it.

use std::{process::Stdio, time::Duration};

use tokio::process::Command;

use super::{Check, Finding, Words, peers::Answer};

/// Seconds from which on a difference is told. Members' answers say their time in whole seconds.
const NOTICE: i64 = 5;
/// Seconds from which on it is a problem: half of what a cosignature may be ahead (`engine/book`).
const PROBLEM: i64 = 60;
/// How long the system may take to say something.
const PATIENCE: Duration = Duration::from_secs(3);

/// Checks the clock.
pub(super) async fn check(answers: &[Answer]) -> Vec<Finding> {
    let apart: Vec<i64> = answers.iter().filter_map(Answer::seconds_ahead).collect();
    judge(apart, is_synchronised().await)
}

/// `apart` is by how many seconds other members' clocks are ahead.
fn judge(mut apart: Vec<i64>, synchronised: Option<bool>) -> Vec<Finding> {
    let set_up = || {
        Words::new(
            "启用时间同步（systemd-timesyncd 或 chrony），并核对时间源可达",
            "synchronise it by systemd-timesyncd or chrony, and see that its source can be reached",
        )
    };
    let mut findings = Vec::new();
    apart.sort_unstable();
    // In the middle, so that one member whose clock is wrong does not speak for all.
    let middle = apart.get(apart.len() / 2).copied();
    match middle {
        Some(seconds) if seconds.abs() >= NOTICE => {
            let (count, size) = (apart.len(), seconds.abs());
            let (zh, en) = if seconds > 0 {
                ("慢", "behind")
            } else {
                ("快", "ahead")
            };
            let words = Words::new(
                format!("本机时钟比成员{zh}约 {size} 秒（{count} 个成员）"),
                format!("about {size} s {en} of the other members' ({count} of them)"),
            );
            findings.push(if size >= PROBLEM {
                Finding::problem(Check::Clock, words, set_up())
            } else {
                Finding::notice(Check::Clock, words, set_up())
            });
        }
        _ => {}
    }
    if synchronised == Some(false) {
        let words = Words::new("系统时钟未同步", "the system's clock is not synchronised");
        findings.push(Finding::notice(Check::Clock, words, set_up()));
    }
    if !findings.is_empty() {
        return findings;
    }
    let found = match (middle, synchronised) {
        (None, None) => Finding::notice(
            Check::Clock,
            Words::new(
                "无从判断：没有成员应答，系统也未说明是否同步",
                "not known: no member answers, and the system does not say whether it is synchronised",
            ),
            set_up(),
        ),
        (Some(_), _) => Finding::ok(
            Check::Clock,
            Words::new("与成员的时钟一致", "as the other members' clocks"),
        ),
        (None, Some(_)) => Finding::ok(Check::Clock, Words::new("系统时钟已同步", "synchronised")),
    };
    vec![found]
}

/// Whether the kernel counts its clock as synchronised, whichever program does it (timedatectl(1)).
/// `None` where nobody says.
async fn is_synchronised() -> Option<bool> {
    let mut asking = Command::new("timedatectl");
    asking
        .args(["show", "--property=NTPSynchronized", "--value"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, asking.output());
    match output.await.ok()?.ok()?.stdout.trim_ascii() {
        b"yes" => Some(true),
        b"no" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn most_members_say_what_time_it_is() {
        let level = |apart: &[i64], synchronised| {
            let found = judge(apart.to_vec(), synchronised);
            found.iter().map(|found| found.level).max()
        };
        for (apart, expected) in [
            (&[0, 1, -1][..], Level::Ok),
            // One that is wrong is not believed.
            (&[0, 5_000, 0], Level::Ok),
            (&[6, 7, 5], Level::Notice),
            (&[-60, -61, 3], Level::Problem),
            (&[70], Level::Problem),
        ] {
            assert_eq!(level(apart, None), Some(expected), "{apart:?}");
        }
        assert_eq!(level(&[], None), Some(Level::Notice));
        assert_eq!(level(&[], Some(true)), Some(Level::Ok));
        assert_eq!(level(&[0], Some(false)), Some(Level::Notice));
    }
}
