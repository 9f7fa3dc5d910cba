//! Writing tables as text.

use std::io::{self, Write};

use crate::Encoding;

/// Writes rows in an encoding, with the line ends that spreadsheets expect (RFC 4180).
pub struct TableWriter<W> {
    inner: W,
    encoding: Encoding,
    delimiter: char,
    /// The row that is being put together; kept for its memory.
    line: String,
}

impl<W: Write> TableWriter<W> {
    /// Starts a table with its byte order mark, if it has one. The delimiter is ASCII.
    pub fn new(mut inner: W, encoding: Encoding, delimiter: u8) -> io::Result<Self> {
        inner.write_all(encoding.mark())?;
        Ok(Self {
            inner,
            encoding,
            delimiter: char::from(delimiter),
            line: String::new(),
        })
    }

    /// Writes one row.
    pub fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) -> io::Result<()> {
        self.line.clear();
        for (at, cell) in cells.into_iter().enumerate() {
            if at > 0 {
                self.line.push(self.delimiter);
            }
            self.push(cell.as_ref());
        }
        self.line.push_str("\r\n");
        let (encoded, _, _) = self.encoding.rules().encode(&self.line);
        self.inner.write_all(&encoded)
    }

    fn push(&mut self, cell: &str) {
        if !cell.contains([self.delimiter, '"', '\r', '\n']) {
            self.line.push_str(cell);
            return;
        }
        self.line.push('"');
        self.line.push_str(&cell.replace('"', "\"\""));
        self.line.push('"');
    }

    /// Hands what is written on to the system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let mut bytes = Vec::new();
        let mut table = TableWriter::new(&mut bytes, Encoding::Utf8Bom, b';').unwrap();
        table.row(["a", "b;c", "d\"e", "f\ng", "h,i", ""]).unwrap();
        table.flush().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert_eq!(text, "\u{feff}a;\"b;c\";\"d\"\"e\";\"f\ng\";h,i;\r\n");
    }
}
