//! Tables that people hand in: text with delimiters in the encodings that are in use, and Excel
//! workbooks. What a file is, its first bytes tell, not its name.
//!
//! Files may come from anybody. They are read row by row and in bounded memory: see [`Limits`].
//! A cell that cannot be trusted to say what was typed comes with a [`CellFault`], and so does not
//! become a wrong value.

mod encoding;
mod error;
mod heading;
mod passed;
mod text;
mod workbook;
mod writer;
mod xlsx;

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read, Seek, SeekFrom},
    path::Path,
};

use csv::StringRecord;

pub use encoding::{DecodingReader, Encoding, detect, detect_delimiter};
pub use error::TableError;
pub use heading::Unopened;
pub use workbook::{SHEET_ROWS, WorkbookError, WorkbookWriter};
pub use writer::TableWriter;

/// How much of a file is looked at to tell its encoding.
const SAMPLE_BYTES: u64 = 64 * 1024;

/// The longest row, in bytes of UTF-8 or of a sheet's XML. A quotation mark that is never closed
/// makes one row of the rest of a file: that is an error, not a reason to fill the memory.
const MAX_ROW_BYTES: u64 = 1024 * 1024;

/// Anything that can be read from any place: a file, or bytes in memory.
pub trait Bytes: Read + Seek + Send {}
impl<T: Read + Seek + Send> Bytes for T {}

/// What may be read of a workbook once it is unpacked. Text has no such bound, as it is what it is.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a sheet, of which one row at a time is held.
    pub sheet_bytes: u64,
    /// Bytes of the strings that cells share, all of which are held.
    pub string_bytes: u64,
}

impl Limits {
    /// For files that an operator imports: a full sheet of Excel, a million rows, is within them.
    pub const FILE: Self = Self {
        sheet_bytes: 2 << 30,
        string_bytes: 256 << 20,
    };
    /// For what strangers upload.
    pub const UPLOAD: Self = Self {
        sheet_bytes: 64 << 20,
        string_bytes: 16 << 20,
    };
}

/// How to open a table.
#[derive(Clone, Debug)]
pub struct Options {
    /// The encoding of text; otherwise detected.
    pub encoding: Option<Encoding>,
    /// The sheet of a workbook; otherwise the first visible one with a heading.
    pub sheet: Option<String>,
    /// What may be read.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            encoding: None,
            sheet: None,
            limits: Limits::FILE,
        }
    }
}

/// What a table was read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text.
    Text {
        /// Its encoding.
        encoding: Encoding,
        /// What stands between two cells.
        delimiter: u8,
    },
    /// A workbook.
    Workbook {
        /// The sheet that is read.
        sheet: String,
    },
}

/// A row that is not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// In text its first line, from 1; in a workbook the number that Excel shows.
    pub line: u64,
    /// Its cells. Rows of a workbook are as wide as the heading.
    pub cells: StringRecord,
    /// Cells that are not to be taken as they are.
    pub faults: Vec<CellFault>,
}

/// A cell that does not say what was typed into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellFault {
    /// Its column, from 0.
    pub column: usize,
    /// What is wrong with it.
    pub kind: CellFaultKind,
}

/// What may be wrong with a cell of a workbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellFaultKind {
    /// A formula that failed, `#N/A` and such.
    Error,
    /// A number with more digits than Excel keeps.
    Digits,
    /// A date that no calendar has.
    Date,
    /// More than Excel puts into a cell; what is read of it is cut off.
    Long,
}

impl CellFaultKind {
    /// Stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Error => "CELL_ERROR",
            Self::Digits => "CELL_DIGITS_LOST",
            Self::Date => "CELL_DATE",
            Self::Long => "CELL_TOO_LONG",
        }
    }

    /// A sentence in Chinese.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Error => "单元格是错误值（如 #N/A），请改正公式或填入内容",
            Self::Digits => {
                "长号码被存为数字，Excel 只保留 15 位，其余已丢失；请把该列设为“文本”后重新填写"
            }
            Self::Date => "单元格中的日期不存在",
            Self::Long => "单元格超过 Excel 的上限 32767 个字符，超出部分已略去",
        }
    }

    /// The same in English.
    pub fn en(self) -> &'static str {
        match self {
            Self::Error => "the cell is an error such as #N/A: mend the formula or fill it in",
            Self::Digits => {
                "a long number was stored as a number, of which Excel keeps 15 digits: make the column text and fill it in again"
            }
            Self::Date => "the cell holds a date that does not exist",
            Self::Long => {
                "the cell holds more than the 32,767 characters that Excel allows, and the rest was left out"
            }
        }
    }
}

/// A table whose heading was understood, to be read row by row.
pub struct Table {
    rows: Rows,
    format: Format,
    heading: Row,
}

enum Rows {
    Text(text::TextRows),
    Sheet(xlsx::SheetRows),
}

impl Rows {
    fn next(&mut self) -> Result<Option<Row>, TableError> {
        match self {
            Self::Text(rows) => rows.next(),
            Self::Sheet(rows) => rows.next(),
        }
    }
}

impl Table {
    /// Opens a file; see [`Self::read`].
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn open<H, E>(
        path: &Path,
        options: &Options,
        understand: impl FnMut(&StringRecord) -> Result<H, E>,
    ) -> Result<(Self, H), Unopened<E>> {
        let file = File::open(path).map_err(TableError::Io)?;
        Self::read(BufReader::new(file), options, understand)
    }

    /// The same of bytes in memory.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn of_bytes<H, E>(
        bytes: Vec<u8>,
        options: &Options,
        understand: impl FnMut(&StringRecord) -> Result<H, E>,
    ) -> Result<(Self, H), Unopened<E>> {
        Self::read(Cursor::new(bytes), options, understand)
    }

    /// Opens a table and finds its heading: the first of its first rows that `understand` takes,
    /// or two of them where cells of the upper one reach down into the lower one.
    ///
    /// # Errors
    /// [`Unopened::Table`] if the file is no table, [`Unopened::Heading`] with what `understand`
    /// said of the widest row if it takes none.
    pub fn read<H, E>(
        mut file: impl Bytes + 'static,
        options: &Options,
        understand: impl FnMut(&StringRecord) -> Result<H, E>,
    ) -> Result<(Self, H), Unopened<E>> {
        let mut sample = Vec::new();
        let mut start = file.by_ref().take(SAMPLE_BYTES);
        start.read_to_end(&mut sample).map_err(TableError::Io)?;
        if xlsx::is_package(&sample) {
            // Text comes through a pipe as well; a workbook has its directory at its end.
            file.seek(SeekFrom::Start(0)).map_err(TableError::Io)?;
            return xlsx::open(Box::new(file), options, understand);
        }
        let rows = text::TextRows::new(sample, file, options.encoding)?;
        let format = rows.format();
        heading::find(Rows::Text(rows), format, understand)
    }

    /// What the table was read as.
    pub fn format(&self) -> &Format {
        &self.format
    }

    /// The heading: its last line, and its cells.
    pub fn heading(&self) -> &Row {
        &self.heading
    }

    /// How many thousandths of the table have been read from its file, where reading goes a
    /// little ahead of the rows. 0 if that cannot be told, as of a pipe.
    pub fn permille(&self) -> u32 {
        match &self.rows {
            Rows::Text(rows) => rows.passed().permille(),
            Rows::Sheet(rows) => rows.passed().permille(),
        }
    }

    /// The next row that is not blank; `None` at the end.
    ///
    /// # Errors
    /// If the rest cannot be read.
    pub fn next_row(&mut self) -> Result<Option<Row>, TableError> {
        let row = self.rows.next()?;
        Ok(row.map(|row| self.fitted(row)))
    }

    /// In a workbook blank cells at the end of a row are not stored, and notes may stand beside
    /// the table. In text another number of cells means that quotation marks are wrong.
    fn fitted(&self, mut row: Row) -> Row {
        if matches!(self.format, Format::Workbook { .. }) {
            let width = self.heading.cells.len();
            row.cells.truncate(width);
            for _ in row.cells.len()..width {
                row.cells.push_field("");
            }
            row.faults.retain(|fault| fault.column < width);
        }
        row
    }
}

/// As much of a text as a cell of a workbook takes, which is 32,767 units of UTF-16 ("Excel
/// specifications and limits", support.microsoft.com).
pub fn fitting(text: &str) -> &str {
    const MOST_UNITS: usize = 32_767;
    // No text has more units than bytes.
    if text.len() <= MOST_UNITS {
        return text;
    }
    let mut units = 0;
    let end = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > MOST_UNITS
    });
    end.map_or(text, |(at, _)| &text[..at])
}

fn is_blank(cells: &StringRecord) -> bool {
    cells.iter().all(|cell| cell.trim().is_empty())
}

/// What reading fails with where more comes than is read.
fn too_much() -> io::Error {
    io::ErrorKind::FileTooLarge.into()
}
