//! What became of a file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::files::{Encoding, Kind};

/// The result of an import. Rows read = accepted + duplicates + rejected, unless it failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// What was imported.
    pub file: PathBuf,
    /// What the file is about, once its header was read.
    pub kind: Option<Kind>,
    /// Its encoding, if it is text.
    pub encoding: Option<Encoding>,
    /// The sheet, if it is a workbook.
    pub sheet: Option<String>,
    /// Columns that were not understood and left out.
    pub unknown_columns: Vec<String>,
    /// Whether rows were checked only, not sent.
    pub check_only: bool,
    /// Rows read.
    pub read: u64,
    /// Rows that are now in the log, or with `check_only` could be sent.
    pub accepted: u64,
    /// Rows that had been in the log before.
    pub duplicates: u64,
    /// Rows refused.
    pub rejected: u64,
    /// Rows refused by reason code; a row with several reasons counts under each.
    pub rejected_by_code: BTreeMap<String, u64>,
    /// How often a row was sent again because the node had asked for it.
    pub retries: u64,
    /// How often the connection was lost.
    pub reconnects: u64,
    /// Seconds from beginning to end.
    pub seconds: f64,
    /// Rows per second.
    pub records_per_second: f64,
    /// Where the refused rows are, if there are any.
    pub rejects_file: Option<PathBuf>,
    /// Where those are that a workbook of them does not hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_rejects_file: Option<PathBuf>,
    /// Why the import stopped early. What was accepted until then stays; run it again.
    pub failure: Option<String>,
    /// Whether that lies in the file, which is then the same when it is run again.
    #[serde(skip)]
    pub is_unreadable: bool,
    /// Whether it lies in the node: another file would fare no better.
    #[serde(skip)]
    pub is_node: bool,
}

impl Report {
    /// 0 if every row is in the log, 3 if some were refused, 1 if the import failed.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self {
                failure: Some(_), ..
            } => 1,
            Self { rejected: 1.., .. } => 3,
            _ => 0,
        }
    }

    pub(super) fn finish(&mut self, elapsed: Duration) {
        self.seconds = elapsed.as_secs_f64();
        if self.seconds > 0.0 {
            self.records_per_second = self.read as f64 / self.seconds;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.file.display())?;
        for column in &self.unknown_columns {
            writeln!(f, "未识别的列，已忽略 unknown column: {column}")?;
        }
        writeln!(f, "读取 read          {}", self.read)?;
        let accepted = if self.check_only {
            "可提交 valid      "
        } else {
            "接受 accepted      "
        };
        writeln!(f, "{accepted}{}", self.accepted)?;
        writeln!(f, "重复 duplicates    {}", self.duplicates)?;
        writeln!(f, "拒绝 rejected      {}", self.rejected)?;
        for (code, count) in &self.rejected_by_code {
            writeln!(f, "  {code:<30} {count}")?;
        }
        if self.retries + self.reconnects > 0 {
            writeln!(f, "重试 retries       {}", self.retries)?;
            writeln!(f, "重连 reconnects    {}", self.reconnects)?;
        }
        write!(
            f,
            "用时 time          {:.1} s，{:.0}/s",
            self.seconds, self.records_per_second
        )?;
        for path in self.rejects_file.iter().chain(&self.more_rejects_file) {
            write!(f, "\n拒绝清单 rejects   {}", path.display())?;
        }
        if let Some(failure) = &self.failure {
            write!(f, "\n导入中断 failed    {failure}")?;
        }
        Ok(())
    }
}
