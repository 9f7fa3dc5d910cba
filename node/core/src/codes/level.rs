//! Skill levels: the eight of 新八级, of which five have grades.

use std::fmt;
use std::sync::LazyLock;

use super::{
    Coded,
    table::{self, BadLine},
};
use crate::normalise;

/// The levels as they stand in their file.
pub(crate) const FILE: &str = include_str!("../../data/levels.csv");

/// One row of `levels.csv`.
pub(crate) struct Row {
    ordinal: u8,
    pub(crate) name: &'static str,
    grade: &'static str,
    /// What it is in certificate numbers; special abilities have none.
    pub(crate) code_char: Option<char>,
    pub(crate) confidence: Confidence,
    english: &'static str,
    employer_only: bool,
    aliases: &'static str,
}

/// Where a row is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confidence {
    /// A published rule.
    Sourced,
    /// Its character stands in for one that is not known.
    Placeholder,
    /// General knowledge.
    Own,
}

/// The levels by ordinal, from ordinal 1.
static ROWS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let mut rows = read(FILE).expect("levels.csv is compiled in, and `data::check` reads it");
    rows.retain(|row| row.ordinal > 0);
    rows
});

/// Reads the table: the eight by ordinal, and behind them special abilities, which have no level.
pub(crate) fn read(csv: &'static str) -> Result<Vec<Row>, BadLine> {
    let order = (Level::MIN.0..=Level::MAX.0).chain([0]);
    let mut expected = order.clone();
    let rows = table::rows(csv, |cells| {
        row(cells).filter(|row| expected.next() == Some(row.ordinal))
    })?;
    if rows.len() == order.count() {
        Ok(rows)
    } else {
        Err(BadLine(rows.len() + 2))
    }
}

fn row(cells: &[&'static str]) -> Option<Row> {
    let [
        ordinal,
        name,
        grade,
        code_char,
        _,
        confidence,
        _,
        english,
        employer_only,
        aliases,
    ] = *cells
    else {
        return None;
    };
    let ordinal = ordinal.parse().ok()?;
    let mut chars = code_char.chars();
    let (code_char, None) = (chars.next(), chars.next()) else {
        return None;
    };
    let is_level = ordinal > 0;
    Some(Row {
        ordinal,
        name,
        grade,
        code_char,
        confidence: match confidence {
            "sourced" => Confidence::Sourced,
            "placeholder" => Confidence::Placeholder,
            "own" => Confidence::Own,
            _ => return None,
        },
        english,
        employer_only: match employer_only {
            "yes" => true,
            "no" => false,
            _ if is_level => return None,
            _ => false,
        },
        aliases,
    })
    .filter(|row| row.code_char.is_some() == is_level && row.english.is_empty() != is_level)
}

/// A skill level by its ordinal, 1 (学徒工) to 8 (首席技师): a greater ordinal is a higher skill.
///
/// Compare levels, never the characters in certificate numbers: those run down, `5` to `1`, as
/// skill runs up. A special ability certificate (track S) has no level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Level(u8);

impl Level {
    /// 学徒工, the lowest.
    pub const MIN: Self = Self(1);
    /// 首席技师, the highest.
    pub const MAX: Self = Self(8);
    /// 高级工: from here on a holder counts as 高技能人才.
    pub const HIGHLY_SKILLED: Self = Self(4);

    /// The level with an ordinal of 1 to 8.
    pub fn from_ordinal(ordinal: u8) -> Option<Self> {
        (Self::MIN.0..=Self::MAX.0)
            .contains(&ordinal)
            .then_some(Self(ordinal))
    }

    /// All eight, lowest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> {
        (Self::MIN.0..=Self::MAX.0).map(Self)
    }

    /// The level that a character in a certificate number stands for: `5` is 初级工, `1` is
    /// 高级技师. `X`, `T`, `S` are placeholders, see [`Level::is_code_char_verified`].
    pub fn from_code_char(code: char) -> Option<Self> {
        Self::all().find(|level| level.code_char() == code)
    }

    /// Reads a level as provinces write it: `三级/高级工`, `高级工（三级）`, `高级工`, `三级`,
    /// `国家职业资格三级`, `特级技师`, or the character in certificate numbers, `3`.
    ///
    /// # Errors
    /// [`LevelError::Unknown`] if any part is no level, [`LevelError::Contradictory`] if the
    /// parts name different levels.
    pub fn parse(text: &str) -> Result<Self, LevelError> {
        const PREFIXES: [&str; 5] = [
            "国家职业资格",
            "职业资格",
            "职业技能等级",
            "职业技能",
            "技能等级",
        ];
        let text = normalise::text(text);
        let mut found = None;
        for token in text.split(['/', '(', ')', '、', ',', ' ', '|', '-']) {
            let prefix = PREFIXES.iter().find(|prefix| token.starts_with(*prefix));
            let token = prefix.map_or(token, |prefix| &token[prefix.len()..]);
            if token.is_empty() {
                continue;
            }
            let level = Self::from_token(token).ok_or(LevelError::Unknown)?;
            if found.is_some_and(|other| other != level) {
                return Err(LevelError::Contradictory);
            }
            found = Some(level);
        }
        found.ok_or(LevelError::Unknown)
    }

    fn from_token(token: &str) -> Option<Self> {
        let mut chars = token.chars();
        if let (Some(only), None) = (chars.next(), chars.next()) {
            return Self::from_code_char(only.to_ascii_uppercase());
        }
        Self::all().find(|level| {
            let row = level.row();
            [row.name, row.grade]
                .into_iter()
                .chain(row.aliases.split('|'))
                .any(|n| n == token)
        })
    }

    fn row(self) -> &'static Row {
        &ROWS[usize::from(self.0 - 1)]
    }

    /// The ordinal, 1 to 8.
    pub fn ordinal(self) -> u8 {
        self.0
    }

    /// The Chinese name, 初级工 and so on.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The grade, 五级 to 一级; only ordinals 2 to 6 have one.
    pub fn grade(self) -> Option<&'static str> {
        Some(self.row().grade).filter(|grade| !grade.is_empty())
    }

    /// The name in English.
    pub fn english(self) -> &'static str {
        self.row().english
    }

    /// The character for this level in certificate numbers.
    pub fn code_char(self) -> char {
        // Every level has one: `read` refuses a table in which one has not.
        self.row().code_char.unwrap_or_default()
    }

    /// Whether a published rule gives [`Level::code_char`]. The letters of ordinals 1, 7 and 8
    /// are placeholders until one is found.
    pub fn is_code_char_verified(self) -> bool {
        self.row().confidence == Confidence::Sourced
    }

    /// Whether only employers may award it to their own staff (浙人社发〔2022〕16号, 三(二)).
    pub fn is_employer_only(self) -> bool {
        self.row().employer_only
    }
}

/// As certificates print it: `三级/高级工`, or the name alone where there is no grade.
impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.grade() {
            Some(grade) => write!(f, "{grade}/{}", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

/// Why a level was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// No level of that name.
    #[error("not a known skill level")]
    Unknown,
    /// Two different levels in one value, `二级/高级工`.
    #[error("the value names two different skill levels")]
    Contradictory,
}

impl Coded for LevelError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unknown => "LEVEL_UNKNOWN",
            Self::Contradictory => "LEVEL_CONTRADICTORY",
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::Unknown => "无法识别的职业技能等级",
            Self::Contradictory => "同一栏写了两个不同的职业技能等级",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Result<u8, LevelError>) {
        assert_eq!(
            Level::parse(input).map(Level::ordinal),
            expected,
            "{input:?}"
        );
    }

    #[test]
    fn parses_and_refuses() {
        for senior in [
            "三级/高级工",
            "高级工/三级",
            "高级工",
            "三级",
            "高级工（三级）",
            "三级(高级工)",
            "３",
            "3级",
            "国家职业资格三级",
            "职业技能等级 三级",
            "高级技能",
            "三级/高级",
        ] {
            check(senior, Ok(4));
        }
        for (input, ordinal) in [
            ("学徒工", 1),
            ("5", 2),
            ("五级", 2),
            ("中级", 3),
            ("技师", 5),
            ("二级/技师", 5),
            ("一级/高级技师", 6),
            ("T", 7),
            ("特级技师", 7),
            ("首席技师", 8),
            ("x", 1),
        ] {
            check(input, Ok(ordinal));
        }
        check("二级/高级工", Err(LevelError::Contradictory));
        check("高级技师（二级）", Err(LevelError::Contradictory));
        for bad in [
            "",
            "/",
            "0",
            "6",
            "六级",
            "高级工程师",
            "国家职业资格",
            "A",
            "33",
        ] {
            check(bad, Err(LevelError::Unknown));
        }
    }

    #[test]
    fn a_table_that_lacks_something_is_refused() {
        let refuse = |from: &str, to: &str, line| {
            let changed = FILE.replacen(from, to, 1);
            assert_ne!(changed, FILE);
            assert_eq!(read(changed.leak()).err(), Some(BadLine(line)), "{from}");
        };
        assert_eq!(read(FILE).map(|rows| rows.len()).ok(), Some(9));
        refuse("3,中级工", "4,中级工", 4);
        refuse("四级,4,", "四级,,", 4);
        refuse("四级,4,", "四级,44,", 4);
        refuse("sourced", "unverified", 3);
        refuse("no,初级", "maybe,初级", 3);
        let last = FILE.lines().last().unwrap();
        refuse(last, "", 10);
    }

    #[test]
    fn order_follows_skill_not_code() {
        assert!(Level::parse("高级技师").unwrap() > Level::parse("初级工").unwrap());
        assert_eq!(Level::from_code_char('5').map(Level::ordinal), Some(2));
        assert_eq!(Level::from_code_char('1').map(Level::ordinal), Some(6));
        assert_eq!(Level::from_code_char('0'), None);
        assert_eq!(Level::from_ordinal(0), None);
        assert_eq!(Level::from_ordinal(9), None);
    }

    #[test]
    fn what_a_level_says_of_itself() {
        for level in Level::all() {
            assert_eq!(Level::parse(&level.to_string()), Ok(level));
            assert_eq!(Level::from_code_char(level.code_char()), Some(level));
            let is_graded = (2..=6).contains(&level.ordinal());
            assert_eq!(level.grade().is_some(), is_graded);
            assert_eq!(level.is_code_char_verified(), is_graded);
            assert_eq!(level.is_employer_only(), !is_graded);
            assert!(!level.english().is_empty());
        }
        assert_eq!(Level::HIGHLY_SKILLED.name(), "高级工");
    }
}
