//! Cells of the statistics.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
};

use huren_core::checkpoint::Origin;

use crate::KeptCell;

#[derive(Default)]
pub(super) struct Cells {
    pub(super) counted: HashMap<Origin, u64>,
    cells: BTreeMap<String, Vec<u8>>,
}

impl Cells {
    /// Keeps cells; empty ones go.
    pub(super) fn put(&mut self, cells: Vec<KeptCell>) {
        for KeptCell { key, sums } in cells {
            match sums.is_empty() {
                true => self.cells.remove(&key),
                false => self.cells.insert(key, sums),
            };
        }
    }

    pub(super) fn of_key(&self, key: &str) -> Option<KeptCell> {
        let (key, sums) = self.cells.get_key_value(key)?;
        Some(cell(key, sums))
    }

    pub(super) fn page(&self, prefix: &str, after: &str, limit: u32) -> Vec<KeptCell> {
        let start = match after {
            "" => Bound::Included(prefix.to_owned()),
            after => Bound::Excluded(after.to_owned()),
        };
        let cells = self.cells.range((start, Bound::Unbounded));
        let cells = cells.skip_while(|(key, _)| key.as_str() < prefix);
        let cells = cells.take_while(|(key, _)| key.starts_with(prefix));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        cells
            .map(|(key, sums)| cell(key, sums))
            .take(limit)
            .collect()
    }
}

fn cell(key: &str, sums: &[u8]) -> KeptCell {
    KeptCell {
        key: key.to_owned(),
        sums: sums.to_vec(),
    }
}
