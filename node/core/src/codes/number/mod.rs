//! Certificate numbers.
//!
//! How numbers are built is data (`data/grammars.json`): the schemes changed over the years,
//! some are known from second-hand copies only, and more will turn up.

mod compose;
mod cross_check;
pub(crate) mod grammar;

use std::fmt;

use super::{Coded, InstitutionCode, Level, Region, Track};
use crate::normalise;

pub use compose::{PilotNumber, QualificationNumber};
pub use cross_check::Mismatch;
pub use grammar::{Grammar, GrammarConfidence, NumberPart, grammars};

/// A certificate number that follows one of the known grammars.
///
/// A number identifies a person's certificate, so it is personal data: `Debug` shows the grammar
/// only, there is no `Display`, and [`CertificateNumber::expose`] is the only way to the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CertificateNumber {
    text: String,
    grammar: &'static Grammar,
}

impl CertificateNumber {
    /// Reads a number under the grammars of its track.
    ///
    /// Without a track every grammar is tried, those that say most first; a number that only
    /// fits the free form of track S may then just as well be a mistyped one, see
    /// [`Grammar::is_positional`]. A 13-digit number of Shanghai's old scheme is padded with
    /// `000`, as the national query system asks for it, and says nothing by position.
    ///
    /// # Errors
    /// [`NumberError`] says what does not fit the grammar that fits furthest.
    pub fn parse(text: &str, track: Option<Track>) -> Result<Self, NumberError> {
        let text = normalise::number(text);
        if !text
            .bytes()
            .all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        {
            return Err(NumberError::Charset);
        }
        let mut nearest = NumberError::Grammar;
        for grammar in grammars()
            .iter()
            .filter(|g| track.is_none_or(|t| g.allows(t)))
        {
            match Self::under(grammar, &text) {
                Ok(number) => return Ok(number),
                Err(error) if error.reach() > nearest.reach() => nearest = error,
                Err(_) => {}
            }
        }
        Err(nearest)
    }

    /// Reads a normalised number under one grammar.
    fn under(grammar: &'static Grammar, text: &str) -> Result<Self, NumberError> {
        let number = Self {
            text: grammar.canonical(text)?,
            grammar,
        };
        let named = match grammar.id() {
            Grammar::QUALIFICATION => None,
            _ => number.province_code(),
        };
        let unknown = named.is_some_and(|code| Region::parse(code).is_err());
        let foreign = number.province().is_some_and(|p| !grammar.serves(p));
        if unknown || foreign {
            return Err(NumberError::Province);
        }
        Ok(number)
    }

    /// The number itself, normalised: for digests, lookup tags and encryption, and for showing
    /// it to whoever already knows it.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The grammar that it follows.
    pub fn grammar(&self) -> &'static Grammar {
        self.grammar
    }

    /// The province that the number names: of the institution's site, so the one to ask. A
    /// qualification number may name an industry sector in the same place, which gives `None`
    /// like everything that is no province.
    pub fn province(&self) -> Option<Region> {
        Region::parse(self.province_code()?)
            .ok()
            .map(Region::province)
    }

    fn province_code(&self) -> Option<&str> {
        [
            NumberPart::Province,
            NumberPart::ProvinceOrSector,
            NumberPart::Region,
        ]
        .into_iter()
        .find_map(|part| self.part(part))
    }

    /// The year of issue, in full.
    pub fn year(&self) -> Option<u16> {
        let field = self.grammar.field(NumberPart::Year)?;
        let short: u16 = self.part(NumberPart::Year)?.parse().ok()?;
        let century = if field.is_last_century(short) {
            1900
        } else {
            2000
        };
        Some(century + short)
    }

    /// The level.
    pub fn level(&self) -> Option<Level> {
        Level::from_code_char(self.part(NumberPart::Level)?.chars().next()?)
    }

    /// The institution, where its 13-character code is part of the number.
    pub fn institution(&self) -> Option<InstitutionCode> {
        if self.grammar.id() != Grammar::SKILL_LEVEL {
            return None;
        }
        InstitutionCode::parse(self.text.get(..13)?).ok()
    }

    /// The text of one part, if the grammar has it.
    pub fn part(&self, part: NumberPart) -> Option<&str> {
        let field = self.grammar.field(part)?;
        self.text.get(field.range())
    }
}

impl fmt::Debug for CertificateNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateNumber({}, redacted)", self.grammar.id())
    }
}

/// Why a certificate number was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// No grammar of the track has this length.
    #[error("the length fits no known scheme of certificate numbers")]
    Grammar,
    /// Something other than digits and letters.
    #[error("a certificate number is digits and letters only")]
    Charset,
    /// The length fits a grammar, a character does not.
    #[error(
        "position {at} of the certificate number has a character that its scheme does not allow there"
    )]
    Position {
        /// The first position that does not fit, from 1.
        at: usize,
    },
    /// A province that does not exist, or that does not use this grammar.
    #[error("the province in the certificate number does not exist or does not use this scheme")]
    Province,
    /// A number to be composed has a part that does not fit its place.
    #[error("a part of the certificate number is out of its range")]
    PartRange,
}

impl NumberError {
    /// How far into the number its grammar fitted: of several refusals the farthest says most.
    fn reach(self) -> usize {
        match self {
            Self::Grammar | Self::Charset | Self::PartRange => 0,
            Self::Position { at } => at,
            Self::Province => usize::MAX,
        }
    }
}

impl Coded for NumberError {
    fn code(&self) -> &'static str {
        match self {
            Self::Grammar => "NUMBER_GRAMMAR",
            Self::Charset => "NUMBER_CHARSET",
            Self::Position { .. } => "NUMBER_POSITION",
            Self::Province => "NUMBER_PROVINCE",
            Self::PartRange => "NUMBER_PART_RANGE",
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::Grammar => "证书编号长度不符合任何已知编码规则".to_owned(),
            Self::Charset => "证书编号只应包含数字和字母".to_owned(),
            Self::Position { at } => format!("证书编号第 {at} 位不符合编码规则"),
            Self::Province => "证书编号中的省级代码不存在或不使用该编码规则".to_owned(),
            Self::PartRange => "证书编号的某一组成部分超出取值范围".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
