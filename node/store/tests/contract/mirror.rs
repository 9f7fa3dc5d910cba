//! Packages and the move forward.

use std::collections::HashMap;

use huren_core::merkle::Hash;
use huren_store::{Advance, Erased, Head, Store};

use crate::fixtures::*;

pub(crate) async fn packages_widen_and_never_narrow(store: &dyn Store) {
    mirrored_log(store, 0).await;
    for (width, held) in [(3, 3), (2, 3), (3, 3), (7, 7), (256, 256), (9, 256)] {
        let given = vec![package(4, width)];
        store.put_packages(mirror(), given).await.unwrap();
        let kept = store.bundle(mirror(), 4).await.unwrap();
        assert_eq!(kept, Some(bundle(4, held)));
        let id = tile(0, 4, held);
        let tiles = store.tiles(mirror(), &[id]).await.unwrap();
        assert_eq!(tiles, HashMap::from([(id, hashes(held))]));
    }
}

pub(crate) async fn held_packages_are_of_the_range_asked(store: &dyn Store) {
    mirrored_log(store, 0).await;
    let given = [(9, 256), (2, 256), (5, 17), (10, 1)];
    let packages = given.map(|(number, width)| package(number, width));
    store.put_packages(mirror(), packages.into()).await.unwrap();
    let held = store.held_packages(mirror(), 3..10).await.unwrap();
    assert_eq!(held, [(5, 17), (9, 256)]);
    let all = store.held_packages(mirror(), 0..u64::MAX).await.unwrap();
    assert_eq!(all, [(2, 256), (5, 17), (9, 256), (10, 1)]);
    assert_eq!(store.held_packages(mirror(), 5..5).await.unwrap(), []);
}

pub(crate) async fn packages_do_not_move_the_head(store: &dyn Store) {
    mirrored_log(store, 300).await;
    let before = store.log(mirror()).await.unwrap();
    let given = vec![package(1, 256), package(7, 8)];
    store.put_packages(mirror(), given).await.unwrap();
    store.put_packages(mirror(), Vec::new()).await.unwrap();
    assert_eq!(store.log(mirror()).await.unwrap(), before);
}

pub(crate) async fn advance_needs_the_expected_head(store: &dyn Store) {
    mirrored_log(store, 0).await;
    let upper = (tile(1, 0, 1), hashes(1));
    let first = Advance {
        tiles: vec![upper.clone()],
        ..bare_advance(0, 300)
    };
    store.advance(mirror(), first.clone()).await.unwrap();
    let log = store.log(mirror()).await.unwrap().unwrap();
    assert_eq!((log.head, log.checkpoint), (head(300), checkpoint(300)));
    assert_eq!((log.folded, log.disclosed), (0, 0));
    let tiles = store.tiles(mirror(), &[upper.0]).await.unwrap();
    assert_eq!(tiles, HashMap::from([upper]));

    conflicts(store, mirror(), store.advance(mirror(), first)).await;
    let ahead = bare_advance(301, 400);
    conflicts(store, mirror(), store.advance(mirror(), ahead)).await;
    let other_root = Advance {
        expected: Head {
            root: Hash([9; 32]),
            ..head(300)
        },
        ..bare_advance(300, 400)
    };
    conflicts(store, mirror(), store.advance(mirror(), other_root)).await;
}

pub(crate) async fn advance_never_goes_back(store: &dyn Store) {
    mirrored_log(store, 300).await;
    let back = bare_advance(300, 299);
    conflicts(store, mirror(), store.advance(mirror(), back)).await;
    let forked = Advance {
        head: Head {
            root: Hash([9; 32]),
            ..head(300)
        },
        ..bare_advance(300, 300)
    };
    conflicts(store, mirror(), store.advance(mirror(), forked)).await;
}

pub(crate) async fn the_same_head_takes_another_checkpoint(store: &dyn Store) {
    mirrored_log(store, 300).await;
    let signed_again = Advance {
        checkpoint: b"signed again".to_vec(),
        ..bare_advance(300, 300)
    };
    store.advance(mirror(), signed_again).await.unwrap();
    let log = store.log(mirror()).await.unwrap().unwrap();
    assert_eq!(
        (log.head, &log.checkpoint[..]),
        (head(300), &b"signed again"[..])
    );
}

pub(crate) async fn the_own_log_can_be_fetched_back(store: &dyn Store) {
    own_log(store, 2).await;
    store
        .put_packages(own(), vec![package(0, 4)])
        .await
        .unwrap();
    store.advance(own(), bare_advance(2, 4)).await.unwrap();
    let applied = store.apply(own(), 2..4, certificates(2..4), Erased::default());
    applied.await.unwrap();
    let rows = vec![disclosure(2), disclosure(3)];
    store.put_disclosures(own(), 2..4, rows).await.unwrap();
    store.append(own(), append(4, 5)).await.unwrap();
    assert_eq!(store.targets(own(), &hashes(9)).await.unwrap().len(), 5);
}
