//! The audit trail in memory.

use huren_core::audit::{ChainHead, Subject};

use crate::{AuditQuery, AuditRow, Error};

/// Entries, the first first.
#[derive(Default)]
pub(super) struct Trail(Vec<AuditRow>);

impl Trail {
    pub(super) fn head(&self) -> ChainHead {
        let newest = self.0.last();
        newest.map_or(ChainHead::EMPTY, |row| (&row.link).into())
    }

    pub(super) fn append(&mut self, expected: ChainHead, rows: Vec<AuditRow>) -> Result<(), Error> {
        if self.head() != expected {
            return Err(Error::Conflict);
        }
        self.0.extend(rows);
        Ok(())
    }

    pub(super) fn find(&self, query: &AuditQuery) -> Vec<AuditRow> {
        let is_about = |row: &AuditRow, subject: Subject| {
            let mut windows = row.link.entry.windows(subject.0.len());
            windows.any(|window| window == subject.0)
        };
        let fits = |row: &&AuditRow| {
            query.sequences.contains(&row.link.sequence)
                && query.times.contains(&row.time)
                && query.action.is_none_or(|action| action == row.action)
                && query.actor.as_ref().is_none_or(|actor| *actor == row.actor)
                && (query.subjects.is_empty()
                    || query.subjects.iter().any(|subject| is_about(row, *subject)))
        };
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let rows = self.0.iter().filter(fits);
        if query.newest_first {
            rows.rev().take(limit).cloned().collect()
        } else {
            rows.take(limit).cloned().collect()
        }
    }
}
