//! Tiles and bundles.

use std::collections::HashMap;

use huren_core::merkle::Hash;
use huren_store::{Append, Bundle, Head, Mending, Package, Store};

use crate::fixtures::*;

async fn with_tiles(store: &dyn Store, tiles: &[(u8, u64, u16)]) {
    own_log(store, 0).await;
    let size = store.log(own()).await.unwrap().unwrap().head.size;
    let tiles = tiles
        .iter()
        .map(|(level, index, width)| (tile(*level, *index, *width), hashes(*width)));
    let batch = Append {
        tiles: tiles.collect(),
        ..bare_append(size, size + 1)
    };
    store.append(own(), batch).await.unwrap();
}

pub(crate) async fn a_tile_may_be_wider_than_asked(store: &dyn Store) {
    with_tiles(store, &[(0, 0, 256), (0, 1, 20), (1, 0, 1)]).await;
    let asked = [
        tile(0, 0, 256),
        tile(0, 0, 7),
        tile(0, 1, 20),
        tile(0, 1, 19),
        tile(0, 1, 21),
        tile(0, 2, 1),
        tile(1, 0, 1),
        tile(2, 0, 1),
    ];
    let held = store.tiles(own(), &asked).await.unwrap();
    let expected = HashMap::from([
        (tile(0, 0, 256), hashes(256)),
        (tile(0, 0, 7), hashes(256)),
        (tile(0, 1, 20), hashes(20)),
        (tile(0, 1, 19), hashes(20)),
        (tile(1, 0, 1), hashes(1)),
    ]);
    assert_eq!(held, expected);
    assert!(store.tiles(own(), &[]).await.unwrap().is_empty());
}

pub(crate) async fn tiles_widen_and_never_narrow(store: &dyn Store) {
    for (width, held) in [(5, 5), (9, 9), (3, 9), (256, 256), (255, 256)] {
        with_tiles(store, &[(1, 3, width)]).await;
        let id = tile(1, 3, 1);
        let tiles = store.tiles(own(), &[id]).await.unwrap();
        assert_eq!(tiles, HashMap::from([(id, hashes(held))]));
    }
}

pub(crate) async fn a_bundle_is_as_wide_as_it_is_held(store: &dyn Store) {
    own_log(store, 0).await;
    for (size, width, held) in [(0, 5, 5), (1, 9, 9), (2, 3, 9), (3, 256, 256)] {
        let batch = Append {
            bundles: vec![bundle(2, width)],
            ..bare_append(size, size + 1)
        };
        store.append(own(), batch).await.unwrap();
        let kept = store.bundle(own(), 2).await.unwrap();
        assert_eq!(kept, Some(bundle(2, held)));
    }
    assert_eq!(store.bundle(own(), 1).await.unwrap(), None);
}

pub(crate) async fn many_tiles_at_once(store: &dyn Store) {
    let given: Vec<_> = (0..300).map(|index| (0, index, 4)).collect();
    with_tiles(store, &given).await;
    let asked: Vec<_> = (0..400).map(|index| tile(0, index, 4)).collect();
    let held = store.tiles(own(), &asked).await.unwrap();
    assert_eq!(held.len(), 300);
    assert!((0..300).all(|index| held[&tile(0, index, 4)] == hashes(4)));
}

pub(crate) async fn numbers_beyond_every_log_are_not_held(store: &dyn Store) {
    with_tiles(store, &[(0, 0, 256)]).await;
    let asked = [tile(63, u64::MAX, 1), tile(0, u64::MAX, 256)];
    assert!(store.tiles(own(), &asked).await.unwrap().is_empty());
    assert_eq!(store.bundle(own(), u64::MAX).await.unwrap(), None);
    let range = u64::MAX - 1..u64::MAX;
    assert_eq!(store.held_packages(own(), range.clone()).await.unwrap(), []);
    assert_eq!(store.disclosures(own(), range.clone()).await.unwrap(), []);
    assert_eq!(store.erased(own(), range).await.unwrap(), []);
}

/// A mirrored log of 600 leaves, with a package beyond them that is awaited.
async fn damaged_log(store: &dyn Store) {
    mirrored_log(store, 600).await;
    let damaged = |number, width| {
        let Package { bundle, leaves } = package(number + 10, width);
        Package {
            bundle: Bundle { number, ..bundle },
            leaves: leaves.into_iter().rev().collect(),
        }
    };
    let given = vec![
        package(0, 256),
        damaged(1, 256),
        damaged(2, 256),
        package(3, 9),
    ];
    store.put_packages(mirror(), given).await.unwrap();
}

fn mending() -> Mending {
    Mending {
        tree: head(600),
        packages: vec![package(1, 256), package(2, 88)],
        tiles: vec![(tile(1, 0, 2), hashes(2))],
    }
}

pub(crate) async fn what_is_mended_takes_the_place_of_what_was_held(store: &dyn Store) {
    damaged_log(store).await;
    let before = store.log(mirror()).await.unwrap();
    // As often as it takes.
    for _ in 0..2 {
        store.mend(mirror(), mending()).await.unwrap();
        assert_eq!(store.log(mirror()).await.unwrap(), before);
        for (number, width) in [(0, 256), (1, 256), (2, 88), (3, 9)] {
            let held = store.bundle(mirror(), number).await.unwrap();
            assert_eq!(held, Some(bundle(number, width)));
            let id = tile(0, number, width);
            let tiles = store.tiles(mirror(), &[id]).await.unwrap();
            assert_eq!(tiles, HashMap::from([(id, hashes(width))]));
        }
        let widths = store.held_packages(mirror(), 0..9).await.unwrap();
        assert_eq!(widths, [(0, 256), (1, 256), (2, 88), (3, 9)]);
        let id = tile(1, 0, 2);
        let tiles = store.tiles(mirror(), &[id]).await.unwrap();
        assert_eq!(tiles, HashMap::from([(id, hashes(2))]));
    }
    // What lay beyond the tree is fetched again.
    store
        .put_packages(mirror(), vec![package(2, 256)])
        .await
        .unwrap();
    let held = store.bundle(mirror(), 2).await.unwrap();
    assert_eq!(held, Some(bundle(2, 256)));
}

pub(crate) async fn only_what_lies_in_the_tree_is_mended(store: &dyn Store) {
    damaged_log(store).await;
    let held = async || {
        let bundles = [
            store.bundle(mirror(), 1).await.unwrap(),
            store.bundle(mirror(), 2).await.unwrap(),
        ];
        (
            bundles,
            store.tiles(mirror(), &[tile(1, 0, 1)]).await.unwrap(),
        )
    };
    let before = held().await;
    let other_root = Head {
        root: Hash([9; 32]),
        ..head(600)
    };
    let refused = [
        Mending {
            tree: other_root,
            ..mending()
        },
        Mending {
            tree: head(599),
            ..mending()
        },
        Mending {
            packages: vec![package(1, 255)],
            ..mending()
        },
        Mending {
            packages: vec![package(2, 89)],
            ..mending()
        },
        Mending {
            packages: vec![package(3, 9)],
            ..mending()
        },
        Mending {
            tiles: vec![(tile(1, 0, 1), hashes(1))],
            ..mending()
        },
        Mending {
            tiles: vec![(tile(1, 0, 2), hashes(1))],
            ..mending()
        },
        Mending {
            tiles: vec![(tile(0, 0, 256), hashes(256))],
            ..mending()
        },
        Mending {
            tiles: vec![(tile(2, 0, 1), hashes(1))],
            ..mending()
        },
    ];
    for mending in refused {
        conflicts(store, mirror(), store.mend(mirror(), mending)).await;
        assert_eq!(held().await, before);
    }
    conflicts(store, own(), store.mend(own(), mending())).await;
}
