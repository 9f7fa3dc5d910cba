//! `huren decide`: is a certificate recognised here, as what, and why; and deciding again from a
//! decision's file.

mod watch;

use std::{
    fs,
    io::{Write as _, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::Args;
use huren_core::{
    note::VerifierKey,
    recognition::{Decision, DecisionError, Effect, Statement},
    trust::{RootKeys, TrustChain},
};
use huren_node::startup::split_lists;
use huren_proto::v1::{self, recognition_service_client::RecognitionServiceClient};
use serde_json::{Value, json};

use crate::{
    connect::NodeArgs,
    verify::{answer_json, purpose, words},
};

/// 互认决定 / a decision on recognition.
///
/// 退出码 / exit codes: 0 予以互认（含有条件） recognised, 1 不予互认 not recognised, 2 无法判定 undetermined.
/// 关注 with --watch: 0 按 Ctrl-C 结束 ended by Ctrl-C, 2 被拒绝 refused.
/// 重放 with --replay: 0 结论相同 the same, 1 不同或签名不符 another one or not signed, 2 无法重放 cannot tell.
#[derive(Args, Debug)]
pub struct DecideArgs {
    /// 连接 / connection
    #[command(flatten)]
    node: NodeArgs,
    /// 证书编号 / certificate number
    #[arg(long, required_unless_present = "replay")]
    number: Option<String>,
    /// 持证人姓名 / holder's name
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// 证件号码 / number of the holder's identity document
    #[arg(long, default_value = "", hide_default_value = true)]
    id: String,
    /// 所询日期 yyyymmdd，缺省为今天 / the day asked about [default: today]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    as_of: u32,
    /// 查询目的，如 employment、subsidy，见 huren verify --help / what the answer is for, as for `huren verify`
    #[arg(long, value_parser = purpose, required_unless_present = "replay")]
    purpose: Option<v1::Purpose>,
    /// 询问地区（本省或其市县），缺省为本省 / the region that is to recognise it, in the node's province [default: the province]
    #[arg(
        long,
        value_name = "REGION",
        default_value = "",
        hide_default_value = true
    )]
    asking: String,
    /// 将决定及其全部依据写入文件，可供日后重放 / write the decision with all that it rests on, to be decided again
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// 持续关注：先给出决定，此后每次变化输出一行，断线自动续接，按 Ctrl-C 结束 / keep watching: the decision, then a line for each change; resumes after a broken connection, ends with Ctrl-C
    #[arg(long, conflicts_with = "out")]
    watch: bool,
    /// 上次决定的摘要（见 --json 的 digest）：决定未变则不输出 / digest of the decision that is relied on: said only if it is another one by now
    #[arg(long, value_name = "HEX", requires = "watch")]
    last: Option<String>,
    /// 由决定文件重新判定（离线） / decide again from a decision's file, offline
    #[arg(long, value_name = "FILE", conflicts_with_all = ["out", "asking", "number", "purpose", "watch"])]
    replay: Option<PathBuf>,
    /// 重放时一并核对签名：信任根公钥文件 / with --replay, check who signed it: file of root keys
    #[arg(long, value_name = "ROOTS", requires = "replay", requires = "lists")]
    trust: Option<PathBuf>,
    /// 同上：信任清单文件 / and the file of trust lists
    #[arg(long, value_name = "LISTS", requires = "trust")]
    lists: Option<PathBuf>,
}

/// Carries out the command.
pub async fn run(args: &DecideArgs, json_out: bool) -> Result<ExitCode> {
    if let Some(file) = &args.replay {
        return replay(file, args, json_out);
    }
    let asked = v1::DecideRequest {
        question: Some(v1::VerifyRequest {
            number: args.number.clone().unwrap_or_default(),
            holder_name: args.name.clone(),
            holder_id: args.id.clone(),
            as_of_date: args.as_of,
            purpose: args.purpose.unwrap_or_default().into(),
            want_receipt: args.out.is_some(),
            ..Default::default()
        }),
        asking_region: args.asking.clone(),
    };
    if args.watch {
        let last = hex::decode(args.last.as_deref().unwrap_or_default());
        let last = last.context("--last: 不是十六进制 / not hexadecimal")?;
        return watch::run(&args.node, asked, last, json_out).await;
    }
    let mut client = RecognitionServiceClient::new(args.node.caller()?);
    let decided = client.decide(asked).await?.into_inner();
    if let Some(out) = &args.out {
        if decided.decision.is_empty() {
            eprintln!(
                "节点没有可签名的密钥，未写文件 / the node has no key to sign with: nothing written"
            );
        } else {
            fs::write(out, &decided.decision)
                .with_context(|| format!("无法写入 / cannot write {}", out.display()))?;
            eprintln!("决定已写入 / decision written to {}", out.display());
        }
    }
    if json_out {
        writeln!(stdout(), "{:#}", decided_json(&decided))?;
    } else {
        print(&decided)?;
    }
    use v1::RecognitionOutcome::{NotRecognized, Recognized, RecognizedWithConditions};
    Ok(match decided.outcome() {
        Recognized | RecognizedWithConditions => ExitCode::SUCCESS,
        NotRecognized => ExitCode::from(1),
        _ => ExitCode::from(2),
    })
}

/// A decision for programs.
pub fn decided_json(decided: &v1::DecideResponse) -> Value {
    let name = |text: &str, prefix| text.trim_start_matches(prefix).to_lowercase();
    let findings = decided.findings.iter().map(|finding| {
        let reason = finding.reason.clone().unwrap_or_default();
        json!({
            "code": reason.code, "zh": reason.zh, "en": reason.en,
            "effect": name(finding.effect().as_str_name(), "FINDING_EFFECT_"),
            "basis": finding.basis, "about": finding.about,
        })
    });
    json!({
        "outcome": name(decided.outcome().as_str_name(), "RECOGNITION_OUTCOME_"),
        "level": (decided.level > 0).then_some(decided.level),
        "agreement": (!decided.agreement.is_empty()).then_some(&decided.agreement),
        "findings": findings.collect::<Vec<_>>(),
        "rules": decided.rules,
        "rules_entry": decided.rules_entry,
        "digest": hex::encode(&decided.digest),
        "answer": decided.answer.as_ref().map(answer_json),
    })
}

fn outcome(decided: &v1::DecideResponse) -> &'static str {
    match decided.outcome() {
        v1::RecognitionOutcome::Unspecified => "—",
        v1::RecognitionOutcome::Recognized => "予以互认 recognised",
        v1::RecognitionOutcome::RecognizedWithConditions => "有条件互认 recognised with conditions",
        v1::RecognitionOutcome::NotRecognized => "不予互认 not recognised",
        v1::RecognitionOutcome::Undetermined => "无法判定 undetermined",
    }
}

fn print(decided: &v1::DecideResponse) -> Result<()> {
    let mut out = stdout();
    writeln!(out, "决定 decision: {}", outcome(decided))?;
    if decided.level > 0 {
        writeln!(out, "  等级序 level: {}", decided.level)?;
    }
    if !decided.agreement.is_empty() {
        writeln!(out, "  依据协议 agreement: {}", decided.agreement)?;
    }
    for finding in &decided.findings {
        let effect = match finding.effect() {
            v1::FindingEffect::Not => "不予互认 not",
            v1::FindingEffect::Undetermined => "无法判定 undetermined",
            v1::FindingEffect::Condition => "条件 condition",
            v1::FindingEffect::None | v1::FindingEffect::Unspecified => "提示 note",
        };
        let reason = finding.reason.clone().unwrap_or_default();
        writeln!(
            out,
            "  [{effect}] {}: {} {}",
            reason.code, reason.zh, reason.en
        )?;
        let about = finding.about.iter();
        let about: Vec<String> = about.map(|(name, text)| format!("{name}={text}")).collect();
        writeln!(
            out,
            "      依据 basis: {}  {}",
            finding.basis,
            about.join(" ")
        )?;
    }
    if let Some(answer) = &decided.answer {
        writeln!(out, "证书 certificate: {}", words(answer.verdict()))?;
        for reason in &answer.reasons {
            writeln!(out, "  {}: {} {}", reason.code, reason.zh, reason.en)?;
        }
    }
    let entry = decided.rules_entry;
    let entry = entry.map(|index| format!("，本省登记 changed by entry {index}"));
    let entry = entry.unwrap_or_default();
    writeln!(out, "规则版本 rules: {}{entry}", decided.rules)?;
    Ok(())
}

fn replay(file: &Path, args: &DecideArgs, json_out: bool) -> Result<ExitCode> {
    let read = |path: &Path| {
        fs::read_to_string(path)
            .with_context(|| format!("无法读取 / cannot read {}", path.display()))
    };
    let text = read(file)?;
    let (note, statement) = Statement::read(&text).map_err(said)?;
    if let (Some(roots), Some(lists)) = (&args.trust, &args.lists) {
        let roots: RootKeys = read(roots)?.parse()?;
        let lists = read(lists)?;
        let notes = split_lists(&lists);
        let chain = TrustChain::verify(&roots, notes.iter().map(|note| note.as_bytes()))?;
        let members = chain.lists().iter().flat_map(|list| &list.list.members);
        let of_node = members.filter(|member| member.region == statement.decided_by);
        let keys = of_node.flat_map(|member| &member.answer_keys);
        let keys: Vec<VerifierKey> = keys.filter_map(|key| key.parse().ok()).collect();
        if note.verify(&keys).is_err() {
            let en = "it is not signed with an answer key of the node that it names";
            return report(
                json_out,
                Some(("DECISION_SIGNATURE", "签名不是所称节点的应答密钥所作。", en)),
                &statement.decision,
            );
        }
    }
    match statement.replay() {
        Ok(()) => report(json_out, None, &statement.decision),
        Err(error @ DecisionError::Other(_)) => {
            let en = error.to_string();
            let DecisionError::Other(again) = &error else {
                return Err(said(error));
            };
            report(json_out, Some((error.code(), error.zh(), &en)), again)
        }
        Err(error) => Err(said(error)),
    }
}

fn said(error: DecisionError) -> anyhow::Error {
    anyhow::anyhow!("{}: {} {error}", error.code(), error.zh())
}

fn report(
    json_out: bool,
    failure: Option<(&str, &str, &str)>,
    decision: &Decision,
) -> Result<ExitCode> {
    if json_out {
        let failure = failure.map(|(code, zh, en)| json!({"code": code, "zh": zh, "en": en}));
        let value = json!({"same": failure.is_none(), "failure": failure, "decision": decision});
        writeln!(stdout(), "{value:#}")?;
    } else {
        match failure {
            None => writeln!(stdout(), "重放结论相同 decided again, the same:")?,
            Some((code, zh, en)) => writeln!(stdout(), "不符 not the same: {code}: {zh} {en}")?,
        }
        writeln!(
            stdout(),
            "  {} {}",
            decision.outcome.zh(),
            decision.outcome.en()
        )?;
        for finding in &decision.findings {
            let is_note = finding.effect == Effect::None;
            let mark = if is_note { "·" } else { "!" };
            writeln!(
                stdout(),
                "  {mark} {}: {} {}",
                finding.rule.code(),
                finding.zh,
                finding.en
            )?;
        }
    }
    Ok(if failure.is_none() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}
