//! Key files: each there, for what it should be for, its user's alone, and named by the trust list.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use huren_core::trust::TrustChain;

use super::{Check, Finding, Words, in_full};
use crate::{
    config::Config,
    engine::SigningKeys,
    keys::{self, KeyError, Purpose},
    startup::NodeKeys,
};

/// Checks all key files, and those that sign against a trust list at the end of the own log.
pub(super) fn check(config: &Config, list: Option<(&TrustChain, u64)>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = folder(&config.keys_dir).into_iter().collect();
    let mut fine = 0_usize;
    for (path, purpose) in files(config) {
        let read = match purpose {
            Purpose::Record => keys::load_signer(&path, Purpose::record).map(drop),
            other => keys::load(&path, other).map(drop),
        };
        match read {
            Ok(()) => fine += 1,
            Err(error) => findings.push(unusable(&error)),
        }
    }
    if let (Some((chain, size)), Ok(signing)) = (list, NodeKeys::signing(config)) {
        findings.extend(unnamed(&signing, chain, (config, size)));
    }
    if findings.is_empty() {
        let words = Words::new(
            format!("{fine} 个密钥文件齐备，仅本用户可读"),
            format!("{fine} key files, each readable by its user alone"),
        );
        findings.push(Finding::ok(Check::Keys, words));
    }
    findings
}

/// The files that must be there, and those beside them that may be.
fn files(config: &Config) -> Vec<(PathBuf, Purpose)> {
    let folder = &config.keys_dir;
    let mut files = Vec::new();
    for purpose in Purpose::ALL {
        if purpose == Purpose::Holder {
            files.push((config.trust.holder_key.clone(), purpose));
            continue;
        }
        files.push((purpose.file_in(folder), purpose));
        let next = purpose.next_file_in(folder);
        if next.exists() {
            files.push((next, purpose));
        }
        if matches!(purpose, Purpose::AtRest | Purpose::Index) {
            let earlier = keys::earlier_files(folder, purpose).unwrap_or_default();
            files.extend(earlier.into_iter().map(|path| (path, purpose)));
        }
    }
    files
}

/// Whoever may write a folder puts another file in a key's place.
fn folder(path: &Path) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.mode() & 0o777;
    (mode & 0o022 != 0).then(|| {
        let path = path.display();
        let words = Words::new(
            format!("密钥文件夹 {path} 他人可写（{mode:03o}）"),
            format!("others may write the folder of keys {path} (mode {mode:03o})"),
        );
        let remedy = Words::new(
            format!("chmod 700 {path}，并核对其中的密钥未被替换"),
            format!("chmod 700 {path}, and see that no key in it was replaced"),
        );
        Finding::problem(Check::Keys, words, remedy)
    })
}

fn unusable(error: &KeyError) -> Finding {
    let restore = || {
        Words::new(
            "由密钥备份恢复：huren-node restore-keys",
            "restore it from the backup of keys: huren-node restore-keys",
        )
    };
    let (zh, remedy) = match error {
        KeyError::Missing { path } => (format!("缺少密钥文件 {}", path.display()), restore()),
        KeyError::Exposed { path, mode } => (
            format!("密钥文件 {} 他人可读（{mode:03o}）", path.display()),
            Words::new(
                format!(
                    "chmod 600 {0}；若可能已被读取，更换密钥（见手册）",
                    path.display()
                ),
                format!(
                    "chmod 600 {0}; where somebody may have read it, change the key (see the handbook)",
                    path.display()
                ),
            ),
        ),
        KeyError::Malformed { path } | KeyError::WrongPurpose { path, .. } => {
            (format!("{} 不是所需的密钥", path.display()), restore())
        }
        KeyError::Io { path, .. } | KeyError::Exists { path } => (
            format!("密钥文件 {} 无法读取", path.display()),
            Words::new(
                "以节点的用户运行本命令，并检查文件的属主",
                "run this as the node's user, and see whose file it is",
            ),
        ),
    };
    Finding::problem(Check::Keys, Words::new(zh, in_full(error)), remedy)
}

/// A role whose key here is none of those that the list names.
fn unnamed(
    signing: &SigningKeys,
    chain: &TrustChain,
    (config, size): (&Config, u64),
) -> Vec<Finding> {
    if chain.newest().list.member_of(&config.origin).is_none() {
        return Vec::new(); // Said of the trust list.
    }
    let unnamed = signing.unnamed(chain, &config.origin, size).into_iter();
    let finding = |role| {
        let words = Words::new(
            format!("信任清单未列出本节点的 {role} 密钥"),
            format!("the trust list names none of this node's keys for: {role}"),
        );
        let remedy = Words::new(
            format!("将清单所列的密钥放为 keys/{role}.next.key，或请联盟更新清单"),
            format!(
                "put the key that it names in place as keys/{role}.next.key, or have the federation \
                 renew the list"
            ),
        );
        Finding::problem(Check::Keys, words, remedy)
    };
    unnamed.map(finding).collect()
}
