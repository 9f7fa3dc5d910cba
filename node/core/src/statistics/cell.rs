//! Cells: what is counted together.

use prost::Message;

use crate::codes::{Region, RegionLevel};

use super::{Fact, Month};

/// By which region certificates and persons are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// 工作所在地.
    Work,
    /// 补贴申领地.
    Subsidy,
    /// 户籍所在地.
    Household,
    /// 认定活动所在地.
    Activity,
}

impl Basis {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Work, Self::Subsidy, Self::Household, Self::Activity];

    /// Its name in commands and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Subsidy => "subsidy",
            Self::Household => "household",
            Self::Activity => "activity",
        }
    }

    /// Its name in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Work => "工作所在地",
            Self::Subsidy => "补贴申领地",
            Self::Household => "户籍所在地",
            Self::Activity => "认定活动所在地",
        }
    }

    /// The field of the group `statistics`.
    pub(super) const fn field(self) -> &'static str {
        match self {
            Self::Work => "work_region",
            Self::Subsidy => "subsidy_region",
            Self::Household => "household_region",
            Self::Activity => "activity_region",
        }
    }
}

/// How finely regions are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grain {
    /// 省.
    Province,
    /// 市.
    City,
    /// 县.
    County,
}

impl Grain {
    /// The region that a region is counted under: itself, or what it lies in. One that is named
    /// less finely stays as it is.
    fn of(self, region: Region) -> Region {
        match self {
            Self::Province => region.province(),
            Self::City => region.city().unwrap_or(region),
            Self::County => region,
        }
    }

    /// The grain that tells a region from its neighbours.
    pub fn needed_for(region: Region) -> Self {
        match region.level() {
            RegionLevel::Province => Self::Province,
            RegionLevel::City => Self::City,
            RegionLevel::County => Self::County,
        }
    }
}

/// What besides track and level certificates are told apart by. Each has the grains that a
/// province asks for: more would be more cells than certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cut {
    /// Nothing.
    Plain,
    /// Occupation.
    Occupation,
    /// Institution.
    Institution,
}

impl Cut {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::Occupation, Self::Institution];

    /// How finely it tells regions apart, at most.
    pub const fn finest(self) -> Grain {
        match self {
            Self::Plain => Grain::County,
            Self::Occupation => Grain::City,
            Self::Institution => Grain::Province,
        }
    }

    /// Its grains.
    pub fn grains(self) -> impl Iterator<Item = Grain> {
        let grains = [Grain::Province, Grain::City, Grain::County].into_iter();
        grains.filter(move |grain| *grain <= self.finest())
    }
}

/// A cell: everything that is counted together but for the month.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// By what it is told apart.
    pub cut: Cut,
    /// How finely regions are.
    pub grain: Grain,
    /// By which region.
    pub basis: Basis,
    /// The region; `None` where certificates name none.
    pub region: Option<Region>,
    /// Track, as its letter.
    pub track: String,
    /// Level, 0 for none.
    pub level: u8,
    /// Occupation or institution; empty in the plain cut.
    pub thing: String,
}

impl Cell {
    /// The cell of a certificate.
    pub(super) fn of(fact: &Fact, cut: Cut, grain: Grain, basis: Basis) -> Self {
        let region = fact.regions[basis as usize];
        Self {
            cut,
            grain,
            basis,
            region: region.map(|region| grain.of(region)),
            track: fact.track.clone(),
            level: fact.level,
            thing: match cut {
                Cut::Plain => String::new(),
                Cut::Occupation => fact.occupation.clone(),
                Cut::Institution => fact.institution.clone(),
            },
        }
    }

    /// What the keys of all cells of a region, and of what lies in it, begin with.
    pub(super) fn prefix(cut: Cut, grain: Grain, basis: Basis, region: Option<Region>) -> String {
        let region = region.map_or(String::new(), |region| region.to_string());
        format!("{}{}{}/{region}", cut as u8, grain as u8, basis as u8)
    }

    /// What it is kept under: ASCII, and the cells of one region are next to each other.
    pub fn key(&self) -> String {
        let start = Self::prefix(self.cut, self.grain, self.basis, None);
        let region = self.region.map_or(0, Region::number);
        let Self {
            track,
            level,
            thing,
            ..
        } = self;
        format!("{start}{region:06}/{track}/{level}/{thing}")
    }

    /// Reads a key.
    pub fn from_key(key: &str) -> Option<Self> {
        let mut parts = key.splitn(5, '/');
        let start = parts.next()?.as_bytes();
        let number = |at: usize| Some(usize::from(start.get(at)?.checked_sub(b'0')?));
        let region = parts.next()?;
        let region = match region.parse().ok()? {
            0 => None,
            number => Some(Region::from_number(number)?),
        };
        Some(Self {
            cut: *Cut::ALL.get(number(0)?)?,
            grain: Cut::Plain.grains().nth(number(1)?)?,
            basis: *Basis::ALL.get(number(2)?)?,
            region,
            track: parts.next()?.to_owned(),
            level: parts.next()?.parse().ok()?,
            thing: parts.next()?.to_owned(),
        })
    }
}

/// What is counted in one month of a cell.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct Counts {
    /// Certificates that came into force for the first time.
    #[prost(sint64, tag = "1")]
    pub issued: i64,
    /// Certificates that ceased to be in force, less those that came back.
    #[prost(sint64, tag = "2")]
    pub ended: i64,
    /// Persons that came to be counted here, less those that are counted here no more.
    #[prost(sint64, tag = "3")]
    pub persons: i64,
}

impl Counts {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.issued += other.issued;
        self.ended += other.ended;
        self.persons += other.persons;
    }

    /// The same, taken away.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self {
            issued: -self.issued,
            ended: -self.ended,
            persons: -self.persons,
        }
    }
}

/// The counts of a cell by month: ascending, and none that is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Months(Vec<(Month, Counts)>);

#[derive(Clone, PartialEq, Message)]
struct Kept {
    #[prost(uint32, repeated, tag = "1")]
    months: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    counts: Vec<Counts>,
}

impl Months {
    /// Adds to a month.
    pub fn add(&mut self, month: Month, counts: Counts) {
        match self.0.binary_search_by_key(&month, |(month, _)| *month) {
            Ok(at) => {
                let held = &mut self.0[at].1;
                held.add(counts);
                if *held == Counts::default() {
                    self.0.remove(at);
                }
            }
            Err(_) if counts == Counts::default() => {}
            Err(at) => self.0.insert(at, (month, counts)),
        }
    }

    /// Adds to every month.
    pub fn add_all(&mut self, others: &Self) {
        for (month, counts) in &others.0 {
            self.add(*month, *counts);
        }
    }

    /// The months with something in them, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (Month, Counts)> {
        self.0.iter().copied()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As it is kept; empty if nothing is counted.
    pub fn to_bytes(&self) -> Vec<u8> {
        Kept {
            months: self.0.iter().map(|(month, _)| month.number()).collect(),
            counts: self.0.iter().map(|(_, counts)| *counts).collect(),
        }
        .encode_to_vec()
    }

    /// Reads what was kept.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let Kept { months, counts } = Kept::decode(bytes).ok()?;
        let months = months.into_iter().map(Month::from_number);
        let months: Option<Vec<Month>> = months.collect();
        let months = months?;
        let is_ascending = months.is_sorted_by(|a, b| a < b);
        let is_kept = is_ascending && months.len() == counts.len();
        is_kept.then(|| Self(months.into_iter().zip(counts).collect()))
    }
}
