//! The proof of an erasure, checked offline.

use std::io::{Write as _, stdout};
use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use huren_core::{
    disclosure::Group,
    receipt::{
        ReceiptError,
        erasure::{self, CheckedErasure},
    },
    trust::RootKeys,
};
use serde_json::json;

/// Which proof, and by which root keys.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// 删除证明 / the proof
    pub file: PathBuf,
    /// 信任根公钥文件 / file of root keys
    #[arg(long, value_name = "ROOTS")]
    pub trust: PathBuf,
}

/// Exit code for what is done at some members and not at all of them.
pub(super) const OUTSTANDING: u8 = 3;

pub(super) fn run(args: &VerifyArgs, json_out: bool) -> Result<ExitCode> {
    let read = |path: &PathBuf| {
        std::fs::read(path).with_context(|| format!("无法读取 / cannot read {}", path.display()))
    };
    let roots: RootKeys = String::from_utf8(read(&args.trust)?)?.parse()?;
    match erasure::verify(&read(&args.file)?, &roots) {
        Ok(checked) => {
            if json_out {
                writeln!(stdout(), "{:#}", checked_json(&checked))?;
            } else {
                print_checked(&checked)?;
            }
            let is_complete = checked.assertion.outstanding().next().is_none();
            Ok(ExitCode::from(if is_complete { 0 } else { OUTSTANDING }))
        }
        Err(error) => print_error(&error, json_out),
    }
}

fn print_error(error: &ReceiptError, json_out: bool) -> Result<ExitCode> {
    let undecided = error.is_undecided();
    let (code, zh) = (error.code(), error.zh());
    if json_out {
        let genuine = if undecided { json!(null) } else { json!(false) };
        let value = json!({"genuine": genuine, "code": code, "zh": zh, "en": error.to_string()});
        writeln!(stdout(), "{value:#}")?;
    } else {
        let verdict = if undecided {
            "无法判定 cannot tell"
        } else {
            "不真实 not genuine"
        };
        writeln!(stdout(), "{verdict}: {code}: {zh} {error}")?;
    }
    Ok(ExitCode::from(if undecided { 2 } else { 1 }))
}

fn checked_json(checked: &CheckedErasure) -> serde_json::Value {
    let cosignatures = checked.cosignatures.iter();
    json!({
        "genuine": true,
        "proven": {
            "origin": checked.origin.as_str(),
            "index": checked.index,
            "size": checked.proven_size,
            "certificate_index": checked.certificate_index,
            "certificate": checked.certificate.to_hex(),
            "groups": checked.groups.iter().map(|group| group.name()).collect::<Vec<_>>(),
            "effective_date": checked.effective_date,
            "cosignatures": cosignatures.map(|(by, time)| json!({"by": by, "time": time}))
                .collect::<Vec<_>>(),
        },
        "asserted": checked.assertion,
        "outstanding": checked.assertion.outstanding().collect::<Vec<_>>(),
    })
}

fn print_checked(checked: &CheckedErasure) -> Result<()> {
    let assertion = &checked.assertion;
    let groups: Vec<&str> = checked.groups.iter().map(|group| words(*group)).collect();
    writeln!(stdout(), "真实 genuine")?;
    writeln!(
        stdout(),
        "已证明 proven: {} #{} 删除 erases #{}: {}",
        checked.origin,
        checked.index,
        checked.certificate_index,
        groups.join("、")
    )?;
    for (by, time) in &checked.cosignatures {
        writeln!(stdout(), "  见证 cosigned by {by} @ {time}")?;
    }
    let reason = checked.reason.map_or_else(
        || assertion.reason.clone(),
        |reason| format!("{} {}", reason.zh(), reason.en()),
    );
    writeln!(stdout(), "原因 reason: {reason}")?;
    writeln!(
        stdout(),
        "由 {region} 断言 asserted by {region}: {} 本节点已删除 erased there",
        assertion.time,
        region = assertion.answered_by,
    )?;
    for member in &assertion.members {
        match &member.time {
            Some(time) => writeln!(stdout(), "  {}: {time} 已删除 erased", member.region)?,
            None => writeln!(stdout(), "  {}: 尚未确认 outstanding", member.region)?,
        }
    }
    Ok(())
}

/// A group in both languages.
pub(super) const fn words(group: Group) -> &'static str {
    match group {
        Group::Certificate => "证书内容 certificate",
        Group::HolderName => "姓名 name",
        Group::HolderId => "证件号码 ID number",
        Group::Statistics => "统计信息 statistics",
        Group::Scores => "成绩 scores",
    }
}
