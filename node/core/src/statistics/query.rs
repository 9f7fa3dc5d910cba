//! Questions to the cells.

use std::collections::{BTreeMap, BTreeSet};

use crate::codes::Region;

use super::{Basis, Cell, Counts, Cut, Grain, Month, Months};

/// By what an answer tells certificates apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// Province.
    Province,
    /// City.
    City,
    /// County.
    County,
    /// Track.
    Track,
    /// Level.
    Level,
    /// Occupation.
    Occupation,
    /// Institution.
    Institution,
    /// Month.
    Month,
    /// Year.
    Year,
}

impl Dimension {
    /// All of them, in the order of an answer's columns.
    pub const ALL: [Self; 9] = [
        Self::Province,
        Self::City,
        Self::County,
        Self::Track,
        Self::Level,
        Self::Occupation,
        Self::Institution,
        Self::Month,
        Self::Year,
    ];

    /// Its name in commands and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Province => "province",
            Self::City => "city",
            Self::County => "county",
            Self::Track => "track",
            Self::Level => "level",
            Self::Occupation => "occupation",
            Self::Institution => "institution",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    const fn grain(self) -> Option<Grain> {
        match self {
            Self::Province => Some(Grain::Province),
            Self::City => Some(Grain::City),
            Self::County => Some(Grain::County),
            _ => None,
        }
    }
}

/// A question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// By which region.
    pub basis: Basis,
    /// Only this region, with what lies in it.
    pub region: Option<Region>,
    /// Only this track, as its letter.
    pub track: Option<String>,
    /// Only this level.
    pub level: Option<u8>,
    /// Only this occupation, for instance `2022:4-03-02-01`.
    pub occupation: Option<String>,
    /// Only this institution.
    pub institution: Option<String>,
    /// By what the answer tells apart.
    pub by: BTreeSet<Dimension>,
    /// First month that counts as new; what came before is in totals.
    pub from: Month,
    /// Last month that counts.
    pub to: Month,
}

/// Why a question is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Occupation and institution at once.
    #[error("statistics are told apart by occupation or by institution, not by both at once")]
    Combination,
    /// Regions finer than are kept.
    #[error("by occupation regions are kept down to cities, by institution down to provinces")]
    TooFine,
    /// The last month comes before the first.
    #[error("the last month comes before the first one")]
    Months,
    /// More rows than an answer may have.
    #[error(
        "the answer would have more than {} rows: ask about less",
        Table::MAX_ROWS
    )]
    TooLarge,
}

impl QueryError {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Combination => "STATISTICS_COMBINATION",
            Self::TooFine => "STATISTICS_TOO_FINE",
            Self::Months => "STATISTICS_MONTHS",
            Self::TooLarge => "STATISTICS_TOO_LARGE",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Combination => "统计可按职业或按机构细分，不能同时按两者。",
            Self::TooFine => "按职业统计时地区细分到市，按机构统计时细分到省。",
            Self::Months => "截止月份早于起始月份。",
            Self::TooLarge => "结果行数过多，请缩小查询范围。",
        }
    }
}

impl Query {
    /// Everything on a basis, from a month to another, as one figure.
    pub const fn all(basis: Basis, from: Month, to: Month) -> Self {
        Self {
            basis,
            region: None,
            track: None,
            level: None,
            occupation: None,
            institution: None,
            by: BTreeSet::new(),
            from,
            to,
        }
    }

    fn wants(&self, dimension: Dimension) -> bool {
        self.by.contains(&dimension)
    }

    /// The cells that answer it: those whose keys begin with this.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn prefix(&self) -> Result<String, QueryError> {
        if self.to < self.from {
            return Err(QueryError::Months);
        }
        let occupation = self.occupation.is_some() || self.wants(Dimension::Occupation);
        let institution = self.institution.is_some() || self.wants(Dimension::Institution);
        let cut = match (occupation, institution) {
            (true, true) => return Err(QueryError::Combination),
            (true, false) => Cut::Occupation,
            (false, true) => Cut::Institution,
            (false, false) => Cut::Plain,
        };
        let told_apart = self.by.iter().filter_map(|by| by.grain());
        let filtered = self.region.map(Grain::needed_for);
        let grain = told_apart.chain(filtered).max();
        let grain = grain.unwrap_or(Grain::Province);
        if grain > cut.finest() {
            return Err(QueryError::TooFine);
        }
        Ok(Cell::prefix(cut, grain, self.basis, self.region))
    }

    fn is_about(&self, cell: &Cell) -> bool {
        let thing = [&self.occupation, &self.institution];
        let thing = thing.into_iter().flatten().next();
        self.track.as_ref().is_none_or(|track| *track == cell.track)
            && self.level.is_none_or(|level| level == cell.level)
            && thing.is_none_or(|thing| *thing == cell.thing)
    }

    fn group(&self, cell: &Cell) -> Group {
        let by_region = self.by.iter().any(|by| by.grain().is_some());
        let thing = self.wants(Dimension::Occupation) || self.wants(Dimension::Institution);
        Group {
            region: by_region.then_some(cell.region),
            track: self.wants(Dimension::Track).then(|| cell.track.clone()),
            level: self.wants(Dimension::Level).then_some(cell.level),
            thing: thing.then(|| cell.thing.clone()),
        }
    }

    /// The period that a month counts in, if the answer tells periods apart: its last month.
    fn period(&self, month: Month) -> Option<Month> {
        if self.wants(Dimension::Month) {
            Some(month)
        } else if self.wants(Dimension::Year) {
            let december = Month::from_number(month.year() * 100 + 12);
            Some(december.unwrap_or(month).min(self.to))
        } else {
            None
        }
    }

    /// All periods of the answer, ascending.
    fn periods(&self) -> Vec<Month> {
        let months = std::iter::successors(Some(self.from), |month| Some(month.next()));
        let months = months.take_while(|month| *month <= self.to);
        let mut periods: Vec<Month> = months.filter_map(|month| self.period(month)).collect();
        periods.dedup();
        periods
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    region: Option<Option<Region>>,
    track: Option<String>,
    level: Option<u8>,
    thing: Option<String>,
}

/// A line of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The region; empty where certificates name none; `None` if regions are not told apart.
    pub region: Option<String>,
    /// The track, as its letter.
    pub track: Option<String>,
    /// The level, 0 for none.
    pub level: Option<u8>,
    /// The occupation or institution.
    pub thing: Option<String>,
    /// The period, by its last month.
    pub period: Option<Month>,
    /// Certificates issued in the period, or from the first month to the last.
    pub certificates_new: u64,
    /// Certificates in force at its end.
    pub certificates: u64,
    /// By how many persons there were more at its end.
    pub persons_new: i64,
    /// Persons counted at its end.
    pub persons: u64,
    /// Whether the figures are left out, being about too few.
    pub is_suppressed: bool,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its lines, in the order of their dimensions.
    pub rows: Vec<Row>,
    /// All of it together, as of the last month.
    pub total: Row,
}

impl Table {
    /// Lines of an answer at most.
    pub const MAX_ROWS: usize = 100_000;
}

/// Sums up cells for a question.
#[derive(Debug)]
pub struct TableBuilder<'a> {
    query: &'a Query,
    periods: Vec<Month>,
    groups: BTreeMap<Group, Months>,
    total: Months,
}

impl<'a> TableBuilder<'a> {
    /// For a question.
    pub fn new(query: &'a Query) -> Self {
        Self {
            query,
            periods: query.periods(),
            groups: BTreeMap::new(),
            total: Months::default(),
        }
    }

    /// Takes a cell in. Those that the question is not about are passed over.
    ///
    /// # Errors
    /// [`QueryError::TooLarge`].
    pub fn add(&mut self, cell: &Cell, months: &Months) -> Result<(), QueryError> {
        if !self.query.is_about(cell) {
            return Ok(());
        }
        self.total.add_all(months);
        let group = self.query.group(cell);
        self.groups.entry(group).or_default().add_all(months);
        match self.groups.len() * self.periods.len().max(1) > Table::MAX_ROWS {
            true => Err(QueryError::TooLarge),
            false => Ok(()),
        }
    }

    /// The answer. Lines with nothing in them are left out.
    pub fn finish(self) -> Table {
        let none = Group {
            region: None,
            track: None,
            level: None,
            thing: None,
        };
        let window = (self.query.from, self.query.to);
        let total = row(&none, &self.total, None, window);
        let mut rows = Vec::new();
        for (group, months) in &self.groups {
            if self.periods.is_empty() {
                rows.push(row(group, months, None, window));
                continue;
            }
            let mut first = self.query.from;
            for period in &self.periods {
                rows.push(row(group, months, Some(*period), (first, *period)));
                first = period.next();
            }
        }
        rows.retain(|row| row.certificates_new > 0 || row.certificates > 0);
        Table { rows, total }
    }
}

fn row(group: &Group, months: &Months, period: Option<Month>, (from, to): (Month, Month)) -> Row {
    let (mut new, mut all) = (Counts::default(), Counts::default());
    for (_, counts) in months.iter().filter(|(month, _)| *month <= to) {
        all.add(counts);
    }
    for (_, counts) in months
        .iter()
        .filter(|(month, _)| (from..=to).contains(month))
    {
        new.add(counts);
    }
    let count = |number: i64| u64::try_from(number).unwrap_or_default();
    Row {
        region: group.region.map(|region| {
            region.map_or_else(String::new, |region| format!("{:06}", region.number()))
        }),
        track: group.track.clone(),
        level: group.level,
        thing: group.thing.clone(),
        period,
        certificates_new: count(new.issued),
        certificates: count(all.issued - all.ended),
        persons_new: new.persons,
        persons: count(all.persons),
        is_suppressed: false,
    }
}
