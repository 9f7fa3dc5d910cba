//! Occupations of 《中华人民共和国职业分类大典》.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use super::{
    Coded,
    table::{self, BadLine},
};
use crate::normalise;

/// The occupations of edition 2022 as they stand in their file.
pub(crate) const FILE: &str = include_str!("../../data/occupations.csv");

/// One row of `occupations.csv`.
pub(crate) struct Row {
    code: &'static str,
    name: &'static str,
    /// Whether it is known from a draft of the text alone.
    pub(crate) is_draft: bool,
}

/// Names by code.
static NAMES: LazyLock<BTreeMap<&'static str, &'static str>> = LazyLock::new(|| {
    let rows = read(FILE).expect("occupations.csv is compiled in, and `data::check` reads it");
    rows.into_iter().map(|row| (row.code, row.name)).collect()
});

/// Reads the table: codes of the edition, each once, with their names.
pub(crate) fn read(csv: &'static str) -> Result<Vec<Row>, BadLine> {
    let mut known = BTreeSet::new();
    table::rows(csv, |cells| {
        let [code, name, text] = *cells else {
            return None;
        };
        let occupation = Occupation::parse(Occupation::CURRENT_EDITION, code).ok()?;
        let is_code = occupation.to_string() == code && occupation.job.is_none();
        let is_draft = match text {
            "draft" => true,
            "final" => false,
            _ => return None,
        };
        let row = Row {
            code,
            name,
            is_draft,
        };
        (is_code && !name.is_empty() && known.insert(code)).then_some(row)
    })
}

/// An occupation: edition of the classification, code `4-03-02-01`, and optionally a job (工种)
/// under it, `6-30-05-01-014`.
///
/// The edition is part of the value: one code names different occupations in the editions of 2015
/// and 2022 (`6-31-01-10`), so codes of two editions are never equal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Occupation {
    edition: u16,
    code: String,
    job: Option<String>,
}

impl Occupation {
    /// The editions of the classification.
    pub const EDITIONS: [u16; 3] = [1999, 2015, 2022];
    /// The edition in force, whose names are compiled in.
    pub const CURRENT_EDITION: u16 = 2022;

    /// Reads `4-03-02-01` or, with a job, `6-30-05-01-014`.
    ///
    /// # Errors
    /// [`OccupationError`] for an edition that does not exist or a code of another shape. That a
    /// code is missing from the table is no error: the table is an extract.
    pub fn parse(edition: u16, text: &str) -> Result<Self, OccupationError> {
        if !Self::EDITIONS.contains(&edition) {
            return Err(OccupationError::Edition);
        }
        let text: String = normalise::text(text)
            .chars()
            .map(|c| if normalise::is_hyphen(c) { '-' } else { c })
            .collect();
        let parts: Vec<&str> = text.split('-').collect();
        let digits_fit = parts
            .iter()
            .zip([1, 2, 2, 2, 3])
            .all(|(part, length)| part.len() == length && part.bytes().all(|b| b.is_ascii_digit()));
        // The classification has eight major groups (大类), 1 to 8.
        let group_fits = text.starts_with(|c| ('1'..='8').contains(&c));
        if !matches!(parts.len(), 4 | 5) || !digits_fit || !group_fits {
            return Err(OccupationError::Format);
        }
        let job = parts.get(4).map(|job| (*job).to_owned());
        Ok(Self {
            edition,
            code: parts[..4].join("-"),
            job,
        })
    }

    /// The edition of the classification, by year.
    pub fn edition(&self) -> u16 {
        self.edition
    }

    /// The code without job, `D-DD-DD-DD`.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The three digits of the job (工种), if one is named.
    pub fn job(&self) -> Option<&str> {
        self.job.as_deref()
    }

    /// The occupation without its job.
    pub fn without_job(&self) -> Self {
        Self {
            job: None,
            ..self.clone()
        }
    }

    /// The name of the occupation (not of the job), if the table of its edition has it.
    pub fn name(&self) -> Option<&'static str> {
        if self.edition != Self::CURRENT_EDITION {
            return None;
        }
        NAMES.get(self.code.as_str()).copied()
    }

    /// Every occupation of the table with its name, by code.
    pub fn listed() -> impl Iterator<Item = (Self, &'static str)> {
        NAMES.iter().map(|(code, name)| {
            let occupation = Self {
                edition: Self::CURRENT_EDITION,
                code: (*code).to_owned(),
                job: None,
            };
            (occupation, *name)
        })
    }

    /// An occupation's name as it belongs into a record: normalised, without the marks `L` (绿色
    /// 职业) and `S` (数字职业) that official lists put behind it. Letters that end a Latin word
    /// are not marks.
    pub fn strip_marks(name: &str) -> String {
        let name = normalise::text(name);
        let is_mark = |c: char| matches!(c, 'L' | 'S' | '/' | ' ' | '(' | ')');
        let stem = name.trim_end_matches(is_mark);
        let marks = name[stem.len()..].trim();
        let is_known = matches!(
            marks.trim_start_matches('(').trim_end_matches(')'),
            "L" | "S" | "L/S" | "S/L" | "LS"
        );
        if is_known && stem.ends_with(|c: char| !c.is_ascii()) {
            stem.to_owned()
        } else {
            name
        }
    }
}

/// The code, with the job if there is one; the edition is not shown.
impl fmt::Display for Occupation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)?;
        match &self.job {
            Some(job) => write!(f, "-{job}"),
            None => Ok(()),
        }
    }
}

/// Why an occupation code was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OccupationError {
    /// Not of the form `D-DD-DD-DD` or `D-DD-DD-DD-DDD`.
    #[error("an occupation code has the form 4-03-02-01, or 6-30-05-01-014 with a job")]
    Format,
    /// No such edition.
    #[error("the occupational classification has the editions 1999, 2015 and 2022")]
    Edition,
}

impl Coded for OccupationError {
    fn code(&self) -> &'static str {
        match self {
            Self::Format => "OCCUPATION_FORMAT",
            Self::Edition => "OCCUPATION_EDITION",
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::Format => "职业编码格式应为 4-03-02-01，带工种时为 6-30-05-01-014",
            Self::Edition => "职业分类大典只有 1999、2015、2022 三个版本",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(edition: u16, input: &str, expected: Result<&str, OccupationError>) {
        let parsed = Occupation::parse(edition, input).map(|o| o.to_string());
        assert_eq!(parsed, expected.map(str::to_owned), "{input:?}");
    }

    #[test]
    fn parses_and_refuses() {
        check(2022, "4-03-02-01", Ok("4-03-02-01"));
        check(2022, " ４－０３－０２－０１", Ok("4-03-02-01"));
        check(2022, "4–03–02–01", Ok("4-03-02-01"));
        check(2015, "6-30-05-01-014", Ok("6-30-05-01-014"));
        check(2020, "4-03-02-01", Err(OccupationError::Edition));
        for bad in [
            "",
            "4",
            "4-03-02",
            "4-3-2-1",
            "9-03-02-01",
            "0-03-02-01",
            "4-03-02-01-14",
            "4-03-02-01-014-1",
            "4-03-02-0A",
            "4030201",
        ] {
            check(2022, bad, Err(OccupationError::Format));
        }
    }

    #[test]
    fn names_belong_to_an_edition() {
        let occupation = |edition| Occupation::parse(edition, "6-31-01-03-001").unwrap();
        assert_eq!(occupation(2022).name(), Some("电工"));
        assert_eq!(occupation(2022).job(), Some("001"));
        assert_eq!(occupation(2015).name(), None);
        assert_ne!(occupation(2022), occupation(2015));
    }

    #[test]
    fn marks_are_stripped() {
        let check = |input, expected| assert_eq!(Occupation::strip_marks(input), expected);
        for marked in [
            "碳排放管理员L",
            "碳排放管理员 L/S",
            "碳排放管理员Ｓ",
            "碳排放管理员（L）",
            "碳排放管理员LS",
            "碳排放管理员",
        ] {
            check(marked, "碳排放管理员");
        }
        check(
            "起重装卸机械操作工（高空作业机械操作工）",
            "起重装卸机械操作工(高空作业机械操作工)",
        );
        check("操作员XLS", "操作员XLS");
        check("TOOLS", "TOOLS");
    }

    #[test]
    fn a_table_with_a_fault_is_refused() {
        let check = |csv, expected| assert_eq!(read(csv).err(), expected, "{csv}");
        check("code,name,text\n4-03-02-01,中式烹调师,draft\n", None);
        for row in [
            "4-03-02,中式烹调师,draft",
            "4-03-02-01-001,中式烹调师,draft",
            "4-03-02-01,,draft",
            "4-03-02-01,中式烹调师,",
        ] {
            let csv = format!("code,name,text\n{row}\n").leak();
            check(csv, Some(BadLine(2)));
        }
        let twice = "code,name,text\n4-03-02-01,甲,final\n4-03-02-01,乙,draft\n";
        check(twice, Some(BadLine(3)));
    }

    #[test]
    fn table_is_whole() {
        assert_eq!(Occupation::listed().count(), 271);
        for (occupation, name) in Occupation::listed() {
            assert_eq!(
                Occupation::parse(2022, &occupation.to_string()),
                Ok(occupation)
            );
            assert_eq!(Occupation::strip_marks(name), name);
        }
    }
}
