//! A table in memory, read by the rules of an import: what becomes of each of its rows before
//! anything is sent. The import itself goes by [`super::rows`], which reads ahead.

use std::{borrow::Cow, io::Cursor};

use huren_core::codes::{Occupation, Region};
use huren_proto::v1;
use huren_tables::{Limits, Options};

use super::convert::Conversion;
use super::source::{Source, SourceError};

/// A row that is not blank.
#[derive(Clone, Debug, PartialEq)]
pub struct TableRow {
    /// Its first line in the table, from 1.
    pub line: u64,
    /// What would be sent, or the codes of everything that is wrong with it.
    pub result: Result<v1::SubmitRequest, Vec<Cow<'static, str>>>,
}

/// Reads a whole table of strangers; what it is, its encoding, delimiter and kind are detected.
///
/// # Errors
/// The sentence that tells an operator why nothing of the table can be imported.
pub fn read_table(bytes: &[u8], writer_region: Region) -> Result<Vec<TableRow>, String> {
    let sentence = |error: SourceError| error.to_string();
    let options = Options {
        limits: Limits::UPLOAD,
        ..Options::default()
    };
    let bytes = Cursor::new(bytes.to_vec());
    let mut source = Source::read(bytes, &options, None).map_err(sentence)?;
    let conversion = Conversion {
        header: source.header.clone(),
        writer_region,
        provenance: v1::Provenance::Issued,
        wait: v1::Wait::Durable,
        edition: Occupation::CURRENT_EDITION,
    };
    let mut rows = Vec::new();
    while let Some(row) = source.next_row().map_err(sentence)? {
        let converted = conversion.convert(&row);
        rows.push(TableRow {
            line: row.line,
            result: match converted {
                Ok(submission) => Ok(submission.request),
                Err(faults) => Err(faults.into_iter().map(|fault| fault.code).collect()),
            },
        });
    }
    Ok(rows)
}
