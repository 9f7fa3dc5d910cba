//! What a verdict rests on, ready to be changed.

use huren_core::{
    codes::Date,
    disclosure::{Group, GroupDigests, Opening, Values},
    merkle::Hash,
    register::{Effect, StatusRow},
    verdict::{Answer, Candidate, Change, LogView, Question, decide},
};

use super::{Federation, NOW, NUMBER, openings, values};

pub(crate) const BEFORE: u32 = 20_250_531;
pub(crate) const ON_THE_DAY: u32 = 20_250_601;
pub(crate) const LATER: u32 = 20_250_602;

/// All that a verdict rests on; to begin with, a valid certificate of Zhejiang's.
#[derive(Clone)]
pub(crate) struct Evidence {
    pub(crate) question: Question,
    pub(crate) logs: Vec<LogView>,
    pub(crate) candidates: Vec<Candidate>,
}

impl Evidence {
    pub(crate) fn new() -> Self {
        let logs = Federation::new()
            .provinces
            .into_iter()
            .map(|province| LogView {
                origin: province.origin,
                region: province.region,
                size: 100,
                witnessed_size: 100,
                quorum_time: Some(NOW - 60),
                frozen: false,
                withheld: false,
            });
        let mut evidence = Self {
            question: Question {
                number: NUMBER.to_owned(),
                holder_name: None,
                holder_id: Vec::new(),
                as_of: Date::from_yyyymmdd(20_250_601).unwrap(),
                max_age: 86_400,
                now: NOW,
            },
            logs: logs.collect(),
            candidates: Vec::new(),
        };
        evidence.add_candidate("33", 5, openings(NUMBER, 0));
        evidence
    }

    pub(crate) fn log(&mut self, region: &str) -> &mut LogView {
        self.logs
            .iter_mut()
            .find(|log| log.region.to_string() == region)
            .unwrap()
    }

    pub(crate) fn add_candidate(&mut self, region: &str, index: u8, openings: Vec<Opening>) {
        let origin = self.log(region).origin.clone();
        self.candidates.push(Candidate {
            origin,
            index: index.into(),
            leaf: Some(Hash([index; 32])),
            digests: GroupDigests::of(&openings),
            backfilled: false,
            signed_by: None,
            openings,
            statuses: Vec::new(),
        });
    }

    /// Adds a change to the last candidate.
    pub(crate) fn change(
        &mut self,
        index: u8,
        effect: Effect,
        effective_date: u32,
        openings: Vec<Opening>,
    ) {
        let candidate = self.candidates.last_mut().unwrap();
        let row = StatusRow {
            index: index.into(),
            leaf: Hash([index; 32]),
            target_index: candidate.index,
            effect,
            reason: 0,
            effective_date,
        };
        let digests = GroupDigests::of(&openings);
        candidate.statuses.push(Change {
            row,
            digests,
            openings,
        });
    }

    pub(crate) fn status(&mut self, index: u8, effect: Effect, effective_date: u32) {
        self.change(index, effect, effective_date, Vec::new());
    }

    pub(crate) fn decide(&self) -> Answer {
        decide(&self.question, &self.logs, &self.candidates)
    }
}

pub(crate) fn name(name: &str) -> Values {
    values(&[("name", name)])
}

pub(crate) fn id(number: &str) -> Values {
    values(&[("id_kind", "resident_id"), ("id_number", number)])
}

/// Openings of `certificate` with one field set otherwise (or absent, if empty).
pub(crate) fn with_field(field: &str, value: &str, salt: u8) -> Vec<Opening> {
    let changed = |opening: Opening| {
        let values = opening
            .values
            .as_ref()
            .filter(|_| opening.group == Group::Certificate);
        let values = values.map(|values| {
            Values::new(
                values
                    .iter()
                    .filter(|(name, _)| *name != field)
                    .chain([(field, value)]),
            )
        });
        Opening {
            values: values.or_else(|| opening.values.clone()),
            ..opening
        }
    };
    openings(NUMBER, salt).into_iter().map(changed).collect()
}
