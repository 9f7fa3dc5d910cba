//! How occupations of one edition of the classification correspond to those of another. Codes of
//! two editions name different things, so nothing is compared across editions but through this.

use std::collections::{BTreeMap, BTreeSet};

use huren_proto::v1::{OccupationCatalogue, OccupationRelation};

use super::{Dated, in_force};
use crate::codes::Date;

/// An occupation: edition, and code without its job.
pub type OccupationKey = (u32, String);

/// What the edition and the code of a line name.
pub fn occupation_key(edition: u32, code: &str) -> OccupationKey {
    (edition, without_job(code).to_owned())
}

/// The code of an occupation without its job: `6-30-05-01` of `6-30-05-01-014`.
fn without_job(code: &str) -> &str {
    code.match_indices('-')
        .nth(3)
        .map_or(code, |(at, _)| &code[..at])
}

/// Pairs of which the first is the second one or a part of it, as a part of a catalogue says.
///
/// What was split contained all that it was split into, and what several were merged into
/// contains each of them; the other way round neither says enough.
pub(crate) fn parts_and_wholes(
    catalogue: &OccupationCatalogue,
) -> Vec<(OccupationKey, OccupationKey)> {
    let mut pairs = Vec::new();
    for step in &catalogue.crosswalk {
        let earlier = || occupation_key(step.from_edition, &step.from);
        let later = || occupation_key(catalogue.edition, &step.to);
        let relation = step.relation();
        let is_same = relation == OccupationRelation::Same;
        if is_same || relation == OccupationRelation::Split {
            pairs.push((later(), earlier()));
        }
        if is_same || relation == OccupationRelation::Merged {
            pairs.push((earlier(), later()));
        }
    }
    pairs
}

/// What a log's catalogues say of how occupations correspond.
#[derive(Clone, Debug, Default)]
pub struct Crosswalk(BTreeMap<OccupationKey, BTreeSet<OccupationKey>>);

impl Crosswalk {
    /// As it holds on a day, out of the entries of one log.
    pub fn as_of(rows: &[Dated<OccupationCatalogue>], date: Date) -> Self {
        let mut wholes: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (part, whole) in in_force(rows, date).into_iter().flat_map(parts_and_wholes) {
            wholes.entry(part).or_default().insert(whole);
        }
        Self(wholes)
    }

    /// An occupation, and those of other editions that it is the same as or a part of: whoever
    /// may assess one of them may assess it.
    pub fn containing(&self, occupation: OccupationKey) -> BTreeSet<OccupationKey> {
        reach(occupation, |part| {
            self.0.get(part).into_iter().flatten().cloned()
        })
    }
}

/// Everything that is reached from one on.
pub(crate) fn reach<I: IntoIterator<Item = OccupationKey>>(
    from: OccupationKey,
    next: impl Fn(&OccupationKey) -> I,
) -> BTreeSet<OccupationKey> {
    let mut reached = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(one) = waiting.pop() {
        if !reached.contains(&one) {
            waiting.extend(next(&one));
            reached.insert(one);
        }
    }
    reached
}
