//! The journal: what the node has acknowledged, line by line, for whoever compares later.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use huren_proto::v1;
use serde::Serialize;

/// Appends an acknowledgement as soon as it has come. Lines are not buffered: what is in the
/// file was acknowledged, even if this program is killed next.
pub(super) struct Journal(Option<File>);

#[derive(Serialize)]
struct Entry<'a> {
    line: u64,
    origin: &'a str,
    index: u64,
    leaf_hash: String,
    duplicate: bool,
}

impl Journal {
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let open = |path| File::options().append(true).create(true).open(path);
        path.map(open).transpose().map(Self)
    }

    pub(super) fn add(&mut self, line: u64, accepted: &v1::SubmitResponse) -> io::Result<()> {
        let Some(file) = &mut self.0 else {
            return Ok(());
        };
        let mut entry = serde_json::to_vec(&Entry {
            line,
            origin: &accepted.origin,
            index: accepted.index,
            leaf_hash: hex::encode(&accepted.leaf_hash),
            duplicate: accepted.duplicate,
        })?;
        entry.push(b'\n');
        file.write_all(&entry)
    }
}
