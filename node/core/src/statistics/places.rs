//! Which certificates an institution issued on which day: where monitoring finds them.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use crate::{
    checkpoint::Origin,
    codes::{Date, InstitutionCode},
    disclosure::Values,
};

/// Where a leaf is: its log, and its index there.
pub type Place = (Origin, u64);

/// An institution's day: the certificates that it issued then have a cell.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssueDay {
    /// The day of issue.
    pub day: Date,
    /// 13-character code of the institution.
    pub institution: String,
}

impl IssueDay {
    /// Reads what is disclosed of a certificate, with corrections taken in; `None` if it names no
    /// institution by its code, or no day.
    pub fn read(certificate: &Values) -> Option<Self> {
        let code = InstitutionCode::parse(certificate.get("institution_code")?).ok()?;
        Some(Self {
            day: Date::parse(certificate.get("issue_date")?).ok()?,
            institution: code.as_str().to_owned(),
        })
    }

    /// What the keys of a day's cells begin with, and those of no sums.
    pub fn prefix(day: Date) -> String {
        format!("day/{:08}/", day.as_yyyymmdd())
    }

    /// What its cell is kept under: ASCII.
    pub fn key(&self) -> String {
        Self::prefix(self.day) + &self.institution
    }

    /// Reads a key.
    pub fn from_key(key: &str) -> Option<Self> {
        let (day, institution) = key.strip_prefix("day/")?.split_once('/')?;
        Some(Self {
            day: Date::from_yyyymmdd(day.parse().ok()?).ok()?,
            institution: institution.to_owned(),
        })
    }
}

/// Leaves, by log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<Origin, BTreeSet<u64>>);

#[derive(Clone, PartialEq, Message)]
struct Kept {
    #[prost(message, repeated, tag = "1")]
    logs: Vec<KeptLog>,
}

#[derive(Clone, PartialEq, Message)]
struct KeptLog {
    #[prost(string, tag = "1")]
    origin: String,
    /// The first index, then by how much each is larger than the one before.
    #[prost(uint64, repeated, tag = "2")]
    steps: Vec<u64>,
}

impl Places {
    /// The leaves of one log, ascending.
    pub fn of_log(&self, origin: &Origin) -> impl Iterator<Item = u64> {
        self.0.get(origin).into_iter().flatten().copied()
    }

    /// As it is kept; empty if there are none.
    pub fn to_bytes(&self) -> Vec<u8> {
        let log = |(origin, indexes): (&Origin, &BTreeSet<u64>)| {
            let mut before = 0;
            let steps = indexes.iter().map(|index| {
                let step = index - before;
                before = *index;
                step
            });
            KeptLog {
                steps: steps.collect(),
                origin: origin.to_string(),
            }
        };
        let logs = self.0.iter().map(log).collect();
        Kept { logs }.encode_to_vec()
    }

    /// Reads what was kept.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let log = |log: KeptLog| {
            let mut at = 0_u64;
            let indexes = log.steps.into_iter().map(|step| {
                at = at.checked_add(step)?;
                Some(at)
            });
            let indexes: Option<BTreeSet<u64>> = indexes.collect();
            Some((log.origin.parse().ok()?, indexes?))
        };
        let kept = Kept::decode(bytes).ok()?;
        kept.logs
            .into_iter()
            .map(log)
            .collect::<Option<_>>()
            .map(Self)
    }

    fn put(&mut self, (origin, index): Place, is_there: bool) {
        let of_log = self.0.entry(origin.clone()).or_default();
        match is_there {
            true => of_log.insert(index),
            false => of_log.remove(&index),
        };
        if of_log.is_empty() {
            self.0.remove(&origin);
        }
    }
}

/// Leaves that come to a cell or leave it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves(BTreeMap<Place, bool>);

impl Moves {
    /// A leaf comes, or goes: what is said last of it counts.
    pub(super) fn put(&mut self, place: Place, is_there: bool) {
        self.0.insert(place, is_there);
    }

    /// What is held once they moved.
    pub(super) fn onto(self, mut held: Places) -> Places {
        for (place, is_there) in self.0 {
            held.put(place, is_there);
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin(name: &str) -> Origin {
        format!("huren.example/log/{name}").parse().unwrap()
    }

    #[test]
    fn keys_are_read_back_and_lie_by_day() {
        let of = IssueDay {
            day: Date::from_yyyymmdd(20_240_301).unwrap(),
            institution: "Y000133020600".into(),
        };
        assert_eq!(of.key(), "day/20240301/Y000133020600");
        assert_eq!(IssueDay::from_key(&of.key()), Some(of.clone()));
        assert!(of.key().starts_with(&IssueDay::prefix(of.day)));
        assert_eq!(IssueDay::from_key("012/330000/L/4/"), None);
    }

    #[test]
    fn without_an_institution_s_code_it_is_in_no_cell() {
        let values =
            |code: &str| Values::new([("institution_code", code), ("issue_date", "2024-03-01")]);
        assert!(IssueDay::read(&values("Y000133020600")).is_some());
        assert_eq!(IssueDay::read(&values("")), None);
        assert_eq!(IssueDay::read(&values("../../x")), None);
    }

    proptest! {
        #[test]
        fn what_moved_is_held_and_read_back(
            moves in prop::collection::vec((0..2_u8, 0..50_u64, any::<bool>()), 0..60),
        ) {
            let mut held = Places::default();
            let mut expected = BTreeSet::new();
            for (log, index, is_there) in moves {
                let mut step = Moves::default();
                let name = if log == 0 { "33" } else { "31" };
                step.put((origin(name), index), is_there);
                held = step.onto(held);
                match is_there {
                    true => expected.insert((log, index)),
                    false => expected.remove(&(log, index)),
                };
                let of = |log| expected.iter().filter(move |(l, _)| *l == log).map(|(_, i)| *i);
                prop_assert!(held.of_log(&origin("33")).eq(of(0)));
                prop_assert!(held.of_log(&origin("31")).eq(of(1)));
                prop_assert_eq!(Places::from_bytes(&held.to_bytes()), Some(held.clone()));
            }
            prop_assert_eq!(held.to_bytes().is_empty(), expected.is_empty());
        }
    }
}
