//! `huren verify` and `huren receipt`.

use std::io::{Write as _, stdout};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use huren_core::{
    receipt::{self, Checked},
    trust::{RootKeys, TrustChain},
};
use huren_node::{http::check::CheckPage, startup::split_lists};
use huren_proto::v1::{self, verification_service_client::VerificationServiceClient};
use serde_json::json;

use crate::connect::NodeArgs;

/// 核验一份证书 / verify one certificate.
///
/// 退出码 / exit codes: 0 有效 valid, 1 无效 not in force, 2 无法判定 cannot tell.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// 连接 / connection
    #[command(flatten)]
    pub node: NodeArgs,
    /// 证书编号 / certificate number
    #[arg(long)]
    pub number: String,
    /// 持证人姓名 / holder's name
    #[arg(long, default_value = "")]
    pub name: String,
    /// 证件号码 / number of the holder's identity document
    #[arg(long, default_value = "")]
    pub id: String,
    /// 所询日期 yyyymmdd，缺省为今天 / the day asked about [default: today]
    #[arg(long, default_value_t = 0)]
    pub as_of: u32,
    /// 证据最大时限（秒），缺省 24 小时 / largest age of the evidence in seconds [default: 24 hours]
    #[arg(long, default_value_t = 0)]
    pub max_age: u64,
    /// 查询目的，记入节点的审计记录 / what the answer is for, written to the node's audit trail:
    /// employment 用工, subsidy 补贴, settlement 积分落户, supervision 监管, holder 本人, audit 审计,
    /// assessment 评价申报
    #[arg(long, value_parser = purpose)]
    pub purpose: v1::Purpose,
    /// 代表哪个地区查询，缺省为调用方自身 / region on whose behalf to ask [default: the caller's own]
    #[arg(long, default_value = "", hide_default_value = true)]
    pub region: String,
    /// 将核验回执写入文件 / write the receipt to this file
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
}

/// 核验回执 / receipts.
#[derive(Subcommand, Debug)]
pub enum ReceiptCommand {
    /// 离线核验回执，只需信任根公钥 / check a receipt offline, with the root keys alone
    ///
    /// 退出码 / exit codes: 0 真实 genuine, 1 不真实 not genuine, 2 无法判定 cannot tell.
    Verify {
        /// 回执文件 / the receipt
        file: PathBuf,
        /// 信任根公钥文件 / file of root keys
        #[arg(long, value_name = "ROOTS")]
        trust: PathBuf,
        /// 较新的信任清单：据此判断此后才截止的密钥 / newer trust lists, which may have closed keys
        /// since the receipt was given
        #[arg(long, value_name = "LISTS")]
        lists: Option<PathBuf>,
    },
    /// 写出验真网页：单个文件，断网可用，与节点的 /check 相同 / write the page that checks receipts in a
    /// browser: one file, needs no network, the same as a node's /check
    Page {
        /// 信任根公钥文件，写入网页 / file of root keys, which goes into the page
        #[arg(long, value_name = "ROOTS")]
        trust: PathBuf,
        /// 网页写入此文件 / write the page to this file
        #[arg(long, value_name = "FILE", default_value = "huren-check.html")]
        out: PathBuf,
    },
}

pub(crate) fn purpose(name: &str) -> Result<v1::Purpose, String> {
    let full = format!("PURPOSE_{}", name.to_uppercase());
    let purpose = v1::Purpose::from_str_name(&full);
    let is_callers = |purpose: &v1::Purpose| {
        !matches!(purpose, v1::Purpose::Unspecified | v1::Purpose::PublicPage)
    };
    purpose.filter(is_callers).ok_or_else(|| {
        "可用 / one of: employment, subsidy, settlement, supervision, holder, audit, assessment"
            .to_owned()
    })
}

/// Asks a node.
pub async fn verify(args: &VerifyArgs, json_out: bool) -> Result<ExitCode> {
    let mut client = VerificationServiceClient::new(args.node.caller()?);
    let question = v1::VerifyRequest {
        number: args.number.clone(),
        holder_name: args.name.clone(),
        holder_id: args.id.clone(),
        as_of_date: args.as_of,
        max_age_seconds: args.max_age,
        want_receipt: args.receipt.is_some(),
        purpose: args.purpose.into(),
        on_behalf_of: args.region.clone(),
        ..Default::default()
    };
    let answer = client.verify(question).await?.into_inner();
    if let Some(path) = &args.receipt {
        if answer.receipt.is_empty() {
            eprintln!("没有可证明的内容，未写回执 / nothing can be proven: no receipt written");
        } else {
            std::fs::write(path, &answer.receipt)
                .with_context(|| format!("无法写入 / cannot write {}", path.display()))?;
            eprintln!("回执已写入 / receipt written to {}", path.display());
        }
    }
    if json_out {
        writeln!(stdout(), "{:#}", answer_json(&answer))?;
    } else {
        print_answer(&answer)?;
    }
    Ok(match answer.verdict() {
        v1::Verdict::Valid => ExitCode::SUCCESS,
        v1::Verdict::Unknown | v1::Verdict::Pending => ExitCode::from(2),
        _ => ExitCode::from(1),
    })
}

/// An answer for programs.
pub fn answer_json(answer: &v1::VerifyResponse) -> serde_json::Value {
    let name = |verdict: v1::Verdict| {
        verdict
            .as_str_name()
            .trim_start_matches("VERDICT_")
            .to_lowercase()
    };
    json!({
        "verdict": name(answer.verdict()),
        "last_known": (answer.last_known != 0).then(|| name(answer.last_known())),
        "reasons": answer.reasons.iter()
            .map(|r| json!({"code": r.code, "zh": r.zh, "en": r.en})).collect::<Vec<_>>(),
        "as_of_date": answer.as_of_date,
        "as_of": answer.as_of.iter().map(|log| json!({
            "origin": log.origin, "region": log.region, "size": log.size,
            "witnessed_size": log.witnessed_size, "age_seconds": log.age_seconds,
            "frozen": log.frozen,
        })).collect::<Vec<_>>(),
        "certificate": answer.certificate.iter()
            .map(|f| (f.name.clone(), f.value.clone().into()))
            .collect::<serde_json::Map<_, _>>(),
        "origin": answer.origin,
        "index": answer.index,
        "answered_by": answer.answered_by,
        "has_receipt": !answer.receipt.is_empty(),
    })
}

fn print_answer(answer: &v1::VerifyResponse) -> Result<()> {
    writeln!(stdout(), "结论 verdict: {}", words(answer.verdict()))?;
    if answer.last_known != 0 {
        writeln!(
            stdout(),
            "  最后已知 last known: {}",
            words(answer.last_known())
        )?;
    }
    for reason in &answer.reasons {
        writeln!(stdout(), "  {}: {} {}", reason.code, reason.zh, reason.en)?;
    }
    for field in &answer.certificate {
        writeln!(stdout(), "  {}: {}", field.name, field.value)?;
    }
    if !answer.origin.is_empty() {
        writeln!(stdout(), "日志 log: {} #{}", answer.origin, answer.index)?;
    }
    writeln!(stdout(), "答复节点 answered by: {}", answer.answered_by)?;
    for log in &answer.as_of {
        let age = log
            .age_seconds
            .map_or("—".to_owned(), |age| format!("{age} s"));
        writeln!(
            stdout(),
            "  截至 as of: {} {} 叶 leaves, 见证 cosigned {}, 时龄 age {age}",
            log.region,
            log.size,
            log.witnessed_size
        )?;
    }
    Ok(())
}

/// A verdict in both languages.
pub fn words(verdict: v1::Verdict) -> &'static str {
    match verdict {
        v1::Verdict::Unspecified => "—",
        v1::Verdict::Valid => "有效 valid",
        v1::Verdict::Revoked => "已撤销 revoked",
        v1::Verdict::Void => "已作废 void",
        v1::Verdict::Suspended => "暂停使用 suspended",
        v1::Verdict::Superseded => "已被取代 superseded",
        v1::Verdict::Expired => "已过有效期 expired",
        v1::Verdict::HolderMismatch => "持证人不符 holder mismatch",
        v1::Verdict::Pending => "待见证 pending",
        v1::Verdict::Unknown => "无法判定 unknown",
        v1::Verdict::NotFound => "未查到 not found",
    }
}

/// Checks a receipt offline.
pub fn receipt(command: &ReceiptCommand, json_out: bool) -> Result<ExitCode> {
    match command {
        ReceiptCommand::Verify { file, trust, lists } => {
            verify_receipt(file, trust, lists.as_deref(), json_out)
        }
        ReceiptCommand::Page { trust, out } => write_page(trust, out, json_out),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("无法读取 / cannot read {}", path.display()))
}

fn read_roots(path: &Path) -> Result<(String, RootKeys)> {
    let text = String::from_utf8(read(path)?)?;
    let roots = text.parse()?;
    Ok((text, roots))
}

/// Writes the page, with these root keys in it.
fn write_page(trust: &Path, out: &Path, json_out: bool) -> Result<ExitCode> {
    let (text, _) = read_roots(trust)?;
    let page = CheckPage::new(&text);
    std::fs::write(out, page.html())
        .with_context(|| format!("无法写入 / cannot write {}", out.display()))?;
    if json_out {
        writeln!(stdout(), "{:#}", json!({ "file": out }))?;
    } else {
        writeln!(
            stdout(),
            "验真网页已写入 / page written to {}",
            out.display()
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

fn verify_receipt(
    file: &Path,
    trust: &Path,
    lists: Option<&Path>,
    json_out: bool,
) -> Result<ExitCode> {
    let (_, roots) = read_roots(trust)?;
    let receipt = read(file)?;
    let checked = match lists {
        None => receipt::verify(&receipt, &roots),
        Some(lists) => {
            let text = String::from_utf8(read(lists)?)?;
            let notes = split_lists(&text);
            let known = TrustChain::verify(&roots, notes.iter().map(|note| note.as_bytes()))?;
            receipt::verify_known(&receipt, &roots, &known)
        }
    };
    match checked {
        Ok(checked) => {
            if json_out {
                writeln!(stdout(), "{:#}", checked_json(&checked))?;
            } else {
                print_checked(&checked)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let undecided = error.is_undecided();
            if json_out {
                let genuine = if undecided { json!(null) } else { json!(false) };
                let (code, zh) = (error.code(), error.zh());
                writeln!(
                    stdout(),
                    "{:#}",
                    json!({"genuine": genuine, "code": code, "zh": zh, "en": error.to_string()})
                )?;
            } else {
                let verdict = if undecided {
                    "无法判定 cannot tell"
                } else {
                    "不真实 not genuine"
                };
                writeln!(
                    stdout(),
                    "{verdict}: {}: {} {error}",
                    error.code(),
                    error.zh()
                )?;
            }
            Ok(ExitCode::from(if undecided { 2 } else { 1 }))
        }
    }
}

fn checked_json(checked: &Checked) -> serde_json::Value {
    json!({
        "genuine": true,
        "proven": {
            "home": checked.home,
            "origin": checked.origin.as_str(),
            "index": checked.index,
            "size": checked.proven_size,
            "cosignatures": checked.cosignatures.iter()
                .map(|(by, time)| json!({"by": by, "time": time})).collect::<Vec<_>>(),
            "certificate": checked.certificate,
        },
        "asserted": checked.assertion,
    })
}

fn print_checked(checked: &Checked) -> Result<()> {
    let assertion = &checked.assertion;
    writeln!(stdout(), "真实 genuine")?;
    writeln!(
        stdout(),
        "已证明 proven: {} #{} ≤ {}",
        checked.origin,
        checked.index,
        checked.proven_size
    )?;
    for (by, time) in &checked.cosignatures {
        writeln!(stdout(), "  见证 cosigned by {by} @ {time}")?;
    }
    for (name, value) in checked.certificate.iter() {
        writeln!(stdout(), "  {name}: {value}")?;
    }
    writeln!(
        stdout(),
        "由 {} 断言 asserted by {}: {} {} ({}), {}",
        assertion.answered_by,
        assertion.answered_by,
        assertion.verdict.zh(),
        assertion.verdict.en(),
        assertion.as_of_date,
        assertion.time
    )?;
    for reason in &assertion.reasons {
        writeln!(stdout(), "  {}: {} {}", reason.code, reason.zh, reason.en)?;
    }
    writeln!(
        stdout(),
        "此回执只说明截至所列日志大小的情况。/ It speaks of the log sizes that it lists, and of nothing later."
    )?;
    Ok(())
}
