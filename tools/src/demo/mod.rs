//! `huren demo`: four provinces on this machine, as real processes with mutual TLS.

pub(crate) mod cast;
mod story;

use std::io::{Write as _, stdout};
use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::json;

use cast::Cast;

/// 演示：上海、江苏、浙江、安徽四个节点在本机互查互认 / four provincial nodes on this machine
///
/// 演示结束后节点保持运行，按 Ctrl-C 结束。/ Afterwards the nodes stay up until Ctrl-C.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// 逐步断言，通过退出码 0、失败 1，不停留 / assert every step, exit 0 or 1, do not stay
    #[arg(long)]
    pub check: bool,
    /// 保留全部文件于此文件夹（须不存在或为空） / keep everything in this folder
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// 每省证书数 / certificates of each province
    #[arg(long, default_value_t = 5000)]
    pub records: u32,
}

/// Plays the demo.
pub async fn run(args: &DemoArgs, json_out: bool) -> Result<ExitCode> {
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
    let started = Instant::now();
    let mut cast = Cast::assemble(&folder).await?;
    let told = story::tell(&mut cast, args.records, !json_out).await;
    let seconds = started.elapsed().as_secs_f64();
    if json_out {
        let steps: Vec<_> = cast
            .done
            .iter()
            .map(|(name, note)| json!([name, note]))
            .collect();
        let error = told.as_ref().err().map(|error| format!("{error:#}"));
        let value =
            json!({"passed": told.is_ok(), "seconds": seconds, "steps": steps, "error": error});
        writeln!(stdout(), "{value:#}")?;
    }
    if let Err(error) = told {
        cast.show_logs();
        return Err(error.context("演示未通过 / the demo failed"));
    }
    if !json_out {
        writeln!(stdout(), "\n用时 took {seconds:.1} s")?;
    }
    if args.check {
        writeln!(
            stdout(),
            "演示通过 / demo passed: {} 步 steps",
            cast.done.len()
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    cast.show_how_to_go_on()?;
    tokio::signal::ctrl_c().await?;
    Ok(ExitCode::SUCCESS)
}
