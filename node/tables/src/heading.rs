//! Finding the heading of a table beneath titles and notes.

use csv::StringRecord;

use crate::{Format, Row, Rows, Table, TableError};

/// In how many rows that are not blank the heading is looked for.
const HEADING_WITHIN: usize = 20;

/// Why a table was not opened.
#[derive(Debug, thiserror::Error)]
pub enum Unopened<E> {
    /// The file.
    #[error(transparent)]
    Table(#[from] TableError),
    /// No row is a heading.
    #[error("{error}")]
    Heading {
        /// The row that comes nearest: the widest one.
        line: u64,
        /// What is wrong with it.
        error: E,
    },
}

pub(crate) fn find<H, E>(
    mut rows: Rows,
    format: Format,
    mut understand: impl FnMut(&StringRecord) -> Result<H, E>,
) -> Result<(Table, H), Unopened<E>> {
    let mut seen: Vec<Row> = Vec::new();
    let mut nearest: Option<(usize, u64, E)> = None;
    while seen.len() < HEADING_WITHIN
        && let Some(mut row) = rows.next()?
    {
        let mut understood = understand(&row.cells);
        if understood.is_err()
            && matches!(format, Format::Workbook { .. })
            && let Some(upper) = seen.last()
        {
            let both = overlaid(&upper.cells, &row.cells);
            if let Ok(heading) = understand(&both) {
                understood = Ok(heading);
                row.cells = both;
            }
        }
        match understood {
            Ok(heading) => {
                let table = Table {
                    rows,
                    format,
                    heading: row,
                };
                return Ok((table, heading));
            }
            Err(error) => {
                let width = row
                    .cells
                    .iter()
                    .filter(|cell| !cell.trim().is_empty())
                    .count();
                if nearest.as_ref().is_none_or(|(widest, ..)| width > *widest) {
                    nearest = Some((width, row.line, error));
                }
                seen.push(row);
            }
        }
    }
    let (_, line, error) = nearest.ok_or(TableError::Empty)?;
    Err(Unopened::Heading { line, error })
}

/// A heading of two rows: where cells were merged downwards, the lower ones are blank.
fn overlaid(upper: &StringRecord, lower: &StringRecord) -> StringRecord {
    let width = upper.len().max(lower.len());
    let cell = |at| {
        let lower = lower.get(at).filter(|cell| !cell.trim().is_empty());
        lower.or(upper.get(at)).unwrap_or_default()
    };
    (0..width).map(cell).collect()
}
