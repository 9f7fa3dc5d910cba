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
use package::Package;
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

/// Opens the sheet that is named, or else the first visible one that has a heading.
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
    let mut nearest = None;
    for sheet in wanted {
        let part = package.part(&sheet.part, options.limits.sheet_bytes);
        let part = part.ok_or(TableError::Damaged("sheet"))?;
        let rows = Rows::Sheet(SheetRows::new(part, parts.cells.clone())?);
        let format = Format::Workbook {
            sheet: sheet.name.clone(),
        };
        match heading::find(rows, format, &mut understand) {
            Err(Unopened::Table(TableError::Empty)) => {}
            Err(error @ Unopened::Heading { .. }) => nearest = nearest.or(Some(error)),
            opened => return opened,
        }
    }
    Err(nearest.unwrap_or(Unopened::Table(TableError::NothingVisible)))
}
