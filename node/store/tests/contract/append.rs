//! The one write path of the own log.

use std::collections::HashMap;

use huren_core::{
    merkle::Hash,
    register::{Changes, ErasureRow},
};
use huren_store::{Append, DisclosureRow, Erased, Head, LogState, Notes, Resealed, Role, Store};

use crate::fixtures::*;

pub(crate) async fn everything_of_an_append_is_there(store: &dyn Store) {
    store.create_log(own(), Role::Own).await.unwrap();
    let first = Append {
        bundles: vec![bundle(0, 2)],
        tiles: vec![(tile(0, 0, 2), hashes(2))],
        ..append(0, 2)
    };
    store.append(own(), first).await.unwrap();
    let expected = LogState {
        origin: own().clone(),
        role: Role::Own,
        head: head(2),
        checkpoint: checkpoint(2),
        notes: Notes::default(),
        folded: 2,
        disclosed: 2,
        frozen: None,
        restored: None,
    };
    assert_eq!(store.log(own()).await.unwrap(), Some(expected));
    assert_eq!(store.bundle(own(), 0).await.unwrap(), Some(bundle(0, 2)));
    let tiles = store.tiles(own(), &[tile(0, 0, 2)]).await.unwrap();
    assert_eq!(tiles, HashMap::from([(tile(0, 0, 2), hashes(2))]));
    let rows = store.disclosures(own(), 0..2).await.unwrap();
    assert_eq!(rows, [disclosure(0), disclosure(1)]);
    assert_eq!(store.targets(own(), &hashes(2)).await.unwrap().len(), 2);
    let held = store.submissions(&[tag(0), tag(1), tag(2)]).await.unwrap();
    assert_eq!(held, HashMap::from([(tag(0), 0), (tag(1), 1)]));
}

pub(crate) async fn an_append_needs_the_expected_head(store: &dyn Store) {
    own_log(store, 3).await;
    for stale in [append(0, 4), append(2, 4), append(4, 5)] {
        conflicts(store, own(), store.append(own(), stale)).await;
    }
    let other_root = Append {
        expected: Head {
            root: Hash([9; 32]),
            ..head(3)
        },
        ..append(3, 4)
    };
    conflicts(store, own(), store.append(own(), other_root)).await;
    // Nothing of what was refused was kept.
    assert_eq!(store.disclosures(own(), 3..9).await.unwrap(), []);
    assert!(
        store
            .submissions(&[tag(3), tag(4)])
            .await
            .unwrap()
            .is_empty()
    );
    store.append(own(), append(3, 4)).await.unwrap();
    conflicts(store, own(), store.append(own(), append(3, 4))).await;
}

pub(crate) async fn an_append_needs_folding_and_disclosures_to_be_level(store: &dyn Store) {
    own_log(store, 0).await;
    store.advance(own(), bare_advance(0, 2)).await.unwrap();
    conflicts(store, own(), store.append(own(), append(2, 3))).await;
    let applied = store.apply(own(), 0..2, certificates(0..2), Erased::default());
    applied.await.unwrap();
    conflicts(store, own(), store.append(own(), append(2, 3))).await;
    let rows = vec![disclosure(0), disclosure(1)];
    store.put_disclosures(own(), 0..2, rows).await.unwrap();
    store.append(own(), append(2, 3)).await.unwrap();
}

pub(crate) async fn an_append_never_shrinks_and_is_for_the_own_log(store: &dyn Store) {
    own_log(store, 3).await;
    conflicts(store, own(), store.append(own(), bare_append(3, 2))).await;
    mirrored_log(store, 0).await;
    conflicts(store, mirror(), store.append(mirror(), append(0, 1))).await;
}

pub(crate) async fn a_submission_keeps_its_first_index(store: &dyn Store) {
    own_log(store, 2).await;
    let again = Append {
        submissions: vec![(tag(1), 2), (tag(7), 2)],
        ..bare_append(2, 3)
    };
    store.append(own(), again).await.unwrap();
    let held = store.submissions(&[tag(1), tag(7), tag(1)]).await.unwrap();
    assert_eq!(held, HashMap::from([(tag(1), 1), (tag(7), 2)]));
    assert!(store.submissions(&[]).await.unwrap().is_empty());
}

pub(crate) async fn an_erasure_reaches_a_certificate_of_its_own_batch(store: &dyn Store) {
    own_log(store, 0).await;
    let erasure = ErasureRow {
        index: 2,
        target_index: 0,
        groups: vec![2, 3],
    };
    let left = DisclosureRow {
        holder_tag: None,
        sealed: b"what is left".to_vec(),
        ..disclosure(0)
    };
    let batch = Append {
        changes: Changes {
            erasures: vec![erasure],
            ..certificates(0..2)
        },
        disclosures: vec![disclosure(0), disclosure(1)],
        erased: vec![
            Resealed {
                index: 0,
                row: Some(left.clone()),
            },
            Resealed {
                index: 1,
                row: None,
            },
        ]
        .into(),
        ..bare_append(0, 3)
    };
    store.append(own(), batch).await.unwrap();
    assert_eq!(store.disclosures(own(), 0..3).await.unwrap(), [left]);
    let erased = store.erased(own(), 0..3).await.unwrap();
    assert_eq!(erased, [(0, vec![2, 3])]);
}

pub(crate) async fn an_append_of_thousands_is_kept_whole(store: &dyn Store) {
    let size = 3_001;
    own_log(store, size).await;
    let rows = store.disclosures(own(), 0..u64::MAX).await.unwrap();
    assert!(rows.into_iter().eq((0..size).map(disclosure)));
    let tags: Vec<_> = (0..size).map(tag).collect();
    let held = store.submissions(&tags).await.unwrap();
    assert_eq!(held, (0..size).map(|index| (tag(index), index)).collect());
}

pub(crate) async fn readers_see_whole_appends_while_one_is_written(store: &dyn Store) {
    own_log(store, 500).await;
    let write = async {
        for size in 500..540 {
            let grown = append(size, size + 1);
            store.append(own(), grown).await.unwrap();
        }
    };
    let read = async {
        loop {
            let before = store.log(own()).await.unwrap().unwrap().head.size;
            let held = store.disclosures(own(), 0..u64::MAX).await.unwrap().len() as u64;
            let after = store.log(own()).await.unwrap().unwrap();
            assert!((before..=after.head.size).contains(&held));
            assert_eq!(
                (after.folded, after.disclosed),
                (after.head.size, after.head.size)
            );
            assert_eq!(after.head, head(after.head.size));
            if before == 540 {
                break;
            }
        }
    };
    tokio::join!(write, read);
}
