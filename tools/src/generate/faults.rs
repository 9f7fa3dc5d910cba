//! Faults as they turn up in real files, put in on purpose.

use huren_core::codes::Level;

use super::random::Random;
use super::row::Row;

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The last character of the identity number is another.
    IdCheckDigit,
    /// A digit of the certificate number is missing.
    NumberLength,
    /// The level is not the one in the number.
    LevelMismatch,
    /// The institution is not the one in the number.
    InstitutionMismatch,
    /// The year of issue is not the one in the number.
    YearMismatch,
    /// No name.
    NameMissing,
    /// A day that does not exist.
    DateInvalid,
    /// The number of another row.
    DuplicateNumber,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::IdCheckDigit,
        Self::NumberLength,
        Self::LevelMismatch,
        Self::InstitutionMismatch,
        Self::YearMismatch,
        Self::NameMissing,
        Self::DateInvalid,
        Self::DuplicateNumber,
    ];

    /// The reason code with which the row is refused.
    pub fn expected_code(self) -> &'static str {
        match self {
            Self::IdCheckDigit => "ID_CHECK_DIGIT",
            Self::NumberLength => "NUMBER_GRAMMAR",
            Self::LevelMismatch => "NUMBER_LEVEL_MISMATCH",
            Self::InstitutionMismatch => "NUMBER_INSTITUTION_MISMATCH",
            Self::YearMismatch => "NUMBER_YEAR_MISMATCH",
            Self::NameMissing => "FIELD_MISSING",
            Self::DateInvalid => "DATE_INVALID",
            Self::DuplicateNumber => "NUMBER_TAKEN",
        }
    }

    /// Whether only the node can tell, because the row is sound by itself.
    pub fn is_found_by_node(self) -> bool {
        self == Self::DuplicateNumber
    }

    /// Spoils a row that has a 22-character number and a resident's identity number. For a
    /// duplicate it is a copy of an earlier sound row.
    pub(super) fn apply(self, row: &mut Row, random: &mut Random) {
        match self {
            Self::IdCheckDigit => {
                let mut number = row.get("id_number").to_owned();
                let last = number.pop();
                number.push(if last == Some('7') { '3' } else { '7' });
                row.set("id_number", number);
            }
            Self::NumberLength => {
                let mut number = row.get("number").to_owned();
                number.pop();
                row.set("number", number);
            }
            Self::LevelMismatch => {
                let others: Vec<Level> = Level::all()
                    .filter(|level| !level.is_employer_only())
                    .filter(|level| level.to_string() != row.get("level"))
                    .collect();
                row.set("level", random.pick(&others).to_string());
            }
            Self::InstitutionMismatch => {
                let code = row.get("institution_code");
                let other = if code.ends_with('9') { '8' } else { '9' };
                let kept = code.get(..12).unwrap_or_default();
                row.set("institution_code", format!("{kept}{other}"));
            }
            Self::YearMismatch => {
                let later = row
                    .get("issue_date")
                    .get(4..)
                    .unwrap_or_default()
                    .to_owned();
                row.set("issue_date", format!("2012{later}"));
                row.set("valid_until", "");
            }
            Self::NameMissing => row.set("name", ""),
            Self::DateInvalid => row.set("issue_date", "2023-02-30"),
            Self::DuplicateNumber => row.set("name", format!("{}某", row.get("name"))),
        }
    }
}
