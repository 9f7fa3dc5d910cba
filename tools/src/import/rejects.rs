//! The file of refused rows: as they came, with what is wrong beside them.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use super::fault::RowFault;
use super::header::{Header, REJECT_COLUMNS};
use super::source::RawRow;
use crate::files::{Encoding, TableWriter};

/// Collects refused rows. The file is made with the first of them.
pub(super) struct Rejects {
    path: PathBuf,
    header: Header,
    encoding: Encoding,
    delimiter: u8,
    writer: Option<TableWriter<BufWriter<File>>>,
}

impl Rejects {
    /// Removes what an earlier run left behind, so that a file means that rows were refused.
    pub(super) fn new(
        path: PathBuf,
        header: Header,
        encoding: Encoding,
        delimiter: u8,
    ) -> io::Result<Self> {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // Excel takes UTF-8 for the local encoding unless it is marked.
        let encoding = match encoding {
            Encoding::Utf8 => Encoding::Utf8Bom,
            marked => marked,
        };
        Ok(Self {
            path,
            header,
            encoding,
            delimiter,
            writer: None,
        })
    }

    /// Where the rejects of an import go by default: `zj.csv` to `zj.rejects.csv`.
    pub(super) fn default_path(file: &Path) -> PathBuf {
        file.with_extension("rejects.csv")
    }

    /// The path, if there is a file.
    pub(super) fn written(&self) -> Option<&Path> {
        self.writer.as_ref().map(|_| self.path.as_path())
    }

    /// Adds a row with everything that is wrong with it.
    pub(super) fn add(&mut self, row: &RawRow, faults: &[RowFault]) -> io::Result<()> {
        let all = |text: &dyn Fn(&RowFault) -> String| {
            faults.iter().map(text).collect::<Vec<_>>().join("；")
        };
        let columns = all(&|fault| self.header.label(&fault.field).to_owned());
        let codes = all(&|fault| fault.code.clone().into_owned());
        let reasons = all(&|fault| fault.zh.clone());
        let line = row.line.to_string();
        let own = self.header.own_cells(&row.cells);
        let cells: Vec<&str> = own
            .chain([
                line.as_str(),
                columns.as_str(),
                codes.as_str(),
                reasons.as_str(),
            ])
            .collect();
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(create(
                &self.path,
                &self.header,
                self.encoding,
                self.delimiter,
            )?),
        };
        writer.row(cells)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.writer.as_mut().map_or(Ok(()), TableWriter::flush)
    }
}

fn create(
    path: &Path,
    header: &Header,
    encoding: Encoding,
    delimiter: u8,
) -> io::Result<TableWriter<BufWriter<File>>> {
    let file = private(path)?;
    let mut writer = TableWriter::new(BufWriter::new(file), encoding, delimiter)?;
    writer.row(header.own_names().chain(REJECT_COLUMNS))?;
    Ok(writer)
}

/// The rows hold personal data: nobody else may read them.
fn private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
