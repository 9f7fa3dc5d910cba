//! `huren trust show`: a chain of lists, verified, and what the newest one says.

use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::files;

/// Which lists.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// 信任清单文件 / file of trust lists
    pub file: PathBuf,
    /// 信任根公钥文件 / file of root keys
    #[arg(long, value_name = "ROOTS")]
    pub trust: PathBuf,
}

pub(super) fn run(args: &ShowArgs, json_out: bool) -> Result<ExitCode> {
    let chain = files::chain(&args.file, &args.trust)?;
    let newest = chain.newest();
    if json_out {
        writeln!(
            stdout(),
            "{:#}",
            json!({"digest": newest.digest.to_hex(), "list": newest.list})
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let list = &newest.list;
    writeln!(
        stdout(),
        "版本 version {}  摘要 digest {}",
        list.version,
        newest.digest.to_hex()
    )?;
    writeln!(stdout(), "有效期 {} 至 until {}", list.issued, list.expires)?;
    writeln!(
        stdout(),
        "根密钥 root keys: {} of {}",
        list.root.threshold,
        list.root.keys.len()
    )?;
    writeln!(
        stdout(),
        "见证 quorum: {} of {} 其他成员 other members",
        list.quorum,
        list.members.len() - 1
    )?;
    for member in &list.members {
        writeln!(
            stdout(),
            "  {} {} {}  {}",
            member.region,
            member.name,
            member.origin,
            member.grpc
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
