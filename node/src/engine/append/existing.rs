//! What is in the log already of what a batch refers to.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};

use huren_core::{
    checkpoint::Origin,
    merkle::Hash,
    register::{CheckedLeaf, Effect, InstitutionKeys, KeysWanted, StatusRow},
    registry::{Dated, number},
};
use huren_proto::v1;
use huren_store::{Error as StoreError, Found, Store, Tag};

use super::batch::Batch;
use crate::engine::prepare::{ChangeTarget, Content, NumberTags, Prepared};

/// Where a certificate stands: what its next change builds on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    /// The change that the next one has to name as its predecessor.
    pub last_status: Option<Hash>,
    /// The last change that moved it in or out of force.
    last_move: Option<Effect>,
}

impl Standing {
    /// Where changes in index order leave a certificate.
    fn after<'a>(changes: impl Iterator<Item = &'a StatusRow>) -> Self {
        changes.fold(Self::default(), |standing, row| {
            standing.followed_by(row.leaf, row.effect)
        })
    }

    /// Where one more change leaves it. The fold makes nobody build on a change that it does
    /// not understand, so neither does this.
    pub(super) const fn followed_by(self, leaf: Hash, effect: Effect) -> Self {
        let last_status = Some(leaf);
        match effect {
            Effect::Newer => self,
            Effect::Correct | Effect::Reissue => Self {
                last_status,
                ..self
            },
            moves => Self {
                last_status,
                last_move: Some(moves),
            },
        }
    }

    /// Whether a change makes sense now: what is in force can be taken out of it, and what is
    /// out of force can be reinstated, unless another certificate took its place.
    pub(super) fn admits(self, next: Effect) -> bool {
        let in_force = matches!(self.last_move, None | Some(Effect::Reinstate));
        match next {
            Effect::Reinstate => !in_force && self.last_move != Some(Effect::Supersede),
            Effect::Revoke | Effect::Void => in_force || self.last_move == Some(Effect::Suspend),
            _ => in_force,
        }
    }
}

/// What the register holds of the certificates that a batch refers to.
pub(super) struct Existing {
    by_number: HashMap<Tag, Vec<Found>>,
    by_leaf: HashMap<Hash, Standing>,
    /// The keys of institutions that submissions name or were signed with.
    pub(super) institution_keys: InstitutionKeys,
    /// The log's entries of the institutions that submissions are about.
    pub(super) institutions: HashMap<String, Vec<Dated<v1::Institution>>>,
}

impl Existing {
    /// Looks up what submissions refer to, by number and by leaf.
    pub(super) async fn look_up(
        store: &dyn Store,
        origin: &Origin,
        works: &[Prepared],
    ) -> Result<Self, StoreError> {
        let (mut numbers, mut leaves) = (Vec::new(), Vec::new());
        let mut keys = KeysWanted::default();
        let mut codes = BTreeSet::new();
        for work in works {
            match &work.content {
                Content::Certificate(certificate) => {
                    numbers.push(certificate.number.clone());
                    let key = certificate.institution.as_ref();
                    keys.ids.extend(key.map(|key| key.key_id));
                }
                Content::Change(change) => match &change.target {
                    ChangeTarget::Number(number) => numbers.push(number.clone()),
                    ChangeTarget::Leaf(leaf) => leaves.push(*leaf),
                },
                Content::Public(leaf) => {
                    let checked = CheckedLeaf::just_signed(leaf);
                    keys.ids.extend(KeysWanted::of([&checked]).ids);
                    let code = checked.institution().map(|(entry, _)| entry.code.clone());
                    codes.extend(code);
                }
            }
        }
        let mut tags: Vec<Tag> = numbers.iter().flat_map(NumberTags::all).copied().collect();
        tags.sort_unstable();
        tags.dedup();
        let found = store.find_by_number(&tags).await?;
        let own = |found: Vec<Found>| {
            let own = found
                .into_iter()
                .filter(|f| f.origin == *origin && f.leaf.is_some());
            own.collect::<Vec<_>>()
        };
        let by_tag: HashMap<Tag, Vec<Found>> =
            tags.into_iter().zip(found.into_iter().map(own)).collect();
        let by_number = numbers.iter().map(|number| {
            let found = number.all().iter().filter_map(|tag| by_tag.get(tag));
            let mut found: Vec<Found> = found.flatten().cloned().collect();
            found.sort_by_key(|found| found.index);
            (number.current(), found)
        });
        let by_number: HashMap<Tag, Vec<Found>> = by_number.collect();
        let mut by_leaf = HashMap::new();
        for (leaf, target) in store.targets(origin, &leaves).await? {
            let changes = store
                .statuses(origin, target.index..target.index + 1)
                .await?;
            by_leaf.insert(leaf, Standing::after(changes.iter()));
        }
        let institution_keys = if keys.is_empty() {
            InstitutionKeys::new()
        } else {
            store.institution_keys(origin, &keys, u64::MAX).await?
        };
        let mut institutions = HashMap::new();
        for code in codes {
            let rows = store
                .directory(number(v1::Kind::Institution), &code)
                .await?;
            let own = rows.into_iter().filter(|(of, _)| of == origin);
            let own = own
                .filter_map(|(_, row)| Dated::decoded((row.index, row.effective_date), &row.body));
            institutions.insert(code, own.collect());
        }
        Ok(Self {
            by_number,
            by_leaf,
            institution_keys,
            institutions,
        })
    }

    /// Certificates that keep a number taken: a voided one gives it back.
    pub(super) fn holding(&self, number: &Tag) -> impl DoubleEndedIterator<Item = &Found> {
        let found = self.by_number.get(number).into_iter().flatten();
        found.filter(|found| !is_void(found))
    }

    /// The certificate that a change names: its leaf, and where it stands.
    pub(super) fn target(&self, batch: &Batch, target: &ChangeTarget) -> Option<(Hash, Standing)> {
        let (leaf, stored) = match target {
            ChangeTarget::Leaf(leaf) => (*leaf, self.by_leaf.get(leaf).copied()),
            ChangeTarget::Number(number) => match batch.numbers.get(&number.current()) {
                Some(leaf) => (*leaf, None),
                None => {
                    let number = number.current();
                    let last = || self.by_number.get(&number)?.last();
                    let found = self.holding(&number).last().or_else(last)?;
                    let changes = found.statuses.iter().map(|status| &status.row);
                    (found.leaf?, Some(Standing::after(changes)))
                }
            },
        };
        let standing = batch.standings.get(&leaf).copied().or(stored)?;
        Some((leaf, standing))
    }
}

/// Whether the last change that moved a certificate voided it. One that is not understood may
/// have moved it too: then it is not.
fn is_void(found: &Found) -> bool {
    let moves = |effect: &Effect| !matches!(effect, Effect::Correct | Effect::Reissue);
    let effects = found.statuses.iter().map(|status| status.row.effect);
    effects.rev().find(moves) == Some(Effect::Void)
}
