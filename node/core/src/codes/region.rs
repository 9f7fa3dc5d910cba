//! Administrative regions, GB/T 2260.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use super::{
    Coded,
    table::{self, BadLine},
};
use crate::normalise;

/// The provinces as they stand in their file.
pub(crate) const PROVINCES: &str = include_str!("../../data/provinces.csv");
/// Cities of the four members.
pub(crate) const CITIES: &str = include_str!("../../data/regions.csv");
/// Their counties.
pub(crate) const COUNTIES: &str = include_str!("../../data/counties.csv");

/// One row of a table of regions.
pub(crate) struct Row {
    region: Region,
    pub(crate) name: &'static str,
    /// Whether it comes from general knowledge and not from the list.
    pub(crate) is_own: bool,
}

/// Names by six-digit code: all provinces; cities and counties of the four members.
static NAMES: LazyLock<BTreeMap<Region, &'static str>> = LazyLock::new(|| {
    let tables = [PROVINCES, CITIES, COUNTIES].into_iter();
    tables
        .flat_map(|csv| {
            read(csv).expect("the regions are compiled in, and `data::check` reads them")
        })
        .map(|row| (row.region, row.name))
        .collect()
});

/// Reads a table: six-digit codes, each once, with their names and, where it says so, what they
/// are known from.
pub(crate) fn read(csv: &'static str) -> Result<Vec<Row>, BadLine> {
    let mut known = BTreeSet::new();
    table::rows(csv, |cells| {
        let (code, name, basis) = match *cells {
            [code, name] => (code, name, "list"),
            [code, name, basis] => (code, name, basis),
            _ => return None,
        };
        let is_own = match basis {
            "own" => true,
            "list" => false,
            _ => return None,
        };
        let region = Region(code.parse().ok().filter(|_| code.len() == 6)?);
        let row = Row {
            region,
            name,
            is_own,
        };
        (!name.is_empty() && known.insert(region)).then_some(row)
    })
}

/// A region: province `33`, city `3302` or county `330206`.
///
/// The province is always one that exists. A city or county need not be in the tables: they
/// cover four provinces only, and old records name counties that were abolished since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(u32); // six digits; zeros where the level is higher

/// The level of a [`Region`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegionLevel {
    /// 省、自治区、直辖市: two digits.
    Province,
    /// 市: four digits.
    City,
    /// 县、区: six digits.
    County,
}

impl Region {
    /// 上海市.
    pub const SHANGHAI: Self = Self(310_000);
    /// 江苏省.
    pub const JIANGSU: Self = Self(320_000);
    /// 浙江省.
    pub const ZHEJIANG: Self = Self(330_000);
    /// 安徽省.
    pub const ANHUI: Self = Self(340_000);

    /// Reads a code of two, four or six digits; six digits may end in zeros (`330000`, `330200`).
    ///
    /// # Errors
    /// [`RegionError::Format`] if it is not such a code, [`RegionError::Unknown`] if there is no
    /// such province.
    pub fn parse(text: &str) -> Result<Self, RegionError> {
        let text = normalise::text(text);
        if !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(RegionError::Format);
        }
        let number: u32 = text.parse().map_err(|_| RegionError::Format)?;
        let region = match text.len() {
            2 => Self(number * 10_000),
            4 if !number.is_multiple_of(100) => Self(number * 100),
            6 => Self(number),
            _ => return Err(RegionError::Format),
        };
        // A county without a city (330006) cannot exist: counties directly under a province have
        // a city part of their own (90).
        if region.0 % 100 != 0 && region.0 / 100 % 100 == 0 {
            return Err(RegionError::Format);
        }
        if !NAMES.contains_key(&region.province()) {
            return Err(RegionError::Unknown);
        }
        Ok(region)
    }

    /// As a number of six digits, zeros where the level is higher.
    pub fn number(self) -> u32 {
        self.0
    }

    /// The region of such a number.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::parse(&format!("{number:06}")).ok()
    }

    /// Province, city or county.
    pub fn level(self) -> RegionLevel {
        match (self.0 % 10_000, self.0 % 100) {
            (0, _) => RegionLevel::Province,
            (_, 0) => RegionLevel::City,
            _ => RegionLevel::County,
        }
    }

    /// The province it lies in; a province gives itself.
    pub fn province(self) -> Self {
        Self(self.0 / 10_000 * 10_000)
    }

    /// The city it lies in; `None` for a province.
    pub fn city(self) -> Option<Self> {
        (self.level() != RegionLevel::Province).then_some(Self(self.0 / 100 * 100))
    }

    /// Whether `other` is this region or lies in it.
    pub fn contains(self, other: &Self) -> bool {
        match self.level() {
            RegionLevel::Province => other.province() == self,
            RegionLevel::City => other.city() == Some(self),
            RegionLevel::County => *other == self,
        }
    }

    /// The name in the tables, without the names of what it lies in.
    pub fn name(self) -> Option<&'static str> {
        NAMES.get(&self).copied()
    }

    /// The name with province and city before it, as far as the tables know them:
    /// `浙江省嘉兴市嘉善县`. Under a municipality the placeholder city 市辖区 is left out.
    pub fn full_name(self) -> String {
        let province = self.province();
        let city = self.city().filter(|c| *c != self);
        let mut name = String::new();
        if province != self {
            name.push_str(province.name().unwrap_or_default());
        }
        if let Some(city) = city.and_then(Self::name).filter(|n| !n.ends_with("市辖区")) {
            name.push_str(city);
        }
        let own = self.name().unwrap_or_default();
        if own.starts_with(&name) {
            return own.to_owned();
        }
        name + own
    }

    /// The six-digit code, `330200`.
    pub fn six_digits(self) -> String {
        self.0.to_string()
    }

    /// Whether this region itself is in the tables.
    pub fn is_listed(self) -> bool {
        NAMES.contains_key(&self)
    }

    /// Every region of a level that the tables list, by code: 34 provinces, and the cities and
    /// counties of the four members.
    pub fn listed(level: RegionLevel) -> impl Iterator<Item = Self> {
        NAMES
            .keys()
            .copied()
            .filter(move |region| region.level() == level)
    }
}

/// The short form: two, four or six digits.
impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level() {
            RegionLevel::Province => write!(f, "{}", self.0 / 10_000),
            RegionLevel::City => write!(f, "{}", self.0 / 100),
            RegionLevel::County => write!(f, "{}", self.0),
        }
    }
}

impl FromStr for Region {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Self, RegionError> {
        Self::parse(text)
    }
}

/// Why a region code was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// Not two, four or six digits.
    #[error("a region code has 2, 4 or 6 digits")]
    Format,
    /// No such province.
    #[error("the first two digits of the region code are no province of GB/T 2260")]
    Unknown,
}

impl Coded for RegionError {
    fn code(&self) -> &'static str {
        match self {
            Self::Format => "REGION_FORMAT",
            Self::Unknown => "REGION_UNKNOWN",
        }
    }

    fn zh(&self) -> String {
        match self {
            Self::Format => "地区代码应为 2、4 或 6 位数字",
            Self::Unknown => "地区代码前两位不是 GB/T 2260 中的省级代码",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_with_a_fault_is_refused() {
        let check = |rows: &str, expected: Option<usize>| {
            let read = read(format!("code,name,basis\n{rows}\n").leak());
            assert_eq!(read.err(), expected.map(BadLine), "{rows}");
        };
        check("310000,上海市,list\n710000,台湾省,own", None);
        check("310000,上海市,", Some(2));
        check("31,上海市,list", Some(2));
        check("31000x,上海市,list", Some(2));
        check("310000,,list", Some(2));
        check("310000,上海市,list\n310000,沪,list", Some(3));
    }

    fn check(input: &str, expected: Result<(&str, RegionLevel), RegionError>) {
        let parsed = Region::parse(input).map(|r| (r.to_string(), r.level()));
        assert_eq!(
            parsed,
            expected.map(|(s, l)| (s.to_owned(), l)),
            "{input:?}"
        );
    }

    #[test]
    fn parses_and_refuses() {
        check("33", Ok(("33", RegionLevel::Province)));
        check("330000", Ok(("33", RegionLevel::Province)));
        check("3302", Ok(("3302", RegionLevel::City)));
        check("330200", Ok(("3302", RegionLevel::City)));
        check("３３０２０６", Ok(("330206", RegionLevel::County)));
        check("429004", Ok(("429004", RegionLevel::County)));
        check("66", Err(RegionError::Unknown));
        check("000000", Err(RegionError::Unknown));
        check("83", Err(RegionError::Unknown));
        for bad in [
            "", "3", "330", "3300", "33020", "3302061", "330006", "ZJ", "+3", "-330200", "浙江",
        ] {
            check(bad, Err(RegionError::Format));
        }
    }

    #[test]
    fn contains_by_prefix() {
        let region = |s| Region::parse(s).unwrap();
        assert!(region("33").contains(&region("330206")));
        assert!(region("3302").contains(&region("330206")));
        assert!(region("330206").contains(&region("330206")));
        assert!(!region("3301").contains(&region("330206")));
        assert!(!region("3302").contains(&region("33")));
        assert!(!region("32").contains(&region("33")));
    }

    #[test]
    fn names() {
        let name = |s| Region::parse(s).unwrap().full_name();
        assert_eq!(Region::ZHEJIANG.name(), Some("浙江省"));
        assert_eq!(name("330421"), "浙江省嘉兴市嘉善县");
        assert_eq!(name("310118"), "上海市青浦区");
        assert_eq!(name("3101"), "上海市市辖区");
        assert_eq!(name("33"), "浙江省");
        assert_eq!(Region::parse("330299").unwrap().name(), None);
    }

    #[test]
    fn tables_are_whole() {
        assert_eq!(Region::listed(RegionLevel::Province).count(), 34);
        assert_eq!(Region::listed(RegionLevel::City).count(), 41);
        assert_eq!(Region::listed(RegionLevel::County).count(), 329);
        for region in NAMES.keys() {
            assert_eq!(Region::parse(&region.to_string()), Ok(*region));
            assert_eq!(Region::parse(&region.six_digits()), Ok(*region));
            assert!(region.city().is_none_or(Region::is_listed), "{region}");
        }
    }
}
