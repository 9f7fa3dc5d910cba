//! The file of refused rows: as they came, with what is wrong beside them.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufWriter};
use std::iter;
use std::path::{Path, PathBuf};

use huren_tables::{Format, WorkbookWriter};

use super::fault::RowFault;
use super::header::{Header, REJECT_COLUMNS};
use super::source::RawRow;
use crate::files::{Encoding, TableWriter};

/// Rows of a workbook, which is held until it is written. Those beyond go into text beside it.
const MOST_HELD: u32 = 100_000;

/// Collects refused rows. A file of text is made with the first of them, a workbook when all of
/// them are known.
pub(super) struct Rejects {
    path: PathBuf,
    header: Header,
    form: Form,
    writer: Option<Writer>,
    /// Rows in the workbook.
    held: u32,
    /// For what the workbook does not hold.
    more: Option<TableWriter<BufWriter<File>>>,
}

/// What kind of file they go into.
enum Form {
    Text { encoding: Encoding, delimiter: u8 },
    Workbook,
}

enum Writer {
    Text(TableWriter<BufWriter<File>>),
    Workbook(Box<WorkbookWriter>),
}

impl Rejects {
    /// Removes what an earlier run left behind, so that a file means that rows were refused.
    pub(super) fn new(path: PathBuf, header: Header, source: &Format) -> io::Result<Self> {
        let more = is_workbook(&path).then(|| more_of(&path));
        for old in iter::once(&path).chain(&more) {
            match std::fs::remove_file(old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let form = match source {
            _ if is_workbook(&path) => Form::Workbook,
            // Excel takes UTF-8 for the local encoding unless it is marked.
            Format::Text {
                encoding: Encoding::Gb18030,
                delimiter,
            } => Form::Text {
                encoding: Encoding::Gb18030,
                delimiter: *delimiter,
            },
            Format::Text { delimiter, .. } => Form::Text {
                encoding: Encoding::Utf8Bom,
                delimiter: *delimiter,
            },
            Format::Workbook { .. } => Form::Text {
                encoding: Encoding::Utf8Bom,
                delimiter: b',',
            },
        };
        Ok(Self {
            path,
            header,
            form,
            writer: None,
            held: 0,
            more: None,
        })
    }

    /// Where the rejects of an import go by default: `zj.csv` to `zj.rejects.csv`.
    pub(super) fn default_path(file: &Path, source: &Format) -> PathBuf {
        file.with_extension(match source {
            Format::Text { .. } => "rejects.csv",
            Format::Workbook { .. } => "rejects.xlsx",
        })
    }

    /// Adds a row with everything that is wrong with it.
    pub(super) fn add(&mut self, row: &RawRow, faults: &[RowFault]) -> io::Result<()> {
        let columns = faults.iter().map(|fault| self.header.label(&fault.field));
        let beside = [
            row.line.to_string(),
            joined(columns, "；"),
            joined(faults.iter().map(|fault| &*fault.code), "；"),
            joined(faults.iter().map(|fault| &*fault.zh), "；"),
            joined(faults.iter().map(|fault| &*fault.en), "; "),
        ];
        let own = self.header.own_cells(&row.cells);
        if self.writer.is_none() {
            self.writer = Some(self.begin()?);
        }
        let columns = self.columns();
        let is_over = matches!(self.form, Form::Workbook) && self.held == MOST_HELD;
        if is_over && self.more.is_none() {
            self.more = Some(self.begin_more()?);
        }
        let is_text = is_over || matches!(self.form, Form::Text { .. });
        let all = own.chain(beside.iter().take(columns).map(String::as_str));
        let all = all.map(|cell| inert(cell, is_text));
        if let Some(more) = self.more.as_mut() {
            return more.row(all);
        }
        match self.writer.as_mut() {
            Some(Writer::Text(writer)) => writer.row(all),
            Some(Writer::Workbook(writer)) => {
                self.held += 1;
                writer.row(all).map_err(io::Error::other)
            }
            None => Ok(()),
        }
    }

    /// How many columns of ours there are. Text has always had four.
    fn columns(&self) -> usize {
        match self.form {
            Form::Text { .. } => 4,
            Form::Workbook => REJECT_COLUMNS.len(),
        }
    }

    fn begin(&self) -> io::Result<Writer> {
        let ours = REJECT_COLUMNS.into_iter().take(self.columns());
        let names = self.header.own_names().chain(ours);
        match self.form {
            Form::Text {
                encoding,
                delimiter,
            } => {
                let file = BufWriter::new(private(&self.path)?);
                let mut writer = TableWriter::new(file, encoding, delimiter)?;
                writer.row(names.map(|name| inert(name, true)))?;
                Ok(Writer::Text(writer))
            }
            Form::Workbook => {
                let writer = WorkbookWriter::new("被拒绝的行", names);
                Ok(Writer::Workbook(Box::new(
                    writer.map_err(io::Error::other)?,
                )))
            }
        }
    }

    fn begin_more(&self) -> io::Result<TableWriter<BufWriter<File>>> {
        let file = BufWriter::new(private(&more_of(&self.path))?);
        let mut writer = TableWriter::new(file, Encoding::Utf8Bom, b',')?;
        let names = self.header.own_names().chain(REJECT_COLUMNS);
        writer.row(names.map(|name| inert(name, true)))?;
        Ok(writer)
    }

    /// Writes what is not written yet, and gives the paths of the files that there are.
    pub(super) fn finish(self) -> io::Result<Vec<PathBuf>> {
        let mut more = None;
        if let Some(mut writer) = self.more {
            writer.flush()?;
            more = Some(more_of(&self.path));
        }
        match self.writer {
            None => return Ok(Vec::new()),
            Some(Writer::Text(mut writer)) => writer.flush()?,
            Some(Writer::Workbook(writer)) => {
                let file = private(&self.path)?;
                writer.finish(file).map_err(io::Error::other)?;
            }
        }
        Ok([self.path].into_iter().chain(more).collect())
    }
}

/// Beside a workbook, what it does not hold.
fn more_of(path: &Path) -> PathBuf {
    path.with_extension("more.csv")
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>, between: &str) -> String {
    texts.collect::<Vec<_>>().join(between)
}

/// What makes a formula of a cell of text in a spreadsheet, in full width too.
const FORMULA: [char; 10] = ['=', '+', '-', '@', '＝', '＋', '－', '＠', '\t', '\r'];

/// A cell as it is written: one of text that a spreadsheet would take for a formula begins with
/// an apostrophe. One that has such already gets another, so that [`restored`] harms none.
fn inert(cell: &str, is_text: bool) -> Cow<'_, str> {
    let bare = cell.trim_start_matches('\'');
    if bare.starts_with(FORMULA) && (is_text || bare.len() < cell.len()) {
        format!("'{cell}").into()
    } else {
        cell.into()
    }
}

/// A cell of a file of rejects as it was before [`inert`].
pub(super) fn restored(cell: &str) -> &str {
    let bare = cell.trim_start_matches('\'');
    match cell.strip_prefix('\'') {
        Some(before) if bare.starts_with(FORMULA) => before,
        _ => cell,
    }
}

/// A workbook is asked for by its name.
pub(super) fn is_workbook(path: &Path) -> bool {
    let extension = path.extension();
    extension.is_some_and(|extension| extension.eq_ignore_ascii_case("xlsx"))
}

/// The rows hold personal data: nobody else may read them.
fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula_and_each_comes_back() {
        for cell in [
            "=1+1", "＝1", "-5", "@a", "\tb", "'=1", "''+1", "'a", "张三", "",
        ] {
            let written = inert(cell, true);
            assert!(!written.starts_with(FORMULA), "{cell}");
            assert_eq!(restored(&written), cell);
            assert_eq!(restored(&inert(cell, false)), cell);
        }
        assert_eq!(inert("张三", true), "张三");
    }
}
