//! A newer list is given to a node: into its file of lists, whole or not at all.

use std::fs::{self, File};
use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use huren_core::trust::TrustChain;
use huren_node::{config::Config, init, startup::split_lists};
use serde_json::json;

use super::files;

/// What to install, and where.
#[derive(Args, Clone, Debug)]
pub struct InstallArgs {
    /// 清单文件（assemble 所写） / file of lists, as assemble writes it
    pub lists: PathBuf,
    /// 节点文件夹 / the node's folder
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

pub(super) fn run(args: &InstallArgs, json_out: bool) -> Result<ExitCode> {
    let config = Config::load(&args.dir.join(init::CONFIG))?;
    let held = files::chain(&config.trust.lists, &config.trust.roots)?;
    let text = files::read(&args.lists)?;
    let given = split_lists(&text);
    let longer = held.joined(given.iter().map(|note| note.as_bytes()));
    let longer = longer.map_err(files::refused)?;
    let (before, version) = (held.newest().list.version, longer.newest().list.version);
    if version > before {
        replace(&config.trust.lists, &longer)?;
    }
    if json_out {
        let told = json!({"before": before, "version": version});
        writeln!(stdout(), "{told:#}")?;
    } else if version == before {
        writeln!(
            stdout(),
            "节点已持有第 {version} 版，未作改动 / the node holds version {version} already: nothing was changed"
        )?;
    } else {
        writeln!(
            stdout(),
            "第 {version} 版已写入 {file}。运行中的节点一分钟内采用，或发 SIGHUP 立即采用；其他成员随后从它取得\n  \
             version {version} is in {file}: a running node takes it within a minute, or at once on \
             SIGHUP, and the other members take it from there",
            file = config.trust.lists.display()
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts a longer chain in the place of the file: a crash leaves the one or the other.
fn replace(path: &Path, chain: &TrustChain) -> Result<()> {
    let text: String = chain.lists().iter().map(|list| list.note()).collect();
    let written = path.with_extension("new");
    let folder = path.parent().unwrap_or(Path::new("."));
    let replaced = File::create(&written)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_all())
        })
        .and_then(|()| fs::rename(&written, path))
        .and_then(|()| File::open(folder)?.sync_all());
    replaced.with_context(|| format!("未能写入 / cannot write {}", path.display()))
}
