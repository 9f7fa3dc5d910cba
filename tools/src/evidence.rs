//! `huren evidence`: of a log that contradicted itself. Anybody checks it offline; an operator
//! gets it from the own node, and lets the log go on once the federation has decided.

use std::io::{Write as _, stdout};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand, builder::PossibleValuesParser};
use huren_core::{
    evidence::{self, EvidenceError, EvidenceFile, Proven, ReleaseReason},
    trust::RootKeys,
};
use huren_proto::v1::{self, operator_service_client::OperatorServiceClient};
use jiff::Timestamp;
use serde_json::{Value, json};
use tonic::transport::Channel;

use crate::connect::NodeArgs;

/// 日志自相矛盾的证据 / evidence that a log contradicted itself.
#[derive(Subcommand, Debug)]
pub enum EvidenceCommand {
    /// 离线核验证据，只需信任根公钥 / check evidence offline, with the root keys alone
    ///
    /// 退出码 / exit codes: 0 证明该日志自相矛盾 proves that the log contradicted itself,
    /// 1 不能证明 proves nothing, 2 无法判定 cannot tell.
    Verify {
        /// 证据文件 / the evidence
        file: PathBuf,
        /// 信任根公钥文件 / file of root keys
        #[arg(long, value_name = "ROOTS")]
        trust: PathBuf,
    },
    /// 列出本节点所知的证据 / list what the own node knows of
    List(NodeArgs),
    /// 取得某日志的证据文件 / get the evidence about a log as a file
    Show(ShowArgs),
    /// 解除冻结：联盟以信任清单处置之后 / let a frozen log go on, once the federation has decided
    ///
    /// 前提：现行信任清单已在矛盾之前截止有关日志密钥并启用新密钥，且该日志接续本节点所存历史。
    /// 此举永久留痕。/ First the trust list in force must close the log's key before the
    /// contradiction and name a new one, and the log must go on from the history held here.
    /// The act is written down for ever.
    Release(ReleaseArgs),
}

/// Which evidence, and where it goes.
#[derive(Args, Debug)]
pub struct ShowArgs {
    /// 连接 / connection
    #[command(flatten)]
    pub node: NodeArgs,
    /// 日志 / the log, such as huren.zj.example/log/33
    #[arg(long, value_name = "ORIGIN")]
    pub origin: String,
    /// 写入文件，缺省为标准输出 / write to this file [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Which log goes on, and why.
#[derive(Args, Debug)]
pub struct ReleaseArgs {
    /// 连接 / connection
    #[command(flatten)]
    pub node: NodeArgs,
    /// 日志 / the log, such as huren.zj.example/log/33
    #[arg(long, value_name = "ORIGIN")]
    pub origin: String,
    /// 原因代码 / reason code
    #[arg(long, value_parser = PossibleValuesParser::new(ReleaseReason::ALL.map(ReleaseReason::code)))]
    pub reason: String,
}

/// Carries out a command.
pub async fn run(command: &EvidenceCommand, json_out: bool) -> Result<ExitCode> {
    match command {
        EvidenceCommand::Verify { file, trust } => verify(file, trust, json_out),
        EvidenceCommand::List(node) => list(node, json_out).await,
        EvidenceCommand::Show(args) => show(args).await,
        EvidenceCommand::Release(args) => release(args, json_out).await,
    }
}

fn verify(file: &Path, trust: &Path, json_out: bool) -> Result<ExitCode> {
    let read = |path: &Path| {
        std::fs::read(path).with_context(|| format!("无法读取 / cannot read {}", path.display()))
    };
    let roots: RootKeys = String::from_utf8(read(trust)?)?.parse()?;
    let outcome = evidence::verify(&read(file)?, &roots);
    if json_out {
        writeln!(stdout(), "{:#}", outcome_json(&outcome))?;
    } else {
        print_outcome(&outcome)?;
    }
    Ok(match outcome {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) if error.is_undecided() => ExitCode::from(2),
        Err(_) => ExitCode::from(1),
    })
}

fn outcome_json(outcome: &Result<Proven, EvidenceError>) -> Value {
    match outcome {
        Ok(proven) => {
            let (smaller, larger) = (&proven.contradiction.smaller, &proven.contradiction.larger);
            json!({
                "proves": true,
                "region": proven.region,
                "origin": proven.origin.as_str(),
                "smaller": {"size": smaller.size, "root": smaller.root.to_base64()},
                "larger": {"size": larger.size, "root": larger.root.to_base64()},
                "root_in_larger": proven.contradiction.root_before.to_base64(),
                "trust_list_version": proven.trust_list_version,
                "newest_version": proven.newest_version,
            })
        }
        Err(error) => {
            let proves = if error.is_undecided() {
                json!(null)
            } else {
                json!(false)
            };
            json!({
                "proves": proves, "code": error.code(), "zh": error.zh(), "en": error.to_string(),
            })
        }
    }
}

fn print_outcome(outcome: &Result<Proven, EvidenceError>) -> Result<()> {
    let mut out = stdout();
    let proven = match outcome {
        Ok(proven) => proven,
        Err(error) => {
            let headline = if error.is_undecided() {
                "无法判定 cannot tell"
            } else {
                "不能证明 proves nothing"
            };
            let (code, zh) = (error.code(), error.zh());
            writeln!(out, "{headline}\n  {code}: {zh} {error}")?;
            return Ok(());
        }
    };
    let contradiction = &proven.contradiction;
    let (smaller, larger) = (&contradiction.smaller, &contradiction.larger);
    writeln!(
        out,
        "证实：日志自相矛盾 proven: the log contradicted itself\n日志 log: {} ({})\n\
         它用自己的密钥签署了下面两份检查点，二者不可能属于同一本只增不改的日志：\n\
         With its own key it signed the two checkpoints below, which cannot both be of one\n\
         append-only log:",
        proven.origin, proven.region
    )?;
    for checkpoint in [smaller, larger] {
        writeln!(
            out,
            "  前 {0} 条的根 root of the first {0} leaves: {1}",
            checkpoint.size,
            checkpoint.root.to_base64()
        )?;
    }
    if smaller.size < larger.size {
        writeln!(
            out,
            "按后者，前 {0} 条的根应为 / by the second one the root of the first {0} is: {1}",
            smaller.size,
            contradiction.root_before.to_base64()
        )?;
    }
    writeln!(
        out,
        "签名依据信任清单第 {0} 版 / signatures by trust list version {0}",
        proven.trust_list_version
    )?;
    if proven.newest_version > proven.trust_list_version {
        writeln!(
            out,
            "其后第 {0} 版已截止该密钥：联盟已作处置。/ Version {0} has closed that key: the \
             federation has decided.",
            proven.newest_version
        )?;
    }
    Ok(())
}

fn client(node: &NodeArgs) -> Result<OperatorServiceClient<Channel>> {
    let client = OperatorServiceClient::new(node.channel()?);
    Ok(client.max_decoding_message_size(EvidenceFile::MAX_BYTES))
}

async fn fetch(node: &NodeArgs, origin: &str) -> Result<Vec<v1::LogEvidence>> {
    let request = v1::GetEvidenceRequest {
        origin: origin.to_owned(),
    };
    let answer = client(node)?.get_evidence(request).await?;
    Ok(answer.into_inner().evidence)
}

async fn list(node: &NodeArgs, json_out: bool) -> Result<ExitCode> {
    let found = fetch(node, "").await?;
    if json_out {
        let values: Vec<Value> = found.iter().map(found_json).collect();
        writeln!(stdout(), "{:#}", json!(values))?;
        return Ok(ExitCode::SUCCESS);
    }
    if found.is_empty() {
        writeln!(
            stdout(),
            "没有证据 no evidence: 各日志均未自相矛盾 no log is known to contradict itself"
        )?;
    }
    for one in &found {
        let state = match &one.release {
            None => "已冻结 frozen".to_owned(),
            Some(release) => format!("已解除 released {}", release_words(release)),
        };
        writeln!(stdout(), "{}  {state}", one.origin)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn found_json(found: &v1::LogEvidence) -> Value {
    let release = found.release.as_ref().map(|release| {
        json!({"time": time(release.time), "actor": release.actor, "reason": release.reason})
    });
    json!({"origin": found.origin, "frozen": found.release.is_none(), "release": release})
}

fn release_words(release: &v1::LogRelease) -> String {
    let reason = ReleaseReason::from_code(&release.reason);
    let words = reason.map_or(String::new(), |reason| {
        format!(" ({} {})", reason.zh(), reason.en())
    });
    format!(
        "{} {}{words} 由 by {}",
        time(release.time),
        release.reason,
        release.actor
    )
}

fn time(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().map(Timestamp::from_second);
    time.and_then(Result::ok)
        .map_or_else(|| seconds.to_string(), |time| time.to_string())
}

async fn show(args: &ShowArgs) -> Result<ExitCode> {
    let found = fetch(&args.node, &args.origin).await?;
    let Some(found) = found.first() else {
        bail!("本节点没有该日志的证据 / this node has no evidence about that log");
    };
    match &args.out {
        Some(path) => {
            std::fs::write(path, &found.file)
                .with_context(|| format!("无法写入 / cannot write {}", path.display()))?;
            eprintln!("证据已写入 / evidence written to {}", path.display());
        }
        None => {
            stdout().write_all(&found.file)?;
            writeln!(stdout())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn release(args: &ReleaseArgs, json_out: bool) -> Result<ExitCode> {
    let request = v1::ReleaseLogRequest {
        origin: args.origin.clone(),
        reason: args.reason.clone(),
    };
    client(&args.node)?.release_log(request).await?;
    if json_out {
        let value = json!({"origin": args.origin, "released": true, "reason": args.reason});
        writeln!(stdout(), "{value:#}")?;
    } else {
        writeln!(
            stdout(),
            "已解除冻结，已留痕 released, and written down: {}",
            args.origin
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
