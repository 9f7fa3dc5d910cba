//! What the node's operator is told of an import beside its rows: how far the file was read, and
//! what was refused here. Reason codes and lines, never a value.

use std::collections::{BTreeMap, VecDeque};

use huren_proto::v1;
use tonic::metadata::MetadataMap;

use super::fault::RowFault;
use super::source::RawRow;

/// Header by which a node says that it takes progress.
const TAKES_PROGRESS: &str = "huren-takes-progress";

/// Refused rows that are told of by their place.
const ROWS: usize = 16;

/// What was refused here since the last message.
#[derive(Default)]
pub(super) struct Progress {
    refused: BTreeMap<String, u64>,
    newest: VecDeque<v1::RefusedRow>,
}

impl Progress {
    /// A row was refused here; it counts under its first reason.
    pub(super) fn refuse(&mut self, row: &RawRow, faults: &[RowFault]) {
        let Some(fault) = faults.first() else { return };
        let code = fault.code.clone().into_owned();
        *self.refused.entry(code.clone()).or_default() += 1;
        if self.newest.len() == ROWS {
            self.newest.pop_front();
        }
        self.newest.push_back(v1::RefusedRow {
            client_ref: row.line,
            code,
            field: fault.field.clone().into_owned(),
        });
    }

    /// What to tell behind so much of the file, if the node takes it. It is told once.
    pub(super) fn told(&mut self, permille: u32) -> v1::ImportProgress {
        let refused = std::mem::take(&mut self.refused).into_iter();
        v1::ImportProgress {
            permille,
            refused: refused
                .map(|(code, count)| v1::RefusedCode { code, count })
                .collect(),
            newest: std::mem::take(&mut self.newest).into(),
        }
    }

    /// What was to be told and could not be sent is told with the next message.
    pub(super) fn take_back(&mut self, unsent: v1::ImportProgress) {
        for v1::RefusedCode { code, count } in unsent.refused {
            *self.refused.entry(code).or_default() += count;
        }
        // They are older than what was refused since.
        let room = ROWS.saturating_sub(self.newest.len());
        for row in unsent.newest.into_iter().rev().take(room) {
            self.newest.push_front(row);
        }
    }
}

/// Whether a node says that it takes progress.
pub(super) fn is_taken(headers: &MetadataMap) -> bool {
    headers.contains_key(TAKES_PROGRESS)
}

#[cfg(test)]
mod tests {
    use csv::StringRecord;

    use super::*;

    fn refuse(progress: &mut Progress, line: u64) {
        let row = RawRow {
            line,
            cells: StringRecord::new(),
            faults: Vec::new(),
        };
        progress.refuse(&row, &[RowFault::missing("number")]);
    }

    #[test]
    fn what_could_not_be_sent_is_told_once_with_the_next() {
        let mut progress = Progress::default();
        (1..=10).for_each(|line| refuse(&mut progress, line));
        let unsent = progress.told(300);
        (11..=20).for_each(|line| refuse(&mut progress, line));
        progress.take_back(unsent);
        let told = progress.told(400);
        assert_eq!((told.permille, told.refused.len()), (400, 1));
        assert_eq!(told.refused[0].count, 20);
        let lines = told.newest.iter().map(|row| row.client_ref);
        assert!(lines.eq(5..=20), "{told:?}");
        assert_eq!(progress.told(400).refused, []);
    }
}
