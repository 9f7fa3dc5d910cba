//! The fold is a function of the leaves and their order: however it is cut into ranges, and
//! whatever junk stands between.

use std::collections::HashMap;

use huren_core::{
    checkpoint::Origin,
    disclosure::Group,
    merkle::Hash,
    register::{Changes, CheckedLeaf, Effect, Fold, TargetState, Targets},
    trust::TrustChain,
};
use huren_proto::v1::StatusAction;
use proptest::{prelude::*, sample::Index};

use crate::common::{Federation, NUMBER, hash, openings};

/// What somebody writes next, right or wrong.
#[derive(Clone, Debug)]
enum Step {
    Certificate {
        county: bool,
    },
    /// Of any earlier leaf, following the last change of it or some other leaf.
    Status {
        action: i32,
        target: Index,
        follows: Option<Index>,
        county: bool,
    },
    Erasure {
        target: Index,
    },
    Institution,
    Adoption,
    Repeat(Index),
    Junk(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let follows = prop::option::weighted(0.2, any::<Index>());
    prop_oneof![
        3 => any::<bool>().prop_map(|county| Step::Certificate { county }),
        5 => (1i32..=7, any::<Index>(), follows, any::<bool>()).prop_map(
            |(action, target, follows, county)| Step::Status { action, target, follows, county }
        ),
        1 => any::<Index>().prop_map(|target| Step::Erasure { target }),
        1 => Just(Step::Institution),
        1 => Just(Step::Adoption),
        1 => any::<Index>().prop_map(Step::Repeat),
        1 => any::<u8>().prop_map(Step::Junk),
    ]
}

fn hash_at(index: &Index, leaves: &[Vec<u8>]) -> Hash {
    hash(&leaves[index.index(leaves.len())])
}

/// The leaves that these steps make, behind an adoption.
fn leaves(federation: &Federation, chain: &TrustChain, steps: &[Step]) -> Vec<Vec<u8>> {
    let province = federation.province("33");
    let adoption = province.writer().adoption(1, chain.newest().digest);
    let mut leaves = vec![adoption.clone()];
    let mut last: HashMap<Hash, Hash> = HashMap::new();
    for (salt, step) in (0u8..).zip(steps) {
        let writer = |county| {
            if county {
                province.county_writer()
            } else {
                province.writer()
            }
        };
        let leaf = match step {
            Step::Certificate { county } => writer(*county).certificate(&openings(NUMBER, salt)),
            Step::Status {
                action,
                target,
                follows,
                county,
            } => {
                let target = hash_at(target, &leaves);
                let previous = match follows {
                    Some(other) => Some(hash_at(other, &leaves)),
                    None => last.get(&target).copied(),
                };
                let action = StatusAction::try_from(*action).unwrap();
                let replaced =
                    &openings(NUMBER, 90)[..usize::from(action == StatusAction::Correct)];
                let leaf = writer(*county).change(action, target, previous, replaced);
                last.insert(target, hash(&leaf));
                leaf
            }
            Step::Erasure { target } => province
                .writer()
                .erasure(hash_at(target, &leaves), &[Group::Scores]),
            Step::Institution => province.writer().institution("1"),
            Step::Adoption => adoption.clone(),
            Step::Repeat(earlier) => earlier.get(&leaves[..]).clone(),
            Step::Junk(byte) => vec![*byte; 3],
        };
        leaves.push(leaf);
    }
    leaves
}

/// What a database would keep between two ranges.
#[derive(Default)]
struct Register {
    next: u64,
    adopted: u64,
    targets: Targets,
    changes: Changes,
}

impl Register {
    fn fold(&mut self, chain: &TrustChain, origin: &Origin, leaves: &[Vec<u8>]) {
        let check = |leaf: &Vec<u8>| CheckedLeaf::check(chain, origin, leaf);
        let checked: Vec<_> = leaves.iter().map(check).collect();
        let refers = checked.iter().flat_map(CheckedLeaf::refers_to);
        let known = |leaf: Hash| Some((leaf, self.targets.get(&leaf)?.clone()));
        let targets = refers.filter_map(known).collect();
        let mut fold = Fold::new(chain, origin, self.next, self.adopted, targets);
        for leaf in checked {
            fold.step(leaf).unwrap();
        }
        (self.next, self.adopted) = (fold.next(), fold.adopted());
        self.apply(fold.finish());
    }

    fn apply(&mut self, changes: Changes) {
        for row in &changes.certificates {
            let (index, writer_region) = (row.index, row.writer_region);
            let state = TargetState {
                index,
                writer_region,
                last_status: None,
            };
            self.targets.insert(row.leaf, state);
        }
        for row in changes
            .statuses
            .iter()
            .filter(|row| row.effect != Effect::Newer)
        {
            let target = self
                .targets
                .values_mut()
                .find(|state| state.index == row.target_index);
            target.unwrap().last_status = Some(row.leaf);
        }
        self.changes.certificates.extend(changes.certificates);
        self.changes.statuses.extend(changes.statuses);
        self.changes.directory.extend(changes.directory);
        self.changes.erasures.extend(changes.erasures);
        self.changes.adoptions.extend(changes.adoptions);
        self.changes.quarantined.extend(changes.quarantined);
    }
}

/// Certificates and changes by hash, without the places that junk moves.
fn content(changes: &Changes) -> (Vec<Hash>, Vec<(Hash, Effect)>) {
    let certificates = changes.certificates.iter().map(|row| row.leaf).collect();
    (
        certificates,
        changes
            .statuses
            .iter()
            .map(|row| (row.leaf, row.effect))
            .collect(),
    )
}

proptest! {
    #[test]
    fn ranges_make_no_difference(
        steps in prop::collection::vec(step(), 0..24),
        cuts in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        let federation = Federation::new();
        let (chain, origin) = (federation.chain(), &federation.province("33").origin);
        let leaves = leaves(&federation, &chain, &steps);
        let mut at_once = Register::default();
        at_once.fold(&chain, origin, &leaves);

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(leaves.len())).collect();
        cuts.extend([0, leaves.len()]);
        cuts.sort_unstable();
        let mut in_ranges = Register::default();
        for range in cuts.windows(2) {
            in_ranges.fold(&chain, origin, &leaves[range[0]..range[1]]);
        }
        prop_assert_eq!(&in_ranges.changes, &at_once.changes);
        prop_assert_eq!(in_ranges.targets, at_once.targets);

        // Every leaf has exactly one row, each kind of row in index order.
        let changes = at_once.changes;
        let mut indexes: Vec<u64> = changes.certificates.iter().map(|row| row.index)
            .chain(changes.statuses.iter().map(|row| row.index))
            .chain(changes.directory.iter().map(|row| row.index))
            .chain(changes.erasures.iter().map(|row| row.index))
            .chain(changes.adoptions.iter().map(|row| row.index))
            .chain(changes.quarantined.iter().map(|row| row.index))
            .collect();
        prop_assert!(changes.statuses.is_sorted_by_key(|row| row.index));
        indexes.sort_unstable();
        prop_assert!(indexes.into_iter().eq(0..at_once.next));
    }

    #[test]
    fn quarantined_leaves_do_not_disturb_others(
        steps in prop::collection::vec(step(), 0..16),
        junk in prop::collection::vec(any::<Index>(), 1..6),
    ) {
        let federation = Federation::new();
        let (chain, origin) = (federation.chain(), &federation.province("33").origin);
        let leaves = leaves(&federation, &chain, &steps);
        let mut plain = Register::default();
        plain.fold(&chain, origin, &leaves);

        let stranger = federation.province("32").writer();
        let mut mixed_leaves = leaves;
        for place in &junk {
            let place = place.index(mixed_leaves.len());
            let victim = hash(&mixed_leaves[place]);
            let attack = stranger.status(StatusAction::Revoke, victim, None);
            mixed_leaves.insert(place, attack);
        }
        let mut mixed = Register::default();
        mixed.fold(&chain, origin, &mixed_leaves);
        prop_assert_eq!(content(&mixed.changes), content(&plain.changes));
        let more = mixed.changes.quarantined.len() - plain.changes.quarantined.len();
        prop_assert_eq!(more, junk.len());
    }
}
