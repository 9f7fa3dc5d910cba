//! What ceremonies carry from hand to hand: the lists that are held, and a proposal, which is the
//! text to be signed and nothing else.

use std::io::{Write as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use huren_core::trust::{Change, RootKeys, TrustChain, TrustError, TrustList, changes};
use huren_node::{keys::write_new, startup::split_lists};
use serde_json::{Value, json};

/// 现行清单 / the lists that are held.
#[derive(Args, Clone, Debug)]
pub struct HeldArgs {
    /// 现行信任清单；首版没有 / file of the lists held; the first list follows none
    #[arg(long, value_name = "FILE", requires = "trust")]
    pub lists: Option<PathBuf>,
    /// 信任根公钥文件 / file of root keys
    #[arg(long, value_name = "ROOTS", requires = "lists")]
    pub trust: Option<PathBuf>,
}

impl HeldArgs {
    /// The chain, verified from the root keys; `None` for a first list.
    pub(super) fn chain(&self) -> Result<Option<TrustChain>> {
        match (&self.lists, &self.trust) {
            (Some(lists), Some(trust)) => chain(lists, trust).map(Some),
            _ => Ok(None),
        }
    }
}

/// 提案，与现行清单对照 / a proposal, against the lists held.
#[derive(Args, Clone, Debug)]
pub struct ProposalArgs {
    /// 提案文件 / the proposal
    pub proposal: PathBuf,
    /// 现行清单 / the lists held
    #[command(flatten)]
    pub held: HeldArgs,
}

/// A proposal that keeps every rule but has no signature yet.
pub(super) struct Proposal {
    pub(super) held: Option<TrustChain>,
    pub(super) text: String,
    pub(super) list: TrustList,
}

impl Proposal {
    /// Reads a proposal and checks it against what is held, so that nobody signs what no node
    /// would take.
    pub(super) fn read(args: &ProposalArgs) -> Result<Self> {
        Self::check(args.held.chain()?, read(&args.proposal)?)
    }

    /// Checks a text.
    pub(super) fn check(held: Option<TrustChain>, text: String) -> Result<Self> {
        let list = TrustChain::check_proposal(held.as_ref(), &text).map_err(refused)?;
        if held.is_none() && list.version != 1 {
            bail!(
                "请用 --lists 与 --trust 指明现行清单 / name the lists held with --lists and --trust"
            );
        }
        Ok(Self { held, text, list })
    }

    /// What it changes.
    pub(super) fn changes(&self) -> Vec<Change> {
        let old = self.held.as_ref().map(|held| &held.newest().list);
        changes(old, &self.list)
    }

    /// What it changes, for programs.
    pub(super) fn to_json(&self) -> Value {
        let (version, changes) = (self.list.version, self.changes());
        json!({"version": version, "expires": self.list.expires, "changes": changes})
    }

    /// What it changes, for people; what takes protection away is marked.
    pub(super) fn in_words(&self) -> String {
        let mut words = format!(
            "第 {version} 版信任清单，有效至 {expires} / trust list, version {version}, until {expires}\n",
            version = self.list.version,
            expires = self.list.expires,
        );
        for Change {
            grave,
            region,
            zh,
            en,
            ..
        } in self.changes()
        {
            let mark = if grave { '!' } else { '·' };
            let region = region.map(|region| region + " ").unwrap_or_default();
            words += &format!("{mark} {region}{zh}\n    {en}\n");
        }
        words
    }

    /// Prints what it changes.
    pub(super) fn tell(&self, json_out: bool) -> Result<ExitCode> {
        if json_out {
            writeln!(stdout(), "{:#}", self.to_json())?;
        } else {
            write!(stdout(), "{}", self.in_words())?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// A chain of lists, verified from root keys.
pub(super) fn chain(lists: &Path, trust: &Path) -> Result<TrustChain> {
    let roots: RootKeys = read(trust)?.parse().map_err(refused)?;
    let text = read(lists)?;
    let notes = split_lists(&text);
    TrustChain::verify(&roots, notes.iter().map(|note| note.as_bytes())).map_err(refused)
}

/// The reason of a refusal, in both languages.
pub(super) fn refused(error: TrustError) -> anyhow::Error {
    anyhow!("{}: {} / {error}", error.code(), error.zh())
}

pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .with_context(|| format!("无法读取 / cannot read {}", path.display()))
}

/// Writes a file that does not exist yet; it is on disk when this returns.
pub(super) fn write(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    write_new(path, mode, content).with_context(|| {
        let path = path.display();
        format!(
            "未能写入（已有文件不会被覆盖） / cannot write, and never over an existing file: {path}"
        )
    })
}
