//! What a check found, in words.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Nothing to do.
    Ok,
    /// To be seen to before it becomes a problem, or not known.
    Notice,
    /// The node does not do its work, or soon will not.
    Problem,
}

/// The same in Chinese and in English.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

impl Words {
    /// Both.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        let (zh, en) = (zh.into(), en.into());
        Self { zh, en }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { zh, en } = self;
        write!(f, "{zh} / {en}")
    }
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The configuration.
    Configuration,
    /// Key files.
    Keys,
    /// TLS certificates.
    Certificates,
    /// The trust list.
    TrustList,
    /// The clock.
    Clock,
    /// Room on disks.
    Disk,
    /// The database.
    Database,
    /// The standby that look-ups come from.
    Replica,
    /// The high-water file.
    HighWater,
    /// Other members.
    Peers,
    /// Backups.
    Backups,
    /// Where traces go.
    Traces,
}

impl Check {
    const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "配置 configuration",
            Self::Keys => "密钥 keys",
            Self::Certificates => "证书 certificates",
            Self::TrustList => "信任清单 trust list",
            Self::Clock => "时钟 clock",
            Self::Disk => "磁盘 disk",
            Self::Database => "数据库 database",
            Self::Replica => "从库 replica",
            Self::HighWater => "高水位 high-water",
            Self::Peers => "成员 peers",
            Self::Backups => "备份 backups",
            Self::Traces => "追踪 traces",
        }
    }
}

/// One thing that a check found. Nothing secret and nothing personal stands in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check.
    pub check: Check,
    /// How bad it is.
    pub level: Level,
    /// What it is.
    #[serde(flatten)]
    pub words: Words,
    /// What to do about it.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub remedy: Option<Words>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: Check, words: Words) -> Self {
        Self {
            check,
            level: Level::Ok,
            words,
            remedy: None,
        }
    }

    /// To be seen to in time.
    pub fn notice(check: Check, words: Words, remedy: Words) -> Self {
        Self {
            check,
            level: Level::Notice,
            words,
            remedy: Some(remedy),
        }
    }

    /// To be seen to now.
    pub fn problem(check: Check, words: Words, remedy: Words) -> Self {
        Self {
            level: Level::Problem,
            ..Self::notice(check, words, remedy)
        }
    }
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// How many are problems.
    pub problems: usize,
    /// How many are notices.
    pub notices: usize,
    /// All of them, in the order of the checks.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of findings.
    pub fn new(findings: Vec<Finding>) -> Self {
        let count = |level| findings.iter().filter(|found| found.level == level).count();
        Self {
            problems: count(Level::Problem),
            notices: count(Level::Notice),
            findings,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.findings {
            let mark = match found.level {
                Level::Ok => '✓',
                Level::Notice => '!',
                Level::Problem => '✗',
            };
            let Finding { check, words, .. } = found;
            writeln!(f, "{mark} {}: {words}", check.name())?;
            if let Some(remedy) = &found.remedy {
                writeln!(f, "    → {remedy}")?;
            }
        }
        let Self {
            problems, notices, ..
        } = self;
        f.write_char('\n')?;
        writeln!(f, "问题 problems: {problems}，提示 notices: {notices}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_a_line_with_what_to_do_below_it() {
        let words = |text: &str| Words::new(format!("{text}。"), text);
        let report = Report::new(vec![
            Finding::ok(Check::Keys, words("fine")),
            Finding::notice(Check::Disk, words("little room"), words("make room")),
            Finding::problem(Check::Clock, words("wrong"), words("set it")),
        ]);
        let text = "✓ 密钥 keys: fine。 / fine\n\
                    ! 磁盘 disk: little room。 / little room\n    → make room。 / make room\n\
                    ✗ 时钟 clock: wrong。 / wrong\n    → set it。 / set it\n\n\
                    问题 problems: 1，提示 notices: 1\n";
        assert_eq!(report.to_string(), text);
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["findings"][2]["check"], "clock");
        assert_eq!(json["findings"][2]["level"], "problem");
        assert_eq!(json["findings"][2]["do"]["en"], "set it");
        assert!(json["findings"][0].get("do").is_none());
    }
}
