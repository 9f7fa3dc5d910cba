//! What is counted of one certificate.

use crate::{
    codes::{Date, Region},
    disclosure::Values,
    register::StatusRow,
    verdict::{Verdict, fold_statuses},
};

use super::Basis;

/// A month, as yyyymm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(u32);

impl Month {
    /// The month of a number such as 202603; `None` if there is none.
    pub const fn from_number(number: u32) -> Option<Self> {
        match (number / 100, number % 100) {
            (1900..=9999, 1..=12) => Some(Self(number)),
            _ => None,
        }
    }

    /// As yyyymm.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// The month that a day lies in.
    pub fn of(date: Date) -> Self {
        Self(date.as_yyyymmdd() / 100)
    }

    /// Its year.
    pub const fn year(self) -> u32 {
        self.0 / 100
    }

    /// The month after it.
    #[must_use]
    pub const fn next(self) -> Self {
        match self.0 % 100 {
            12 => Self((self.0 / 100 + 1) * 100 + 1),
            _ => Self(self.0 + 1),
        }
    }
}

/// What is counted of one certificate, with its corrections taken in: what was wrong was never so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    /// Its region on each basis, in the order of [`Basis::ALL`]; `None` where it names none.
    pub regions: [Option<Region>; 4],
    /// Track, as its letter.
    pub track: String,
    /// Occupation: edition and code, for instance `2022:4-03-02-01`.
    pub occupation: String,
    /// Ordinal of its level, 1 to 8; 0 without one.
    pub level: u8,
    /// Code of the institution; empty without one.
    pub institution: String,
    /// Months at whose end it came into force or ceased to be, by turns, ascending.
    pub turns: Vec<Month>,
}

impl Fact {
    /// Reads what is disclosed of a certificate: the groups `certificate` and `statistics` with
    /// corrections taken in, and its status changes in index order. `None` if it was in force at
    /// the end of no month, or if its dates cannot be read.
    pub fn read(certificate: &Values, statistics: &Values, statuses: &[StatusRow]) -> Option<Self> {
        let get = |field: &str| certificate.get(field).unwrap_or_default();
        let region = |basis: Basis| {
            let code = statistics.get(basis.field())?;
            Region::parse(code).ok()
        };
        let (edition, code) = (get("occupation_edition"), get("occupation_code"));
        Some(Self {
            regions: Basis::ALL.map(region),
            track: get("track").to_owned(),
            occupation: format!("{edition}:{code}"),
            level: get("level").parse().unwrap_or_default(),
            institution: get("institution_code").to_owned(),
            turns: turns(certificate, statuses)?,
        })
    }

    /// The month in which it first came into force.
    pub fn first(&self) -> Option<Month> {
        self.turns.first().copied()
    }

    /// Whether it is in force at the end of a month.
    pub fn is_in_force(&self, month: Month) -> bool {
        self.turns.iter().filter(|turn| **turn <= month).count() % 2 == 1
    }
}

/// The months at whose end a certificate's being in force changes.
fn turns(certificate: &Values, statuses: &[StatusRow]) -> Option<Vec<Month>> {
    let date = |field: &str| certificate.get(field).map(Date::parse).transpose().ok();
    let issued = date("issue_date")??;
    let ended = date("valid_until")?.map(|until| Month::of(until).next());
    let days = statuses.iter().map(|row| row.effective_date);
    let mut days: Vec<Date> = days
        .filter_map(|day| Date::from_yyyymmdd(day).ok())
        .chain([issued])
        .filter(|day| *day >= issued)
        .collect();
    days.sort_unstable();
    days.dedup();
    let mut states: Vec<(Month, bool)> = Vec::new();
    for day in days {
        let (verdict, _) = fold_statuses(statuses.iter(), day);
        let (month, holds) = (Month::of(day), verdict == Verdict::Valid);
        match states.last_mut() {
            Some(last) if last.0 == month => last.1 = holds,
            _ => states.push((month, holds)),
        }
    }
    if let Some(ended) = ended {
        states.retain(|(month, _)| *month < ended);
        states.push((ended, false));
    }
    let mut turns = Vec::new();
    for (month, holds) in states {
        if holds == (turns.len() % 2 == 0) {
            turns.push(month);
        }
    }
    (!turns.is_empty()).then_some(turns)
}
