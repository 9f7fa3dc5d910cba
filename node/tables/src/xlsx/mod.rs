//! Workbooks (Office Open XML, ECMA-376), read without trust.
//!
//! Read here and not by a library for workbooks, as those take a file's word for what they make
//! room for and hold all of a sheet, or copy a style for every format. Here nothing is held but
//! the strings that cells share, up to a bound, and one row.

mod cell;
mod package;
mod parts;
mod sheet;
mod strings;
#[cfg(test)]
mod tests;
mod xml;

use csv::StringRecord;

pub(crate) use sheet::SheetRows;

use crate::{Bytes, Format, Options, Rows, Table, TableError, Unopened, heading};
use package::{Budget, Package};
use parts::{Parts, Sheet};

/// The beginnings of a ZIP archive, of one that is empty, and of a compound file, which old and
/// encrypted workbooks are ([MS-CFB] 2.2).
const ZIP: &[u8] = b"PK\x03\x04";
const EMPTY_ZIP: &[u8] = b"PK\x05\x06";
const COMPOUND: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0];

/// Whether a file that begins so is a workbook, if it is a table at all.
pub(crate) fn is_package(start: &[u8]) -> bool {
    [ZIP, EMPTY_ZIP, COMPOUND]
        .iter()
        .any(|magic| start.starts_with(magic))
}

/// Opens the sheet that is named, or else the first visible one that has a heading. If another
/// such sheet has rows as well, nobody but who made it knows which is meant: nothing is read.
pub(crate) fn open<H, E>(
    file: Box<dyn Bytes>,
    options: &Options,
    mut understand: impl FnMut(&StringRecord) -> Result<H, E>,
) -> Result<(Table, H), Unopened<E>> {
    let package = Package::open(file)?;
    let parts = Parts::read(&package, options.limits)?;
    let wanted: Vec<&Sheet> = match &options.sheet {
        Some(name) => {
            let named = parts.sheets.iter().find(|sheet| sheet.name == *name);
            vec![named.ok_or_else(|| TableError::NoSheet(name.clone()))?]
        }
        None => parts
            .sheets
            .iter()
            .filter(|sheet| sheet.is_visible)
            .collect(),
    };
    let (mut nearest, mut found) = (None, None);
    // One for all: a workbook may name the same sheet again and again.
    let budget = Budget::new(options.limits.sheet_bytes);
    for sheet in wanted {
        let part = package.part_within(&sheet.part, &budget);
        let part = part.ok_or(TableError::Damaged("sheet"))?;
        let rows = Rows::Sheet(SheetRows::new(part, parts.cells.clone(), budget.clone())?);
        let format = Format::Workbook {
            sheet: sheet.name.clone(),
        };
        match heading::find(rows, format, &mut understand) {
            Err(Unopened::Table(TableError::Empty)) => {}
            Err(error @ Unopened::Heading { .. }) => nearest = nearest.or(Some(error)),
            Err(error) => return Err(error),
            Ok((mut table, _)) if found.is_some() => {
                if table.next_row()?.is_some() {
                    return Err(TableError::ManySheets.into());
                }
            }
            Ok(opened) => {
                package.check(&sheet.part, options.limits.sheet_bytes)?;
                found = Some(opened);
            }
        }
    }
    if let Some(opened) = found {
        return Ok(opened);
    }
    Err(nearest.unwrap_or(Unopened::Table(TableError::NothingVisible)))
}
