//! The registry of number grammars and the fixed-width matcher that reads it.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::sync::LazyLock;

use serde::{Deserialize, de::Error as _};

use super::NumberError;
use crate::{
    codes::{Date, Region, Track},
    data::Placeholder,
};

/// The registry as it stands in its file.
pub(crate) const FILE: &str = include_str!("../../../data/grammars.json");

static GRAMMARS: LazyLock<Vec<Grammar>> = LazyLock::new(|| {
    read(FILE).expect("grammars.json is compiled in, and `data::check` reads it before it is used")
});

/// Reads a registry: ids that differ, fields without a gap, and a placeholder named wherever one
/// is not sure of a grammar.
pub(crate) fn read(json: &str) -> Result<Vec<Grammar>, serde_json::Error> {
    let grammars: Vec<Grammar> = serde_json::from_str(json)?;
    let fault = |grammar: &Grammar, what: &str| {
        serde_json::Error::custom(format!("{what} of the grammar {}", grammar.id))
    };
    for (i, grammar) in grammars.iter().enumerate() {
        if grammars[..i].contains(grammar) {
            return Err(fault(grammar, "the id, there twice,"));
        }
        let mut next = 1;
        for (i, field) in grammar.fields.iter().enumerate() {
            let is_last = i + 1 == grammar.fields.len();
            if field.at != next || (field.max_len.is_some() && !is_last) {
                return Err(fault(grammar, "the fields"));
            }
            next += field.len;
        }
        let is_sure = grammar.confidence == GrammarConfidence::High;
        if !is_sure && grammar.placeholders.is_empty() {
            return Err(fault(grammar, "what is not sure"));
        }
    }
    Ok(grammars)
}

/// Every known grammar, in the order in which they are tried.
pub fn grammars() -> &'static [Grammar] {
    &GRAMMARS
}

/// How the numbers of one scheme are built, where it is used, and how sure we are of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grammar {
    id: String,
    title: String,
    tracks: Vec<Track>,
    valid_from: Option<GrammarDate>,
    valid_to: Option<GrammarDate>,
    provinces: Vec<GrammarProvince>,
    confidence: GrammarConfidence,
    source: String,
    /// What stands in for facts that are not known.
    placeholders: Vec<Placeholder>,
    /// Put before a number that is shorter than the fields by its length.
    #[serde(default)]
    pad: String,
    fields: Vec<Field>,
}

/// How sure we are that a grammar is what institutions use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrammarConfidence {
    /// Several published descriptions agree.
    High,
    /// One description.
    Medium,
    /// No rule found.
    Low,
}

/// What a field of a number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberPart {
    /// `Y` employer, `S` social organisation.
    InstitutionKind,
    /// The ministry's number for the institution, or `0000`.
    Filing,
    /// The province of the institution's site.
    Province,
    /// The serial that the province gave to the institution or site.
    Site,
    /// The last two digits of the year of issue.
    Year,
    /// The level, see [`crate::codes::Level::from_code_char`].
    Level,
    /// The serial of the certificate.
    Serial,
    /// A province, or an industry sector.
    ProvinceOrSector,
    /// Two digits of a city.
    City,
    /// The kind of assessment agency: 0 guidance centre, 1 national, 2 local, 3 industry station,
    /// 4 enterprise.
    AgencyKind,
    /// The serial of the assessment agency.
    Agency,
    /// A letter that marks the scheme.
    Prefix,
    /// With whom the institution was filed: `G` ministry, `S` province, `C` city, `X` county.
    FilingTier,
    /// `N` employer, `W` third party.
    Category,
    /// A six-digit region.
    Region,
    /// Zeros put before an older, shorter number.
    Padding,
    /// Not to be read by position.
    Opaque,
}

/// One fixed-width field.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    part: NumberPart,
    /// The first position, from 1.
    at: usize,
    len: usize,
    /// Only the last field of a grammar may vary in length.
    max_len: Option<usize>,
    charset: Charset,
    #[serde(default)]
    nonzero: bool,
    /// Two-digit years from here on are of the last century.
    century_pivot: Option<u16>,
}

impl Field {
    /// Where the field lies in the text.
    pub(super) fn range(&self) -> Range<usize> {
        self.at - 1..self.at - 1 + self.len
    }

    pub(super) fn is_last_century(&self, short_year: u16) -> bool {
        self.century_pivot.is_some_and(|pivot| short_year >= pivot)
    }
}

impl Grammar {
    /// The 22-character number of skill level certificates.
    pub const SKILL_LEVEL: &'static str = "zjdj-22";
    /// The 20-character number of the pilot years.
    pub const PILOT: &'static str = "pilot-20";
    /// The 16-digit number of qualification certificates.
    pub const QUALIFICATION: &'static str = "zgzs-16";
    /// Shanghai's 13-digit number, padded.
    pub const SHANGHAI_QUALIFICATION: &'static str = "zgzs-13-sh";
    /// The free form of special ability certificates.
    pub const SPECIAL: &'static str = "special";

    /// The grammar with an id.
    pub fn find(id: &str) -> Option<&'static Self> {
        grammars().iter().find(|grammar| grammar.id == id)
    }

    /// The stable id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The title in Chinese.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// How sure we are of it.
    pub fn confidence(&self) -> GrammarConfidence {
        self.confidence
    }

    /// Where it is known from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What stands in for facts that are not known.
    pub fn placeholders(&self) -> &[Placeholder] {
        &self.placeholders
    }

    /// Whether certificates of the track use it.
    pub fn allows(&self, track: Track) -> bool {
        self.tracks.contains(&track)
    }

    /// Whether the province uses it. An empty list means every province.
    pub fn serves(&self, province: Region) -> bool {
        self.provinces.is_empty() || self.provinces.iter().any(|p| p.0 == province)
    }

    /// Whether certificates issued on the date could use it.
    pub fn in_force(&self, date: Date) -> bool {
        self.valid_from.as_ref().is_none_or(|from| from.0 <= date)
            && self.valid_to.as_ref().is_none_or(|to| date <= to.0)
    }

    /// Whether positions mean something: if not, a number says nothing but itself.
    pub fn is_positional(&self) -> bool {
        self.field(NumberPart::Opaque).is_none()
    }

    pub(super) fn field(&self, part: NumberPart) -> Option<&Field> {
        self.fields.iter().find(|field| field.part == part)
    }

    /// The number as this grammar writes it, if it is one of its numbers.
    pub(super) fn canonical(&self, text: &str) -> Result<String, NumberError> {
        let fixed: usize = self.fields.iter().map(|field| field.len).sum();
        let is_short = !self.pad.is_empty() && text.len() + self.pad.len() == fixed;
        let text = if is_short {
            self.pad.clone() + text
        } else {
            text.to_owned()
        };
        let mut end = 0;
        for field in &self.fields {
            let mut range = field.range();
            if let Some(max_len) = field.max_len {
                range.end = text.len().clamp(range.end, range.start + max_len);
            }
            end = range.end;
        }
        if text.len() != end {
            return Err(NumberError::Grammar);
        }
        for field in &self.fields {
            let start = field.at - 1;
            let cells = match field.max_len {
                Some(_) => &text.as_bytes()[start..],
                None => &text.as_bytes()[field.range()],
            };
            if let Some(wrong) = cells.iter().position(|b| !field.charset.contains(*b)) {
                return Err(NumberError::Position {
                    at: field.at + wrong,
                });
            }
            if field.nonzero && cells.iter().all(|b| *b == b'0') {
                return Err(NumberError::Position {
                    at: field.at + cells.len() - 1,
                });
            }
        }
        Ok(text)
    }
}

/// A grammar is its id: the registry holds each once.
impl PartialEq for Grammar {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Grammar {}

impl Hash for Grammar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// A set of ASCII characters, written `0-9A-Z` or `GSCX`; bit n stands for character n.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Charset(u128);

impl Charset {
    fn contains(&self, byte: u8) -> bool {
        byte.is_ascii() && self.0 >> byte & 1 == 1
    }
}

impl TryFrom<String> for Charset {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if !text.is_ascii() {
            return Err("a character set is ASCII");
        }
        let mut set = 0;
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            let (last, after) = match after {
                [b'-', last, after @ ..] => (*last, after),
                _ => (first, after),
            };
            for byte in first..=last {
                set |= 1 << byte;
            }
            rest = after;
        }
        Ok(Self(set))
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct GrammarDate(Date);

impl TryFrom<String> for GrammarDate {
    type Error = crate::codes::DateError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Date::parse(&text).map(Self)
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct GrammarProvince(Region);

impl TryFrom<String> for GrammarProvince {
    type Error = crate::codes::RegionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Region::parse(&text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_that_contradicts_itself_is_refused() {
        assert!(read(FILE).is_ok());
        let refuse = |from: &str, to: &str, why: &str| {
            let changed = FILE.replacen(from, to, 1);
            assert_ne!(changed, FILE);
            let error = read(&changed).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        refuse("\"at\": 2,", "\"at\": 3,", "the fields of");
        refuse(
            "\"len\": 4,",
            "\"len\": 4, \"max_len\": 5,",
            "the fields of",
        );
        refuse("pilot-20", "zjdj-22", "there twice");
        refuse("\"L\"", "\"M\"", "unknown variant");
        let unsure = r#"[{
            "id": "a", "title": "t", "tracks": ["L"], "provinces": [], "confidence": "low",
            "source": "s", "placeholders": [], "fields": []
        }]"#;
        let error = read(unsure).unwrap_err().to_string();
        assert!(error.contains("what is not sure"), "{error}");
    }

    #[test]
    fn the_named_ones_exist() {
        for grammar in grammars() {
            assert!(!grammar.title.is_empty() && !grammar.source.is_empty());
        }
        for id in [
            Grammar::SKILL_LEVEL,
            Grammar::PILOT,
            Grammar::QUALIFICATION,
            Grammar::SHANGHAI_QUALIFICATION,
            Grammar::SPECIAL,
        ] {
            assert!(Grammar::find(id).is_some(), "{id}");
        }
    }

    /// No compiled-in grammar has dates yet: none is published.
    #[test]
    fn a_grammar_is_in_force_on_its_first_and_last_day() {
        let dated = r#"{
            "id": "dated", "title": "t", "tracks": ["L"], "provinces": ["33"], "confidence": "low",
            "source": "s", "placeholders": [], "valid_from": "2019-01-01", "valid_to": "2020-12-31", "fields": []
        }"#;
        let grammar: Grammar = serde_json::from_str(dated).unwrap();
        let in_force = |date| grammar.in_force(Date::parse(date).unwrap());
        assert!(in_force("2019-01-01") && in_force("2020-12-31"));
        assert!(!in_force("2018-12-31") && !in_force("2021-01-01"));
        assert!(grammar.serves(Region::ZHEJIANG) && !grammar.serves(Region::ANHUI));
    }

    #[test]
    fn character_sets() {
        let set = Charset::try_from("1-5XTS".to_owned()).unwrap();
        let members: String = (0..=255)
            .filter(|b| set.contains(*b))
            .map(char::from)
            .collect();
        assert_eq!(members, "12345STX");
        assert!(Charset::try_from("一".to_owned()).is_err());
    }
}
