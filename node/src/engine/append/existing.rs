//! What is in the log already of what a batch refers to.

use std::collections::HashMap;

use huren_core::{
    checkpoint::Origin,
    merkle::Hash,
    register::{Effect, TargetState, Targets},
};
use huren_store::{Error as StoreError, Found, Store, Tag};

use super::batch::Batch;
use crate::engine::prepare::{ChangeTarget, Content, Prepared};

/// What the register holds of the certificates that a batch refers to.
pub(super) struct Existing {
    by_number: HashMap<Tag, Vec<Found>>,
    by_leaf: Targets,
}

impl Existing {
    /// Looks up what submissions refer to, by number and by leaf.
    pub(super) async fn look_up(
        store: &dyn Store,
        origin: &Origin,
        works: impl Iterator<Item = &Prepared>,
    ) -> Result<Self, StoreError> {
        let (mut numbers, mut leaves) = (Vec::new(), Vec::new());
        for work in works {
            match &work.content {
                Content::Certificate(certificate) => numbers.push(certificate.number_tag),
                Content::Change(change) => match change.target {
                    ChangeTarget::Number(tag) => numbers.push(tag),
                    ChangeTarget::Leaf(leaf) => leaves.push(leaf),
                },
                Content::Public(_) => {}
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        let found = store.find_by_number(&numbers).await?;
        let own = |found: Vec<Found>| {
            let own = found
                .into_iter()
                .filter(|f| f.origin == *origin && f.leaf.is_some());
            own.collect::<Vec<_>>()
        };
        let by_number: HashMap<Tag, Vec<Found>> = numbers
            .into_iter()
            .zip(found.into_iter().map(own))
            .collect();
        let by_leaf = store.targets(origin, &leaves).await?;
        Ok(Self { by_number, by_leaf })
    }

    /// Certificates under a number that are not void: a voided one gives its number back.
    pub(super) fn standing(&self, tag: &Tag) -> impl DoubleEndedIterator<Item = &Found> {
        let found = self.by_number.get(tag).into_iter().flatten();
        found.filter(|found| last_effect(found) != Some(Effect::Void))
    }

    /// The certificate that a change names: its leaf, its state and its last effect.
    pub(super) fn target(
        &self,
        batch: &Batch,
        target: &ChangeTarget,
    ) -> Option<(Hash, TargetState, Option<Effect>)> {
        let (leaf, stored, effect) = match target {
            ChangeTarget::Leaf(leaf) => (*leaf, self.by_leaf.get(leaf).cloned(), None),
            ChangeTarget::Number(tag) => {
                let found = self
                    .standing(tag)
                    .last()
                    .or_else(|| self.by_number.get(tag).and_then(|all| all.last()));
                match (batch.numbers.get(tag), found) {
                    (Some(leaf), _) => (*leaf, None, None),
                    (None, Some(found)) => {
                        let state = TargetState {
                            index: found.index,
                            writer_region: 0,
                            last_status: found.statuses.last().map(|(row, _)| row.leaf),
                        };
                        (found.leaf?, Some(state), last_effect(found))
                    }
                    (None, None) => return None,
                }
            }
        };
        let state = batch.targets.get(&leaf).cloned().or(stored)?;
        let effect = batch.effects.get(&leaf).copied().or(effect);
        Some((leaf, state, effect))
    }
}

/// The last change that moved a certificate's standing.
fn last_effect(found: &Found) -> Option<Effect> {
    let moves = |effect: &Effect| !matches!(effect, Effect::Correct | Effect::Reissue);
    found
        .statuses
        .iter()
        .map(|(row, _)| row.effect)
        .rev()
        .find(moves)
}

/// Whether a change makes sense after the last one: what is out of force can be reinstated,
/// what is in force can be taken out of it.
pub(super) fn fits(last: Option<Effect>, next: Effect) -> bool {
    let in_force = matches!(last, None | Some(Effect::Reinstate));
    match next {
        Effect::Reinstate => !in_force,
        Effect::Revoke | Effect::Void => in_force || last == Some(Effect::Suspend),
        _ => in_force,
    }
}
