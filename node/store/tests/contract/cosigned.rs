//! The memory of the own witness.

use huren_core::merkle::Hash;
use huren_store::{COSIGNED_KEPT, Cosigned, Error, Head, Store};

use crate::fixtures::*;

fn cosigned(size: u64, note: &str) -> Cosigned {
    Cosigned {
        head: head(size),
        checkpoint: note.as_bytes().to_vec(),
    }
}

fn is_conflict(outcome: &Result<(), Error>) -> bool {
    matches!(outcome, Err(Error::Conflict))
}

pub(crate) async fn the_latest_cosigned_checkpoint_is_swapped_as_expected(store: &dyn Store) {
    // No log was created: a witness keeps no leaves.
    assert_eq!(store.cosigned(mirror()).await.unwrap(), []);
    let put = async |expected: Option<u64>, next: Cosigned| {
        store.put_cosigned(mirror(), expected.map(head), next).await
    };
    assert!(is_conflict(&put(Some(0), cosigned(0, "0")).await));
    put(None, cosigned(0, "0")).await.unwrap();
    assert!(is_conflict(&put(None, cosigned(0, "0")).await));
    put(Some(0), cosigned(5, "5")).await.unwrap();
    for stale in [None, Some(0), Some(4), Some(6)] {
        assert!(
            is_conflict(&put(stale, cosigned(7, "7")).await),
            "{stale:?}"
        );
    }
    put(Some(5), cosigned(7, "7")).await.unwrap();
    let held = [cosigned(0, "0"), cosigned(5, "5"), cosigned(7, "7")];
    assert_eq!(store.cosigned(mirror()).await.unwrap(), held);
    assert_eq!(store.cosigned(own()).await.unwrap(), []);
}

pub(crate) async fn a_witness_never_goes_back_nor_aside(store: &dyn Store) {
    let put = |expected, next| store.put_cosigned(mirror(), Some(expected), next);
    let first = store.put_cosigned(mirror(), None, cosigned(7, "7"));
    first.await.unwrap();
    let aside = Cosigned {
        head: Head {
            root: Hash([9; 32]),
            ..head(7)
        },
        checkpoint: b"aside".to_vec(),
    };
    assert!(is_conflict(&put(head(7), aside.clone()).await));
    assert!(is_conflict(&put(aside.head, cosigned(8, "8")).await));
    assert!(is_conflict(&put(head(7), cosigned(6, "6")).await));
    assert_eq!(store.cosigned(mirror()).await.unwrap(), [cosigned(7, "7")]);
    // The same tree again, with a newer cosignature.
    put(head(7), cosigned(7, "again")).await.unwrap();
    let held = store.cosigned(mirror()).await.unwrap();
    assert_eq!(held, [cosigned(7, "again")]);
}

pub(crate) async fn the_largest_cosigned_checkpoints_are_kept(store: &dyn Store) {
    let count = COSIGNED_KEPT as u64 + 3;
    let mut expected = None;
    for size in 1..=count {
        let next = cosigned(size, &size.to_string());
        store.put_cosigned(mirror(), expected, next).await.unwrap();
        expected = Some(head(size));
    }
    let held = store.cosigned(mirror()).await.unwrap();
    let sizes: Vec<u64> = held.iter().map(|one| one.head.size).collect();
    assert_eq!(sizes, (4..=count).collect::<Vec<_>>());
}

pub(crate) async fn of_two_that_expect_the_same_one_conflicts(store: &dyn Store) {
    let first = store.put_cosigned(mirror(), None, cosigned(4, "4"));
    first.await.unwrap();
    let (one, other) = tokio::join!(
        store.put_cosigned(mirror(), Some(head(4)), cosigned(9, "9")),
        store.put_cosigned(mirror(), Some(head(4)), cosigned(6, "6"))
    );
    assert_eq!(
        [&one, &other]
            .map(is_conflict)
            .iter()
            .filter(|is| **is)
            .count(),
        1
    );
    let latest = store.cosigned(mirror()).await.unwrap().pop().unwrap();
    assert_eq!(latest.head.size, if one.is_ok() { 9 } else { 6 });
}
