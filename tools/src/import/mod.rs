//! `huren import`: tables of certificates, status changes and institutions into the log.
//!
//! Rows are checked here by the node's own rules first, so that most of what would be refused
//! is refused without a connection. An import can be run again at any time: the node answers
//! for what it already has with the first index, and nothing is recorded twice.

mod bytes;
mod convert;
mod fault;
mod header;
mod institution;
mod journal;
mod outcome;
mod preview;
mod progress;
mod rejects;
mod report;
mod rows;
mod send;
mod sign;
mod source;
mod status;
#[cfg(test)]
mod tests;
mod watch;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use huren_core::codes::Region;
use huren_proto::v1;
use huren_proto::v1::issuance_service_client::IssuanceServiceClient;
use huren_tables::Options;
use indicatif::{ProgressBar, ProgressStyle};

pub use bytes::{TableRow, read_table};
pub use preview::{Preview, PreviewColumn, PreviewRow};
pub use report::Report;
pub(crate) use sign::signed_rows;
pub use watch::watch;

use crate::connect::Calls;
use crate::files::{Encoding, Kind};
use convert::Conversion;
use journal::Journal;
use outcome::Outcome;
use rejects::Rejects;
use rows::{Read, Rows};
use send::{SendError, Sender};
use source::Source;

/// 将 表格（CSV 或 XLSX）导入本省日志 / import a table (CSV or XLSX) into the province's log
///
/// 退出码：0 全部接受；3 部分行被拒绝；1 导入失败。重复运行不会重复登记。
/// Exit code: 0 all accepted, 3 some rows rejected, 1 failed. Running it again adds nothing twice.
#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// 表格：Excel 工作簿（.xlsx），或 CSV（UTF-8 或 GB18030；逗号、分号或制表符分隔） / the table: a workbook (.xlsx), or text
    pub file: PathBuf,
    /// 写入地区代码：本省，或省内市、县 / on whose behalf: the province, or a city or county in it
    #[arg(long)]
    pub region: Region,
    /// 文件种类；默认按表头判断 / what it is about; by default the header tells
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
    /// 文件编码；默认自动识别 / its encoding; by default detected
    #[arg(long, value_enum)]
    pub encoding: Option<Encoding>,
    /// 工作簿中的工作表；默认取第一个可见且有表头的 / sheet of a workbook; by default the first visible one with a header
    #[arg(long, value_name = "NAME")]
    pub sheet: Option<String>,
    /// 标记为历史存量补录 / mark the records as loaded from old stock
    #[arg(long)]
    pub backfilled: bool,
    /// 等待其他成员见证后才算接受 / count a row as accepted only when a quorum has cosigned it
    #[arg(long)]
    pub witnessed: bool,
    /// 没有“职业编码版本”列时采用的大典版本 / edition of the occupation codes
    #[arg(long, value_name = "YEAR", default_value_t = 2022)]
    pub edition: u16,
    /// 只检查，不提交 / check the rows, send nothing
    #[arg(long)]
    pub check: bool,
    /// 被拒绝的行写入此文件，默认 FILE.rejects.csv 或 .xlsx，同原文件；改正后可直接再导入 / where refused rows go, by default beside the file and of its kind: correct them there and import that file
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,
    /// 将每条回执追加到此文件（JSON 行） / append every acknowledgement to this file (JSON lines)
    #[arg(long, value_name = "FILE")]
    pub journal: Option<PathBuf>,
    /// 同时在途的行数 / how many rows may be unanswered at a time
    #[arg(long, value_name = "N", default_value_t = DEFAULT_IN_FLIGHT)]
    pub in_flight: usize,
    /// How often and when to try again.
    #[arg(skip)]
    pub retry: Retry,
}

/// Rows that may be unanswered at a time, unless said otherwise: as many as a node has under way (two
/// batches, of which it prepares one while the other commits).
pub const DEFAULT_IN_FLIGHT: usize = 8_192;

/// How often and when to try again: rows that the node puts off, and lost connections.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// How often one row is sent again, and how many failures of the connection in a row
    /// are borne.
    pub attempts: u32,
    /// The wait before the first attempt; it doubles with each.
    pub first_delay: Duration,
    /// The longest wait.
    pub longest_delay: Duration,
}

impl Default for Retry {
    /// About two minutes in all: longer than a node takes to restart.
    fn default() -> Self {
        Self {
            attempts: 15,
            first_delay: Duration::from_millis(100),
            longest_delay: Duration::from_secs(15),
        }
    }
}

/// A progress bar on standard error, if that is a terminal.
pub fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template(
        "{spinner} {human_pos} 行 rows  {per_sec}  {elapsed}  {wide_msg}",
    );
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

/// Imports a file. Nothing is sent if the file cannot be read or lacks a required column.
pub async fn run(
    client: IssuanceServiceClient<Calls>,
    args: &ImportArgs,
    progress: &ProgressBar,
) -> Report {
    with_rows(args, progress, async |rows, outcome| {
        Sender::new(client, outcome, args.in_flight, args.retry)
            .run(rows)
            .await
    })
    .await
}

/// Checks a file without a node: what [`run`] would refuse before sending.
pub async fn check(args: &ImportArgs, progress: &ProgressBar) -> Report {
    let mut report = with_rows(args, progress, async |mut rows, outcome| {
        while let Some(read) = rows.next().await {
            let Read { row, result, .. } = read?;
            outcome.report.read += 1;
            match result {
                Ok(_) => outcome.valid(),
                Err(faults) => outcome.rejected(&row, &faults)?,
            }
        }
        Ok(())
    })
    .await;
    report.check_only = true;
    report
}

/// Opens the file, lets `work` deal with its rows, and makes the report.
async fn with_rows(
    args: &ImportArgs,
    progress: &ProgressBar,
    work: impl AsyncFnOnce(Rows, &mut Outcome<'_>) -> Result<(), SendError>,
) -> Report {
    let start = Instant::now();
    let mut report = Report {
        file: args.file.clone(),
        ..Report::default()
    };
    let failed = |mut report: Report, error: &dyn std::fmt::Display| {
        report.failure = Some(error.to_string());
        report
    };
    let source = match Source::open(&args.file, &args.options(), args.kind) {
        Ok(source) => source,
        Err(error) => {
            report.is_unreadable = error.is_lasting();
            return failed(report, &error);
        }
    };
    report.kind = Some(source.header.kind);
    report.encoding = source.encoding();
    report.sheet = source.sheet().map(ToOwned::to_owned);
    report.unknown_columns = source.header.unknown();
    let conversion = args.conversion(&source);
    let rejects = args
        .rejects
        .clone()
        .unwrap_or_else(|| Rejects::default_path(&args.file, source.format()));
    let rejects = Rejects::new(rejects, source.header.clone(), source.format());
    let (rejects, journal) = match (rejects, Journal::open(args.journal.as_deref())) {
        (Ok(rejects), Ok(journal)) => (rejects, journal),
        (Err(error), _) | (_, Err(error)) => return failed(report, &error),
    };
    let mut outcome = Outcome {
        report,
        rejects,
        journal,
        progress,
    };
    let result = work(Rows::of(source, conversion), &mut outcome).await;
    progress.finish_and_clear();
    if let Err(error) = result {
        outcome.report.is_unreadable =
            matches!(&error, SendError::Source(error) if error.is_lasting());
        outcome.report.is_node = matches!(error, SendError::Node(_));
        outcome.report.failure = Some(error.to_string());
    }
    outcome.finish(start.elapsed())
}

impl ImportArgs {
    fn options(&self) -> Options {
        Options {
            encoding: self.encoding,
            sheet: self.sheet.clone(),
            ..Options::default()
        }
    }

    fn conversion(&self, source: &Source) -> Conversion {
        Conversion {
            header: source.header.clone(),
            writer_region: self.region,
            provenance: if self.backfilled {
                v1::Provenance::Backfilled
            } else {
                v1::Provenance::Issued
            },
            wait: if self.witnessed {
                v1::Wait::Witnessed
            } else {
                v1::Wait::Durable
            },
            edition: self.edition,
        }
    }
}
