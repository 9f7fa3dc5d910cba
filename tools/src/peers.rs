//! `huren peers`: what the own node knows of every member.

use anyhow::Result;
use huren_proto::v1::{self, operator_service_client::OperatorServiceClient};
use jiff::Timestamp;
use serde_json::json;
use std::io::{Write as _, stdout};

use crate::connect::NodeArgs;

/// Fetches the state of a node.
pub async fn status(node: &NodeArgs) -> Result<v1::GetStatusResponse> {
    let mut client = OperatorServiceClient::new(node.caller()?);
    Ok(client
        .get_status(v1::GetStatusRequest {})
        .await?
        .into_inner())
}

/// Prints it.
pub async fn run(node: &NodeArgs, json_out: bool) -> Result<()> {
    let status = status(node).await?;
    if json_out {
        writeln!(stdout(), "{:#}", status_json(&status))?;
        return Ok(());
    }
    writeln!(
        stdout(),
        "节点 node {}  版本 version {}  信任清单 trust list {} 至 until {}",
        status.region,
        status.version,
        status.trust_list_version,
        status.trust_list_expires
    )?;
    if let Some(told) = expiry(&status.trust_list_expires, Timestamp::now()) {
        writeln!(stdout(), "{told}")?;
    }
    writeln!(
        stdout(),
        "地区 成员可达  已存    已知    见证    时龄   隔离  状态"
    )?;
    for log in &status.logs {
        let extent = log.extent.clone().unwrap_or_default();
        let age = extent
            .age_seconds
            .map_or("—".to_owned(), |age| format!("{age} s"));
        let state = match (extent.frozen, log.last_error.as_str()) {
            (true, _) => "已冻结 frozen",
            (false, "") => "正常 ok",
            (false, error) => error,
        };
        writeln!(
            stdout(),
            "{:<4} {:<8} {:>7} {:>7} {:>7} {:>7} {:>5}  {state}",
            extent.region,
            if log.reachable { "是 yes" } else { "否 no" },
            log.held_size,
            log.known_size,
            extent.witnessed_size,
            age,
            log.quarantined,
        )?;
        if extent.frozen {
            writeln!(
                stdout(),
                "     证据 evidence: huren evidence show --origin {}",
                extent.origin
            )?;
        }
    }
    for member in status.members.iter().filter(|member| member.refused > 0) {
        writeln!(
            stdout(),
            "成员 member {}: 拒收其答复 answers refused {}, 最近 last {}",
            member.region,
            member.refused,
            member.last_refusal
        )?;
    }
    print_keys(&status)?;
    if !status.in_charge.is_empty() {
        let address = &status.in_charge;
        writeln!(stdout(), "主进程 in charge of the logs: {address}")?;
    }
    Ok(())
}

/// Keys of the database while there is more than one of a kind.
fn print_keys(status: &v1::GetStatusResponse) -> Result<()> {
    for key in status.data_keys.iter().filter(|key| !key.current) {
        let state = match (key.needed, status.rekey_left) {
            (false, _) => "可移除 can be removed".to_owned(),
            (true, 0) => format!(
                "仍需保留：{kept} 个已删除证书的编号只能用它查到 still needed: the numbers of {kept} \
                 erased certificates are found with it alone",
                kept = status.rekey_kept
            ),
            (true, left) => format!("仍需保留：还有 {left} 条 still needed: {left} records left"),
        };
        writeln!(
            stdout(),
            "旧密钥 earlier key {} {}: {state}",
            key.kind,
            key.id
        )?;
    }
    Ok(())
}

/// What is to be said of a trust list that expires soon, or has expired.
fn expiry(expires: &str, now: Timestamp) -> Option<String> {
    let left = expires.parse::<Timestamp>().ok()?.duration_since(now);
    if left.as_secs() <= 0 {
        return Some(
            "信任清单已过期：节点照常应答并注明此事，请尽快更新 / the trust list has expired: the node goes \
             on answering and says so; renew the list"
                .to_owned(),
        );
    }
    let days = left.as_hours() / 24;
    (days < 30).then(|| {
        format!(
            "信任清单将在 {days} 天后过期，请更新 / the trust list expires in {days} days: renew it"
        )
    })
}

fn status_json(status: &v1::GetStatusResponse) -> serde_json::Value {
    let log = |log: &v1::LogStatus| {
        let extent = log.extent.clone().unwrap_or_default();
        json!({
            "origin": extent.origin, "region": extent.region, "size": extent.size,
            "witnessed_size": extent.witnessed_size, "age_seconds": extent.age_seconds,
            "frozen": extent.frozen, "held_size": log.held_size, "known_size": log.known_size,
            "quarantined": log.quarantined, "reachable": log.reachable,
            "last_error": log.last_error, "source": log.source,
        })
    };
    json!({
        "region": status.region, "version": status.version,
        "trust_list_version": status.trust_list_version,
        "trust_list_expires": status.trust_list_expires,
        "logs": status.logs.iter().map(log).collect::<Vec<_>>(),
        "members": status.members.iter().map(|member| json!({
            "region": member.region, "refused": member.refused,
            "last_refusal": member.last_refusal,
        })).collect::<Vec<_>>(),
        "data_keys": status.data_keys.iter().map(|key| json!({
            "kind": key.kind, "id": key.id, "current": key.current, "needed": key.needed,
        })).collect::<Vec<_>>(),
        "rekey_left": status.rekey_left,
        "rekey_kept": status.rekey_kept,
        "in_charge": status.in_charge,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_told_from_thirty_days_before() {
        let told = |now: &str| expiry("2026-12-31T00:00:00Z", now.parse().unwrap());
        assert_eq!(told("2026-12-01T00:00:00Z"), None);
        assert!(told("2026-12-01T00:00:01Z").unwrap().contains("29 天"));
        assert!(told("2026-12-31T00:00:00Z").unwrap().contains("已过期"));
    }
}
