//! Reading a table row by row, in bounded memory.

use std::path::Path;

use csv::StringRecord;
use huren_tables::{Bytes, Format, Options, Row, Table, TableError, Unopened};

use super::fault::RowFault;
use super::header::{Header, HeaderError};
use super::rejects::restored;
use crate::files::{Encoding, Kind};

/// A table that is being read.
pub(super) struct Source {
    table: Table,
    pub(super) header: Header,
}

/// A row as it came.
#[derive(Clone, Debug)]
pub(super) struct RawRow {
    /// Its first line in the file, from 1; in a workbook the number that Excel shows.
    pub(super) line: u64,
    pub(super) cells: StringRecord,
    /// What is wrong with cells of a workbook before anybody looks at what they mean.
    pub(super) faults: Vec<RowFault>,
}

impl RawRow {
    /// Length of all cells, which is what a row takes.
    pub(super) fn bytes(&self) -> usize {
        self.cells.as_slice().len()
    }
}

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// It is no table that can be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Its header does not do.
    #[error("{error} (第 {line} 行 / line {line})")]
    Header {
        /// The line that comes nearest.
        line: u64,
        /// What it lacks.
        error: HeaderError,
    },
    /// Reading it broke off.
    #[error(
        "读取中程序出错，其余未读 / the program failed while reading, and the rest was not read"
    )]
    Broken,
}

impl SourceError {
    /// Whether the file is at fault, and not what it lies on: a share may be back in a moment.
    pub(super) fn is_lasting(&self) -> bool {
        use std::io::ErrorKind::{InvalidData, InvalidInput, PermissionDenied};
        match self {
            Self::Table(TableError::Io(error)) => {
                // A place that the file names and no file has is an invalid input.
                matches!(error.kind(), InvalidData | InvalidInput | PermissionDenied)
            }
            _ => true,
        }
    }
}

impl Source {
    /// Opens a table and reads its header. Encoding, sheet and kind are detected unless they are
    /// given.
    pub(super) fn open(
        path: &Path,
        options: &Options,
        kind: Option<Kind>,
    ) -> Result<Self, SourceError> {
        Self::of(Table::open(path, options, |names| {
            Header::read(names, kind)
        }))
    }

    /// The same of bytes from anywhere.
    pub(super) fn read(
        bytes: impl Bytes + 'static,
        options: &Options,
        kind: Option<Kind>,
    ) -> Result<Self, SourceError> {
        Self::of(Table::read(bytes, options, |names| {
            Header::read(names, kind)
        }))
    }

    fn of(opened: Result<(Table, Header), Unopened<HeaderError>>) -> Result<Self, SourceError> {
        match opened {
            Ok((table, header)) => Ok(Self { table, header }),
            Err(Unopened::Table(error)) => Err(error.into()),
            Err(Unopened::Heading { line, error }) => Err(SourceError::Header { line, error }),
        }
    }

    /// What the table was read as.
    pub(super) fn format(&self) -> &Format {
        self.table.format()
    }

    /// The encoding of text.
    pub(super) fn encoding(&self) -> Option<Encoding> {
        match self.table.format() {
            Format::Text { encoding, .. } => Some(*encoding),
            Format::Workbook { .. } => None,
        }
    }

    /// The sheet of a workbook.
    pub(super) fn sheet(&self) -> Option<&str> {
        match self.table.format() {
            Format::Text { .. } => None,
            Format::Workbook { sheet } => Some(sheet),
        }
    }

    /// Where the header stands.
    pub(super) fn header_line(&self) -> u64 {
        self.table.heading().line
    }

    /// How many thousandths of the table were read; 0 if that cannot be told.
    pub(super) fn permille(&self) -> u32 {
        self.table.permille()
    }

    /// The next row that is not blank; `None` at the end.
    pub(super) fn next_row(&mut self) -> Result<Option<RawRow>, SourceError> {
        let row = self.table.next_row()?;
        Ok(row.map(|row| self.raw(row)))
    }

    /// A cell that means nothing here may be as it likes.
    fn raw(&self, row: Row) -> RawRow {
        let faults = row.faults.iter().filter_map(|fault| {
            let field = self.header.field_at(fault.column)?;
            Some(RowFault::cell(field, fault.kind))
        });
        RawRow {
            faults: faults.collect(),
            line: row.line,
            cells: match self.header.is_of_rejects() {
                true => row.cells.iter().map(restored).collect(),
                false => row.cells,
            },
        }
    }
}
