//! Reading a table row by row, in bounded memory.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use csv::StringRecord;

use super::header::{Header, HeaderError};
use crate::files::{DecodingReader, Encoding, Kind, Unreadable, detect, detect_delimiter};

/// How much of a file is looked at to tell its encoding.
const SAMPLE_BYTES: u64 = 64 * 1024;

/// The longest row. A quotation mark that is never closed makes one row of the rest of the
/// file: that is an error, not a reason to fill the memory.
const MAX_ROW_BYTES: u64 = 1024 * 1024;

/// A table that is being read.
pub(super) struct Source {
    rows: csv::Reader<Metered<DecodingReader<Box<dyn Read + Send>>>>,
    pub(super) header: Header,
    pub(super) encoding: Encoding,
    pub(super) delimiter: u8,
    /// Bytes decoded since the last row.
    since_row: Arc<AtomicU64>,
}

/// A row as it came.
#[derive(Clone, Debug)]
pub(super) struct RawRow {
    /// Its first line in the file, from 1.
    pub(super) line: u64,
    pub(super) cells: StringRecord,
}

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// It cannot be read.
    #[error("无法读取文件 / the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is no text.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Its header does not do.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A row has no end.
    #[error("第 {line} 行附近有未闭合的引号 / a quotation mark near line {line} is not closed")]
    Endless {
        /// Where the row begins.
        line: u64,
    },
}

impl Source {
    /// Opens a table and reads its header. Encoding and kind are detected unless they are
    /// given.
    pub(super) fn open(
        path: &Path,
        encoding: Option<Encoding>,
        kind: Option<Kind>,
    ) -> Result<Self, SourceError> {
        Self::read(BufReader::new(File::open(path)?), encoding, kind)
    }

    /// The same of bytes from anywhere.
    pub(super) fn read(
        mut file: impl Read + Send + 'static,
        encoding: Option<Encoding>,
        kind: Option<Kind>,
    ) -> Result<Self, SourceError> {
        let mut sample = Vec::new();
        file.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample)?;
        let detected = detect(&sample)?;
        let encoding = encoding.unwrap_or(detected);
        let delimiter = detect_delimiter(&sample, encoding);
        let bytes: Box<dyn Read + Send> = Box::new(Cursor::new(sample).chain(file));
        let since_row = Arc::new(AtomicU64::new(0));
        let metered = Metered {
            inner: DecodingReader::new(bytes, encoding),
            since_row: Arc::clone(&since_row),
        };
        // The reader's own treatment of CRLF leaves the LF to the next row, whose line
        // number is then one too small.
        let mut rows = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .terminator(csv::Terminator::Any(b'\n'))
            .flexible(true)
            .from_reader(metered);
        let names = rows.headers().map_err(|error| read_error(error, 1))?;
        let header = Header::read(names, kind)?;
        Ok(Self {
            rows,
            header,
            encoding,
            delimiter,
            since_row,
        })
    }

    /// The next row that is not blank; `None` at the end.
    pub(super) fn next_row(&mut self) -> Result<Option<RawRow>, SourceError> {
        let mut cells = StringRecord::new();
        loop {
            self.since_row.store(0, Ordering::Relaxed);
            let line = self.rows.position().line();
            if !self
                .rows
                .read_record(&mut cells)
                .map_err(|error| read_error(error, line))?
            {
                return Ok(None);
            }
            if cells.iter().any(|cell| !cell.trim().is_empty()) {
                let line = cells.position().map_or(line, csv::Position::line);
                strip_carriage_return(&mut cells);
                return Ok(Some(RawRow { line, cells }));
            }
        }
    }
}

/// Removes what is left of a CRLF from the last cell.
fn strip_carriage_return(cells: &mut StringRecord) {
    let last = cells.len().saturating_sub(1);
    if let Some(stripped) = cells.get(last).and_then(|cell| cell.strip_suffix('\r')) {
        let stripped = stripped.to_owned();
        cells.truncate(last);
        cells.push_field(&stripped);
    }
}

fn read_error(error: csv::Error, line: u64) -> SourceError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            SourceError::Endless { line }
        }
        csv::ErrorKind::Io(error) => SourceError::Io(error),
        // Decoded text is always UTF-8 and rows may have any length, so nothing else is left.
        other => SourceError::Io(io::Error::other(format!("{other:?}"))),
    }
}

/// Counts what passes, and fails when a row gets too long.
struct Metered<R> {
    inner: R,
    since_row: Arc<AtomicU64>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.since_row.load(Ordering::Relaxed) > MAX_ROW_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let length = self.inner.read(buffer)?;
        self.since_row.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
