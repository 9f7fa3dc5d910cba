//! `huren trust install`: a signed list into a node's folder.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use huren_core::trust::changes;
use huren_node::{config::Config, init};
use serde_json::json;

use super::{Told, files};

/// What to install, and where.
#[derive(Args, Clone, Debug)]
pub struct InstallArgs {
    /// 签署后的清单 / the signed list, or several in one file
    pub file: PathBuf,
    /// 节点文件夹 / folder of the node
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
}

pub(super) fn run(args: &InstallArgs) -> Result<Told> {
    let config = Config::load(&args.dir.join(init::CONFIG))?;
    let trust = &config.trust;
    let is_first = !trust.lists.exists();
    let before = match is_first {
        true => None,
        false => Some(files::chain(&trust.roots, &[trust.lists.as_path()])?),
    };
    let chain = match &before {
        None => files::chain(&trust.roots, &[args.file.as_path()])?,
        Some(_) => files::chain(&trust.roots, &[trust.lists.as_path(), args.file.as_path()])?,
    };
    let old = before.as_ref().map(|before| &before.newest().list);
    let newest = &chain.newest().list;
    let held = old.map_or(0, |old| old.version);
    let mut text = String::new();
    if newest.version > held {
        let notes: Vec<String> = chain.lists().iter().map(|list| list.note()).collect();
        files::replace(&trust.lists, &notes.concat())
            .with_context(|| format!("未写入 / not written: {}", trust.lists.display()))?;
        for change in changes(old, newest) {
            let region = change.region.as_deref().unwrap_or("  ");
            text += &format!("  {region} {}\n     {}\n", change.zh, change.en);
        }
        text += &format!(
            "已装入第 {version} 版：{path}\n\
             运行中的节点一分钟内取用；要立即取用，向它发送 SIGHUP（kill -HUP PID）。停着的节点下次启动时取用。\n\
             其他成员会从它那里取得，无须逐一安装。无须重启。\n\
             version {version} is in {path}: a running node takes it within a minute, or at once on \
             SIGHUP; one that is stopped takes it when it starts. Other members get it from there. \
             Nothing needs a restart.\n",
            version = newest.version,
            path = trust.lists.display(),
        );
    } else {
        text += &format!(
            "节点已有第 {held} 版，未作改动 / version {held} is there already: nothing was changed\n"
        );
    }
    Ok(Told {
        text,
        json: json!({"version": newest.version, "before": held, "lists": trust.lists}),
    })
}
