//! `huren ready`: what a node says of itself at `/readyz`, for health checks and for people.

use std::io::{Write as _, stdout};
use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use huren_node::{config::Config, init};
use serde::Deserialize;

use crate::connect;

/// 本机节点能否工作，若不能是何原因 / whether the node on this machine can do its work, and why not.
///
/// 退出码 / exit codes: 0 就绪 ready, 1 未就绪或无法连接 not ready, or not reached.
#[derive(Args, Clone, Debug)]
pub struct ReadyArgs {
    /// 节点文件夹（含 config.toml） / the node's folder
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

#[derive(Deserialize)]
struct Said {
    ready: bool,
    obstacles: Vec<Matter>,
    #[serde(default)]
    notices: Vec<Matter>,
}

#[derive(Deserialize)]
struct Matter {
    code: String,
    zh: String,
    en: String,
}

/// Asks, over HTTP as anybody could.
pub async fn run(args: &ReadyArgs, json_out: bool) -> Result<ExitCode> {
    let config = Config::load(&args.dir.join(init::CONFIG))?;
    let scheme = if config.http_tls { "https" } else { "http" };
    let at = connect::on_this_machine(config.http_listen);
    let url = format!("{scheme}://{at}/readyz");
    let (_, body) = connect::fetch(&url, Some(&config.tls.ca)).await?;
    let said: Said =
        serde_json::from_slice(&body).context("不是节点的答复 / not a node's answer")?;
    if json_out {
        stdout().write_all(&body)?;
        writeln!(stdout())?;
    } else {
        let words = if said.ready {
            "就绪 ready"
        } else {
            "未就绪 not ready"
        };
        writeln!(stdout(), "{words}")?;
        for Matter { code, zh, en } in said.obstacles.iter().chain(&said.notices) {
            writeln!(stdout(), "  {code}: {zh} / {en}")?;
        }
    }
    Ok(ExitCode::from(u8::from(!said.ready)))
}
