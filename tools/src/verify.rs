//! `huren verify`.

use std::io::{Write as _, stdout};
use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
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
