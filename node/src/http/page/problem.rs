//! Why a page has no answer, in words for people.

use axum::http::StatusCode;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is not the form's.
    Form,
    /// No number, or one that is too long.
    Number,
    /// No holder, or one that is too long.
    Name,
    /// Too many questions; the seconds to wait.
    TooMany(u64),
    /// The node cannot tell at present.
    Unavailable,
    /// The uploaded file is no table; its code.
    NoTable(&'static str),
    /// Its columns are not found.
    NoColumns,
    /// Two of them mean the same, or one may mean two things.
    UnclearColumns,
    /// It has no lines.
    NoLines,
    /// It has too many.
    TooManyLines,
    /// It is too large.
    FileTooLarge,
    /// A cell of a line does not say what was typed into it.
    Cell,
    /// Too many lists are kept; the seconds until one is forgotten.
    TooManyLists(u64),
    /// There is no such list, or not any more.
    Gone,
}

impl Problem {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::Form
            | Self::Number
            | Self::Name
            | Self::NoTable(_)
            | Self::NoColumns
            | Self::UnclearColumns
            | Self::NoLines
            | Self::Cell => StatusCode::BAD_REQUEST,
            Self::TooManyLines | Self::FileTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable | Self::TooManyLists(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Gone => StatusCode::NOT_FOUND,
        }
    }

    /// For the audit trail, and for the results of a list.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Form => "FORM",
            Self::Number => "NUMBER_MISSING",
            Self::Name => "NAME_MISSING",
            Self::TooMany(_) => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
            Self::NoTable(code) => code,
            Self::NoColumns => "LIST_COLUMNS",
            Self::UnclearColumns => "LIST_COLUMNS_UNCLEAR",
            Self::NoLines => "LIST_EMPTY",
            Self::TooManyLines => "LIST_TOO_LONG",
            Self::FileTooLarge => "LIST_TOO_LARGE",
            Self::Cell => "CELL_UNREADABLE",
            Self::TooManyLists(_) => "LISTS_FULL",
            Self::Gone => "LIST_GONE",
        }
    }

    /// Seconds after which to try again.
    pub(super) const fn retry_after(self) -> Option<u64> {
        match self {
            Self::TooMany(seconds) | Self::TooManyLists(seconds) => Some(seconds),
            Self::Unavailable => Some(5),
            _ => None,
        }
    }

    /// In Chinese and in English.
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Form => ("请用查询页提交。", "Please use the form."),
            Self::Number => (
                "请填写证书编号，不超过 64 位。",
                "Please give the certificate number, at most 64 characters.",
            ),
            Self::Name => (
                "请填写持证人姓名或证件号码，不超过 64 字。",
                "Please give the holder's name or ID number, at most 64 characters.",
            ),
            Self::TooMany(_) => (
                "查询过于频繁，请稍后再试。",
                "Too many questions from this address; please wait a moment.",
            ),
            Self::Unavailable => (
                "本节点暂时无法作答，请稍后再试。",
                "This node cannot answer at present; please try again.",
            ),
            Self::NoTable(_) => (
                "无法读取该文件。请上传 CSV（UTF-8 或 GB18030）或 Excel 工作簿（.xlsx，无密码）。",
                "The file cannot be read. Please upload CSV (UTF-8 or GB18030) or an Excel workbook (.xlsx, without password).",
            ),
            Self::NoColumns => (
                "未找到所需的列：“证书编号”，以及“姓名”或“证件号码”。",
                "The columns are not found: 'Number', and 'Name' or 'ID number'.",
            ),
            Self::UnclearColumns => (
                "有两列含义相同，或“ID”列不知是行号还是证件号码：请只留一列“证书编号”、一列“姓名”、一列“证件号码”。",
                "Two columns mean the same, or a column 'ID' may number the lines or be the ID number: please keep one column each 'Certificate number', 'Name' and 'ID number'.",
            ),
            Self::NoLines => ("文件中没有任何一行。", "There is no line in the file."),
            Self::TooManyLines => (
                "名单超过 1000 行，请分成几份上传。",
                "The list has more than 1000 lines: please upload it in parts.",
            ),
            Self::FileTooLarge => (
                "文件超过 2 MiB，请分成几份上传。",
                "The file is larger than 2 MiB: please upload it in parts.",
            ),
            Self::Cell => (
                "单元格内容不可用（错误值，或长号码被存为数字而丢失了末位）：请将该列设为“文本”后重新填写。",
                "A cell cannot be used (an error, or a long number stored as a number, which loses its last digits): make the column text and fill it in again.",
            ),
            Self::TooManyLists(_) => (
                "正在保存的名单过多，请删除不再需要的，或稍后再试。",
                "Too many lists are kept at present: delete one that is done with, or try again later.",
            ),
            Self::Gone => (
                "没有这份名单，或已过期删除，请重新上传。",
                "There is no such list, or not any more: please upload it again.",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_too_often_is_told_when_to_come_back() {
        let problem = Problem::TooMany(7);
        assert_eq!(problem.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(problem.retry_after(), Some(7));
    }
}
