//! What folding gave.

use std::collections::{BTreeMap, HashMap};

use huren_core::{
    checkpoint::Origin,
    register::{
        AdoptionRow, Changes, DirectoryRow, Effect, ErasureRow, InstitutionKeyRow, KeysWanted,
        QuarantineRow, TargetState,
    },
};
use huren_store::{Erased, Store};

use crate::fixtures::*;

async fn applied(store: &dyn Store, range: std::ops::Range<u64>, changes: Changes) {
    let done = store
        .apply(mirror(), range, changes, Erased::default())
        .await;
    done.unwrap();
}

pub(crate) async fn folding_follows_the_head_step_by_step(store: &dyn Store) {
    mirrored_log(store, 10).await;
    let apply = |range| store.apply(mirror(), range, certificates([0]), Erased::default());
    for refused in [1..4, 0..11, 10..11] {
        conflicts(store, mirror(), apply(refused)).await;
    }
    assert!(
        store
            .targets(mirror(), &[hash(0)])
            .await
            .unwrap()
            .is_empty()
    );
    applied(store, 0..4, certificates(0..4)).await;
    assert_eq!(store.log(mirror()).await.unwrap().unwrap().folded, 4);
    conflicts(store, mirror(), apply(0..4)).await;
    applied(store, 4..10, certificates(4..10)).await;
    let log = store.log(mirror()).await.unwrap().unwrap();
    assert_eq!((log.folded, log.disclosed, log.head), (10, 0, head(10)));
}

pub(crate) async fn targets_are_certificates_with_their_last_status(store: &dyn Store) {
    mirrored_log(store, 10).await;
    let changes = Changes {
        statuses: vec![
            status(4, 1, Effect::Suspend),
            status(5, 1, Effect::Reinstate),
            status(6, 2, Effect::Revoke),
        ],
        ..certificates(0..3)
    };
    applied(store, 0..7, changes).await;
    let later = Changes {
        // One that is not understood is nobody's predecessor.
        statuses: vec![status(7, 1, Effect::Void), status(8, 1, Effect::Newer)],
        ..Changes::default()
    };
    applied(store, 7..9, later).await;
    // 4 is the leaf of a change, 77 of nothing.
    let asked = [hash(1), hash(0), hash(4), hash(77), hash(1), hash(2)];
    let state = |index, last: Option<u64>| {
        let last_status = last.map(hash);
        let target = TargetState {
            index,
            writer_region: 330_000,
            last_status,
        };
        (hash(index), target)
    };
    let expected = HashMap::from([state(0, None), state(1, Some(7)), state(2, Some(6))]);
    assert_eq!(store.targets(mirror(), &asked).await.unwrap(), expected);
    assert!(store.targets(mirror(), &[]).await.unwrap().is_empty());
    own_log(store, 0).await;
    assert!(store.targets(own(), &asked).await.unwrap().is_empty());
}

pub(crate) async fn statuses_are_of_one_certificate(store: &dyn Store) {
    mirrored_log(store, 9).await;
    let rows = vec![
        status(4, 0, Effect::Suspend),
        status(5, 1, Effect::Void),
        status(6, 0, Effect::Newer),
    ];
    let changes = Changes {
        statuses: rows.clone(),
        ..certificates(0..3)
    };
    applied(store, 0..7, changes).await;
    let of = async |log, target: u64| {
        let range = target..target.saturating_add(1);
        store.statuses(log, range).await.unwrap()
    };
    assert_eq!(of(mirror(), 0).await, [rows[0].clone(), rows[2].clone()]);
    let all = store.statuses(mirror(), 0..2).await.unwrap();
    assert_eq!(all, [0, 2, 1].map(|n: usize| rows[n].clone()));
    // The other log was made later: its places follow this one's.
    own_log(store, 1).await;
    let ours = huren_store::Append {
        changes: Changes {
            statuses: vec![status(1, 0, Effect::Revoke)],
            ..Changes::default()
        },
        ..bare_append(1, 2)
    };
    store.append(own(), ours).await.unwrap();
    assert_eq!(of(own(), 0).await.len(), 1);
    for none in [2, 1 << 40, u64::MAX] {
        assert_eq!(of(mirror(), none).await, []);
    }
}

pub(crate) async fn many_targets_at_once(store: &dyn Store) {
    mirrored_log(store, 3_000).await;
    applied(store, 0..3_000, certificates(0..3_000)).await;
    let asked: Vec<_> = (1_000..4_000).map(hash).collect();
    let targets = store.targets(mirror(), &asked).await.unwrap();
    assert_eq!(targets.len(), 2_000);
    assert!((1_000..3_000).all(|index| targets[&hash(index)].index == index));
}

pub(crate) async fn a_leaf_that_is_there_twice_is_found_first(store: &dyn Store) {
    mirrored_log(store, 10).await;
    let mut changes = certificates([2, 5]);
    changes.certificates[1].leaf = hash(2);
    applied(store, 0..6, changes).await;
    let targets = store.targets(mirror(), &[hash(2)]).await.unwrap();
    assert_eq!(targets[&hash(2)].index, 2);
}

pub(crate) async fn directories_span_logs(store: &dyn Store) {
    let entry = |index, key: &str, body: &[u8]| DirectoryRow {
        index,
        kind: 12,
        key: key.to_owned(),
        effective_date: 20_260_101,
        body: body.to_vec(),
    };
    let old = entry(1, "330206-7", b"old");
    let new = entry(4, "330206-7", b"new");
    let theirs = entry(0, "330206-7", b"theirs");
    let other_key = entry(2, "330206-70", b"other");
    let other_kind = DirectoryRow {
        kind: 13,
        ..entry(3, "330206-7", b"kind")
    };
    own_log(store, 0).await;
    let batch = huren_store::Append {
        changes: Changes {
            directory: vec![old.clone(), other_key, other_kind, new.clone()],
            ..Changes::default()
        },
        ..bare_append(0, 5)
    };
    store.append(own(), batch).await.unwrap();
    mirrored_log(store, 1).await;
    let changes = Changes {
        directory: vec![theirs.clone()],
        ..Changes::default()
    };
    applied(store, 0..1, changes).await;
    let found = store.directory(12, "330206-7").await.unwrap();
    assert_eq!(
        found,
        [
            (mirror().clone(), theirs.clone()),
            (own().clone(), old.clone()),
            (own().clone(), new.clone())
        ]
    );
    assert_eq!(store.directory(14, "330206-7").await.unwrap(), []);

    // Key by key, each whole.
    let page = async |prefix: &str, after: &str, keys| {
        let page = store.directory_page(12, prefix, after, keys).await;
        let page = page.unwrap().into_iter();
        page.map(|(_, row)| (row.key, row.index))
            .collect::<Vec<_>>()
    };
    let rows = |rows: &[(&str, u64)]| -> Vec<(String, u64)> {
        let rows = rows.iter().map(|(key, index)| ((*key).to_owned(), *index));
        rows.collect()
    };
    let all = [
        ("330206-7", 0),
        ("330206-7", 1),
        ("330206-7", 4),
        ("330206-70", 2),
    ];
    assert_eq!(page("", "", 10).await, rows(&all));
    assert_eq!(page("", "", 1).await, rows(&all[..3]));
    assert_eq!(page("", "330206-7", 1).await, rows(&all[3..]));
    assert_eq!(page("330206-70", "", 9).await, rows(&all[3..]));
    assert_eq!(page("3303", "", 9).await, []);
    assert_eq!(page("", "330206-70", 9).await, []);
    assert_eq!(page("", "", 0).await, []);
    let first = async |kind| store.directory_from(own(), kind).await.unwrap();
    assert_eq!((first(12).await, first(14).await), (Some(20_260_101), None));
    let end = async |origin: &Origin| store.directory_end(origin).await.unwrap();
    assert_eq!((end(own()).await, end(mirror()).await), (5, 1));
    let has = async |origin: &Origin, kinds: &[u32], from| {
        let has = store.directory_has(origin, kinds, from).await;
        has.unwrap()
    };
    assert!(has(own(), &[14, 12], 4).await);
    assert!(!has(own(), &[14, 12], 5).await);
    assert!(!has(own(), &[14], 0).await);
    assert!(!has(own(), &[], 0).await);
    assert!(has(mirror(), &[12], 0).await);
    assert!(!has(mirror(), &[12], 1).await);
}

/// An entry of an institution, and the keys that it names.
fn entry(changes: &mut Changes, index: u64, code: &str, keys: &[u64]) {
    changes.directory.push(DirectoryRow {
        index,
        kind: InstitutionKeyRow::DIRECTORY,
        key: code.to_owned(),
        effective_date: 20_260_101,
        body: b"entry".to_vec(),
    });
    let key = |key: &u64| InstitutionKeyRow {
        index,
        key_id: hash(*key),
        alg: 2,
        public_key: vec![4; 65],
        code: code.to_owned(),
        writer_region: 330_206,
        active: index.is_multiple_of(2),
    };
    changes.institution_keys.extend(keys.iter().map(key));
}

pub(crate) async fn institutions_hold_the_keys_of_their_newest_entry(store: &dyn Store) {
    let mut changes = Changes::default();
    entry(&mut changes, 1, "A", &[101, 102]);
    entry(&mut changes, 2, "B", &[103]);
    entry(&mut changes, 4, "A", &[102, 104]);
    entry(&mut changes, 6, "C", &[101]);
    entry(&mut changes, 7, "B", &[]);
    own_log(store, 0).await;
    let ours = huren_store::Append {
        changes: changes.clone(),
        ..bare_append(0, 9)
    };
    store.append(own(), ours).await.unwrap();
    mirrored_log(store, 9).await;
    let mut other = Changes::default();
    entry(&mut other, 3, "A", &[102]);
    applied(store, 0..9, other).await;

    let ids = |ids: &[u64]| KeysWanted {
        ids: ids.iter().copied().map(hash).collect(),
        ..KeysWanted::default()
    };
    let codes = |codes: &[&str]| KeysWanted {
        codes: codes.iter().map(|code| (*code).to_owned()).collect(),
        ..KeysWanted::default()
    };
    // The keys held before a leaf, each with the entry that names it.
    let check =
        async |log: &'static Origin, wanted: KeysWanted, before, expected: &[(u64, u64)]| {
            let held = store.institution_keys(log, &wanted, before).await.unwrap();
            assert!(held.iter().all(|(id, row)| *id == row.key_id));
            let held: BTreeMap<_, _> = held
                .into_values()
                .map(|row| (row.key_id, row.index))
                .collect();
            let expected: BTreeMap<_, _> = expected.iter().map(|(k, at)| (hash(*k), *at)).collect();
            assert_eq!(held, expected, "{wanted:?} before {before}");
        };
    let all = || ids(&[101, 102, 103, 104, 105]);
    check(own(), all(), 0, &[]).await;
    check(own(), all(), 1, &[]).await;
    check(own(), all(), 2, &[(101, 1), (102, 1)]).await;
    check(own(), all(), 4, &[(101, 1), (102, 1), (103, 2)]).await;
    check(own(), all(), 5, &[(102, 4), (103, 2), (104, 4)]).await;
    check(own(), all(), 7, &[(101, 6), (102, 4), (103, 2), (104, 4)]).await;
    check(own(), all(), u64::MAX, &[(101, 6), (102, 4), (104, 4)]).await;
    check(own(), ids(&[102]), 9, &[(102, 4)]).await;
    check(own(), codes(&["A", "B", "D"]), 9, &[(102, 4), (104, 4)]).await;
    check(own(), codes(&["B"]), 7, &[(103, 2)]).await;
    check(own(), KeysWanted::default(), 9, &[]).await;
    check(mirror(), all(), 9, &[(102, 3)]).await;
    let held = store
        .institution_keys(own(), &ids(&[104]), 9)
        .await
        .unwrap();
    assert_eq!(held[&hash(104)], changes.institution_keys[4]);

    store.drop_register(own()).await.unwrap();
    check(own(), all(), 9, &[]).await;
    check(mirror(), codes(&["A"]), 9, &[(102, 3)]).await;
}

pub(crate) async fn adoptions_and_quarantine_are_in_index_order(store: &dyn Store) {
    mirrored_log(store, 100).await;
    let adoption = |index, version| AdoptionRow { index, version };
    let bad = |index| QuarantineRow {
        index,
        code: format!("REASON_{index}"),
    };
    for (range, adopted, quarantined) in [
        (
            0..50,
            vec![adoption(0, 1), adoption(9, 2)],
            vec![bad(3), bad(5)],
        ),
        (50..100, vec![adoption(60, 3)], vec![bad(61), bad(99)]),
    ] {
        let changes = Changes {
            adoptions: adopted,
            quarantined,
            ..Changes::default()
        };
        applied(store, range, changes).await;
    }
    let adopted = store.adoptions(mirror()).await.unwrap();
    assert_eq!(adopted, [adoption(0, 1), adoption(9, 2), adoption(60, 3)]);
    let page = async |from, limit| store.quarantined(mirror(), from, limit).await.unwrap();
    assert_eq!(
        page(0, 100).await,
        (4, vec![bad(3), bad(5), bad(61), bad(99)])
    );
    assert_eq!(page(4, 2).await, (4, vec![bad(5), bad(61)]));
    assert_eq!(page(u64::MAX, 2).await, (4, vec![]));
    assert_eq!(page(0, 0).await, (4, vec![]));
}

pub(crate) async fn erasures_are_listed_in_their_order(store: &dyn Store) {
    mirrored_log(store, 100).await;
    let erasure = |index, target_index, groups: &[u32]| ErasureRow {
        index,
        target_index,
        groups: groups.to_vec(),
    };
    let changes = Changes {
        erasures: vec![
            erasure(50, 7, &[1, 2]),
            erasure(51, 3, &[5]),
            erasure(52, 7, &[]),
            erasure(53, 9, &[4_294_967_295]),
        ],
        ..Changes::default()
    };
    applied(store, 0..60, changes).await;
    let erased = store.erased(mirror(), 3..9).await.unwrap();
    assert_eq!(erased, [(7, vec![1, 2]), (3, vec![5]), (7, vec![])]);
    let rest = store.erased(mirror(), 8..u64::MAX).await.unwrap();
    assert_eq!(rest, [(9, vec![4_294_967_295])]);
}

pub(crate) async fn dropping_the_register_leaves_disclosures(store: &dyn Store) {
    own_log(store, 3).await;
    mirrored_log(store, 4).await;
    let everything = || Changes {
        statuses: vec![status(2, 0, Effect::Revoke)],
        directory: vec![DirectoryRow {
            index: 3,
            kind: 12,
            key: "key".to_owned(),
            effective_date: 0,
            body: Vec::new(),
        }],
        erasures: vec![ErasureRow {
            index: 3,
            target_index: 1,
            groups: vec![1],
        }],
        adoptions: vec![AdoptionRow {
            index: 3,
            version: 1,
        }],
        quarantined: vec![QuarantineRow {
            index: 3,
            code: "CODE".to_owned(),
        }],
        ..certificates(0..2)
    };
    applied(store, 0..4, everything()).await;
    let rows = vec![disclosure(0)];
    store
        .put_disclosures(mirror(), 0..4, rows.clone())
        .await
        .unwrap();
    let before = store.log(mirror()).await.unwrap().unwrap();

    store.drop_register(mirror()).await.unwrap();
    let after = store.log(mirror()).await.unwrap().unwrap();
    assert_eq!((after.folded, after.disclosed, after.head), (0, 4, head(4)));
    assert_eq!(store.disclosures(mirror(), 0..9).await.unwrap(), rows);
    assert!(
        store
            .targets(mirror(), &hashes(4))
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(store.directory(12, "key").await.unwrap(), []);
    assert_eq!(store.erased(mirror(), 0..9).await.unwrap(), []);
    assert_eq!(store.adoptions(mirror()).await.unwrap(), []);
    assert_eq!(
        store.quarantined(mirror(), 0, 9).await.unwrap(),
        (0, vec![])
    );
    // The other log's register is untouched.
    assert_eq!(store.targets(own(), &hashes(3)).await.unwrap().len(), 3);

    applied(store, 0..4, everything()).await;
    assert_eq!(store.log(mirror()).await.unwrap(), Some(before));
    let found = store.find_by_number(&[tag(0)]).await.unwrap();
    assert_eq!(&found[0][0].origin, mirror());
    assert_eq!(found[0][0].statuses.len(), 1);
}

pub(crate) async fn every_effect_is_kept(store: &dyn Store) {
    own_log(store, 1).await;
    let effects: Vec<_> = (0..=u8::MAX).filter_map(Effect::from_number).collect();
    let rows = (1..)
        .zip(&effects)
        .map(|(index, effect)| status(index, 0, *effect));
    let batch = huren_store::Append {
        changes: Changes {
            statuses: rows.collect(),
            ..Changes::default()
        },
        ..bare_append(1, 20)
    };
    store.append(own(), batch).await.unwrap();
    let found = store.find_by_number(&[tag(0)]).await.unwrap();
    let kept = found[0][0].statuses.iter().map(|status| status.row.effect);
    assert!(kept.eq(effects));
}
