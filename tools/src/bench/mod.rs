//! `huren bench`: how fast nodes are on this machine. Every figure stands beside what bounds it,
//! measured in the same run: what the cryptography, the database engine and the wire alone do, and
//! what PostgreSQL does with the same rows.

mod calls;
mod chart;
mod compare;
mod decisions;
mod figures;
mod limits;
mod machine;
mod members;
mod nodes;
mod report;
mod servers;
mod show;
mod stage;
mod statistics;
mod steady;
mod steps;

use std::io::{Write as _, stdout};
use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum, value_parser};
use huren_node::config::Limits;

use machine::Machine;
use report::{Report, Settings, Size};
use servers::Servers;

/// 测速：导入、复制、核验等，与同次测得的极限并列 / speed, beside limits measured in the same run
///
/// 每种规模、每一轮都启动两个真实节点（双向 TLS、每次提交都落盘）：一个导入，一个自空库复制并答复。
/// 最后四个节点自空库同时定速写入、互相复制。装有 PostgreSQL 时，并列同样的行在其中 COPY 与逻辑复制的速度。
/// / Runs two real nodes for every size and round (mutual TLS, every commit synced): one imports, the
/// other one bootstraps from nothing and answers. In the end four nodes, all of them new, write at a pace
/// at once and replicate one another. Where PostgreSQL is installed, COPY and logical replication of the
/// same rows stand beside them.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    command: Option<BenchCommand>,
    #[command(flatten)]
    run: RunArgs,
}

/// What is done with reports.
#[derive(Clone, Debug, Subcommand)]
enum BenchCommand {
    /// 比较两份报告 / compares two reports
    ///
    /// 退出码 / exit codes: 0 无退步 nothing became worse, 3 有退步 something did.
    Compare {
        /// 旧报告 / the old report
        old: PathBuf,
        /// 新报告 / the new report
        new: PathBuf,
        /// 不计入的变化，百分比 / changes within so many per cent count for nothing
        #[arg(long, value_name = "PERCENT", default_value_t = 10.0)]
        tolerance: f64,
    },
    /// 报告转为 Markdown 表格 / reports as one Markdown table
    Table {
        /// 报告 / reports
        #[arg(required = true)]
        reports: Vec<PathBuf>,
    },
    /// 报告转为 SVG 图 / a report as a chart in SVG
    Chart {
        /// 报告 / the report
        report: PathBuf,
    },
}

/// What is measured, and how.
#[derive(Args, Clone, Debug)]
struct RunArgs {
    /// 记录数，逗号分隔多种规模 / records; several sizes are separated by commas
    #[arg(long, value_delimiter = ',', default_value = "10000,100000", value_parser = value_parser!(u32).range(1_000..))]
    records: Vec<u32>,
    /// 只测这些（导入与自空库复制总要测，其余建立在其上） / these scenarios alone; import and bootstrap, on which all stand, always
    #[arg(long, value_enum, value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// 节点的数据库 / the nodes' database
    #[arg(long, value_enum, default_value = "sqlite")]
    database: DatabaseKind,
    /// 轮数，取中位数 / rounds, of which the median counts
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u16).range(1..))]
    repeat: u16,
    /// 核验次数，证书各不相同 / verifications, each of another certificate
    #[arg(long, default_value_t = 50_000, value_parser = value_parser!(u32).range(200..))]
    questions: u32,
    /// 批量分为几路流 / streams that a batch comes over
    #[arg(long, default_value_t = 2, value_parser = value_parser!(u16).range(1..=64))]
    streams: u16,
    /// 同时在途的核验 / verifications under way at a time
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u16).range(1..))]
    in_flight: u16,
    /// 定速写入，每个写入节点每秒记录数 / records a second at the steady pace, of each node that writes
    #[arg(long, default_value_t = 2_000, value_parser = value_parser!(u32).range(5..))]
    pace: u32,
    /// 随机种子 / seed of data and questions
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// 文件放在此文件夹（须在真实磁盘上），默认临时文件夹 / where files go: a real disk [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// 报告写入此文件 / write the report to this file, for compare, table and chart
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What is measured beside import and bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// 逐份核验 / verification, one a call.
    Verify,
    /// 批量核验 / verification, streamed.
    BatchVerify,
    /// 随写随复制与延迟 / replication while it is written, and the lag.
    Steady,
    /// 包含证明 / inclusion proofs.
    Proof,
    /// kill -9 后的恢复 / recovery behind kill -9.
    Recovery,
    /// 登记簿重建 / the fold.
    Fold,
    /// 互认决定、统计与监测 / decisions on recognition, statistics, monitoring.
    Decisions,
    /// 四省同时定速写入、互相复制的延迟 / the lag of four members that all write at the pace and replicate one another.
    Members,
    /// PostgreSQL 的 COPY 与逻辑复制 / PostgreSQL's COPY and logical replication.
    Postgres,
}

/// What the nodes keep their records in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DatabaseKind {
    /// A file.
    Sqlite,
    /// A server of the benchmark's own.
    Postgres,
}

impl RunArgs {
    fn wants(&self, scenario: Scenario) -> bool {
        self.scenario.is_empty() || self.scenario.contains(&scenario)
    }

    /// Whether the replica is asked, and the empty call measured beside its answers.
    fn wants_answers(&self) -> bool {
        self.wants(Scenario::Verify) || self.wants(Scenario::BatchVerify)
    }
}

/// Measures, or shows what was measured.
///
/// # Errors
/// If a node fails or answers wrong, or a report cannot be read or written.
pub async fn run(args: &BenchArgs, json_out: bool) -> Result<ExitCode> {
    match &args.command {
        None => {
            let report = measure(&args.run, json_out).await?;
            let json = serde_json::to_string_pretty(&report)?;
            if let Some(path) = &args.run.out {
                fs::write(path, format!("{json}\n")).with_context(|| path.display().to_string())?;
            }
            if json_out {
                writeln!(stdout(), "{json}")?;
            } else {
                writeln!(stdout(), "{report}")?;
            }
        }
        Some(BenchCommand::Compare {
            old,
            new,
            tolerance,
        }) => {
            let (old, new) = (Report::read(old)?, Report::read(new)?);
            let compared = compare::compare(&old, &new, tolerance / 100.0);
            write!(stdout(), "{}", compared.text)?;
            return Ok(ExitCode::from(if compared.is_worse { 3 } else { 0 }));
        }
        Some(BenchCommand::Table { reports }) => {
            let reports: Vec<Report> = reports
                .iter()
                .map(|path| Report::read(path))
                .collect::<Result<_>>()?;
            write!(stdout(), "{}", show::markdown(&reports))?;
        }
        Some(BenchCommand::Chart { report }) => {
            write!(stdout(), "{}", chart::svg(&Report::read(report)?))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &RunArgs, json_out: bool) -> Result<Report> {
    let scratch;
    let folder = match &args.keep {
        Some(folder) => {
            fs::create_dir_all(folder)?;
            folder.canonicalize()?
        }
        None => {
            scratch = tempfile::tempdir().context("无法建立临时文件夹 / no temporary folder")?;
            scratch.path().to_owned()
        }
    };
    let say = |text: String| {
        if !json_out {
            eprintln!("{text}");
        }
    };
    let needed = args.database == DatabaseKind::Postgres;
    let servers = if needed || args.wants(Scenario::Postgres) {
        Servers::start()?
    } else {
        None
    };
    if servers.is_none() && needed {
        anyhow::bail!(
            "未安装 PostgreSQL / PostgreSQL is not installed (Debian: apt install postgresql)"
        );
    }
    if servers.is_none() && args.wants(Scenario::Postgres) {
        say("未安装 PostgreSQL，不与其比较 / PostgreSQL is not installed: nothing is compared with it".into());
    }
    let for_nodes = servers.as_ref().filter(|_| needed);
    let database = match for_nodes {
        Some(servers) => servers.version()?,
        None => format!("SQLite {}", huren_store::sqlite_version().await?),
    };
    let mut report = Report::new(Machine::this(&folder), database, settings(args));
    let mut sizes = args.records.clone();
    sizes.sort_unstable();
    sizes.dedup();
    for records in sizes {
        let mut size = Size {
            records,
            ..Size::default()
        };
        for round in 1..=args.repeat {
            say(format!(
                "{records} 条记录 records，第 {round}/{} 轮 round …",
                args.repeat
            ));
            size.add(limits::measure()?);
            let folder = folder.join(format!("{records}-{round}"));
            size.add(
                nodes::play(
                    args,
                    (for_nodes, servers.as_ref()),
                    records,
                    &folder.join("nodes"),
                )
                .await?,
            );
            if args.wants(Scenario::Decisions) {
                size.add(
                    decisions::play(args, for_nodes, records, &folder.join("decisions")).await?,
                );
            }
            if args.wants(Scenario::Members) {
                size.add(members::play(args, for_nodes, &folder.join("members")).await?);
            }
            if args.keep.is_none() {
                fs::remove_dir_all(&folder)?;
            }
        }
        report.sizes.push(size);
    }
    Ok(report)
}

fn settings(args: &RunArgs) -> Settings {
    Settings {
        repeat: args.repeat,
        questions: args.questions,
        in_flight: args.in_flight,
        streams: args.streams,
        pace: args.pace,
        seed: args.seed,
        cache_bytes: Limits::default().cache_bytes,
    }
}
