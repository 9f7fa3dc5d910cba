//! What a node has acknowledged, as its client wrote it down before it was killed.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::PathBuf,
};

use anyhow::{Context as _, Result, ensure};
use huren_core::merkle::Hash;
use serde::Deserialize;

use crate::{audit::Audit, tables::Part};

/// A row of a part: the number of the part, and its line.
type Row = (u32, u64);

#[derive(Deserialize)]
struct Line {
    line: u64,
    index: u64,
    leaf_hash: String,
}

/// All acknowledgements. A row may have several, as clients send again what they got no
/// answer to; they all say the same.
#[derive(Default)]
pub(crate) struct Acks {
    by_row: BTreeMap<Row, u64>,
    by_index: BTreeMap<u64, (Row, Hash)>,
    /// How much of each journal was read.
    read: BTreeMap<PathBuf, u64>,
    /// Indexes that were not compared with the log yet.
    new: Vec<u64>,
}

impl Acks {
    /// Reads what a part's journal has got since it was last read.
    pub(crate) fn read(&mut self, part: &Part) -> Result<()> {
        let path = part.journal();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            // The client makes it before it sends the first row.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let from = self.read.entry(path).or_default();
        file.seek(SeekFrom::Start(*from))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        // What stands behind the last line break is still being written.
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        *from += whole as u64;
        let mut lines = text[..whole].lines();
        lines.try_for_each(|line| self.take(part, serde_json::from_str(line)?))
    }

    fn take(&mut self, part: &Part, line: Line) -> Result<()> {
        let row = (part.number, line.line);
        let leaf = Hash::from_hex(&line.leaf_hash)?;
        let first = *self.by_row.entry(row).or_insert(line.index);
        ensure!(
            first == line.index,
            "row {row:?} was acknowledged at {first} and at {}",
            line.index
        );
        if let Some((other, hash)) = self.by_index.get(&line.index) {
            ensure!(
                *other == row && *hash == leaf,
                "two rows or two leaves were acknowledged at {}",
                line.index
            );
            return Ok(());
        }
        self.by_index.insert(line.index, (row, leaf));
        self.new.push(line.index);
        Ok(())
    }

    /// How many rows were acknowledged.
    pub(crate) fn rows(&self) -> u64 {
        self.by_row.len() as u64
    }

    /// The size that a log must have at least.
    pub(crate) fn end(&self) -> u64 {
        self.by_index
            .last_key_value()
            .map_or(0, |(index, _)| index + 1)
    }

    /// Compares what was acknowledged since the last time with the log.
    pub(crate) fn check_new(&mut self, audit: &Audit) -> Result<()> {
        for index in std::mem::take(&mut self.new) {
            self.check(index, audit)?;
        }
        Ok(())
    }

    /// Compares all of it, and sees that beside it the log has the `other` leaves at its
    /// beginning and nothing else: then every row is there once.
    pub(crate) fn check_all(&self, audit: &Audit, other: u64) -> Result<()> {
        for index in self.by_index.keys() {
            self.check(*index, audit)?;
        }
        let rows = self.rows();
        ensure!(
            self.by_index.keys().copied().eq(other..other + rows) && audit.size() == other + rows,
            "{rows} rows and {other} other leaves make no log of {} leaves",
            audit.size()
        );
        Ok(())
    }

    fn check(&self, index: u64, audit: &Audit) -> Result<()> {
        let (row, leaf) = self.by_index.get(&index).context("an index")?;
        ensure!(
            audit.leaf(index) == Some(leaf),
            "row {row:?} was acknowledged at {index}, where the log has something else"
        );
        Ok(())
    }
}
