//! Reading and converting rows on a thread of its own, a bounded number ahead.

use tokio::sync::mpsc;

use super::convert::{Conversion, Submission};
use super::fault::RowFault;
use super::source::{RawRow, Source, SourceError};

/// How many rows are read ahead.
const READ_AHEAD: usize = 256;

/// A row that was read, and what can be done with it.
pub(super) struct Read {
    pub(super) row: RawRow,
    pub(super) result: Result<Submission, Vec<RowFault>>,
}

/// Starts to read. The channel ends with the file or after an error; reading ends when the
/// receiver is dropped.
pub(super) fn read(
    mut source: Source,
    conversion: Conversion,
) -> mpsc::Receiver<Result<Read, SourceError>> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::task::spawn_blocking(move || {
        loop {
            let next = match source.next_row() {
                Ok(None) => return,
                Ok(Some(row)) => Ok(Read {
                    result: conversion.convert(&row),
                    row,
                }),
                Err(error) => Err(error),
            };
            let is_last = next.is_err();
            if sender.blocking_send(next).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}
