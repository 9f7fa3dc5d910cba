//! The files that a list becomes: a table of results, and the receipts in an archive, each as the
//! form gives it.

use std::io::{Cursor, Write as _};

use huren_tables::{Encoding, TableWriter, WorkbookWriter};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::result::{Answered, COLUMNS};

/// Receipts in a ZIP archive, which grows in memory.
pub(super) enum Receipts {
    Growing(Box<ZipWriter<Cursor<Vec<u8>>>>),
    /// `None` if there are none, or the archive could not be made.
    Whole(Option<Vec<u8>>),
}

impl Default for Receipts {
    fn default() -> Self {
        Self::Growing(Box::new(ZipWriter::new(Cursor::default())))
    }
}

impl Receipts {
    pub(super) fn add(&mut self, row: usize, receipt: &[u8]) {
        let Self::Growing(archive) = self else {
            return;
        };
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        let added = archive
            .start_file(name(row), options)
            .and_then(|()| archive.write_all(receipt).map_err(Into::into));
        if let Err(error) = added {
            tracing::error!(%error, "a receipt is missing in an archive");
            *self = Self::Whole(None);
        }
    }

    pub(super) fn finish(&mut self) {
        if let Self::Growing(archive) = std::mem::replace(self, Self::Whole(None)) {
            let whole = archive.finish().ok().map(Cursor::into_inner);
            *self = Self::Whole(whole);
        }
    }
}

/// What a line's receipt is called.
pub(super) fn name(row: usize) -> String {
    format!("{row:04}.json")
}

/// A file by its name, with its type; `None` if there is none of that name.
pub(super) fn file(
    name: &str,
    answered: &[Answered],
    receipts: &Receipts,
) -> Option<(&'static str, Vec<u8>)> {
    match (name, receipts) {
        ("results.xlsx", _) => {
            let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
            Some((kind, workbook(answered)?))
        }
        ("results.csv", _) => Some(("text/csv; charset=utf-8", text(answered)?)),
        ("receipts.zip", Receipts::Whole(Some(archive))) => {
            Some(("application/zip", archive.clone()))
        }
        _ => None,
    }
}

fn workbook(answered: &[Answered]) -> Option<Vec<u8>> {
    let mut bytes = Cursor::default();
    let mut workbook = WorkbookWriter::new("结果 Results", COLUMNS).ok()?;
    for answered in answered {
        workbook.row(answered.cells()).ok()?;
    }
    workbook.finish(&mut bytes).ok()?;
    Some(bytes.into_inner())
}

fn text(answered: &[Answered]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut table = TableWriter::new(&mut bytes, Encoding::Utf8Bom, b',').ok()?;
    table.row(COLUMNS).ok()?;
    for answered in answered {
        table
            .row(answered.cells().each_ref().map(|cell| inert(cell)))
            .ok()?;
    }
    Some(bytes)
}

/// A cell that no spreadsheet takes for a formula when it opens the text (OWASP, "CSV Injection");
/// East Asian ones take full-width signs as well.
fn inert(cell: &str) -> String {
    let signs = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    match cell.starts_with(signs) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_becomes_a_formula() {
        assert_eq!(inert("=1+1"), "'=1+1");
        assert_eq!(inert("＝1+1"), "'＝1+1");
        assert_eq!(inert("\r=1+1"), "'\r=1+1");
        assert_eq!(inert("Y000033"), "Y000033");
    }
}
