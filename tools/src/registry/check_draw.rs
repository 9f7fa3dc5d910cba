//! `huren registry check-draw`: whether a draw was as its entry tells, out of the public log.

use std::{
    fs,
    io::{Write as _, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use huren_core::{
    record::{Body, UnverifiedRecord},
    registry::{
        self,
        draws::{Draw, DrawFault},
    },
};
use huren_proto::v1::{DrawNotice, DrawSubject, ExpertDispatch, Inspection, Kind};
use serde_json::{Value, json};

use crate::log::LogArgs;

/// Which draw.
#[derive(Args, Debug)]
pub struct CheckDrawArgs {
    /// 日志 / the log
    #[command(flatten)]
    log: LogArgs,
    /// 检查或派遣条目的序号 / index of the inspection or dispatch
    #[arg(long)]
    index: u64,
    /// 抽取公告的序号，用逗号分隔；同一用途的公告须全部给出（registry list --kind draw_notice --history）
    /// / indexes of all notices of the draw, with commas: who leaves one out is told less
    #[arg(long, value_delimiter = ',', required = true)]
    notices: Vec<u64>,
    /// 机构名单，每行一个代码 / the institutions that could be drawn, a code on each line
    #[arg(long, value_name = "FILE")]
    institutions: Option<PathBuf>,
    /// 检查人员名单 / the inspectors who could be drawn
    #[arg(long, value_name = "FILE")]
    inspectors: Option<PathBuf>,
    /// 专家名单，每行“省/代码” / the experts who could be drawn, province/code on each line
    #[arg(long, value_name = "FILE")]
    experts: Option<PathBuf>,
}

/// Carries out the command.
pub(super) async fn run(args: &CheckDrawArgs, json_out: bool) -> Result<ExitCode> {
    let Ok(checked) = check(args).await.map_err(|error| eprintln!("{error:#}")) else {
        return Ok(ExitCode::from(2));
    };
    let is_told = checked.iter().all(|(_, faults)| faults.is_empty());
    for (purpose, faults) in checked {
        if json_out {
            let faults: Vec<Value> = faults
                .iter()
                .map(|(code, zh, en)| json!({"code": code, "zh": zh, "en": en}))
                .collect();
            writeln!(stdout(), "{}", json!({"draw": purpose, "faults": faults}))?;
            continue;
        }
        if faults.is_empty() {
            writeln!(stdout(), "{purpose}  属实 as told")?;
        }
        for (code, zh, en) in faults {
            writeln!(stdout(), "{purpose}  {code}: {zh} / {en}")?;
        }
    }
    Ok(ExitCode::from(u8::from(!is_told)))
}

type Fault = (&'static str, &'static str, &'static str);

/// What speaks against each of the entry's draws.
async fn check(args: &CheckDrawArgs) -> Result<Vec<(String, Vec<Fault>)>> {
    let draws = match entry(&args.log, args.index).await? {
        (Kind::Inspection, body) => {
            let inspection: Option<Inspection> = registry::decode(&body);
            inspection.iter().flat_map(Draw::of_inspection).collect()
        }
        (Kind::ExpertDispatch, body) => {
            let dispatch: Option<ExpertDispatch> = registry::decode(&body);
            dispatch.iter().filter_map(Draw::of_dispatch).collect()
        }
        _ => Vec::new(),
    };
    if draws.is_empty() {
        bail!("该条目不是随机抽取的 / nothing was drawn for this entry");
    }
    let mut notices: Vec<(u64, DrawNotice)> = Vec::new();
    for index in &args.notices {
        let (kind, body) = entry(&args.log, *index).await?;
        let notice = (kind == Kind::DrawNotice).then(|| registry::decode(&body));
        let notice = notice
            .flatten()
            .with_context(|| format!("第 {index} 条不是抽取公告 / no notice of a draw: {index}"))?;
        notices.push((*index, notice));
    }
    let mut checked = Vec::new();
    for draw in draws {
        let file = match draw.subject {
            DrawSubject::Inspectors => (&args.inspectors, "--inspectors"),
            DrawSubject::Experts => (&args.experts, "--experts"),
            _ => (&args.institutions, "--institutions"),
        };
        let (Some(file), _) = file else {
            bail!(
                "须给出候选名单 / the list of candidates is needed: {}",
                file.1
            );
        };
        let candidates = list(file)?;
        let candidates: Vec<&str> = candidates.lines().map(str::trim).collect();
        let candidates: Vec<&str> = candidates.into_iter().filter(|c| !c.is_empty()).collect();
        let origin = args.log.origin().await?;
        let mut faults = draw.announced(&origin, &notices);
        faults.extend(draw.outcome(&candidates));
        faults.dedup();
        let mut faults: Vec<Fault> = faults.iter().map(sentences).collect();
        let is_of_log = draw.seed.origin == origin;
        if is_of_log && !args.log.had(draw.seed.size, &draw.seed.root).await? {
            faults.push((
                "DRAW_SEED_OTHER",
                "种子不是该日志的检查点。",
                "The seed is no checkpoint of the log.",
            ));
        }
        checked.push((draw.purpose, faults));
    }
    Ok(checked)
}

fn sentences(fault: &DrawFault) -> Fault {
    (fault.code(), fault.zh(), fault.en())
}

/// An entry, proven to be in the log.
async fn entry(log: &LogArgs, index: u64) -> Result<(Kind, Vec<u8>)> {
    let leaf = log.proven_leaf(index).await?;
    let record = UnverifiedRecord::read(&leaf).ok();
    match record.as_ref().map(UnverifiedRecord::body) {
        Some(Body::Entry(entry)) => Ok((entry.kind, entry.body.clone())),
        _ => bail!("第 {index} 条不是登记簿条目 / no entry of a register: {index}"),
    }
}

fn list(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("无法读取 / cannot read {}", file.display()))
}
