//! `huren trust propose`: the next list, drafted from the newest one.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use huren_core::trust::{Edit, Role, RootKeys, RootRole, TrustChain, TrustList};
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;

use super::{
    Told,
    files::{self, Held, Proposal},
};

/// What the next list is to be.
#[derive(Args, Clone, Debug)]
pub struct ProposeArgs {
    /// 现有信任 / what is trusted so far
    #[command(flatten)]
    pub held: Held,
    /// 起草首版（不需现有清单） / draft the first list
    #[arg(long, conflicts_with_all = ["trust", "lists"])]
    pub first: bool,
    /// 首版：根公钥文件写到此处 / with --first: where to write the file of root keys
    #[arg(long, value_name = "FILE", requires = "first")]
    pub roots_out: Option<PathBuf>,
    /// 草案文件 / file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// 成员加入 / a member joins (its member.json)
    #[arg(long, value_name = "FILE")]
    pub add_member: Vec<PathBuf>,
    /// 成员退出，其日志止于该条数 / a member leaves, its log counts up to that size
    #[arg(long, value_name = "REGION=SIZE")]
    pub remove_member: Vec<String>,
    /// 更换密钥：log record answer mirror witness tls / a key gives way to the one in a description
    /// that `huren-node key next` made
    #[arg(long, value_name = "ROLE=FILE")]
    pub replace_key: Vec<String>,
    /// 被更换的日志、记录密钥止于该序号 / where replaced log and record keys end
    #[arg(long, value_name = "INDEX")]
    pub until_index: Option<u64>,
    /// 关闭日志或记录密钥 / a log or record key ends (key, or key id in hexadecimal)
    #[arg(long, value_name = "KEY=INDEX")]
    pub close_key: Vec<String>,
    /// 移除 TLS 公钥 / a TLS key goes
    #[arg(long, value_name = "SHA256")]
    pub remove_tls_key: Vec<String>,
    /// 更新名称与地址 / name and addresses as in this member.json
    #[arg(long, value_name = "FILE")]
    pub address: Vec<PathBuf>,
    /// 新增根公钥 / another root key
    #[arg(long, value_name = "KEY")]
    pub add_root_key: Vec<String>,
    /// 移除根公钥 / a root key goes (key or its name)
    #[arg(long, value_name = "KEY")]
    pub remove_root_key: Vec<String>,
    /// 签署所需根密钥数 / root keys that must sign
    #[arg(long)]
    pub threshold: Option<usize>,
    /// 见证所需其他成员数 / other members that must cosign
    #[arg(long)]
    pub quorum: Option<usize>,
    /// 有效天数 / days until it expires
    #[arg(long, default_value_t = 365)]
    pub days: i64,
}

pub(super) fn run(args: &ProposeArgs, now: Timestamp) -> Result<Told> {
    let held = args.held.chain()?;
    let expires = now.checked_add((args.days * 24).hours())?;
    let mut list = match (&held, args.first) {
        (Some(held), false) => TrustList::successor(held.newest(), now, expires),
        (None, true) => TrustList {
            version: 1,
            previous: String::new(),
            issued: now,
            expires,
            root: RootRole {
                threshold: 2,
                keys: Vec::new(),
            },
            quorum: 2,
            members: Vec::new(),
            former_members: Vec::new(),
        },
        _ => bail!("请给出 --trust 与 --lists，或 --first / give --trust and --lists, or --first"),
    };
    for edit in edits(args)? {
        list.edit(edit)
            .map_err(|error| anyhow::anyhow!("[{}] {error}", error.code()))?;
    }
    let proposal = Proposal::check(list.to_text()?, held.as_ref())?;
    if let Some(path) = &args.roots_out {
        let roots = RootKeys::new(&proposal.list.root).map_err(files::refused)?;
        files::write_new(path, &roots.to_text())?;
    }
    files::write_new(&args.out, &proposal.text)?;
    let mut json = proposal.json();
    json["out"] = json!(args.out);
    Ok(Told {
        text: format!(
            "{}草案已写入 / draft written to {}\n请每名保管人先看 diff，再 sign / each custodian: diff, then sign\n",
            proposal.shown(),
            args.out.display()
        ),
        json,
    })
}

fn edits(args: &ProposeArgs) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for key in &args.add_root_key {
        edits.push(Edit::AddRootKey(key.clone()));
    }
    for key in &args.remove_root_key {
        edits.push(Edit::RemoveRootKey(key.clone()));
    }
    edits.extend(args.threshold.map(Edit::Threshold));
    edits.extend(args.quorum.map(Edit::Quorum));
    for path in &args.add_member {
        edits.push(Edit::AddMember(Box::new(files::read_member(path)?)));
    }
    for text in &args.remove_member {
        let (region, until_index) = at_index(text)?;
        edits.push(Edit::RemoveMember {
            region,
            until_index,
        });
    }
    for text in &args.replace_key {
        let (name, path) = text.split_once('=').context("--replace-key ROLE=FILE")?;
        let role = Role::ALL.into_iter().find(|(role, _)| *role == name);
        let (_, role) = role.with_context(|| format!("没有此角色 / no such role: {name}"))?;
        edits.push(Edit::ReplaceKey {
            role,
            from: Box::new(files::read_member(Path::new(path))?),
            until_index: args.until_index,
        });
    }
    for text in &args.close_key {
        let (key, until_index) = at_index(text)?;
        edits.push(Edit::CloseKey { key, until_index });
    }
    for key in &args.remove_tls_key {
        edits.push(Edit::RemoveTlsKey(key.clone()));
    }
    for path in &args.address {
        edits.push(Edit::Address(Box::new(files::read_member(path)?)));
    }
    Ok(edits)
}

/// `WHAT=INDEX`; keys end in `=` themselves.
fn at_index(text: &str) -> Result<(String, u64)> {
    let parsed = text.rsplit_once('=').and_then(|(what, index)| {
        let index = index.parse().ok()?;
        Some((what.to_owned(), index))
    });
    parsed.with_context(|| format!("应为 / expected: WHAT=INDEX, not {text}"))
}

/// For the commands that take a proposal.
pub(super) fn roots_of(held: Option<&TrustChain>, list: &TrustList) -> Vec<String> {
    let old = held.map(|held| held.newest().list.root.keys.clone());
    old.into_iter()
        .flatten()
        .chain(list.root.keys.clone())
        .collect()
}
