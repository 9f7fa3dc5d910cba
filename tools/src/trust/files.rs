//! The files that ceremonies pass around.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use huren_core::trust::{Change, Member, RootKeys, TrustChain, TrustError, TrustList, changes};
use huren_node::startup::split_lists;
use serde_json::json;

/// What is trusted so far: both, or neither before there is a first list.
#[derive(Args, Clone, Debug)]
pub struct Held {
    /// 信任根公钥文件 / file of root keys
    #[arg(long, value_name = "ROOTS", requires = "lists")]
    pub trust: Option<PathBuf>,
    /// 现有信任清单 / the trust lists held so far
    #[arg(long, value_name = "LISTS", requires = "trust")]
    pub lists: Option<PathBuf>,
}

impl Held {
    /// The chain, verified from the root keys; `None` before there is a first list.
    pub(super) fn chain(&self) -> Result<Option<TrustChain>> {
        match (&self.trust, &self.lists) {
            (Some(trust), Some(lists)) => chain(trust, &[lists.as_path()]).map(Some),
            _ => Ok(None),
        }
    }
}

/// Verifies the lists of several files, one behind the other, from root keys.
pub(super) fn chain(trust: &Path, lists: &[&Path]) -> Result<TrustChain> {
    let roots: RootKeys = read(trust)?.parse().map_err(refused)?;
    let texts: Vec<String> = lists.iter().map(|path| read(path)).collect::<Result<_>>()?;
    let mut notes = Vec::new();
    for (text, path) in texts.iter().zip(lists) {
        let found = split_lists(text);
        if found.is_empty() {
            bail!(
                "[TRUST_FORMAT] 不是信任清单 / no trust list: {}",
                path.display()
            );
        }
        notes.extend(found.into_iter().map(str::as_bytes));
    }
    // Files may overlap: the second one often begins where the first one does.
    let (first, rest) = notes
        .split_first()
        .context("没有信任清单 / there is no trust list")?;
    let chain = TrustChain::verify(&roots, [*first]).map_err(refused)?;
    chain.joined(rest.iter().copied()).map_err(refused)
}

/// A refusal with its code and both sentences.
pub(super) fn refused(error: TrustError) -> anyhow::Error {
    anyhow!("[{}] {} / {error}", error.code(), error.zh())
}

pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("无法读取 / cannot read {}", path.display()))
}

pub(super) fn read_member(path: &Path) -> Result<Member> {
    serde_json::from_str(&read(path)?)
        .with_context(|| format!("不是成员说明 / not a member.json: {}", path.display()))
}

/// Writes a file that does not exist yet.
pub(super) fn write_new(path: &Path, text: &str) -> Result<()> {
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    let mut file = file.with_context(|| {
        format!(
            "未写入，文件已存在或无法建立 / not written, exists or cannot be made: {}",
            path.display()
        )
    })?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}

/// Replaces a file whole: after a crash the old one is there or the new one.
pub(super) fn replace(path: &Path, text: &str) -> Result<()> {
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("无法写入 / cannot write to {}", folder.display()))?;
    file.write_all(text.as_bytes())?;
    use std::os::unix::fs::PermissionsExt as _;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// A proposal, checked in everything but its signatures, and what it changes.
pub(super) struct Proposal {
    pub(super) text: String,
    pub(super) list: TrustList,
    pub(super) changes: Vec<Change>,
}

impl Proposal {
    /// Reads one that is to follow what is held.
    pub(super) fn read(path: &Path, held: Option<&TrustChain>) -> Result<Self> {
        Self::check(read(path)?, held)
    }

    pub(super) fn check(text: String, held: Option<&TrustChain>) -> Result<Self> {
        let list = TrustChain::check_proposal(held, &text).map_err(|error| {
            refused(error).context("草案不合规，不得签署 / the draft breaks a rule: do not sign it")
        })?;
        if list.to_text()? != text {
            // Otherwise two texts would say the same, and people would compare the wrong one.
            bail!("草案不是规范文本 / the draft is not in its canonical form");
        }
        let changes = changes(held.map(|held| &held.newest().list), &list);
        Ok(Self {
            text,
            list,
            changes,
        })
    }

    /// The changes for people, grave ones marked.
    pub(super) fn shown(&self) -> String {
        let mut text = format!(
            "信任清单第 {0} 版的改动 / what version {0} changes:\n",
            self.list.version
        );
        if self.changes.is_empty() {
            text += "  无 / nothing\n";
        }
        for change in &self.changes {
            let mark = if change.grave { "慎 !" } else { "  " };
            let region = change.region.as_deref().unwrap_or("  ");
            text += &format!(
                "{mark:<4} {region} {}\n          {}\n",
                change.zh, change.en
            );
        }
        let grave = self.changes.iter().filter(|change| change.grave).count();
        if grave > 0 {
            text += &format!(
                "其中 {grave} 处削弱保护或不合常规，无正当理由不得签署 / {grave} of them weaken what \
                 protects the federation: do not sign without a reason\n"
            );
        }
        text
    }

    pub(super) fn json(&self) -> serde_json::Value {
        let grave = self.changes.iter().filter(|change| change.grave).count();
        json!({"version": self.list.version, "changes": self.changes, "grave": grave})
    }
}
