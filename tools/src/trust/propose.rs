//! Drafting the next list: the newest one with what is asked for, or the first list of all.

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use huren_core::trust::{Edit, EditError, Member, Role, RootRole, TrustList};
use jiff::{Timestamp, ToSpan as _};

use super::files::{self, HeldArgs, Proposal};

/// What the next list is to change.
#[derive(Args, Clone, Debug)]
pub struct ProposeArgs {
    /// 现行清单；首版不给 / the lists held; leave them out for a first list
    #[command(flatten)]
    pub held: HeldArgs,
    /// 提案写入此文件 / file for the proposal, must not exist
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// 加入成员（member.json） / a member joins (member.json)
    #[arg(long, value_name = "FILE")]
    pub add_member: Vec<PathBuf>,
    /// 成员退出，其日志到该条数为止，如 34@1200 / a member leaves, and its log counts up to that size
    #[arg(long, value_name = "REGION@SIZE")]
    pub remove_member: Vec<At>,
    /// 换钥：角色=含新公钥的 member.json，日志与记录密钥可加 @条数 / another key for a role of the member, such as record=member.json@1200
    ///
    /// 角色 / roles: log record witness mirror answer tls
    #[arg(long, value_name = "ROLE=FILE[@SIZE]")]
    pub replace_key: Vec<Replacement>,
    /// 密钥（公钥或编号）自该条数起失效，用于泄露 / a key ends at that size: after a compromise the last size that the members trust
    #[arg(long, value_name = "KEY@SIZE")]
    pub close_key: Vec<At>,
    /// 去掉 TLS 公钥（十六进制 SHA-256） / a TLS key goes
    #[arg(long, value_name = "SHA256")]
    pub remove_tls_key: Vec<String>,
    /// 名称与地址改为 member.json 所写 / name and addresses as in that member.json
    #[arg(long, value_name = "FILE")]
    pub address: Vec<PathBuf>,
    /// 增加或更换外部见证（JSON：name、key，可有 url、tls_ca、counts） / a witness outside of the federation, new or changed (JSON: name, key; url, tls_ca and counts if wanted)
    #[arg(long, value_name = "FILE")]
    pub witness: Vec<PathBuf>,
    /// 移除外部见证 / a witness outside of the federation goes
    #[arg(long, value_name = "NAME")]
    pub remove_witness: Vec<String>,
    /// 增加根公钥 / another root key
    #[arg(long, value_name = "KEY")]
    pub add_root_key: Vec<String>,
    /// 去掉根公钥（公钥或名称） / a root key goes, by itself or by its name
    #[arg(long, value_name = "KEY")]
    pub remove_root_key: Vec<String>,
    /// 签署所需根密钥数 / root keys that must sign
    #[arg(long)]
    pub threshold: Option<usize>,
    /// 每份日志所需的其他成员见证数 / other members that must cosign each log
    #[arg(long)]
    pub quorum: Option<usize>,
    /// 有效天数 / days until it expires
    #[arg(long, default_value_t = 365)]
    pub days: i64,
}

/// Something that holds up to a size of a log.
#[derive(Clone, Debug)]
pub struct At {
    what: String,
    size: u64,
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, size) = text
            .rsplit_once('@')
            .ok_or("缺少 @条数 / there is no @SIZE")?;
        let size = size.parse();
        Ok(Self {
            what: what.to_owned(),
            size: size.map_err(|_| "@ 后应为条数 / behind @ comes a size")?,
        })
    }
}

/// A role's new key.
#[derive(Clone, Debug)]
pub struct Replacement {
    role: Role,
    from: PathBuf,
    until_index: Option<u64>,
}

impl FromStr for Replacement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (role, rest) = text
            .split_once('=')
            .ok_or("应为 角色=文件 / it is ROLE=FILE")?;
        let mut roles = Role::ALL.into_iter();
        let role = roles.find(|(name, _)| *name == role);
        let (_, role) = role.ok_or("没有此角色 / there is no such role")?;
        let (from, until_index) = match rest.parse::<At>() {
            Ok(At { what, size }) => (what, Some(size)),
            Err(_) => (rest.to_owned(), None),
        };
        Ok(Self {
            role,
            from: from.into(),
            until_index,
        })
    }
}

/// Drafts the list, checks it by every rule and says what it changes.
pub(super) fn run(args: &ProposeArgs, now: Timestamp, json_out: bool) -> Result<ExitCode> {
    let held = args.held.chain()?;
    // Whole seconds: a list is read by people.
    let issued = Timestamp::from_second(now.as_second())?;
    let expires = issued.checked_add(args.days.checked_mul(24).context("--days")?.hours())?;
    let mut list = match &held {
        Some(held) => TrustList::successor(held.newest(), issued, expires),
        None => first(args, issued, expires)?,
    };
    let asked = edits(args)?;
    if asked.is_empty() && held.is_none() {
        bail!("首版清单至少要有成员与根公钥 / a first list needs members and root keys");
    }
    for edit in asked {
        list.edit(edit).map_err(refused)?;
    }
    let proposal = Proposal::check(held, list.to_text()?)?;
    files::write(&args.out, 0o644, proposal.text.as_bytes())?;
    proposal.tell(json_out)?;
    if !json_out {
        writeln!(
            stdout(),
            "提案已写入 {out}，请交各保管人 huren trust sign\n  the proposal is in {out}: every keeper signs it with huren trust sign",
            out = args.out.display()
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A list of nobody, to which members and root keys are added.
fn first(args: &ProposeArgs, issued: Timestamp, expires: Timestamp) -> Result<TrustList> {
    let (threshold, quorum) = (args.threshold, args.quorum);
    Ok(TrustList {
        version: 1,
        previous: String::new(),
        issued,
        expires,
        root: RootRole {
            threshold: threshold
                .context("首版须给 --threshold / a first list needs --threshold")?,
            keys: Vec::new(),
        },
        quorum: quorum.context("首版须给 --quorum / a first list needs --quorum")?,
        members: Vec::new(),
        former_members: Vec::new(),
        witnesses: Vec::new(),
    })
}

fn edits(args: &ProposeArgs) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    for path in &args.add_member {
        edits.push(Edit::AddMember(member(path)?));
    }
    for At { what, size } in args.remove_member.iter().cloned() {
        let (region, until_index) = (what, size);
        edits.push(Edit::RemoveMember {
            region,
            until_index,
        });
    }
    for replacement in &args.replace_key {
        edits.push(Edit::ReplaceKey {
            role: replacement.role,
            from: member(&replacement.from)?,
            until_index: replacement.until_index,
        });
    }
    for At { what, size } in args.close_key.iter().cloned() {
        let (key, until_index) = (what, size);
        edits.push(Edit::CloseKey { key, until_index });
    }
    for path in &args.witness {
        let witness = serde_json::from_str(&files::read(path)?);
        let path = path.display();
        edits.push(Edit::Witness(witness.with_context(|| {
            format!("不是外部见证说明 / not a description of a witness: {path}")
        })?));
    }
    let removed = args.remove_witness.iter().cloned();
    edits.extend(removed.map(Edit::RemoveWitness));
    for path in &args.address {
        edits.push(Edit::Address(member(path)?));
    }
    edits.extend(args.remove_tls_key.iter().cloned().map(Edit::RemoveTlsKey));
    edits.extend(args.add_root_key.iter().cloned().map(Edit::AddRootKey));
    edits.extend(
        args.remove_root_key
            .iter()
            .cloned()
            .map(Edit::RemoveRootKey),
    );
    edits.extend(args.threshold.map(Edit::Threshold));
    edits.extend(args.quorum.map(Edit::Quorum));
    Ok(edits)
}

fn member(path: &Path) -> Result<Box<Member>> {
    let member = serde_json::from_str(&files::read(path)?);
    let path = path.display();
    member.with_context(|| format!("不是成员说明 / not a member.json: {path}"))
}

/// Its text is in both languages already.
fn refused(error: EditError) -> anyhow::Error {
    anyhow!("{}: {error}", error.code())
}
