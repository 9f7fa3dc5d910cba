//! `huren registry`: the registers of the policy, read and written.

mod allocate;
mod check_draw;
mod share;
mod table;

use std::{
    fs,
    io::{Write as _, stdout},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use huren_core::{codes::RegionLevel, registry};
use huren_proto::{
    reflect,
    v1::{
        self, Kind, issuance_service_client::IssuanceServiceClient,
        registry_service_client::RegistryServiceClient, submit_request::Body,
    },
};
use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::{FieldViolation, StatusExt as _};

use crate::connect::NodeArgs;

/// Keys asked for at once.
const PAGE: u32 = 200;

/// 登记簿 / registers.
#[derive(Debug, Subcommand)]
pub enum RegistryCommand {
    /// 列出登记簿种类 / list the kinds of registers, and who writes them
    Kinds,
    /// 列出登记内容 / list entries as of a day
    List(ListArgs),
    /// 给出下一个未用过的机构代码 / the next code for an institution that was never given
    ///
    /// 编码只编给一家机构，退出后也不再编给他人；由省备案的机构代码（第 2–5 位为 0000）取该前缀下已用最大序号的下一号。
    /// 编号不被占住：两人同时取得同一代码时，后登记者被拒（INSTITUTION_CODE_TAKEN）。
    /// / A code is one institution's for ever. It is the one behind the highest that was ever given under the
    /// prefix, for institutions that the province files (0000). Nothing is reserved: of two who enter one code
    /// the second is refused (INSTITUTION_CODE_TAKEN).
    Allocate(allocate::AllocateArgs),
    /// 导出上报部省的批次，或与行业主管部门共享的证书 / a batch for the ministry, or a share with a sector
    ///
    /// 导出日志一段中的证书（CSV），并写出应登记的条目 OUT.entry.json。同一范围重新导出，字节相同（其间依法删除的除外）。
    /// 不写 --department 为上报批次（upstream_batch）；写则为行业共享（sector_share），须脱敏或不含姓名、证件。核对后以
    /// registry submit 登记；收到回执后再登记一条（state 为 BATCH_STATE_ACKNOWLEDGED，填 sent_on、acknowledgement，
    /// accepted 与 refused 之和须等于证书数）。文件含个人信息，按规定保管。
    /// / Certificates of a range of the log as CSV, and the entry to be submitted, as OUT.entry.json: an
    /// upstream_batch, or with --department a sector_share, masked or without names and documents. The same
    /// range gives the same bytes, but for what was erased since. The answer is another entry, in which what
    /// was taken and refused adds up. The file holds personal data.
    Share(share::ShareArgs),
    /// 核验一次随机抽取 / check a draw, from the public log alone
    ///
    /// 核验：抽取公告早于种子，种子是该日志的检查点，候选名单与公告一致，按种子重抽结果相同。条目与检查点均由日志自身
    /// 证明，不依赖任何节点的说法；序号见 registry list --history。
    /// / That the draw was announced before its seed, that the seed is a checkpoint of the log, that the
    /// candidates are those announced, and that the seed draws the same. The log itself proves entries and
    /// checkpoints; registry list --history tells their indexes.
    ///
    /// 检查点由写日志的节点作出，防不住它在签署前反复试算；见证签名之后即不能再改。 / The log's own node makes
    /// the checkpoint, and could try several before it shows one; once cosigned, nothing can be changed.
    ///
    /// 退出码 / exit codes: 0 属实 as told, 1 不属实 not as told, 2 无法核验 cannot be checked.
    CheckDraw(check_draw::CheckDrawArgs),
    /// 登记一条或多条（JSON，字段见 proto/huren/v1/registry.proto） / write entries: a JSON object or an array of them, with the fields of registry.proto
    ///
    /// 也可用 CSV（文件名以 .csv 结尾，UTF-8 或 GB18030）：首行为字段名，下级字段用点（standard.code），列表各值用分号隔开，
    /// 可有 effective_date 列。 / Or a CSV file (its name ends in .csv): the first line names the fields, with dots
    /// for those within others, semicolons between values of a list, and a column effective_date if need be.
    ///
    /// 也可用 list --json 的形式，各条自带生效日期：{"effective_date": 20240101, "entry": {…}}
    /// / or, as `list --json` gives them, each with its own effective date.
    ///
    /// 退出码 / exit codes: 0 全部接受 all accepted, 3 部分拒绝 some rejected, 1 失败 failed.
    Submit(SubmitArgs),
}

/// Which entries.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// 连接 / connection
    #[command(flatten)]
    node: NodeArgs,
    /// 种类，见 kinds / kind: see `kinds`
    #[arg(long, value_parser = kind)]
    kind: Kind,
    /// 键的前缀 / what their keys start with
    #[arg(long, default_value = "", hide_default_value = true)]
    prefix: String,
    /// 只列此日志 / of this log alone (its origin)
    #[arg(
        long,
        value_name = "ORIGIN",
        default_value = "",
        hide_default_value = true
    )]
    log: String,
    /// 所询日期 yyyymmdd，缺省为今天 / the day asked about [default: today]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    as_of: u32,
    /// 列出全部历史 / every entry, whenever it holds
    #[arg(long)]
    history: bool,
}

/// What to write.
#[derive(Args, Debug)]
pub struct SubmitArgs {
    /// 连接 / connection
    #[command(flatten)]
    node: NodeArgs,
    /// 种类，见 kinds / kind: see `kinds`
    #[arg(long, value_parser = kind)]
    kind: Kind,
    /// 内容文件（JSON 或 CSV） / the file: JSON or CSV
    file: PathBuf,
    /// 生效日期 yyyymmdd，各条自带者除外 / from which day on it holds, unless an entry says its own
    #[arg(long, value_name = "DATE")]
    effective: Option<u32>,
    /// 登记地区（省、市或县） / region on whose behalf it is written
    #[arg(long)]
    region: String,
    /// 历史存量补录 / it is loaded from old stock
    #[arg(long)]
    backfilled: bool,
}

fn kind(name: &str) -> Result<Kind, String> {
    if name == "institution" {
        return Ok(Kind::Institution);
    }
    let kind = registry::kind_named(name).map(|entry| entry.kind);
    kind.ok_or_else(|| {
        "无此种类，见 huren registry kinds / no such kind: see huren registry kinds".into()
    })
}

/// Carries out a command.
pub async fn run(command: &RegistryCommand, json_out: bool) -> Result<ExitCode> {
    match command {
        RegistryCommand::Kinds => kinds(json_out).map(|()| ExitCode::SUCCESS),
        RegistryCommand::List(args) => list(args, json_out).await.map(|()| ExitCode::SUCCESS),
        RegistryCommand::CheckDraw(args) => check_draw::run(args, json_out).await,
        RegistryCommand::Share(args) => {
            let done = share::run(args, json_out).await;
            done.map(|()| ExitCode::SUCCESS)
        }
        RegistryCommand::Allocate(args) => {
            let done = allocate::run(args, json_out).await;
            done.map(|()| ExitCode::SUCCESS)
        }
        RegistryCommand::Submit(args) => submit(args, json_out).await,
    }
}

fn kinds(json_out: bool) -> Result<()> {
    let level = |level: &RegionLevel| match level {
        RegionLevel::Province => "省 province",
        RegionLevel::City => "市 city",
        RegionLevel::County => "县 county",
    };
    for entry in registry::KINDS {
        let writers: Vec<&str> = entry.writers.levels().iter().map(level).collect();
        if json_out {
            let value = json!({"kind": entry.name, "zh": entry.zh, "writers": writers});
            writeln!(stdout(), "{value}")?;
        } else {
            let writers = writers.join("、");
            writeln!(stdout(), "{:<24} {}  （{writers}）", entry.name, entry.zh)?;
        }
    }
    Ok(())
}

/// The message of a kind, by its description.
fn message(kind: Kind) -> Result<MessageDescriptor> {
    reflect::entry(kind).with_context(|| {
        let kind = kind.as_str_name();
        format!("没有此种类的消息 / there is no message for {kind}")
    })
}

/// An entry as JSON.
pub(crate) fn body(kind: Kind, bytes: &[u8]) -> Result<Value> {
    let message = DynamicMessage::decode(message(kind)?, bytes)?;
    let options = prost_reflect::SerializeOptions::new().use_proto_field_name(true);
    Ok(message.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// All entries that are asked for, page by page.
async fn entries(
    node: &NodeArgs,
    mut asked: v1::ListEntriesRequest,
    mut take: impl FnMut(v1::RegisterEntry) -> Result<()>,
) -> Result<()> {
    let mut client = RegistryServiceClient::new(node.caller()?);
    asked.page_size = PAGE;
    loop {
        let page = client.list_entries(asked.clone()).await?.into_inner();
        page.entries.into_iter().try_for_each(&mut take)?;
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        asked.page_token = page.next_page_token;
    }
}

async fn list(args: &ListArgs, json_out: bool) -> Result<()> {
    let asked = v1::ListEntriesRequest {
        kind: args.kind.into(),
        key_prefix: args.prefix.clone(),
        origin: args.log.clone(),
        as_of_date: args.as_of,
        history: args.history,
        ..Default::default()
    };
    let print = |entry: v1::RegisterEntry| {
        let body = body(args.kind, &entry.body)?;
        if json_out {
            let value = json!({
                "origin": entry.origin, "index": entry.index, "key": entry.key,
                "effective_date": entry.effective_date, "entry": body,
            });
            writeln!(stdout(), "{value}")?;
        } else {
            writeln!(
                stdout(),
                "{}  自 from {}  {} #{}\n    {body}",
                entry.key,
                entry.effective_date,
                entry.origin,
                entry.index
            )?;
        }
        Ok(())
    };
    entries(&args.node, asked, print).await
}

/// The submission of an entry that is written as JSON.
pub fn entry(kind: Kind, value: &Value, effective_date: u32) -> Result<Body> {
    let options = prost_reflect::DeserializeOptions::new();
    let read = DynamicMessage::deserialize_with_options(message(kind)?, value, &options);
    let message =
        read.with_context(|| format!("不是该种类的内容 / not an entry of that kind: {value}"))?;
    let bytes = message.encode_to_vec();
    if kind == Kind::Institution {
        return Ok(Body::Institution(v1::InstitutionSubmission {
            institution: Some(v1::Institution::decode(bytes.as_slice())?),
            effective_date,
        }));
    }
    Ok(Body::Entry(v1::EntrySubmission {
        kind: kind.into(),
        body: bytes,
        effective_date,
    }))
}

/// The submission of an entry of a file: bare, or with the day from which it holds, in the form
/// in which entries are listed.
fn given(args: &SubmitArgs, value: &Value) -> Result<Body> {
    let own = value.get("entry").zip(value.get("effective_date"));
    let (value, effective) = match own {
        Some((value, date)) => {
            let date = date.as_u64().and_then(|date| u32::try_from(date).ok());
            (value, date)
        }
        None => (value, args.effective),
    };
    let effective =
        effective.context("没有生效日期：--effective / no effective date: --effective")?;
    entry(args.kind, value, effective)
}

/// Whether a refusal is about what was handed in.
fn is_about_the_entry(status: &Status) -> bool {
    matches!(status.code(), Code::InvalidArgument | Code::AlreadyExists)
}

/// Everything that is wrong with an entry.
fn faults(status: &Status) -> Vec<String> {
    let faults = status.get_details_bad_request();
    let faults = faults.map(|bad| bad.field_violations).unwrap_or_default();
    if faults.is_empty() {
        return vec![status.message().to_owned()];
    }
    let fault = |fault: FieldViolation| format!("{}: {}", fault.field, fault.description);
    faults.into_iter().map(fault).collect()
}

async fn submit(args: &SubmitArgs, json_out: bool) -> Result<ExitCode> {
    let file = fs::read(&args.file)
        .with_context(|| format!("无法读取 / cannot read {}", args.file.display()))?;
    let end = args.file.extension();
    let values = match end.is_some_and(|end| end.eq_ignore_ascii_case("csv")) {
        true => table::read(&message(args.kind)?, &file)?,
        false => match serde_json::from_slice(&file).context("不是 JSON / not JSON")? {
            Value::Array(values) => values,
            one => vec![one],
        },
    };
    if values.is_empty() {
        bail!("文件中没有内容 / there is nothing in the file");
    }
    // All of them are read before any is written.
    let bodies = values.iter().map(|value| given(args, value));
    let bodies: Vec<Body> = bodies.collect::<Result<_>>()?;
    let mut client = IssuanceServiceClient::new(args.node.caller()?);
    let provenance = if args.backfilled {
        v1::Provenance::Backfilled
    } else {
        v1::Provenance::Issued
    };
    let mut refused = 0;
    for (at, body) in bodies.into_iter().enumerate() {
        let request = v1::SubmitRequest {
            writer_region: args.region.clone(),
            provenance: provenance.into(),
            body: Some(body),
            ..Default::default()
        };
        match client.submit(request).await {
            Ok(answer) => {
                let placed = answer.into_inner();
                if json_out {
                    let value = json!({"position": at, "index": placed.index, "duplicate": placed.duplicate});
                    writeln!(stdout(), "{value}")?;
                } else {
                    let known = if placed.duplicate {
                        "（已有 there already）"
                    } else {
                        ""
                    };
                    writeln!(
                        stdout(),
                        "第 {} 条 → {} #{}{known}",
                        at + 1,
                        placed.origin,
                        placed.index
                    )?;
                }
            }
            // What is wrong with one says nothing of the others; what is wrong with the node does.
            Err(status) if is_about_the_entry(&status) => {
                refused += 1;
                let faults = faults(&status);
                if json_out {
                    let value = json!({"position": at, "refused": faults});
                    writeln!(stdout(), "{value}")?;
                } else {
                    writeln!(
                        stdout(),
                        "第 {} 条被拒 refused:\n    {}",
                        at + 1,
                        faults.join("\n    ")
                    )?;
                }
            }
            Err(status) => return Err(status.into()),
        }
    }
    Ok(if refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(3)
    })
}
