//! Reading and converting rows on a thread of its own, a bounded number ahead.

use std::{iter, vec};

use tokio::sync::mpsc;

use super::convert::{Conversion, Submission};
use super::fault::RowFault;
use super::source::{RawRow, Source, SourceError};

/// Rows that change hands together: doing so costs more than reading one.
const TOGETHER: usize = 32;

/// How many such sets are read ahead.
const READ_AHEAD: usize = 8;

/// A row that was read, and what can be done with it.
pub(super) struct Read {
    pub(super) row: RawRow,
    pub(super) result: Result<Submission, Vec<RowFault>>,
}

/// The rows of a source, in their order.
pub(super) struct Rows {
    sets: mpsc::Receiver<Vec<Result<Read, SourceError>>>,
    /// What is left of a set.
    rest: vec::IntoIter<Result<Read, SourceError>>,
}

impl Rows {
    /// Starts to read; reading ends with the file, after an error, or when this is dropped.
    pub(super) fn of(mut source: Source, conversion: Conversion) -> Self {
        let (sender, sets) = mpsc::channel(READ_AHEAD);
        tokio::task::spawn_blocking(move || {
            loop {
                let rows = iter::from_fn(|| source.next_row().transpose());
                let read = |row: RawRow| Read {
                    result: conversion.convert(&row),
                    row,
                };
                let mut set = Vec::with_capacity(TOGETHER);
                for row in rows.take(TOGETHER) {
                    let is_last = row.is_err();
                    set.push(row.map(read));
                    if is_last {
                        break;
                    }
                }
                let is_last = set.len() < TOGETHER || set.last().is_some_and(Result::is_err);
                if sender.blocking_send(set).is_err() || is_last {
                    return;
                }
            }
        });
        Self {
            sets,
            rest: Vec::new().into_iter(),
        }
    }

    /// The next row; `None` after the last one. Nothing is lost if this is not waited for.
    pub(super) async fn next(&mut self) -> Option<Result<Read, SourceError>> {
        loop {
            if let Some(row) = self.rest.next() {
                return Some(row);
            }
            self.rest = self.sets.recv().await?.into_iter();
        }
    }
}
