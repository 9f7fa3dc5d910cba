//! `huren audit`: reading a node's audit trail, and holding it against the public log.

use std::{
    io::{Write as _, stdout},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use huren_core::{
    audit::{Anchor, Broken, Check, CheckedChain, Link, Restored},
    merkle::Hash,
    record::{Body, UnverifiedRecord},
};
use huren_node::config::Config;
use huren_proto::v1::{self, operator_service_client::OperatorServiceClient};
use serde_json::{Value, json};

use crate::{
    connect::{Calls, NodeArgs},
    log::LogArgs,
    token::time,
};

/// Entries asked for at once.
const PAGE: u32 = 1000;

/// 审计记录 / the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// 列出审计记录，最新在前 / list entries, newest first
    List(ListArgs),
    /// 校验审计链，并与公开日志中的锚定核对 / check the chain, and hold it against the anchors in the public log
    ///
    /// 退出码 / exit codes: 0 完整 it holds, 1 不完整 it does not, 2 无法判定 cannot tell.
    Verify(VerifyArgs),
}

/// Which entries.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// 连接 / connection
    #[command(flatten)]
    node: NodeArgs,
    /// 起始序号 / from this entry on
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// 自何时起 / from this time on, such as 2026-01-31T00:00:00+08:00
    #[arg(long, value_name = "TIME")]
    since: Option<jiff::Timestamp>,
    /// 至何时止 / up to this time
    #[arg(long, value_name = "TIME")]
    until: Option<jiff::Timestamp>,
    /// 何种行为 / what was done, such as call_refused
    #[arg(long, value_parser = action)]
    action: Option<v1::AuditAction>,
    /// 何人所为 / who did it, such as member:31, caller:issuer, token:…, page
    #[arg(long, default_value = "")]
    actor: String,
    /// 涉及哪份证书（编号；记录中只有其加密标签） / about which certificate: its number, of which the trail holds a keyed tag only
    #[arg(long, default_value = "")]
    number: String,
    /// 条数 / how many, 1 to 1000
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// 最旧在前 / oldest first
    #[arg(long)]
    oldest: bool,
}

/// Against which log.
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// 连接 / connection
    #[command(flatten)]
    node: NodeArgs,
    /// 公开日志网址前缀，缺省由 --dir 得出 / the public log's URL prefix [default: from --dir]
    #[arg(long, value_name = "URL")]
    log: Option<String>,
    /// https 时日志所在节点证书的签发机构 / with https: authority of the certificate of the log's node
    #[arg(long, value_name = "FILE")]
    log_ca: Option<PathBuf>,
    /// 通读日志查找锚定，而不采信节点给出的位置 / read the whole log for anchors, rather than where the node says that they are
    #[arg(long)]
    scan: bool,
}

fn action(name: &str) -> Result<v1::AuditAction, String> {
    let full = format!("AUDIT_ACTION_{}", name.to_uppercase());
    v1::AuditAction::from_str_name(&full).ok_or_else(|| {
        "无此行为，名称见 proto/huren/v1/audit.proto / no such action; audit.proto has their names"
            .to_owned()
    })
}

/// Carries out a command.
pub async fn run(command: &AuditCommand, json_out: bool) -> Result<ExitCode> {
    match command {
        AuditCommand::List(args) => list(args, json_out).await.map(|()| ExitCode::SUCCESS),
        AuditCommand::Verify(args) => verify(args, json_out).await,
    }
}

async fn list(args: &ListArgs, json_out: bool) -> Result<()> {
    let seconds = |time: jiff::Timestamp| u64::try_from(time.as_second()).unwrap_or_default();
    let query = v1::ListAuditRequest {
        from_sequence: args.from,
        from_time: args.since.map(seconds).unwrap_or_default(),
        end_time: args.until.map(seconds).unwrap_or_default(),
        action: args.action.map(i32::from).unwrap_or_default(),
        actor: args.actor.clone(),
        number: args.number.clone(),
        newest_first: !args.oldest,
        limit: args.limit,
        ..Default::default()
    };
    let mut client = OperatorServiceClient::new(args.node.caller()?);
    let found = client.list_audit(query).await?.into_inner();
    for link in found.links {
        let entry = read(link)?.read()?;
        if json_out {
            writeln!(stdout(), "{}", entry_json(&entry))?;
        } else {
            writeln!(stdout(), "{}", line(&entry))?;
        }
    }
    Ok(())
}

async fn verify(args: &VerifyArgs, json_out: bool) -> Result<ExitCode> {
    let log = log_of(args)?;
    let mut client = OperatorServiceClient::new(args.node.caller()?);
    let places = places(&mut client).await?;
    let anchors = if args.scan {
        scan(&log).await?
    } else {
        // What is not published yet speaks for nothing yet.
        let size = log.size().await?;
        let mut anchors = Vec::with_capacity(places.len());
        for place in places.iter().filter(|place| place.index < size) {
            anchors.push(anchor_at(&log, place.index).await?);
        }
        anchors
    };
    let count = anchors.len();
    let judged = follow(&mut client, anchors).await?;
    report(judged, count, json_out)
}

fn log_of(args: &VerifyArgs) -> Result<LogArgs> {
    if let Some(url) = &args.log {
        return Ok(LogArgs {
            url: url.clone(),
            ca: args.log_ca.clone(),
        });
    }
    let Some(dir) = &args.node.dir else {
        bail!("请用 --log 给出公开日志的网址 / name the public log with --log");
    };
    let config = Config::load(&dir.join("config.toml"))?;
    let scheme = if config.http_tls { "https" } else { "http" };
    Ok(LogArgs {
        url: format!("{scheme}://{}{}", config.http_listen, config.log_path()),
        ca: args.log_ca.clone().or(Some(config.tls.ca)),
    })
}

/// Where the node says that its anchors are.
async fn places(client: &mut OperatorServiceClient<Calls>) -> Result<Vec<v1::AuditAnchorPlace>> {
    let query = v1::ListAuditRequest {
        limit: 1,
        want_anchors: true,
        ..Default::default()
    };
    Ok(client.list_audit(query).await?.into_inner().anchors)
}

/// The anchor that a leaf of the public log is.
async fn anchor_at(log: &LogArgs, index: u64) -> Result<Anchor> {
    let leaf = log.proven_leaf(index).await?;
    anchor_in(&leaf).with_context(|| {
        format!("日志第 {index} 条不是锚定 / leaf {index} of the log is no anchor")
    })
}

fn anchor_in(leaf: &[u8]) -> Option<Anchor> {
    let record = UnverifiedRecord::read(leaf).ok()?;
    match record.body() {
        Body::AuditAnchor(anchor) => Some(*anchor),
        _ => None,
    }
}

/// Every anchor of a log, which is read from end to end.
async fn scan(log: &LogArgs) -> Result<Vec<Anchor>> {
    let mut anchors = Vec::new();
    log.each_leaf(|leaf| anchors.extend(anchor_in(leaf)))
        .await?;
    Ok(anchors)
}

/// Follows the chain from its start to its end.
async fn follow(
    client: &mut OperatorServiceClient<Calls>,
    anchors: Vec<Anchor>,
) -> Result<Result<CheckedChain, Broken>> {
    let mut check = Check::new(anchors);
    // Asking is written down too: up to where the trail goes now, or it would never end.
    let mut end = None;
    loop {
        let query = v1::ListAuditRequest {
            from_sequence: check.head().sequence + 1,
            end_sequence: end.map_or(0, |end: u64| end + 1),
            limit: PAGE,
            ..Default::default()
        };
        let page = client.list_audit(query).await?.into_inner();
        let end = *end.get_or_insert(page.newest_sequence);
        let links: Vec<Link> = page.links.into_iter().map(read).collect::<Result<_>>()?;
        if let Err(broken) = check.take(&links) {
            return Ok(Err(broken));
        }
        if links.is_empty() || check.head().sequence >= end {
            return Ok(check.finish());
        }
    }
}

fn report(
    judged: Result<CheckedChain, Broken>,
    anchors: usize,
    json_out: bool,
) -> Result<ExitCode> {
    match judged {
        Ok(chain) => {
            let (entries, anchored) = (chain.head.sequence, chain.anchored);
            if json_out {
                let value = json!({
                    "holds": true,
                    "entries": entries,
                    "anchored": anchored,
                    "anchors": anchors,
                    "hash": chain.head.hash.to_hex(),
                    "restored": restored_json(&chain),
                });
                writeln!(stdout(), "{value:#}")?;
            } else {
                writeln!(
                    stdout(),
                    "完整 it holds: {entries} 条 entries，日志锚定至第 {anchored} 条 anchored in the \
                     log up to {anchored} ({anchors})"
                )?;
                for Restored { kept, lost } in chain.restored {
                    writeln!(
                        stdout(),
                        "第 {kept} 条之后由备份恢复而来，日志曾锚定至第 {lost} 条，其间各条已失 / restored \
                         from a backup behind entry {kept}; the log spoke of entries up to {lost}, \
                         and what was between is lost"
                    )?;
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(broken) => {
            let (code, zh) = (broken.fault.code(), broken.fault.zh());
            if json_out {
                let value = json!({
                    "holds": false, "sequence": broken.sequence, "code": code,
                    "zh": zh, "en": broken.to_string(),
                });
                writeln!(stdout(), "{value:#}")?;
            } else {
                let at = broken.sequence;
                writeln!(
                    stdout(),
                    "不完整 it does not hold: {code}: 第 {at} 条，{zh} {broken}"
                )?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

fn restored_json(chain: &CheckedChain) -> Vec<Value> {
    let restored = chain.restored.iter();
    let restored = restored.map(|mark| json!({ "kept": mark.kept, "lost": mark.lost }));
    restored.collect()
}

fn read(link: v1::AuditLink) -> Result<Link> {
    Ok(Link {
        sequence: link.sequence,
        entry: link.entry,
        hash: Hash::from_slice(&link.hash).context("答复不完整 / an incomplete answer")?,
    })
}

fn action_name(entry: &v1::AuditEntry) -> String {
    match v1::AuditAction::try_from(entry.action) {
        Ok(action) => action
            .as_str_name()
            .trim_start_matches("AUDIT_ACTION_")
            .to_lowercase(),
        Err(_) => entry.action.to_string(),
    }
}

fn purpose_name(entry: &v1::AuditEntry) -> Option<String> {
    let purpose = v1::Purpose::try_from(entry.purpose).ok()?;
    let name = purpose.as_str_name().trim_start_matches("PURPOSE_");
    (purpose != v1::Purpose::Unspecified).then(|| name.to_lowercase())
}

/// What an entry says beside who did what and when, as far as it says it.
fn details(entry: &v1::AuditEntry) -> Vec<(&'static str, Value)> {
    let text = |text: &String| (!text.is_empty()).then(|| Value::from(text.clone()));
    let number = |number: u64| (number != 0).then(|| Value::from(number));
    let digest = (!entry.digest.is_empty()).then(|| hex::encode(&entry.digest).into());
    let subjects = entry.subjects.iter().map(hex::encode);
    let subjects: Vec<String> = subjects.collect();
    let all = [
        ("purpose", purpose_name(entry).map(Value::from)),
        ("method", text(&entry.method)),
        ("region", text(&entry.region)),
        ("token", text(&entry.token)),
        ("origin", text(&entry.origin)),
        ("version", number(entry.version)),
        ("size", number(entry.size)),
        ("key", text(&entry.key)),
        ("digest", digest),
        ("subjects", (!subjects.is_empty()).then(|| subjects.into())),
    ];
    let said = all.into_iter();
    said.filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

fn entry_json(entry: &v1::AuditEntry) -> Value {
    let mut value = json!({
        "sequence": entry.sequence,
        "time": time(entry.time),
        "actor": entry.actor,
        "action": action_name(entry),
        "outcome": entry.outcome,
        "count": entry.count,
    });
    for (name, detail) in details(entry) {
        value[name] = detail;
    }
    value
}

fn line(entry: &v1::AuditEntry) -> String {
    let mut line = format!(
        "{:>7}  {}  {:<22} {:<24} {} ×{}",
        entry.sequence,
        time(entry.time),
        entry.actor,
        action_name(entry),
        entry.outcome,
        entry.count,
    );
    for (name, detail) in details(entry) {
        let said = match (&detail, name) {
            (Value::Array(subjects), _) => subjects.len().to_string(),
            (Value::String(digest), "digest") => digest[..16].to_owned(),
            (Value::String(text), _) => text.clone(),
            (other, _) => other.to_string(),
        };
        line += &format!("  {name}={said}");
    }
    line
}
