//! Reading and converting rows on a thread of its own, a bounded number ahead.

use std::vec;

use tokio::{sync::mpsc, task::JoinHandle};

use super::convert::{Conversion, Submission};
use super::fault::RowFault;
use super::source::{RawRow, Source, SourceError};

/// Rows that change hands together: doing so costs more than reading one.
const TOGETHER: usize = 32;

/// Bytes behind which a set is full, whatever rows it has.
const SET_BYTES: usize = 64 << 10;

/// How many such sets are read ahead: as many rows as a node answers at once when a batch has committed,
/// which the next ones take the place of.
const READ_AHEAD: usize = 128;

/// A row that was read, and what can be done with it.
pub(super) struct Read {
    pub(super) row: RawRow,
    /// Thousandths of the table that were read when it was; 0 if that cannot be told.
    pub(super) permille: u32,
    pub(super) result: Result<Submission, Vec<RowFault>>,
}

/// The rows of a source, in their order.
pub(super) struct Rows {
    sets: mpsc::Receiver<Vec<Result<Read, SourceError>>>,
    /// What is left of a set.
    rest: vec::IntoIter<Result<Read, SourceError>>,
    /// The thread that reads, until it has ended.
    reading: Option<JoinHandle<()>>,
}

impl Rows {
    /// Starts to read; reading ends with the file, after an error, or when this is dropped.
    pub(super) fn of(mut source: Source, conversion: Conversion) -> Self {
        let (sender, sets) = mpsc::channel(READ_AHEAD);
        let reading = tokio::task::spawn_blocking(move || {
            let mut has_ended = false;
            while !has_ended {
                let (mut set, mut bytes) = (Vec::with_capacity(TOGETHER), 0);
                while !has_ended && set.len() < TOGETHER && bytes < SET_BYTES {
                    let row = source.next_row().transpose();
                    has_ended = !matches!(row, Some(Ok(_)));
                    let Some(row) = row else { break };
                    let permille = source.permille();
                    set.push(row.map(|row| {
                        bytes += row.bytes();
                        Read {
                            result: conversion.convert(&row),
                            row,
                            permille,
                        }
                    }));
                }
                if sender.blocking_send(set).is_err() {
                    return;
                }
            }
        });
        Self {
            sets,
            rest: Vec::new().into_iter(),
            reading: Some(reading),
        }
    }

    /// The next row; `None` after the last one. Nothing is lost if this is not waited for.
    pub(super) async fn next(&mut self) -> Option<Result<Read, SourceError>> {
        loop {
            if let Some(row) = self.rest.next() {
                return Some(row);
            }
            if let Some(set) = self.sets.recv().await {
                self.rest = set.into_iter();
                continue;
            }
            // A thread that panicked looks like the end of the file, and is none.
            let ended = match self.reading.as_mut() {
                Some(reading) => reading.await,
                None => return None,
            };
            self.reading = None;
            return ended.err().map(|_| Err(SourceError::Broken));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_panics_is_not_the_end_of_the_file() {
        let (sender, sets) = mpsc::channel(1);
        let reading = tokio::task::spawn_blocking(move || {
            let _sender = sender;
            panic!("while reading");
        });
        let mut rows = Rows {
            sets,
            rest: Vec::new().into_iter(),
            reading: Some(reading),
        };
        assert!(matches!(rows.next().await, Some(Err(SourceError::Broken))));
        assert!(rows.next().await.is_none());
    }
}
