//! `huren trust verify` and `huren trust show`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::{Told, files};

/// Which lists.
#[derive(Args, Clone, Debug)]
pub struct VerifyArgs {
    /// 信任清单文件，按版本先后 / files of trust lists, older ones first
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// 信任根公钥文件 / file of root keys
    #[arg(long, value_name = "ROOTS")]
    pub trust: PathBuf,
}

/// Which list.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// 信任清单文件 / file of trust lists
    pub file: PathBuf,
    /// 信任根公钥文件 / file of root keys
    #[arg(long, value_name = "ROOTS")]
    pub trust: PathBuf,
}

pub(super) fn verify(args: &VerifyArgs, now: Timestamp) -> Result<Told> {
    let lists: Vec<&Path> = args.files.iter().map(PathBuf::as_path).collect();
    let chain = files::chain(&args.trust, &lists)?;
    let mut text = String::new();
    for list in chain.lists() {
        text += &format!(
            "  第 {} 版 version, 摘要 digest {}\n",
            list.list.version,
            list.digest.to_hex()
        );
    }
    let newest = chain.newest();
    let days = newest.list.expires.duration_since(now).as_hours() / 24;
    text += &match days {
        ..0 => "已过期，请尽快更新 / it has expired: renew it\n".to_owned(),
        0..30 => format!("{days} 天后过期，请更新 / it expires in {days} days: renew it\n"),
        _ => format!("有效至 / valid until {}\n", newest.list.expires),
    };
    Ok(Told {
        text: format!("清单链成立 / the chain holds:\n{text}"),
        json: json!({
            "versions": chain.lists().len(), "digest": newest.digest.to_hex(),
            "expires": newest.list.expires, "days_left": days,
        }),
    })
}

pub(super) fn show(args: &ShowArgs) -> Result<Told> {
    let chain = files::chain(&args.trust, &[args.file.as_path()])?;
    let newest = chain.newest();
    let list = &newest.list;
    let mut text = format!(
        "版本 version {}  摘要 digest {}\n有效期 {} 至 until {}\n根密钥 root keys: {} of {}\n\
         见证 quorum: {} of {} 其他成员 other members\n",
        list.version,
        newest.digest.to_hex(),
        list.issued,
        list.expires,
        list.root.threshold,
        list.root.keys.len(),
        list.quorum,
        list.members.len().saturating_sub(1),
    );
    for member in &list.members {
        let (region, name) = (&member.region, &member.name);
        text += &format!("  {region} {name} {}  {}\n", member.origin, member.grpc);
    }
    for former in &list.former_members {
        let (region, name) = (&former.region, &former.name);
        text += &format!("  {region} {name} {}  已退出 has left\n", former.origin);
    }
    Ok(Told {
        text,
        json: json!({"digest": newest.digest.to_hex(), "list": list}),
    })
}
