//! `huren monitor`: what stands out among an institution's certificates.

use std::{
    collections::{BTreeMap, HashMap},
    io::{Write as _, stderr, stdout},
    process::ExitCode,
};

use anyhow::Result;
use clap::Args;
use huren_proto::v1::{self, monitoring_service_client::MonitoringServiceClient};
use serde_json::json;

use crate::connect::NodeArgs;

/// 在线监测：集中签发、超容量、无计划、站点外、断号、同日两地、合格率异常 / monitoring: what stands out
///
/// 提示只说明何处值得核查，不作结论；补录的历史数据不提示。 / An alert says where to look and accuses
/// nobody; old stock that was loaded later raises none.
///
/// 退出码 / exit codes: 0 无提示 none, 3 有提示 some, 1 失败 failed.
#[derive(Args, Debug)]
pub struct MonitorArgs {
    /// 连接 / connection
    #[command(flatten)]
    node: NodeArgs,
    /// 首日（签发日期），yyyymmdd / first day of issue
    #[arg(long, value_name = "DAY")]
    from: u32,
    /// 末日，yyyymmdd，与首日合计不超过 31 天 / last day, 31 days at most
    #[arg(long, value_name = "DAY")]
    to: u32,
    /// 只看该地区（省、市、县）的机构，缺省为本省 / institutions of this region [default: the province]
    #[arg(long, default_value = "", hide_default_value = true)]
    region: String,
    /// 只看该机构 / only this institution
    #[arg(long, default_value = "", hide_default_value = true)]
    institution: String,
}

/// Carries out the command.
pub async fn run(args: &MonitorArgs, json_out: bool) -> Result<ExitCode> {
    let mut client = MonitoringServiceClient::new(args.node.caller()?);
    let mut asked = v1::ListAlertsRequest {
        region: args.region.clone(),
        from_day: args.from,
        to_day: args.to,
        institution: args.institution.clone(),
        page_size: 0,
        page_token: String::new(),
    };
    let mut number = 0_u64;
    loop {
        let page = client.list_alerts(asked.clone()).await?.into_inner();
        for alert in &page.alerts {
            number += 1;
            match json_out {
                true => writeln!(stdout(), "{}", value(alert))?,
                false => print(alert)?,
            }
        }
        asked.page_token = page.next_page_token;
        if asked.page_token.is_empty() {
            if !json_out {
                writeln!(stdout(), "{number} 条提示 / {number} alerts")?;
            }
            say_how_far(page.counted, json_out)?;
            break;
        }
    }
    Ok(ExitCode::from(if number == 0 { 0 } else { 3 }))
}

/// What is not counted yet raises no alert, and programs have one value on each line.
fn say_how_far(counted: HashMap<String, u64>, json_out: bool) -> Result<()> {
    for (origin, size) in BTreeMap::from_iter(counted) {
        let line = format!("已查看至 looked at up to  {origin}  {size}");
        match json_out {
            true => writeln!(stderr(), "{line}")?,
            false => writeln!(stdout(), "{line}")?,
        }
    }
    Ok(())
}

/// What the rule saw, in one order.
fn about(alert: &v1::Alert) -> Vec<(&String, &String)> {
    let mut about: Vec<_> = alert.about.iter().collect();
    about.sort_unstable();
    about
}

fn value(alert: &v1::Alert) -> serde_json::Value {
    let reason = alert.reason.clone().unwrap_or_default();
    let leaves = alert.leaves.iter();
    let leaves: Vec<_> = leaves
        .map(|leaf| json!({ "origin": leaf.origin, "index": leaf.index }))
        .collect();
    let about: serde_json::Map<_, _> = about(alert)
        .into_iter()
        .map(|(name, text)| (name.clone(), text.as_str().into()))
        .collect();
    json!({
        "institution": alert.institution,
        "day": alert.day,
        "code": reason.code,
        "zh": reason.zh,
        "en": reason.en,
        "about": about,
        "leaves": leaves,
        "leaf_count": alert.leaf_count,
    })
}

fn print(alert: &v1::Alert) -> Result<()> {
    let mut out = stdout();
    let reason = alert.reason.clone().unwrap_or_default();
    let (institution, day) = (&alert.institution, alert.day);
    writeln!(out, "{day}  {institution}  {}", reason.code)?;
    writeln!(out, "  {} / {}", reason.zh, reason.en)?;
    for (name, text) in about(alert) {
        writeln!(out, "  {name}: {text}")?;
    }
    let leaves = alert.leaves.iter();
    let leaves: Vec<String> = leaves
        .map(|leaf| format!("{}@{}", leaf.index, leaf.origin))
        .collect();
    let count = alert.leaf_count;
    writeln!(out, "  证书 leaves ({count}): {}", leaves.join(" "))?;
    Ok(())
}
