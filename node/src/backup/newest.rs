//! Which backup in a folder is the newest one of a node.

use std::{fs, path::Path};

use huren_core::trust::TrustChain;
use jiff::Timestamp;

use super::{
    folder::{PathError, at},
    make::PARTIAL,
    restore::{MANIFEST, answer_key, read_manifest},
};
use crate::config::Config;

/// The newest backup in a folder.
pub(crate) struct Newest {
    /// Its name and when it was made, in seconds since 1970.
    pub(crate) made: Option<(String, i64)>,
    /// How many others there are that this node could not restore: of another node, of a newer
    /// program, or not signed by this one.
    pub(crate) unusable: usize,
}

/// Finds it by what the manifests say, once their signatures were checked. What they are about is not
/// read: that is for `restore --check`.
///
/// # Errors
/// If the folder cannot be read.
pub(crate) fn newest(
    config: &Config,
    folder: &Path,
    chain: &TrustChain,
) -> Result<Newest, PathError> {
    let (mut made, mut unusable) = (None::<(String, i64)>, 0);
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let path = entry.map_err(at(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(PARTIAL) || !path.join(MANIFEST).exists() {
            continue;
        }
        let Some(time) = signed_time(config, &path, chain) else {
            unusable += 1;
            continue;
        };
        if made.as_ref().is_none_or(|(_, newest)| time > *newest) {
            made = Some((name.into_owned(), time));
        }
    }
    Ok(Newest { made, unusable })
}

fn signed_time(config: &Config, backup: &Path, chain: &TrustChain) -> Option<i64> {
    let present = answer_key(config).ok()?;
    let unverified = read_manifest(config, backup).ok()?;
    let manifest = unverified.verify(&present, chain)?;
    let time: Timestamp = manifest.time.parse().ok()?;
    Some(time.as_second())
}
