//! `huren privacy erase`: an erasure, followed until every member has applied it.

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _, Write as _, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{ArgGroup, Args, ValueEnum, builder::PossibleValuesParser};
use huren_core::{
    codes::{Date, Region},
    disclosure::Group,
    receipt::erasure::{ErasureProof, ErasureReason},
    tlog_proof::TlogProof,
};
use huren_node::{
    engine::{Clock as _, SystemClock},
    keys::write_new,
};
use huren_proto::v1::{
    self, issuance_service_client::IssuanceServiceClient,
    operator_service_client::OperatorServiceClient, submit_request::Body,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use tonic::transport::Channel;
use zeroize::Zeroizing;

use super::proof::{OUTSTANDING, words};
use crate::connect::NodeArgs;

/// Between two looks at how far an erasure has come.
const PAUSE: Duration = Duration::from_millis(500);

/// What to erase, why, and where the proof goes.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("which").args(["number_file", "leaf_hash", "index"]))]
pub struct EraseArgs {
    /// 连接 / connection
    #[command(flatten)]
    pub node: NodeArgs,
    /// 从此文件首行读取证书编号，- 为标准输入；默认在终端询问。编号不作命令行参数，以免留在命令历史中 /
    /// file with the certificate number on its first line, - for standard input; asked on the
    /// terminal by default. It is no argument, as arguments stay in the shell's history
    #[arg(long, value_name = "FILE")]
    pub number_file: Option<PathBuf>,
    /// 以证书记录的叶哈希（十六进制，公开）指明 / the certificate by its leaf hash, which is public
    #[arg(long, value_name = "HEX")]
    pub leaf_hash: Option<String>,
    /// 继续跟踪已提交的删除：其记录序号 / go on following an erasure that was submitted: its index
    #[arg(long, value_name = "INDEX")]
    pub index: Option<u64>,
    /// 删除哪些信息；默认全部 / which groups; all by default
    #[arg(long, value_enum, value_delimiter = ',')]
    pub groups: Vec<Erased>,
    /// 原因代码，写入证明 / reason code, which stands in the proof
    #[arg(long, value_parser = PossibleValuesParser::new(ErasureReason::ALL.map(ErasureReason::code)))]
    pub reason: String,
    /// 决定日期 yyyymmdd，缺省为今天 / day of the decision [default: today]
    #[arg(long, value_name = "DATE")]
    pub date: Option<u32>,
    /// 写入地区，缺省为本省 / on whose behalf [default: the province]
    #[arg(long)]
    pub region: Option<Region>,
    /// 证明写入此文件；可重复运行，以更新的证明替换 / where the proof goes; a later run replaces it
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// 最多等待成员多少秒 / seconds to wait for the members at most
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub wait: u64,
    /// 不再询问 / do not ask for confirmation
    #[arg(long)]
    pub yes: bool,
}

/// What can be erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Erased {
    /// 证书内容 / what the certificate says
    Certificate,
    /// 姓名 / the holder's name
    Name,
    /// 证件号码 / the holder's ID number
    Id,
    /// 统计信息 / statistics
    Statistics,
    /// 成绩 / scores
    Scores,
}

impl Erased {
    const fn group(self) -> Group {
        match self {
            Self::Certificate => Group::Certificate,
            Self::Name => Group::HolderName,
            Self::Id => Group::HolderId,
            Self::Statistics => Group::Statistics,
            Self::Scores => Group::Scores,
        }
    }
}

pub(super) async fn run(args: &EraseArgs, json_out: bool) -> Result<ExitCode> {
    // Before anything is submitted: a proof that is there may be of somebody else's erasure.
    if args.out.exists() {
        match (proof_at(&args.out), args.index) {
            (Some(proven), Some(index)) if proven == index => {}
            (Some(proven), _) => bail!(
                "{} 是 #{proven} 的删除证明，未作改动：以 --index {proven} 继续，或另择文件 / it proves \
                 the erasure #{proven}, and nothing was done: go on with --index {proven}, or name \
                 another file",
                args.out.display()
            ),
            (None, _) => bail!(
                "文件已存在且不是删除证明，未作改动 / the file exists and is no proof of an erasure: \
                 nothing was done: {}",
                args.out.display()
            ),
        }
    }
    let channel = args.node.channel()?;
    let index = match args.index {
        Some(index) => index,
        None => submit(args, channel.clone()).await?,
    };
    let state = follow(args, OperatorServiceClient::new(channel), index).await?;
    report(args, index, &state, json_out)
}

/// The index of the erasure that a file proves, if it is a proof. Nothing is believed of it.
fn proof_at(path: &Path) -> Option<u64> {
    let proof: ErasureProof = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let proof = TlogProof::parse(&proof.proven.erasure.proof).ok()?;
    Some(proof.index)
}

async fn submit(args: &EraseArgs, channel: Channel) -> Result<u64> {
    let target = target(args)?;
    confirm(args)?;
    let region = match args.region {
        Some(region) => region.to_string(),
        None => {
            let mut operator = OperatorServiceClient::new(channel.clone());
            let status = operator.get_status(v1::GetStatusRequest {}).await?;
            status.into_inner().region
        }
    };
    let today = || Date::today_in_shanghai(SystemClock.now().cast_signed()).as_yyyymmdd();
    let groups = args.groups.iter().map(|one| one.group().number());
    let request = v1::SubmitRequest {
        writer_region: region,
        provenance: v1::Provenance::Issued.into(),
        wait: v1::Wait::Durable.into(),
        body: Some(Body::Erasure(v1::ErasureSubmission {
            target: Some(v1::Target {
                target: Some(target),
            }),
            groups: groups.collect(),
            effective_date: args.date.unwrap_or_else(today),
        })),
        ..Default::default()
    };
    let placed = IssuanceServiceClient::new(channel).submit(request).await?;
    let placed = placed.into_inner();
    eprintln!(
        "删除已记入日志 the erasure is in the log: {} #{index}\n\
         中断后以 --index {index} 继续 / if this is interrupted, go on with --index {index}",
        placed.origin,
        index = placed.index
    );
    Ok(placed.index)
}

/// Which certificate, read from where it leaves no trace.
fn target(args: &EraseArgs) -> Result<v1::target::Target> {
    if let Some(hash) = &args.leaf_hash {
        let hash = hex::decode(hash).ok().filter(|hash| hash.len() == 32);
        let hash =
            hash.context("叶哈希应为 64 位十六进制 / a leaf hash has 64 hexadecimal digits")?;
        return Ok(v1::target::Target::LeafHash(hash));
    }
    let mut line = Zeroizing::new(String::new());
    match &args.number_file {
        Some(path) if path.as_os_str() != "-" => {
            let text = Zeroizing::new(
                fs::read_to_string(path)
                    .with_context(|| format!("无法读取 / cannot read {}", path.display()))?,
            );
            line.push_str(text.lines().next().unwrap_or_default());
        }
        given => {
            if given.is_none() {
                eprint!("证书编号 / certificate number: ");
            }
            io::stdin().lock().read_line(&mut line)?;
        }
    }
    let number = line.trim();
    if number.is_empty() {
        bail!("没有证书编号 / there is no certificate number");
    }
    Ok(v1::target::Target::Number(number.to_owned()))
}

/// Says in plain words what will happen, and asks.
fn confirm(args: &EraseArgs) -> Result<()> {
    let groups: Vec<Group> = match args.groups.as_slice() {
        [] => Group::ALL.to_vec(),
        some => some.iter().map(|one| one.group()).collect(),
    };
    let listed: Vec<&str> = groups.iter().map(|group| words(*group)).collect();
    eprintln!(
        "将删除该证书的：{listed}\n\
         · 本节点与所有成员的数据库中均被覆写，无法恢复。\n\
         · 删除一事记入公开日志并永久保留；日志中从无姓名、证件号码，只有无人再能打开的摘要。\n\
         · 此后核验该证书的相应内容答“无法判定”；证书编号仍被占用。\n\
         · 删除之前的备份仍含这些信息，按期销毁前须妥善保管；恢复旧备份时会自动补删。\n\
         These are erased: {listed}\n\
         - They are overwritten in the databases of this node and of every member, for good.\n\
         - That they were erased stands in the public log for ever, which never held a name or an \
         ID number, only digests that nobody can open any more.\n\
         - Questions about them are answered 'unknown' from then on; the number stays taken.\n\
         - Backups made before still hold them until you destroy these; a restored one erases \
         again before it answers.",
        listed = listed.join("、")
    );
    if args.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() {
        bail!("没有终端可供确认，请加 --yes / no terminal to ask on: give --yes");
    }
    eprint!("输入“删除”或 erase 以继续 / type 删除 or erase to go on: ");
    let mut typed = String::new();
    io::stdin().lock().read_line(&mut typed)?;
    match typed.trim() {
        "删除" | "erase" => Ok(()),
        _ => bail!("已取消，未作任何改动 / cancelled: nothing was changed"),
    }
}

/// Asks until every member has erased, or until there has been enough waiting.
async fn follow(
    args: &EraseArgs,
    mut operator: OperatorServiceClient<Channel>,
    index: u64,
) -> Result<v1::GetErasureResponse> {
    let style = ProgressStyle::with_template("{spinner} {elapsed}  {wide_msg}")?;
    let progress = ProgressBar::new_spinner().with_style(style);
    progress.enable_steady_tick(PAUSE);
    let end = SystemClock.now() + args.wait;
    loop {
        let request = v1::GetErasureRequest {
            index,
            reason: args.reason.clone(),
        };
        let state = operator.get_erasure(request).await?.into_inner();
        let is_witnessed = !state.proof.is_empty();
        if is_witnessed {
            write(&args.out, &state.proof)?;
        }
        let waiting: Vec<&str> = outstanding(&state).collect();
        if (is_witnessed && waiting.is_empty()) || SystemClock.now() >= end {
            progress.finish_and_clear();
            return Ok(state);
        }
        let members = state.members.len();
        progress.set_message(format!(
            "{}  成员 members {}/{members}  等待 waiting for: {}",
            if is_witnessed {
                "已见证 cosigned"
            } else {
                "待见证 not cosigned yet"
            },
            members - waiting.len(),
            waiting.join(" ")
        ));
        SystemClock.sleep(PAUSE).await;
    }
}

fn outstanding(state: &v1::GetErasureResponse) -> impl Iterator<Item = &str> {
    let members = state.members.iter().filter(|member| !member.erased);
    members.map(|member| member.region.as_str())
}

/// Puts a proof in the place of an earlier one, so that there is always a whole one.
fn write(out: &Path, proof: &[u8]) -> Result<()> {
    let mut name = out.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let written = (|| {
        // Of a run that was killed here.
        let _ = fs::remove_file(&new);
        write_new(&new, 0o644, proof)?;
        fs::rename(&new, out)
    })();
    written.with_context(|| format!("无法写入 / cannot write {}", out.display()))
}

fn report(
    args: &EraseArgs,
    index: u64,
    state: &v1::GetErasureResponse,
    json_out: bool,
) -> Result<ExitCode> {
    let is_witnessed = !state.proof.is_empty();
    let waiting: Vec<&str> = outstanding(state).collect();
    let is_done = is_witnessed && waiting.is_empty();
    if json_out {
        let members = state.members.iter();
        let value = json!({
            "index": index, "complete": is_done, "cosigned": is_witnessed,
            "proof": is_witnessed.then_some(&args.out),
            "members": members.map(|member| json!({
                "region": member.region, "reachable": member.reachable, "erased": member.erased,
            })).collect::<Vec<_>>(),
        });
        writeln!(stdout(), "{value:#}")?;
        return Ok(ExitCode::from(if is_done { 0 } else { OUTSTANDING }));
    }
    for member in &state.members {
        let said = match (member.erased, member.reachable) {
            (true, _) => "已删除 erased",
            (false, true) => "尚未删除 not erased yet",
            (false, false) => "无法连接 cannot be reached",
        };
        writeln!(stdout(), "成员 member {}: {said}", member.region)?;
    }
    if is_witnessed {
        let out = args.out.display();
        writeln!(stdout(), "证明已写入 proof written to {out}")?;
    }
    if is_done {
        writeln!(stdout(), "所有成员均已删除 every member has erased it")?;
        return Ok(ExitCode::SUCCESS);
    }
    if !is_witnessed {
        writeln!(stdout(), "尚无足够成员见证 no quorum has cosigned it yet")?;
    }
    writeln!(
        stdout(),
        "尚未完成；恢复后以 --index {index} 再次运行 / not complete: run it again with --index \
         {index} later"
    )?;
    Ok(ExitCode::from(OUTSTANDING))
}
