//! Disclosures and what is found by their tags.

use huren_core::{
    checkpoint::Origin,
    merkle::Hash,
    register::{Changes, Effect},
};
use huren_store::{
    Append, DisclosureRow, Erased, Found, FoundStatus, Leaves, Resealed, Store, Tag,
};

use crate::fixtures::*;

fn found(origin: &Origin, index: u64) -> Found {
    Found {
        origin: origin.clone(),
        index,
        leaf: Some(hash(index)),
        entry: None,
        holder_tag: disclosure(index).holder_tag,
        sealed: disclosure(index).sealed,
        statuses: Vec::new(),
    }
}

/// A mirrored log with disclosures 0 to `size`, folded.
pub(crate) async fn disclosed_mirror(store: &dyn Store, size: u64) {
    mirrored_log(store, size).await;
    let rows = (0..size).map(disclosure).collect();
    store
        .put_disclosures(mirror(), 0..size, rows)
        .await
        .unwrap();
    let changes = certificates(0..size);
    let applied = store.apply(mirror(), 0..size, changes, Erased::default());
    applied.await.unwrap();
}

pub(crate) async fn disclosures_follow_step_by_step(store: &dyn Store) {
    mirrored_log(store, 10).await;
    let put = |range, rows| store.put_disclosures(mirror(), range, rows);
    conflicts(store, mirror(), put(1..3, vec![disclosure(1)])).await;
    put(0..4, vec![disclosure(0), disclosure(3)]).await.unwrap();
    assert_eq!(store.log(mirror()).await.unwrap().unwrap().disclosed, 4);
    conflicts(store, mirror(), put(0..4, vec![disclosure(0)])).await;
    put(4..6, Vec::new()).await.unwrap();
    put(6..10, vec![disclosure(9)]).await.unwrap();
    let log = store.log(mirror()).await.unwrap().unwrap();
    assert_eq!((log.disclosed, log.folded, log.head), (10, 0, head(10)));
    let rows = store.disclosures(mirror(), 1..10).await.unwrap();
    assert_eq!(rows, [disclosure(3), disclosure(9)]);
    assert_eq!(store.disclosures(mirror(), 4..9).await.unwrap(), []);
}

pub(crate) async fn a_number_is_found_in_every_log(store: &dyn Store) {
    own_log(store, 3).await;
    disclosed_mirror(store, 2).await;
    let answers = store.find_by_number(&[tag(1)]).await.unwrap();
    assert_eq!(answers, [vec![found(mirror(), 1), found(own(), 1)]]);
}

pub(crate) async fn many_numbers_are_answered_in_the_order_asked(store: &dyn Store) {
    own_log(store, 2_500).await;
    assert!(store.find_by_number(&[]).await.unwrap().is_empty());
    let asked: Vec<u64> = (0..3_000).rev().chain([5, 5, 9_999]).collect();
    let tags: Vec<Tag> = asked.iter().map(|number| tag(*number)).collect();
    let answers = store.find_by_number(&tags).await.unwrap();
    assert_eq!(answers.len(), asked.len());
    for (number, answer) in asked.into_iter().zip(answers) {
        let expected = (number < 2_500).then(|| found(own(), number));
        assert_eq!(answer, Vec::from_iter(expected));
    }
}

pub(crate) async fn a_holder_is_found_in_every_log(store: &dyn Store) {
    own_log(store, 3).await;
    disclosed_mirror(store, 2).await;
    let holder = tag(1_000_001);
    let second = DisclosureRow {
        holder_tag: Some(holder),
        ..disclosure(3)
    };
    let batch = Append {
        disclosures: vec![second],
        ..append(3, 4)
    };
    store.append(own(), batch).await.unwrap();
    let certificates = store.find_by_holder(&holder).await.unwrap();
    let second = Found {
        holder_tag: Some(holder),
        ..found(own(), 3)
    };
    let expected = [found(mirror(), 1), found(own(), 1), second];
    assert_eq!(certificates, expected);
    // A number's tag is no holder's.
    assert_eq!(store.find_by_holder(&tag(1)).await.unwrap(), []);
}

pub(crate) async fn a_leaf_that_is_not_folded_is_found_without_hash(store: &dyn Store) {
    mirrored_log(store, 2).await;
    let rows = vec![disclosure(0), disclosure(1)];
    store.put_disclosures(mirror(), 0..2, rows).await.unwrap();
    let applied = store.apply(mirror(), 0..1, certificates([0]), Erased::default());
    applied.await.unwrap();
    let answers = store.find_by_number(&[tag(0), tag(1)]).await.unwrap();
    let unfolded = Found {
        leaf: None,
        ..found(mirror(), 1)
    };
    assert_eq!(answers, [vec![found(mirror(), 0)], vec![unfolded]]);
}

pub(crate) async fn statuses_come_in_order_with_their_own_disclosures(store: &dyn Store) {
    own_log(store, 3).await;
    let changes = [
        status(3, 1, Effect::Suspend),
        status(4, 0, Effect::Void),
        status(5, 1, Effect::Correct),
    ];
    let correction = DisclosureRow {
        index: 5,
        number_tag: None,
        holder_tag: None,
        sealed: b"corrected".to_vec(),
    };
    let batch = Append {
        changes: Changes {
            statuses: changes.to_vec(),
            ..Changes::default()
        },
        disclosures: vec![correction.clone()],
        ..bare_append(3, 6)
    };
    store.append(own(), batch).await.unwrap();
    let answers = store.find_by_number(&[tag(1), tag(2)]).await.unwrap();
    let [suspend, _, correct] = changes;
    let changed = Found {
        statuses: vec![
            FoundStatus {
                row: suspend,
                entry: None,
                sealed: None,
            },
            FoundStatus {
                row: correct,
                entry: None,
                sealed: Some(correction.sealed),
            },
        ],
        ..found(own(), 1)
    };
    assert_eq!(answers, [vec![changed.clone()], vec![found(own(), 2)]]);
    let by_holder = store.find_by_holder(&tag(1_000_001)).await.unwrap();
    assert_eq!(by_holder, [changed]);
}

pub(crate) async fn what_is_found_has_the_bytes_of_its_leaves(store: &dyn Store) {
    own_log(store, 14).await;
    let change = status(14, 10, Effect::Suspend);
    let batch = Append {
        bundles: vec![bundle(0, 15)],
        changes: Changes {
            statuses: vec![change.clone()],
            ..Changes::default()
        },
        ..bare_append(14, 15)
    };
    store.append(own(), batch).await.unwrap();
    let asked = [0, 7, 8, 10, 13];
    let answers = store.find_by_number(&asked.map(tag)).await.unwrap();
    for (index, answer) in asked.into_iter().zip(answers) {
        assert_eq!(answer[0].entry, Some(leaf(index)));
    }
    let by_holder = store.find_by_holder(&tag(1_000_010)).await.unwrap();
    let changed = FoundStatus {
        row: change,
        entry: Some(leaf(14)),
        sealed: None,
    };
    assert_eq!(by_holder[0].statuses, [changed]);
}

pub(crate) async fn places_are_found_as_holders_are(store: &dyn Store) {
    own_log(store, 14).await;
    disclosed_mirror(store, 3).await;
    let batch = Append {
        bundles: vec![bundle(0, 15)],
        changes: Changes {
            statuses: vec![status(14, 10, Effect::Suspend)],
            ..Changes::default()
        },
        ..bare_append(14, 15)
    };
    store.append(own(), batch).await.unwrap();
    let holders = [2, 10].map(|index| tag(1_000_000 + index));
    for leaves in [Leaves::With, Leaves::Without] {
        let by_holder = store.find_by_holders(&holders, leaves).await.unwrap();
        let of_log = by_holder.into_iter().flatten();
        let of_log: Vec<Found> = of_log.filter(|found| found.origin == *own()).collect();
        // In the order of the log, each once; the change itself has no disclosures.
        let asked = [14, 10, 2, 10, 9_999];
        let at = store.find_at(own(), &asked, leaves).await.unwrap();
        assert_eq!(at, of_log);
        assert_eq!((at[0].index, at[1].index), (2, 10));
        let expected = (leaves == Leaves::With).then(|| (leaf(10), leaf(14)));
        let entry = at[1].entry.clone().zip(at[1].statuses[0].entry.clone());
        assert_eq!(entry, expected);
    }
    let many: Vec<u64> = (0..3_000).collect();
    let at = store.find_at(mirror(), &many, Leaves::Without).await;
    assert_eq!(at.unwrap().len(), 3);
    let unknown = "huren.example/log/nobody's".parse().unwrap();
    let at = store.find_at(&unknown, &many, Leaves::With).await;
    assert_eq!(at.unwrap(), []);
}

pub(crate) async fn tags_that_begin_alike_are_told_apart(store: &dyn Store) {
    let alike = |last| {
        let mut bytes = [7; 32];
        bytes[31] = last;
        Tag(bytes)
    };
    own_log(store, 0).await;
    let row = |index: u64, last| DisclosureRow {
        number_tag: Some(alike(last)),
        ..disclosure(index)
    };
    let mut changes = certificates([0, 1]);
    changes.certificates[0].leaf = Hash(alike(1).0);
    changes.certificates[1].leaf = Hash(alike(2).0);
    let batch = Append {
        changes,
        disclosures: vec![row(0, 1), row(1, 2)],
        submissions: vec![(alike(1), 0), (alike(2), 1)],
        ..bare_append(0, 2)
    };
    store.append(own(), batch).await.unwrap();
    let answers = store.find_by_number(&[alike(2), alike(3)]).await.unwrap();
    let indexes = |found: &Vec<Found>| found.iter().map(|one| one.index).collect::<Vec<_>>();
    assert_eq!(
        answers.iter().map(indexes).collect::<Vec<_>>(),
        [vec![1], vec![]]
    );
    let held = store.submissions(&[alike(2), alike(3)]).await.unwrap();
    assert_eq!(held, [(alike(2), 1)].into());
    let leaves = [alike(1), alike(3)].map(|tag| Hash(tag.0));
    let targets = store.targets(own(), &leaves).await.unwrap();
    assert_eq!(
        targets
            .into_values()
            .map(|one| one.index)
            .collect::<Vec<_>>(),
        [0]
    );
}

pub(crate) async fn resealing_replaces(store: &dyn Store) {
    disclosed_mirror(store, 3).await;
    let left = DisclosureRow {
        holder_tag: None,
        sealed: b"left".to_vec(),
        ..disclosure(1)
    };
    store.advance(mirror(), bare_advance(3, 6)).await.unwrap();
    let resealed = vec![
        Resealed {
            index: 1,
            row: Some(left.clone()),
        },
        // Not arrived yet: kept as it is given.
        Resealed {
            index: 4,
            row: Some(disclosure(4)),
        },
    ];
    let applied = store.apply(mirror(), 3..5, Changes::default(), resealed.into());
    applied.await.unwrap();
    let rows = store.disclosures(mirror(), 0..9).await.unwrap();
    assert_eq!(rows, [disclosure(0), left, disclosure(2), disclosure(4)]);
    assert_eq!(store.find_by_holder(&tag(1_000_001)).await.unwrap(), []);
    let found = store.find_by_number(&[tag(1)]).await.unwrap();
    assert_eq!(found[0][0].sealed, b"left");
    // A row that arrives replaces one that is held.
    let late = DisclosureRow {
        sealed: b"late".to_vec(),
        ..disclosure(4)
    };
    let rows = vec![disclosure(3), late.clone()];
    store.put_disclosures(mirror(), 3..5, rows).await.unwrap();
    let rows = store.disclosures(mirror(), 3..9).await.unwrap();
    assert_eq!(rows, [disclosure(3), late]);
}

pub(crate) async fn resealing_without_content_deletes(store: &dyn Store) {
    disclosed_mirror(store, 3).await;
    own_log(store, 3).await;
    store.advance(mirror(), bare_advance(3, 4)).await.unwrap();
    let gone = |index| Resealed { index, row: None };
    let resealed = vec![gone(1), gone(77)];
    let applied = store.apply(mirror(), 3..4, Changes::default(), resealed.into());
    applied.await.unwrap();
    let rows = store.disclosures(mirror(), 0..9).await.unwrap();
    assert_eq!(rows, [disclosure(0), disclosure(2)]);
    let answers = store.find_by_number(&[tag(1)]).await.unwrap();
    assert_eq!(answers, [vec![found(own(), 1)]]);
    // A refused step deletes nothing.
    let refused = store.apply(mirror(), 3..4, Changes::default(), vec![gone(0)].into());
    conflicts(store, mirror(), refused).await;
    assert_eq!(store.disclosures(mirror(), 0..9).await.unwrap(), rows);
}

pub(crate) async fn logs_do_not_mix(store: &dyn Store) {
    // The same indexes, hashes and tags in both.
    own_log(store, 3).await;
    disclosed_mirror(store, 5).await;
    let revoked = Changes {
        statuses: vec![status(5, 0, Effect::Revoke)],
        ..Changes::default()
    };
    store.advance(mirror(), bare_advance(5, 6)).await.unwrap();
    let applied = store.apply(mirror(), 5..6, revoked, Erased::default());
    applied.await.unwrap();
    let answers = store.find_by_number(&[tag(0)]).await.unwrap();
    let statuses: Vec<usize> = answers[0].iter().map(|one| one.statuses.len()).collect();
    assert_eq!(statuses, [1, 0]);
    let asked = [hash(0)];
    let theirs = store.targets(mirror(), &asked).await.unwrap();
    assert_eq!(theirs[&hash(0)].last_status, Some(hash(5)));
    let ours = store.targets(own(), &asked).await.unwrap();
    assert_eq!(ours[&hash(0)].last_status, None);
    assert_eq!(
        store.disclosures(own(), 0..u64::MAX).await.unwrap().len(),
        3
    );
    assert_eq!(
        store
            .disclosures(mirror(), 0..u64::MAX)
            .await
            .unwrap()
            .len(),
        5
    );
    store
        .put_packages(mirror(), vec![package(0, 5)])
        .await
        .unwrap();
    assert_eq!(store.bundle(own(), 0).await.unwrap(), None);
    assert!(
        store
            .tiles(own(), &[tile(0, 0, 1)])
            .await
            .unwrap()
            .is_empty()
    );
}
