//! Why a file is no table that can be read.

use std::io;

/// Why nothing, or nothing more, of a file can be read. Never repeats what is in it.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It cannot be read.
    #[error("无法读取文件 / the file cannot be read: {0}")]
    Io(#[from] io::Error),
    /// UTF-16, Excel's "Unicode text".
    #[error("文件为 UTF-16 编码，请另存为 CSV UTF-8 / the file is UTF-16: save it as CSV UTF-8")]
    Utf16,
    /// A workbook where only text is taken.
    #[error(
        "这是 Excel 工作簿，此处只收文本，请另存为 CSV UTF-8 / this is a workbook and only text is taken here: save it as CSV UTF-8"
    )]
    Workbook,
    /// A row of text has no end.
    #[error("第 {line} 行附近有未闭合的引号 / a quotation mark near line {line} is not closed")]
    Endless {
        /// Where the row begins.
        line: u64,
    },
    /// There is nothing in it.
    #[error("文件中没有任何内容 / there is nothing in the file")]
    Empty,
    /// A workbook of Excel 97 to 2003.
    #[error(
        "这是旧版 Excel 工作簿（.xls），请另存为“Excel 工作簿（.xlsx）” / this is a workbook of an old Excel (.xls): save it as .xlsx"
    )]
    Legacy,
    /// A workbook with a password.
    #[error(
        "工作簿已用密码加密，请在 Excel 中去掉密码后另存 / the workbook is encrypted: save it without its password"
    )]
    Encrypted,
    /// A workbook of LibreOffice's own format.
    #[error(
        "这是 OpenDocument 表格（.ods），请另存为“Excel 工作簿（.xlsx）” / this is an OpenDocument spreadsheet (.ods): save it as .xlsx"
    )]
    OpenDocument,
    /// A workbook in Excel's binary format.
    #[error(
        "这是二进制工作簿（.xlsb），请另存为“Excel 工作簿（.xlsx）” / this is a binary workbook (.xlsb): save it as .xlsx"
    )]
    Binary,
    /// An archive of something else.
    #[error(
        "这是压缩包而不是工作簿，请解压后导入其中的表格 / this is an archive and no workbook: unpack it and take the table in it"
    )]
    Archive,
    /// A workbook that breaks the rules of its format.
    #[error(
        "工作簿已损坏或不合规（{0}），请用 Excel 打开并另存 / the workbook is damaged ({0}): open it in Excel and save it again"
    )]
    Damaged(&'static str),
    /// More than is read; what says which bound.
    #[error(
        "工作簿过大或含异常数据（{0}），请只保留要导入的工作表后另存 / the workbook holds more than is read ({0}): keep only the sheet that matters and save it again"
    )]
    TooLarge(&'static str),
    /// No sheet of that name.
    #[error("没有这个工作表 / there is no such sheet: {0}")]
    NoSheet(String),
    /// Rows on more than one sheet that could be read.
    #[error(
        "不止一个工作表有可导入的内容，请用 --sheet 指明一个，或只保留一个后另存 / more than one sheet can be read: name one with --sheet, or keep only one"
    )]
    ManySheets,
    /// A workbook whose sheets are all hidden or empty.
    #[error(
        "没有可见且有内容的工作表，请用 --sheet 指明 / no visible sheet has anything in it: name one with --sheet"
    )]
    NothingVisible,
}

impl TableError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io(_) => "TABLE_UNREADABLE",
            Self::Utf16 => "TABLE_UTF16",
            Self::Workbook => "TABLE_WORKBOOK",
            Self::Endless { .. } => "TABLE_QUOTE_OPEN",
            Self::Empty => "TABLE_EMPTY",
            Self::Legacy => "WORKBOOK_LEGACY",
            Self::Encrypted => "WORKBOOK_ENCRYPTED",
            Self::OpenDocument => "WORKBOOK_OPENDOCUMENT",
            Self::Binary => "WORKBOOK_BINARY",
            Self::Archive => "WORKBOOK_NOT_ONE",
            Self::Damaged(_) => "WORKBOOK_DAMAGED",
            Self::TooLarge(_) => "WORKBOOK_TOO_LARGE",
            Self::NoSheet(_) => "WORKBOOK_NO_SHEET",
            Self::ManySheets => "WORKBOOK_MANY_SHEETS",
            Self::NothingVisible => "WORKBOOK_NOTHING_VISIBLE",
        }
    }
}
