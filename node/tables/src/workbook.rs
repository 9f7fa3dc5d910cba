//! Writing workbooks.

use std::io::{Seek, Write};

use rust_xlsxwriter::{Format, Workbook, XlsxError};

/// Rows that fit on a sheet below its heading.
pub const SHEET_ROWS: u32 = 1_048_575;

/// In characters, the least and the greatest width of a column.
const WIDTHS: (usize, usize) = (8, 40);

/// Why a workbook cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("无法写出工作簿 / the workbook cannot be written: {0}")]
pub struct WorkbookError(#[from] XlsxError);

/// A workbook with one sheet. All its cells are text, those too that a person fills in later, so
/// that Excel makes no number or date of what is none. It is held until it is written.
pub struct WorkbookWriter {
    workbook: Workbook,
    widths: Vec<usize>,
    rows: u32,
}

impl WorkbookWriter {
    /// Starts with a heading, which stays in view.
    ///
    /// # Errors
    /// If Excel does not take the sheet's name, or there are more columns than it has.
    pub fn new<C: AsRef<str>>(
        sheet: &str,
        heading: impl IntoIterator<Item = C>,
    ) -> Result<Self, WorkbookError> {
        let mut writer = Self {
            workbook: Workbook::new(),
            widths: Vec::new(),
            rows: 0,
        };
        let sheet = writer.workbook.add_worksheet().set_name(sheet)?;
        sheet.set_freeze_panes(1, 0)?;
        let bold = text().set_bold();
        writer.add(heading, &bold)?;
        Ok(writer)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// If it does not fit: see [`SHEET_ROWS`]; of a cell no more is written than [`crate::fitting`].
    pub fn row<C: AsRef<str>>(
        &mut self,
        cells: impl IntoIterator<Item = C>,
    ) -> Result<(), WorkbookError> {
        self.add(cells, &text())
    }

    fn add<C: AsRef<str>>(
        &mut self,
        cells: impl IntoIterator<Item = C>,
        format: &Format,
    ) -> Result<(), WorkbookError> {
        let sheet = self.workbook.worksheet_from_index(0)?;
        for (column, cell) in (0u16..).zip(cells) {
            // What was cut off is said by a fault of the cell; failing would lose the row.
            let cell = crate::fitting(cell.as_ref());
            sheet.write_string_with_format(self.rows, column, cell, format)?;
            let at = usize::from(column);
            if self.widths.len() <= at {
                self.widths.resize(at + 1, WIDTHS.0);
            }
            self.widths[at] = self.widths[at].max(width(cell)).min(WIDTHS.1);
        }
        self.rows += 1;
        Ok(())
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// If that fails; what was written is then no workbook.
    pub fn finish(mut self, to: impl Write + Seek + Send) -> Result<(), WorkbookError> {
        let sheet = self.workbook.worksheet_from_index(0)?;
        for (column, width) in (0u16..).zip(&self.widths) {
            sheet.set_column_width(column, *width as f64)?;
            sheet.set_column_format(column, &text())?;
        }
        Ok(self.workbook.save_to_writer(to)?)
    }
}

/// The format for text (ECMA-376 part 1, 18.8.30: 49).
fn text() -> Format {
    Format::new().set_num_format("@")
}

/// Chinese characters are twice as wide as Latin ones.
fn width(cell: &str) -> usize {
    cell.chars()
        .map(|c| if c.is_ascii() { 1 } else { 2 })
        .sum::<usize>()
        + 2
}
