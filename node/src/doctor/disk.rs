//! Room where the database, the high-water file and the keys lie.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{Check, Finding, Words};
use crate::config::{Config, Database};

/// Bytes below which a node may stop to write within hours.
const PROBLEM: u64 = 512 << 20;
/// Bytes below which room is to be made.
const NOTICE: u64 = 5 << 30;

/// Checks every disk that a node writes to.
pub(super) fn check(config: &Config) -> Vec<Finding> {
    let database = match &config.database {
        Database::File(path) => fs::metadata(path).map_or(0, |found| found.len()),
        Database::Shared(_) => 0,
    };
    let high_water = config.high_water.parent().map(Path::to_owned);
    let keys = config.keys_dir.clone();
    let wanted = [
        Some((config.data_dir.clone(), database)),
        high_water.map(|at| (at, 0)),
        Some((keys, 0)),
    ];
    // Once for a disk: whatever lies on it has the same room.
    let mut disks: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
    let mut findings = Vec::new();
    for (path, holds) in wanted.into_iter().flatten() {
        match fs::metadata(&path) {
            Ok(found) => drop(disks.entry(found.dev()).or_insert((path, holds))),
            Err(error) => {
                let path = path.display();
                let words = Words::new(
                    format!("{path} 无法读取"),
                    format!("cannot read {path}: {error}"),
                );
                let remedy = Words::new(
                    "建立该文件夹，或挂载其磁盘，归节点的用户所有",
                    "make that folder, or mount its disk, as the node's user's",
                );
                findings.push(Finding::problem(Check::Disk, words, remedy));
            }
        }
    }
    for (path, holds) in disks.into_values() {
        if let Ok(found) = rustix::fs::statvfs(&path) {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            findings.push(judge(&path, free, holds));
        }
    }
    findings
}

/// `free` is what the node's user may still write, `holds` the size of the database there, in bytes.
fn judge(path: &Path, free: u64, holds: u64) -> Finding {
    let gigabytes = |bytes: u64| format!("{:.1} GB", bytes as f64 / 1e9);
    let (path, left) = (path.display(), gigabytes(free));
    let words = Words::new(
        format!("{path} 所在磁盘可用 {left}"),
        format!("{left} free where {path} lies"),
    );
    let make_room = Words::new(
        "腾出空间或扩大磁盘；写满后日志不再接受提交",
        "make room, or enlarge the disk: a log on a full one takes nothing",
    );
    if free < PROBLEM {
        return Finding::problem(Check::Disk, words, make_room);
    }
    if free < NOTICE {
        return Finding::notice(Check::Disk, words, make_room);
    }
    if free < holds {
        let size = gigabytes(holds);
        let remedy = Words::new(
            format!("备份须在此处有一个数据库大小（{size}）的空间：扩大磁盘"),
            format!(
                "a backup needs as much room here as the database is large, {size}: enlarge the disk"
            ),
        );
        return Finding::notice(Check::Disk, words, remedy);
    }
    Finding::ok(Check::Disk, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn room_is_judged_by_itself_and_beside_the_database() {
        let level = |free, holds| judge(Path::new("/data"), free, holds).level;
        assert_eq!(level(PROBLEM - 1, 0), Level::Problem);
        assert_eq!(level(PROBLEM, 0), Level::Notice);
        assert_eq!(level(NOTICE - 1, 0), Level::Notice);
        assert_eq!(level(NOTICE, 0), Level::Ok);
        assert_eq!(level(NOTICE, NOTICE), Level::Ok);
        assert_eq!(level(NOTICE, NOTICE + 1), Level::Notice);
    }
}
