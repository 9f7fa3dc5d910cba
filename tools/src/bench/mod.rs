//! `huren bench`: how fast a node is on this machine, each figure beside its limit, which is
//! measured in the same run: what the cryptography, the database engine and the wire alone do.

mod calls;
mod decisions;
mod figures;
mod limits;
mod report;
mod round;

use std::io::{Write as _, stdout};
use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;

use report::{DecisionReport, Nodes, Report};

/// 测速：导入、复制、核验，与同次测得的极限并列 / speed, beside limits measured in the same run
///
/// 启动两个真实节点（双向 TLS、每次提交都落盘），先以少量、再以大量记录各跑一遍。
/// / Runs two real nodes (mutual TLS, every commit synced), first with few, then with many records.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// 记录数 / records
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    pub records: u32,
    /// 内存对照的记录数 / records of the first round, with whose memory the second is compared
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    pub few: u32,
    /// 核验次数，证书各不相同 / verifications, each of another certificate
    #[arg(long, default_value_t = 50_000)]
    pub questions: u32,
    /// 只测其中一项 / one scenario alone
    #[arg(long, value_enum, default_value = "all")]
    pub scenario: Scenario,
    /// 批量互认决定的行数 / rows of the batch of decisions
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(200..))]
    pub decisions: u32,
    /// 批量分为几路流 / streams that the batch comes over
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub streams: u16,
    /// 同时在途的核验 / verifications under way at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub in_flight: u16,
    /// 随机种子 / seed of data and questions
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// 文件放在此文件夹（须在真实磁盘上），默认临时文件夹 / where files go: a real disk [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scenario {
    /// Everything.
    All,
    /// 导入、复制、核验 / import, replication, verification.
    Nodes,
    /// 互认决定与登记簿重建 / decisions on recognition, and the fold.
    Decisions,
}

/// Measures and prints.
pub async fn run(args: &BenchArgs, json_out: bool) -> Result<ExitCode> {
    let scratch;
    let folder = match &args.keep {
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
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
    let mut report = Report::default();
    if args.scenario != Scenario::Decisions {
        say("测量密码运算极限 / measuring the limits of the cryptography".into());
        let signatures = limits::Signatures::measure()?;
        say(format!("{} 条记录 records …", args.few));
        let few = round::run(args, args.few, &folder.join("few")).await?;
        say(format!("{} 条记录 records …", args.records));
        let many = round::run(args, args.records, &folder.join("many")).await?;
        report.nodes = Some(Nodes::new(args, &signatures, &few, &many));
    }
    if args.scenario != Scenario::Nodes {
        say(format!(
            "互认决定 decisions, {} 条证书 certificates …",
            args.records
        ));
        let decisions = decisions::run(args, &folder.join("decisions")).await?;
        report.decisions = Some(DecisionReport::new(decisions));
    }
    if json_out {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        writeln!(stdout(), "{report}")?;
    }
    Ok(ExitCode::SUCCESS)
}
