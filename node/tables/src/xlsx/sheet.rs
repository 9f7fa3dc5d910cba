//! The rows of a sheet, one after the other.

use std::sync::Arc;

use csv::StringRecord;
use quick_xml::events::{BytesStart, Event};

use super::{
    cell::Cells,
    package::{Budget, Part, refused},
    strings::MOST_CELL_BYTES,
    xml::{Xml, attribute},
};
use crate::{CellFault, CellFaultKind, MAX_ROW_BYTES, Row, TableError, passed::Passed};

/// Rows of a sheet, as Excel has them.
const LAST_ROW: u64 = 1_048_576;

/// Cells of a row, as Excel has them, empty ones included.
const MOST_CELLS: usize = 16_384;

/// Columns that may have something in them. Tables of ours have some thirty.
const MOST_COLUMNS: usize = 512;

/// Rows of a sheet.
pub(crate) struct SheetRows {
    xml: Xml,
    cells: Arc<Cells>,
    budget: Budget,
    passed: Passed,
    /// The number of the last row.
    line: u64,
    is_over: bool,
    value: String,
}

impl SheetRows {
    /// `budget` is what the part is read from: thousands of cells can say one shared string, so
    /// what they say counts as well.
    pub(super) fn new(part: Part, cells: Arc<Cells>, budget: Budget) -> Result<Self, TableError> {
        let passed = part.passed().clone();
        let mut rows = Self {
            passed,
            xml: Xml::new(part, "sheet"),
            cells,
            budget,
            line: 0,
            is_over: false,
            value: String::new(),
        };
        loop {
            match rows.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "sheetData" => {
                    return Ok(rows);
                }
                Event::Eof => return Err(TableError::Damaged("sheet")),
                _ => {}
            }
        }
    }

    pub(crate) const fn passed(&self) -> &Passed {
        &self.passed
    }

    pub(crate) fn next(&mut self) -> Result<Option<Row>, TableError> {
        while !self.is_over {
            match self.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "row" => {
                    let line = match attribute(&start, "r") {
                        Some(text) => text.parse().map_err(|_| TableError::Damaged("row"))?,
                        None => self.line + 1,
                    };
                    // Rows stand in their order, so that each has a number of its own.
                    if line <= self.line || line > LAST_ROW {
                        return Err(TableError::Damaged("row"));
                    }
                    self.line = line;
                    let row = self.row()?;
                    if !crate::is_blank(&row.cells) {
                        return Ok(Some(row));
                    }
                }
                Event::Start(_) => self.xml.skip()?,
                Event::End(_) => self.is_over = true,
                Event::Eof => return Err(TableError::Damaged("sheet")),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The cells up to the end of a row that was begun.
    fn row(&mut self) -> Result<Row, TableError> {
        let mut row = Row {
            line: self.line,
            cells: StringRecord::new(),
            faults: Vec::new(),
        };
        let (mut column, mut cells) = (0, 0);
        loop {
            match self.xml.next()? {
                Event::Start(start) if start.local_name().as_ref() == "c" => {
                    if let Some(reference) = attribute(&start, "r") {
                        column = column_of(&reference).ok_or(TableError::Damaged("cell"))?;
                    }
                    let kind = attribute(&start, "t");
                    let style = style_of(&start);
                    self.cell(&mut row, column, kind.as_deref(), style)?;
                    column += 1;
                    cells += 1;
                    if cells > MOST_CELLS {
                        return Err(TableError::TooLarge("row"));
                    }
                }
                Event::Start(_) => self.xml.skip()?,
                Event::End(_) => return Ok(row),
                Event::Eof => return Err(TableError::Damaged("sheet")),
                _ => {}
            }
        }
    }

    /// Reads a cell that was begun and adds it, unless it is empty.
    fn cell(
        &mut self,
        row: &mut Row,
        column: usize,
        kind: Option<&str>,
        style: usize,
    ) -> Result<(), TableError> {
        self.value.clear();
        loop {
            match self.xml.next()? {
                Event::Start(start) => match start.local_name().as_ref() {
                    // Beside text of its own a cell's value says nothing more.
                    "v" if kind != Some("inlineStr") => {
                        self.xml.plain_into(&mut self.value, MOST_CELL_BYTES)?;
                    }
                    "is" => self.xml.text_into(&mut self.value, MOST_CELL_BYTES)?,
                    // A formula, of which the value that was last computed is taken.
                    _ => self.xml.skip()?,
                },
                Event::End(_) => break,
                Event::Eof => return Err(TableError::Damaged("sheet")),
                _ => {}
            }
        }
        let (text, mut fault) = self.cells.read(kind, style, &self.value)?;
        if text.is_empty() {
            return Ok(());
        }
        let taken = self.budget.take(text.len());
        taken.map_err(|error| refused(error, "sheet"))?;
        let kept = crate::fitting(&text);
        if kept.len() < text.len() {
            fault = Some(CellFaultKind::Long);
        }
        if column >= MOST_COLUMNS || row.cells.as_slice().len() as u64 > MAX_ROW_BYTES {
            return Err(TableError::TooLarge("row"));
        }
        // Cells stand in their order; between them are those that are not stored.
        if column < row.cells.len() {
            return Err(TableError::Damaged("cell"));
        }
        for _ in row.cells.len()..column {
            row.cells.push_field("");
        }
        row.cells.push_field(kept);
        row.faults
            .extend(fault.map(|kind| CellFault { column, kind }));
        Ok(())
    }
}

/// The column, from 0, of a reference such as `AB12`.
fn column_of(reference: &str) -> Option<usize> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic);
    let mut column = 0usize;
    for letter in letters {
        let digit = usize::from(letter.to_ascii_uppercase() - b'A') + 1;
        column = column.checked_mul(26)?.checked_add(digit)?;
    }
    column.checked_sub(1)
}

fn style_of(start: &BytesStart<'_>) -> usize {
    let style = attribute(start, "s").and_then(|text| text.parse().ok());
    style.unwrap_or_default()
}
