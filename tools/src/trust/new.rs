//! `huren trust`: making a first trust list, and showing one.

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use huren_core::{
    note::{Note, NoteSigner},
    trust::{Member, RootKeys, RootRole, TrustChain, TrustList},
};
use huren_node::keys::{self, Purpose};
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;

/// 信任清单 / the trust list.
#[derive(Subcommand, Debug)]
pub enum TrustCommand {
    /// 为演示或试点制作首版信任清单 / make the first trust list of a demo or a pilot
    ///
    /// 由各省 huren-node init 产生的 member.json 汇成清单，并生成根密钥、根公钥文件和
    /// 成员共用的持证人查询密钥。/ Gathers every province's member.json, makes root keys, the
    /// file of root keys that everybody trusts, and the holder key that members share.
    New(NewArgs),
    /// 显示并验证信任清单 / show and verify a trust list
    Show {
        /// 信任清单文件 / file of trust lists
        file: PathBuf,
        /// 信任根公钥文件 / file of root keys
        #[arg(long, value_name = "ROOTS")]
        trust: PathBuf,
    },
}

/// What the first list is to be.
#[derive(Args, Clone, Debug)]
pub struct NewArgs {
    /// 各成员的 member.json，可重复 / a member's member.json, once for each
    #[arg(long = "member", required = true, value_name = "FILE")]
    pub members: Vec<PathBuf>,
    /// 输出文件夹，不得已存在 / folder to write, must not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// 根密钥个数 / number of root keys
    #[arg(long, default_value_t = 3)]
    pub roots: usize,
    /// 签署所需根密钥数 / root keys that must sign
    #[arg(long, default_value_t = 2)]
    pub threshold: usize,
    /// 每份日志所需的其他成员见证数 / other members that must cosign each log
    #[arg(long, default_value_t = 2)]
    pub quorum: usize,
    /// 有效天数 / days until it expires
    #[arg(long, default_value_t = 365)]
    pub days: i64,
}

/// Carries out a command.
pub fn run(command: &TrustCommand, json_out: bool) -> Result<()> {
    match command {
        TrustCommand::New(args) => {
            let made = new(args, Timestamp::now())?;
            if json_out {
                writeln!(
                    stdout(),
                    "{:#}",
                    json!({"out": args.out, "version": 1, "digest": made})
                )?;
            } else {
                writeln!(
                    stdout(),
                    "已写入 written to {}:\n  roots      信任根公钥，分发给所有人 root keys, for everybody\n  \
                     lists      信任清单 the trust list\n  holder.key 成员共用密钥，仅限成员 for members only\n  \
                     root-*.key 根私钥，离线保管 keep offline",
                    args.out.display()
                )?;
            }
            Ok(())
        }
        TrustCommand::Show { file, trust } => show(file, trust, json_out),
    }
}

/// Makes the first list and gives its digest in hexadecimal.
pub fn new(args: &NewArgs, now: Timestamp) -> Result<String> {
    let mut members = Vec::new();
    for path in &args.members {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("无法读取 / cannot read {}", path.display()))?;
        let member: Member = serde_json::from_str(&text)
            .with_context(|| format!("不是成员说明 / not a member.json: {}", path.display()))?;
        members.push(member);
    }
    members.sort_by(|a, b| a.region.cmp(&b.region));
    if args.out.exists() {
        bail!(
            "{} 已存在，未作任何改动 / exists already: nothing was changed",
            args.out.display()
        );
    }
    std::fs::create_dir_all(&args.out)?;
    let mut rng = rand::rng();
    let mut signers = Vec::new();
    for number in 1..=args.roots {
        let path = args.out.join(format!("root-{number}.key"));
        let key = keys::create(&path, Purpose::Root, &mut rng)?;
        let name = format!("huren.example/root/{number}").parse()?;
        signers.push(NoteSigner::from_seed(name, key.expose()));
    }
    let list = TrustList {
        version: 1,
        previous: String::new(),
        issued: now,
        expires: now.checked_add((args.days * 24).hours())?,
        root: RootRole {
            threshold: args.threshold,
            keys: signers
                .iter()
                .map(|signer| signer.verifier_key().to_string())
                .collect(),
        },
        quorum: args.quorum,
        members,
        former_members: Vec::new(),
    };
    let mut note = Note::new(list.to_text()?)?;
    for signer in &signers {
        note.add(signer.sign(note.text()))?;
    }
    let note = note.to_string();
    let roots = RootKeys::new(&list.root)?;
    let chain = TrustChain::verify(&roots, [note.as_bytes()])
        .context("这些成员不能构成信任清单 / these members make no valid trust list")?;
    std::fs::write(args.out.join("roots"), roots.to_text())?;
    std::fs::write(args.out.join("lists"), &note)?;
    keys::create(&args.out.join("holder.key"), Purpose::Holder, &mut rng)?;
    for member in &chain.newest().list.members {
        let origin = member.origin.parse()?;
        let policy = chain.newest().list.policy(&origin)?;
        let path = args.out.join(format!("policy-{}", member.region));
        std::fs::write(path, policy.to_bytes())?;
    }
    Ok(chain.newest().digest.to_hex())
}

fn show(file: &Path, trust: &Path, json_out: bool) -> Result<()> {
    let roots: RootKeys = std::fs::read_to_string(trust)?.parse()?;
    let text = std::fs::read_to_string(file)?;
    let notes = huren_node::startup::split_lists(&text);
    let chain = TrustChain::verify(&roots, notes.iter().map(|note| note.as_bytes()))?;
    let newest = chain.newest();
    if json_out {
        writeln!(
            stdout(),
            "{:#}",
            json!({"digest": newest.digest.to_hex(), "list": newest.list})
        )?;
        return Ok(());
    }
    let list = &newest.list;
    writeln!(
        stdout(),
        "版本 version {}  摘要 digest {}",
        list.version,
        newest.digest.to_hex()
    )?;
    writeln!(stdout(), "有效期 {} 至 until {}", list.issued, list.expires)?;
    writeln!(
        stdout(),
        "根密钥 root keys: {} of {}",
        list.root.threshold,
        list.root.keys.len()
    )?;
    writeln!(
        stdout(),
        "见证 quorum: {} of {} 其他成员 other members",
        list.quorum,
        list.members.len() - 1
    )?;
    for member in &list.members {
        writeln!(
            stdout(),
            "  {} {} {}  {}",
            member.region,
            member.name,
            member.origin,
            member.grpc
        )?;
    }
    Ok(())
}
