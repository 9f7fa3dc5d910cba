//! Reading an uploaded list: a table with numbers and holders, from anybody.

use std::collections::VecDeque;

use huren_core::normalise;
use huren_tables::{Limits, Options, Row, Table, TableError, Unopened};

use crate::http::{
    language::Language,
    page::{Asked, MAX_CHARS, Problem},
};

/// Most lines of a list, not counting blank ones.
const MAX_LINES: usize = 1000;

/// Names of the columns, as people and provinces' exports write them. Those of the second row say
/// less, and count only where there is none of the first: lists number their rows, too.
const NUMBER: [&[&str]; 2] = [
    &[
        "证书编号",
        "证书号码",
        "证书号",
        "certificatenumber",
        "certificateno",
    ],
    &["编号", "number"],
];
const HOLDER: [&[&str]; 1] = [&[
    "姓名",
    "持证人姓名",
    "持证人",
    "持证人姓名或证件号码",
    "name",
    "holder",
    "holdername",
]];
const DOCUMENT: [&[&str]; 1] = [&[
    "证件号码",
    "证件号",
    "身份证号",
    "身份证号码",
    "公民身份号码",
    "idnumber",
    "idno",
]];

/// A document, or the row: which of them, only the lack of a holder's name tells.
const EITHER: [&[&str]; 1] = [&["id"]];

/// A line of a list.
#[derive(Clone)]
pub(super) struct Line {
    /// Where it stands in the file, from 1.
    pub(super) row: usize,
    /// What it asks, or why it cannot be asked.
    pub(super) asked: Result<Asked, Problem>,
}

/// Where a list has what.
struct Columns {
    number: usize,
    holder: Option<usize>,
    document: Option<usize>,
}

/// Reads a list. What is wrong with one line is no reason to refuse the others.
pub(super) fn read(file: &[u8]) -> Result<VecDeque<Line>, Problem> {
    let options = Options {
        limits: Limits::UPLOAD,
        ..Options::default()
    };
    let opened = Table::of_bytes(file.to_vec(), &options, |heading| {
        Columns::of(&heading.iter().collect::<Vec<_>>())
    });
    let (mut table, columns) = opened.map_err(|error| match error {
        Unopened::Table(TableError::Empty) => Problem::NoLines,
        Unopened::Table(error) => Problem::NoTable(error.code()),
        Unopened::Heading { error, .. } => error,
    })?;
    let mut lines = VecDeque::new();
    while let Some(row) = table
        .next_row()
        .map_err(|error| Problem::NoTable(error.code()))?
    {
        if lines.len() == MAX_LINES {
            return Err(Problem::TooManyLines);
        }
        lines.push_back(columns.line(&row));
    }
    match lines.is_empty() {
        true => Err(Problem::NoLines),
        false => Ok(lines),
    }
}

impl Columns {
    fn of(heading: &[&str]) -> Result<Self, Problem> {
        let plain = |cell: &&str| {
            let cell = normalise::text(cell).to_lowercase();
            cell.chars().filter(|c| c.is_alphanumeric()).collect()
        };
        let heading: Vec<String> = heading.iter().map(plain).collect();
        let holder = named(&heading, &HOLDER)?;
        let document = match (named(&heading, &DOCUMENT)?, named(&heading, &EITHER)?) {
            (None, Some(_)) if holder.is_some() => return Err(Problem::UnclearColumns),
            (None, either) => either,
            (document, _) => document,
        };
        let number = named(&heading, &NUMBER)?.filter(|_| holder.is_some() || document.is_some());
        Ok(Self {
            number: number.ok_or(Problem::NoColumns)?,
            holder,
            document,
        })
    }

    fn line(&self, row: &Row) -> Line {
        let cell = |at: Option<usize>| {
            let cell = at.and_then(|at| row.cells.get(at)).unwrap_or_default();
            cell.trim()
        };
        let wanted = [Some(self.number), self.holder, self.document];
        let is_faulty = row
            .faults
            .iter()
            .any(|fault| wanted.contains(&Some(fault.column)));
        let (number, name, document) = (
            cell(Some(self.number)),
            cell(self.holder),
            cell(self.document),
        );
        let asked = if is_faulty {
            Err(Problem::Cell)
        } else if is_too_long(number) {
            Err(Problem::Number)
        } else if is_too_long(name) || is_too_long(document) {
            Err(Problem::Name)
        } else {
            // A document alone is presented as the form takes it; beside a name both have to match.
            let (name, document) = match name.is_empty() {
                true => (document, ""),
                false => (name, document),
            };
            Ok(Asked {
                number: number.to_owned(),
                name: name.to_owned(),
                document: document.to_owned(),
                lang: Language::default(),
            })
        };
        Line {
            row: usize::try_from(row.line).unwrap_or_default(),
            asked,
        }
    }
}

/// The column with one of these names, the first of which go before the others.
///
/// # Errors
/// If two say the same: one of them would be left out without a word.
fn named(heading: &[String], names: &[&[&str]]) -> Result<Option<usize>, Problem> {
    for names in names {
        let named = |(at, cell): (usize, &String)| names.contains(&cell.as_str()).then_some(at);
        let mut columns = heading.iter().enumerate().filter_map(named);
        match (columns.next(), columns.next()) {
            (None, _) => {}
            (column, None) => return Ok(column),
            (_, Some(_)) => return Err(Problem::UnclearColumns),
        }
    }
    Ok(None)
}

/// Such a cell is not kept until its line is asked, as no question would be made of it.
fn is_too_long(cell: &str) -> bool {
    cell.chars().nth(MAX_CHARS).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row, number, name and document of each line.
    fn check(file: &str, expected: Result<&[(usize, &str, &str, &str)], Problem>) {
        let lines = read(file.as_bytes()).map(|lines| {
            let read = lines.into_iter().map(|Line { row, asked }| {
                let asked = asked.unwrap();
                (row, asked.number, asked.name, asked.document)
            });
            read.collect::<Vec<_>>()
        });
        let expected = expected.map(|lines| {
            let owned = lines.iter().map(|(row, number, name, document)| {
                (
                    *row,
                    (*number).to_owned(),
                    (*name).to_owned(),
                    (*document).to_owned(),
                )
            });
            owned.collect::<Vec<_>>()
        });
        assert_eq!(lines, expected, "{file}");
    }

    #[test]
    fn columns_are_found_by_the_names_that_are_in_use() {
        check("证书编号,姓名\nA1,张三\n", Ok(&[(2, "A1", "张三", "")]));
        check(
            "\u{feff}姓名,证书编号\r\n张三,A1\r\n",
            Ok(&[(2, "A1", "张三", "")]),
        );
        check(
            "Certificate number,ID number\nA1,E1\n",
            Ok(&[(2, "A1", "E1", "")]),
        );
        check(
            "备注,证书号,持证人,身份证号\nx,A1,张三,E1\n",
            Ok(&[(2, "A1", "张三", "E1")]),
        );
        check(
            "证书编号,姓名\nA1,\n,\n,张三\n",
            Ok(&[(2, "A1", "", ""), (4, "", "张三", "")]),
        );
    }

    #[test]
    fn a_column_that_says_more_goes_before_one_that_says_less() {
        check(
            "编号,证书编号,姓名\n1,A1,张三\n",
            Ok(&[(2, "A1", "张三", "")]),
        );
        check(
            "ID,证书编号,姓名,身份证号\n1,A1,张三,E1\n",
            Ok(&[(2, "A1", "张三", "E1")]),
        );
        check("Number,ID\nA1,E1\n", Ok(&[(2, "A1", "E1", "")]));
        for unclear in [
            "ID,证书编号,姓名\n1,A1,张三\n",
            "证书编号,证书号,姓名\nA1,A2,张三\n",
            "证书编号,姓名,姓名\nA1,张三,李四\n",
        ] {
            check(unclear, Err(Problem::UnclearColumns));
        }
    }

    #[test]
    fn what_is_too_long_for_a_question_is_not_kept() {
        let long = "9".repeat(MAX_CHARS + 1);
        let file = format!("证书编号,姓名,证件号码\n{long},张三,\nA1,{long},\nA1,张三,{long}\n");
        let lines = read(file.as_bytes()).unwrap().into_iter();
        let problems: Vec<_> = lines.map(|line| line.asked.err()).collect();
        let holder = Some(Problem::Name);
        assert_eq!(problems, [Some(Problem::Number), holder, holder]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        check("", Err(Problem::NoLines));
        check("证书编号,姓名\n", Err(Problem::NoLines));
        check("证书编号,等级\nA1,3\n", Err(Problem::NoColumns));
        check("姓名\n张三\n", Err(Problem::NoColumns));
        let lines = "A1,张三\n".repeat(MAX_LINES);
        assert_eq!(
            read(format!("编号,姓名\n{lines}").as_bytes())
                .unwrap()
                .len(),
            MAX_LINES
        );
        check(
            &format!("编号,姓名\n{lines}A1,张三\n"),
            Err(Problem::TooManyLines),
        );
        assert!(matches!(
            read(b"PK\x03\x04 no workbook").err(),
            Some(Problem::NoTable(_))
        ));
    }
}
