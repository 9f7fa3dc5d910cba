//! `huren token`: tokens for programs without a certificate of their own.

use std::io::{Write as _, stdout};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use huren_proto::v1::{self, operator_service_client::OperatorServiceClient};
use serde_json::{Value, json};

use crate::connect::{Calls, NodeArgs};

const DAY: u64 = 24 * 60 * 60;

/// 令牌 / tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// 新建令牌，只显示这一次 / make a token: it is shown this once
    ///
    /// 令牌写到标准输出，其余写到标准错误，因此可直接重定向到权限 0600 的文件。 / The token goes to
    /// standard output and all else to standard error: redirect it to a file of mode 0600.
    New(NewArgs),
    /// 列出令牌（不含密文） / list tokens, without their secrets
    List(NodeArgs),
    /// 吊销令牌，立即生效 / revoke a token, from now on
    Revoke {
        /// 连接 / connection
        #[command(flatten)]
        node: NodeArgs,
        /// 令牌编号（见 list） / its id, as `list` shows it
        id: String,
    },
}

/// What a new token is to be.
#[derive(Args, Debug)]
pub struct NewArgs {
    /// 连接 / connection
    #[command(flatten)]
    node: NodeArgs,
    /// 名称，勿写个人姓名 / what to call it; no person's name
    #[arg(long)]
    name: String,
    /// 角色 / roles: issuer, verifier, statistician, auditor, operator
    #[arg(long, required = true, value_delimiter = ',')]
    roles: Vec<String>,
    /// 地区代码，含其下级；缺省为本省 / region codes, each with all in it [default: the province]
    #[arg(long, value_delimiter = ',')]
    regions: Vec<String>,
    /// 签发类角色可写的记录种类，或 * / kinds that an issuer may write, such as certificate, or *
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// 有效天数 / for how many days
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=730))]
    days: u64,
}

/// Carries out a command.
pub async fn run(command: &TokenCommand, json_out: bool) -> Result<()> {
    match command {
        TokenCommand::New(args) => new(args, json_out).await,
        TokenCommand::List(node) => list(node, json_out).await,
        TokenCommand::Revoke { node, id } => revoke(node, id, json_out).await,
    }
}

fn client(node: &NodeArgs) -> Result<OperatorServiceClient<Calls>> {
    Ok(OperatorServiceClient::new(node.caller()?))
}

async fn new(args: &NewArgs, json_out: bool) -> Result<()> {
    let order = v1::CreateTokenRequest {
        name: args.name.clone(),
        roles: args.roles.clone(),
        regions: args.regions.clone(),
        kinds: args.kinds.clone(),
        valid_seconds: args.days * DAY,
    };
    let made = client(&args.node)?.create_token(order).await?.into_inner();
    let info = made.info.context("答复不完整 / an incomplete answer")?;
    if json_out {
        let mut value = info_json(&info);
        value["token"] = made.token.into();
        writeln!(stdout(), "{value:#}")?;
    } else {
        eprintln!("{}", line(&info));
        eprintln!("令牌只显示这一次 / the token is shown this once:");
        writeln!(stdout(), "{}", made.token)?;
    }
    Ok(())
}

async fn list(node: &NodeArgs, json_out: bool) -> Result<()> {
    let tokens = client(node)?.list_tokens(v1::ListTokensRequest {}).await?;
    let tokens = tokens.into_inner().tokens;
    if json_out {
        let tokens: Vec<Value> = tokens.iter().map(info_json).collect();
        writeln!(stdout(), "{:#}", Value::from(tokens))?;
        return Ok(());
    }
    for token in &tokens {
        writeln!(stdout(), "{}", line(token))?;
    }
    Ok(())
}

async fn revoke(node: &NodeArgs, id: &str, json_out: bool) -> Result<()> {
    let order = v1::RevokeTokenRequest { id: id.to_owned() };
    let revoked = client(node)?.revoke_token(order).await?.into_inner();
    let info = revoked.info.context("答复不完整 / an incomplete answer")?;
    if json_out {
        writeln!(stdout(), "{:#}", info_json(&info))?;
    } else {
        writeln!(stdout(), "{}", line(&info))?;
    }
    Ok(())
}

/// A time for people.
pub(crate) fn time(seconds: u64) -> String {
    jiff::Timestamp::from_second(seconds.cast_signed())
        .map(|time| time.to_string())
        .unwrap_or_default()
}

fn line(token: &v1::TokenInfo) -> String {
    let regions = if token.regions.is_empty() {
        "本省 province".to_owned()
    } else {
        token.regions.join(",")
    };
    let state = match token.revoked {
        Some(when) => format!("已吊销 revoked {}", time(when)),
        None => format!("至 until {}", time(token.expires)),
    };
    let roles = token.roles.join(",");
    format!("{}  {state}  {roles}  {regions}  {}", token.id, token.name)
}

fn info_json(token: &v1::TokenInfo) -> Value {
    json!({
        "id": token.id,
        "name": token.name,
        "roles": token.roles,
        "regions": token.regions,
        "kinds": token.kinds,
        "created": time(token.created),
        "expires": time(token.expires),
        "revoked": token.revoked.map(time),
    })
}
