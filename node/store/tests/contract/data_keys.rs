//! Keys of the database, and putting disclosures under others.

use huren_store::{DataKey, DataKeyKind, DisclosureRow, Rekey, Rekeyed, Store, Tag};

use crate::fixtures::*;

fn key(kind: DataKeyKind, number: u8) -> DataKey {
    DataKey {
        kind,
        id: [number; 8],
    }
}

/// Another tag and content for a leaf, as long as those of [`disclosure`].
fn renewed(index: u64) -> DisclosureRow {
    let row = disclosure(index);
    DisclosureRow {
        number_tag: Some(tag(500_000 + index)),
        sealed: row.sealed.iter().map(u8::to_ascii_uppercase).collect(),
        ..row
    }
}

fn step(from: (u64, u64), to: (u64, u64), rows: Vec<DisclosureRow>) -> Rekey {
    let at = |(up_to, kept)| Rekeyed { up_to, kept };
    Rekey {
        from: at(from),
        to: at(to),
        rows,
        submissions: Vec::new(),
    }
}

pub(crate) async fn data_keys_are_swapped_as_expected(store: &dyn Store) {
    assert_eq!(store.data_keys().await.unwrap(), []);
    let first = [key(DataKeyKind::AtRest, 1), key(DataKeyKind::Index, 2)];
    let next = [
        key(DataKeyKind::AtRest, 3),
        key(DataKeyKind::AtRest, 1),
        key(DataKeyKind::Index, 2),
    ];
    own_log(store, 2).await;
    conflicts(store, own(), store.put_data_keys(&next, &first, false)).await;
    store.put_data_keys(&[], &first, false).await.unwrap();
    conflicts(store, own(), store.put_data_keys(&[], &next, false)).await;
    store.put_data_keys(&first, &next, false).await.unwrap();
    assert_eq!(store.data_keys().await.unwrap(), next, "in that order");

    // How far everything has come is kept, unless it begins anew.
    store
        .rekey(own(), step((0, 0), (2, 1), Vec::new()))
        .await
        .unwrap();
    store.put_data_keys(&next, &first, false).await.unwrap();
    let stands = Rekeyed { up_to: 2, kept: 1 };
    assert_eq!(
        store.rekeyed().await.unwrap(),
        [(own().clone(), stands)].into()
    );
    store.put_data_keys(&first, &next, true).await.unwrap();
    assert_eq!(store.rekeyed().await.unwrap(), [].into());
}

pub(crate) async fn rekeying_goes_step_by_step(store: &dyn Store) {
    own_log(store, 5).await;
    conflicts(
        store,
        own(),
        store.rekey(own(), step((1, 0), (2, 0), Vec::new())),
    )
    .await;
    conflicts(
        store,
        mirror(),
        store.rekey(mirror(), step((0, 0), (1, 0), Vec::new())),
    )
    .await;
    let rows = vec![renewed(0), renewed(2)];
    store
        .rekey(own(), step((0, 0), (3, 1), rows.clone()))
        .await
        .unwrap();
    for (from, to) in [((0, 0), (3, 0)), ((3, 0), (4, 0)), ((3, 1), (2, 1))] {
        let rekey = step(from, to, vec![renewed(1)]);
        conflicts(store, own(), store.rekey(own(), rekey)).await;
    }
    let held = store.disclosures(own(), 0..5).await.unwrap();
    let expected = [
        renewed(0),
        disclosure(1),
        renewed(2),
        disclosure(3),
        disclosure(4),
    ];
    assert_eq!(held, expected);
    // What was renewed is found by its new tag alone.
    let found = store
        .find_by_number(&[tag(2), tag(500_002), tag(1)])
        .await
        .unwrap();
    let indexes: Vec<Vec<u64>> = found
        .iter()
        .map(|found| found.iter().map(|found| found.index).collect())
        .collect();
    assert_eq!(indexes, [vec![], vec![2], vec![1]]);
}

pub(crate) async fn rekeying_changes_no_length(store: &dyn Store) {
    own_log(store, 3).await;
    let longer = DisclosureRow {
        sealed: b"sealed 00".to_vec(),
        ..disclosure(0)
    };
    let untagged = DisclosureRow {
        number_tag: None,
        ..renewed(0)
    };
    let absent = renewed(3);
    for wrong in [longer, untagged, absent] {
        let rekey = step((0, 0), (3, 0), vec![renewed(1), wrong]);
        conflicts(store, own(), store.rekey(own(), rekey)).await;
    }
    let held = store.disclosures(own(), 0..3).await.unwrap();
    assert_eq!(held, [disclosure(0), disclosure(1), disclosure(2)]);
}

pub(crate) async fn submissions_are_recognised_by_their_new_tags(store: &dyn Store) {
    own_log(store, 3).await;
    let moved = |index: u64| Tag(tag(700_000 + index).0);
    let rekey = Rekey {
        // The second is known for another leaf, the third not at all.
        submissions: vec![
            (tag(0), moved(0), 0),
            (tag(1), moved(1), 2),
            (tag(9), moved(9), 2),
        ],
        ..step((0, 0), (3, 0), Vec::new())
    };
    store.rekey(own(), rekey).await.unwrap();
    let asked = [tag(0), moved(0), tag(1), moved(1), tag(9), moved(9)];
    let known = store.submissions(&asked).await.unwrap();
    assert_eq!(known, [(moved(0), 0), (tag(1), 1)].into());
}
