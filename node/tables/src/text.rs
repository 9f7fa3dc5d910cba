//! Reading text row by row, in bounded memory.

use std::{
    io::{self, Cursor, Read},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use csv::StringRecord;

use crate::{
    Bytes, DecodingReader, Encoding, Format, MAX_ROW_BYTES, Row, TableError, detect,
    detect_delimiter, is_blank,
    passed::{self, Passed},
    too_much,
};

/// Rows of text.
pub(crate) struct TextRows {
    rows: csv::Reader<Metered<DecodingReader<Box<dyn Read + Send>>>>,
    encoding: Encoding,
    delimiter: u8,
    /// Bytes decoded since the last row.
    since_row: Arc<AtomicU64>,
    passed: Passed,
}

impl TextRows {
    /// `sample` is the beginning of the file, which goes on with `rest`.
    pub(crate) fn new(
        sample: Vec<u8>,
        mut rest: impl Bytes + 'static,
        encoding: Option<Encoding>,
    ) -> Result<Self, TableError> {
        let detected = detect(&sample)?;
        let encoding = encoding.unwrap_or(detected);
        let delimiter = detect_delimiter(&sample, encoding);
        let length = passed::length(&mut rest)?;
        let (passed, bytes) = Passed::following(Cursor::new(sample).chain(rest), length);
        let bytes: Box<dyn Read + Send> = Box::new(bytes);
        let since_row = Arc::new(AtomicU64::new(0));
        let metered = Metered {
            inner: DecodingReader::new(bytes, encoding),
            since_row: Arc::clone(&since_row),
        };
        // The reader's own treatment of CRLF leaves the LF to the next row, whose line
        // number is then one too small.
        let rows = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .terminator(csv::Terminator::Any(b'\n'))
            .has_headers(false)
            .flexible(true)
            .from_reader(metered);
        Ok(Self {
            rows,
            encoding,
            delimiter,
            since_row,
            passed,
        })
    }

    pub(crate) const fn passed(&self) -> &Passed {
        &self.passed
    }

    pub(crate) fn format(&self) -> Format {
        Format::Text {
            encoding: self.encoding,
            delimiter: self.delimiter,
        }
    }

    pub(crate) fn next(&mut self) -> Result<Option<Row>, TableError> {
        let mut cells = StringRecord::new();
        loop {
            self.since_row.store(0, Ordering::Relaxed);
            let line = self.rows.position().line();
            let read = self.rows.read_record(&mut cells);
            if !read.map_err(|error| read_error(error, line))? {
                return Ok(None);
            }
            if !is_blank(&cells) {
                let line = cells.position().map_or(line, csv::Position::line);
                strip_carriage_return(&mut cells);
                return Ok(Some(Row {
                    line,
                    cells,
                    faults: Vec::new(),
                }));
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

fn read_error(error: csv::Error, line: u64) -> TableError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            TableError::Endless { line }
        }
        csv::ErrorKind::Io(error) => TableError::Io(error),
        // Decoded text is always UTF-8 and rows may have any length, so nothing else is left.
        other => TableError::Io(io::Error::other(format!("{other:?}"))),
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
            return Err(too_much());
        }
        let length = self.inner.read(buffer)?;
        self.since_row.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}
