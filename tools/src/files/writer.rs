//! Writing tables.

use std::io::{self, Write};

use super::Encoding;

/// Writes rows in an encoding, with the line ends that spreadsheets expect.
pub(crate) struct TableWriter<W> {
    inner: W,
    encoding: Encoding,
    delimiter: u8,
}

impl<W: Write> TableWriter<W> {
    /// Starts a table with its byte order mark, if it has one.
    pub(crate) fn new(mut inner: W, encoding: Encoding, delimiter: u8) -> io::Result<Self> {
        inner.write_all(encoding.mark())?;
        Ok(Self {
            inner,
            encoding,
            delimiter,
        })
    }

    /// Writes one row.
    pub(crate) fn row<C: AsRef<[u8]>>(
        &mut self,
        cells: impl IntoIterator<Item = C>,
    ) -> io::Result<()> {
        let mut csv = csv::WriterBuilder::new()
            .delimiter(self.delimiter)
            .terminator(csv::Terminator::CRLF)
            .from_writer(Vec::new());
        csv.write_record(cells)?;
        let line = csv
            .into_inner()
            .map_err(|error| io::Error::other(error.to_string()))?;
        let line = String::from_utf8(line).map_err(io::Error::other)?;
        let (encoded, _, _) = self.encoding.rules().encode(&line);
        self.inner.write_all(&encoded)
    }

    /// Hands what is written on to the system.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
