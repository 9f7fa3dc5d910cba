//! `huren trust new`: the first trust list with all its root keys, on one machine.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use huren_core::{
    note::{KeyName, Note, NoteSigner},
    trust::{RootKeys, RootRole, TrustChain, TrustList},
};
use huren_node::keys::{self, Purpose};
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;

use super::{Passphrase, Told, files, root_key};

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
    /// 根密钥不加密，仅限演示 / root keys in clear: for a demo only
    #[arg(long, conflicts_with = "passphrase_file")]
    pub plain_roots: bool,
    /// 根密钥的口令 / passphrase of the root keys
    #[command(flatten)]
    pub passphrase: Passphrase,
}

pub(super) fn run(args: &NewArgs, now: Timestamp) -> Result<Told> {
    let digest = new(args, now)?;
    let how = if args.plain_roots {
        "明文，仅限演示 in clear, for a demo only"
    } else {
        "口令加密，离线分人保管 encrypted; keep offline, with different people"
    };
    Ok(Told {
        text: format!(
            "已写入 written to {}:\n  roots      信任根公钥，分发给所有人 root keys, for everybody\n  \
             lists      信任清单 the trust list\n  holder.key 成员共用密钥，仅限成员 for members only\n  \
             root-*.key 根私钥（{how}）\n",
            args.out.display()
        ),
        json: json!({"out": args.out, "version": 1, "digest": digest}),
    })
}

/// Makes the first list and gives its digest in hexadecimal.
pub fn new(args: &NewArgs, now: Timestamp) -> Result<String> {
    let mut members = Vec::new();
    for path in &args.members {
        members.push(files::read_member(path)?);
    }
    members.sort_by(|a, b| a.region.cmp(&b.region));
    if args.out.exists() {
        bail!(
            "{} 已存在，未作任何改动 / exists already: nothing was changed",
            args.out.display()
        );
    }
    let passphrase = match args.plain_roots {
        true => None,
        false => Some(args.passphrase.choose("根密钥 root keys")?),
    };
    std::fs::create_dir_all(&args.out)?;
    let mut rng = rand::rng();
    let mut signers = Vec::new();
    for number in 1..=args.roots {
        let path = args.out.join(format!("root-{number}.key"));
        let name: KeyName = format!("huren.example/root/{number}").parse()?;
        signers.push(match &passphrase {
            None => {
                let key = keys::create(&path, Purpose::Root, &mut rng)?;
                NoteSigner::from_seed(name, key.expose())
            }
            Some(passphrase) => {
                let public = root_key::create(&path, name, passphrase)?;
                root_key::reopen(&path, &public, passphrase)?
            }
        });
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
