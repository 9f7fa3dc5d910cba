//! Which entries hold on a day.

use std::collections::BTreeMap;

use prost::Message;

use super::{Entry, number};
use crate::{codes::Date, register::DirectoryRow};

/// Of the entries of one log with one key, given as index and effective date, the index of the
/// one that holds on a day: that with the latest date not after it, and of those of one date the
/// later leaf.
pub fn as_of(rows: impl IntoIterator<Item = (u64, u32)>, date: Date) -> Option<u64> {
    let effective = rows.into_iter().filter(|(_, d)| *d <= date.as_yyyymmdd());
    let latest = effective.max_by_key(|(index, date)| (*date, *index));
    latest.map(|(index, _)| index)
}

/// An entry with its place and its day of effect.
#[derive(Clone, Debug, PartialEq)]
pub struct Dated<E> {
    /// Index of its leaf.
    pub index: u64,
    /// Day from which it holds, yyyymmdd.
    pub effective_date: u32,
    /// What it says.
    pub entry: E,
}

impl<E: Entry> Dated<E> {
    /// Reads a row of the register; `None` if it is of another kind.
    pub fn of(row: &DirectoryRow) -> Option<Self> {
        Self::read(row.kind, (row.index, row.effective_date), &row.body)
    }

    /// Reads an entry of a kind out of its bytes, with its place and day of effect.
    pub(crate) fn read(
        kind: u32,
        (index, effective_date): (u64, u32),
        body: &[u8],
    ) -> Option<Self> {
        if kind != number(E::KIND) {
            return None;
        }
        Self::decoded((index, effective_date), body)
    }
}

impl<M: Message + Default> Dated<M> {
    /// Reads a message out of its bytes, with its place and day of effect; `None` if they are none.
    pub fn decoded((index, effective_date): (u64, u32), body: &[u8]) -> Option<Self> {
        Some(Self {
            index,
            effective_date,
            entry: M::decode(body).ok()?,
        })
    }
}

/// Of the entries of one log with one key, the one that holds on a day.
pub fn held<E>(rows: &[Dated<E>], date: Date) -> Option<&Dated<E>> {
    let places = rows.iter().map(|row| (row.index, row.effective_date));
    let held = as_of(places, date)?;
    rows.iter().find(|row| row.index == held)
}

/// Of the entries of one log, those that hold on a day: at most one for each key, by key.
pub fn in_force<E: Entry>(rows: &[Dated<E>], date: Date) -> Vec<&E> {
    let rows = rows_in_force(rows, date).into_iter();
    rows.map(|row| &row.entry).collect()
}

/// [`in_force`] with their places.
pub fn rows_in_force<E: Entry>(rows: &[Dated<E>], date: Date) -> Vec<&Dated<E>> {
    let mut by_key: BTreeMap<String, &Dated<E>> = BTreeMap::new();
    let date = date.as_yyyymmdd();
    for row in rows.iter().filter(|row| row.effective_date <= date) {
        let held = by_key.entry(row.entry.key()).or_insert(row);
        if (row.effective_date, row.index) > (held.effective_date, held.index) {
            *held = row;
        }
    }
    by_key.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_not_after_the_day_holds() {
        let rows = [
            (3, 20_240_101),
            (9, 20_230_101),
            (4, 20_240_101),
            (5, 20_250_601),
        ];
        let check = |date, expected| {
            let date = Date::from_yyyymmdd(date).unwrap();
            assert_eq!(as_of(rows, date), expected, "{date}");
            let mut reversed = rows;
            reversed.reverse();
            assert_eq!(as_of(reversed, date), expected, "{date}, reversed");
        };
        check(20_221_231, None);
        check(20_230_101, Some(9));
        check(20_231_231, Some(9));
        check(20_240_101, Some(4));
        check(20_250_531, Some(4));
        check(20_250_601, Some(5));
        check(99_991_231, Some(5));
    }
}
