//! Lists that change what keys are worth in places already folded: whatever the order in which
//! lists and leaves arrive, the register is the one that the whole log and the whole chain give.

use std::collections::BTreeMap;

use huren_core::{
    codes::Region,
    keys::RecordSigner,
    register::{Changes, CheckedLeaf, Effect, Fold, TargetState, Targets},
    trust::{Changed, RecordKey, TrustChain, TrustList},
};
use huren_proto::v1::StatusAction;
use proptest::{prelude::*, sample::Index};

use crate::common::{
    Federation, NUMBER, Writer, hash, openings, record_key, seed, sign, successor,
};

/// What happens next in the log or in the chain.
#[derive(Clone, Debug)]
enum Event {
    /// A key signs a certificate.
    Issue { key: usize },
    /// A key revokes an earlier leaf.
    Revoke { key: usize, target: Index },
    /// The log adopts the newest list that there is by then.
    Adopt,
    /// A list closes, narrows or adds a key.
    List(Amendment),
}

#[derive(Clone, Debug)]
enum Amendment {
    Close {
        key: usize,
        until: u64,
    },
    Begin {
        key: usize,
        from: u64,
    },
    Narrow {
        key: usize,
    },
    Add {
        key: usize,
        from: u64,
        until: Option<u64>,
    },
    Nothing,
}

/// Keys of Zhejiang's that lists may name: two stand in the first one.
const KEYS: [&str; 4] = ["record", "county", "third", "fourth"];

fn event() -> impl Strategy<Value = Event> {
    let amendment = prop_oneof![
        (0..4usize, 0..12u64).prop_map(|(key, until)| Amendment::Close { key, until }),
        (0..4usize, 0..12u64).prop_map(|(key, from)| Amendment::Begin { key, from }),
        (0..4usize).prop_map(|key| Amendment::Narrow { key }),
        (2..4usize, 0..12u64, prop::option::of(0..12u64))
            .prop_map(|(key, from, until)| Amendment::Add { key, from, until }),
        Just(Amendment::Nothing),
    ];
    prop_oneof![
        4 => (0..4usize).prop_map(|key| Event::Issue { key }),
        3 => (0..4usize, any::<Index>()).prop_map(|(key, target)| Event::Revoke { key, target }),
        1 => Just(Event::Adopt),
        3 => amendment.prop_map(Event::List),
    ]
}

fn amend(list: &mut TrustList, amendment: &Amendment) {
    let keys = &mut list.members[2].record_keys;
    let signer = |key: usize| RecordSigner::from_seed(&seed(KEYS[key], "33"));
    let find = |keys: &mut Vec<RecordKey>, key: usize| {
        let wanted = record_key(&signer(key), &["*"], Region::ZHEJIANG);
        keys.iter().position(|held| held.is_same_key(&wanted))
    };
    match *amendment {
        Amendment::Close { key, until } => {
            if let Some(place) = find(keys, key) {
                let held = &mut keys[place].until_index;
                *held = Some(held.map_or(until, |held| held.min(until)));
            }
        }
        Amendment::Begin { key, from } => {
            if let Some(place) = find(keys, key) {
                keys[place].from_index = keys[place].from_index.max(from);
            }
        }
        Amendment::Narrow { key } => {
            if let Some(place) = find(keys, key) {
                keys[place].kinds = vec!["certificate".to_owned()];
            }
        }
        Amendment::Add { key, from, until } => {
            if find(keys, key).is_none() {
                let mut new = record_key(&signer(key), &["*"], Region::ZHEJIANG);
                (new.from_index, new.until_index) = (from, until);
                keys.push(new);
            }
        }
        Amendment::Nothing => {}
    }
}

/// A node's register of the log, kept as the engine keeps it.
#[derive(Default)]
struct Register {
    folded: u64,
    adopted: u64,
    targets: Targets,
    changes: Changes,
}

impl Register {
    /// Folds as far as the chain held allows.
    fn fold(&mut self, chain: &TrustChain, leaves: &[Vec<u8>]) {
        let federation = Federation::new();
        let origin = &federation.province("33").origin;
        let from = usize::try_from(self.folded).unwrap();
        let targets = self.targets.clone();
        let mut fold = Fold::new(chain, origin, self.folded, self.adopted, targets);
        for leaf in &leaves[from..] {
            if fold.step(CheckedLeaf::check(chain, origin, leaf)).is_err() {
                break;
            }
        }
        (self.folded, self.adopted) = (fold.next(), fold.adopted());
        self.keep(fold.finish());
    }

    fn keep(&mut self, changes: Changes) {
        for row in &changes.certificates {
            let state = TargetState {
                index: row.index,
                writer_region: row.writer_region,
                last_status: None,
            };
            self.targets.insert(row.leaf, state);
        }
        let moves = changes
            .statuses
            .iter()
            .filter(|row| row.effect != Effect::Newer);
        for row in moves {
            let mut targets = self.targets.values_mut();
            let target = targets.find(|state| state.index == row.target_index);
            target.unwrap().last_status = Some(row.leaf);
        }
        self.changes.certificates.extend(changes.certificates);
        self.changes.statuses.extend(changes.statuses);
        self.changes.adoptions.extend(changes.adoptions);
        self.changes.quarantined.extend(changes.quarantined);
    }

    /// Takes a newer chain: what it makes doubtful is dropped.
    fn adopt(&mut self, old: &TrustChain, new: &TrustChain) {
        let federation = Federation::new();
        let origin = &federation.province("33").origin;
        let (old, new) = (old.newest().authority(), new.newest().authority());
        let changed: Changed = old.changed_by(new, origin);
        let mut quarantined = self.changes.quarantined.iter();
        let has_unknown = quarantined.any(|row| row.code == "KEY_UNKNOWN");
        if changed.needs_refold(self.folded, has_unknown) {
            *self = Self::default();
        }
    }
}

/// The leaves of a log and the chain of lists that these events make.
fn history(events: &[Event]) -> (Vec<Vec<u8>>, Vec<TrustChain>) {
    let federation = Federation::new();
    let province = federation.province("33");
    let mut chains = vec![federation.chain()];
    let mut leaves = vec![province.writer().adoption(1, chains[0].newest().digest)];
    for (salt, event) in (0u8..).zip(events) {
        let newest = chains.last().unwrap();
        let writer = |key: usize| {
            let region = if key == 1 {
                province.county_region()
            } else {
                Region::ZHEJIANG
            };
            Writer::new(&province.origin, seed(KEYS[key], "33"), region)
        };
        match event {
            Event::Issue { key } => leaves.push(writer(*key).certificate(&openings(NUMBER, salt))),
            Event::Revoke { key, target } => {
                let target = hash(&leaves[target.index(leaves.len())]);
                leaves.push(writer(*key).status(StatusAction::Revoke, target, None));
            }
            Event::Adopt => {
                let (version, digest) = (newest.newest().list.version, newest.newest().digest);
                leaves.push(province.writer().adoption(version, digest));
            }
            Event::List(amendment) => {
                let mut list = successor(newest);
                amend(&mut list, amendment);
                let note = sign(&list, &federation.roots[..2]);
                chains.push(newest.extended(note.as_bytes()).unwrap());
            }
        }
    }
    (leaves, chains)
}

proptest! {
    #[test]
    fn the_order_of_arrival_makes_no_difference(
        events in prop::collection::vec(event(), 1..24),
        arrivals in prop::collection::vec(any::<(bool, Index)>(), 0..12),
    ) {
        let (leaves, chains) = history(&events);
        let (mut held, mut version) = (1, 0);
        let mut node = Register::default();
        let everything = [(true, leaves.len()), (false, chains.len() - 1)];
        let arrivals = arrivals.iter().map(|(is_leaves, upto)| match is_leaves {
            true => (true, upto.index(leaves.len()) + 1),
            false => (false, upto.index(chains.len())),
        });
        for (is_leaves, upto) in arrivals.chain(everything) {
            if is_leaves {
                held = held.max(upto);
            } else if upto > version {
                node.adopt(&chains[version], &chains[upto]);
                version = upto;
            }
            node.fold(&chains[version], &leaves[..held]);
        }
        let mut at_once = Register::default();
        at_once.fold(chains.last().unwrap(), &leaves);
        prop_assert_eq!(&node.changes, &at_once.changes);
        prop_assert_eq!(node.targets, at_once.targets);
        prop_assert_eq!(node.folded, leaves.len() as u64);
        let quarantined: BTreeMap<u64, String> =
            node.changes.quarantined.into_iter().map(|row| (row.index, row.code)).collect();
        // Receipts ask the newest list about a place: nothing that it refuses is in force.
        let federation = Federation::new();
        let origin = &federation.province("33").origin;
        let authority = chains.last().unwrap().newest().authority();
        for row in &node.changes.certificates {
            let checked = CheckedLeaf::check(chains.last().unwrap(), origin, &leaves[usize::try_from(row.index).unwrap()]);
            let (key, kind, writer) = checked.claim().unwrap();
            prop_assert!(authority.check(origin, key, row.index, kind, writer).is_ok());
            prop_assert!(!quarantined.contains_key(&row.index));
        }
    }
}

/// What must be folded again, and what not.
#[test]
fn only_what_may_differ_is_folded_again() {
    let federation = Federation::new();
    let origin = &federation.province("33").origin;
    let chain = federation.chain();
    let check = |expected: (Option<u64>, bool), change: fn(&mut TrustList)| {
        let longer = federation.extend(&chain, change);
        let (old, new) = (chain.newest().authority(), longer.newest().authority());
        let changed = old.changed_by(new, origin);
        assert_eq!((changed.from, changed.has_new_keys), expected);
    };
    check((None, false), |_| ());
    check((None, false), |list| {
        list.members[0].record_keys[1].until_index = Some(1)
    });
    check((Some(7), false), |list| {
        list.members[2].record_keys[1].until_index = Some(7)
    });
    check((Some(0), false), |list| {
        list.members[2].record_keys[1].from_index = 7
    });
    check((Some(0), false), |list| {
        drop(list.members[2].record_keys[1].kinds.pop())
    });
    check((None, true), |list| {
        let signer = RecordSigner::from_seed(&seed("third", "33"));
        let key = record_key(&signer, &["*"], Region::ZHEJIANG);
        list.members[2].record_keys.push(key);
    });
    let changed = Changed {
        from: Some(7),
        has_new_keys: false,
    };
    assert!(!changed.needs_refold(7, true) && changed.needs_refold(8, false));
    let changed = Changed {
        from: None,
        has_new_keys: true,
    };
    assert!(!changed.needs_refold(7, false) && changed.needs_refold(7, true));
}
