//! Logs, notes, evidence, trust lists.

use huren_core::register::Changes;
use huren_store::{Erased, Error, LogState, Notes, Release, Role, Store};

use crate::fixtures::*;

pub(crate) async fn a_new_log_is_empty(store: &dyn Store) {
    assert_eq!(store.log(own()).await.unwrap(), None);
    store.create_log(own(), Role::Own).await.unwrap();
    let empty = LogState {
        origin: own().clone(),
        role: Role::Own,
        head: head(0),
        checkpoint: Vec::new(),
        notes: Notes::default(),
        folded: 0,
        disclosed: 0,
        frozen: None,
        restored: None,
    };
    assert_eq!(store.log(own()).await.unwrap(), Some(empty));
}

pub(crate) async fn creating_again_needs_the_same_role(store: &dyn Store) {
    own_log(store, 3).await;
    let before = store.log(own()).await.unwrap();
    store.create_log(own(), Role::Own).await.unwrap();
    assert_eq!(store.log(own()).await.unwrap(), before);
    conflicts(store, own(), store.create_log(own(), Role::Mirror)).await;
}

pub(crate) async fn logs_are_listed_by_origin(store: &dyn Store) {
    assert_eq!(store.logs().await.unwrap(), []);
    own_log(store, 2).await;
    mirrored_log(store, 5).await;
    let listed = store.logs().await.unwrap();
    let names: Vec<_> = listed.iter().map(|log| log.origin.clone()).collect();
    assert_eq!(names, [mirror().clone(), own().clone()]);
    assert_eq!(listed[0].role, Role::Mirror);
    assert_eq!(Some(&listed[1]), store.log(own()).await.unwrap().as_ref());
}

pub(crate) async fn notes_are_replaced_and_the_head_is_not(store: &dyn Store) {
    own_log(store, 3).await;
    let before = store.log(own()).await.unwrap().unwrap();
    let notes = Notes {
        pending: b"pending".to_vec(),
        published: b"published".to_vec(),
        witnessed: b"witnessed".to_vec(),
    };
    for notes in [notes, Notes::default()] {
        store.put_notes(own(), notes.clone()).await.unwrap();
        let after = store.log(own()).await.unwrap().unwrap();
        let expected = LogState {
            notes,
            ..before.clone()
        };
        assert_eq!(after, expected);
    }
}

pub(crate) async fn the_first_evidence_stays(store: &dyn Store) {
    mirrored_log(store, 4).await;
    for evidence in [b"first", b"other"] {
        store.freeze(mirror(), evidence).await.unwrap();
        let log = store.log(mirror()).await.unwrap().unwrap();
        assert_eq!(log.frozen.as_deref(), Some(&b"first"[..]));
        assert_eq!(log.head, head(4));
    }
}

pub(crate) async fn a_release_is_of_the_evidence_held_and_is_kept(store: &dyn Store) {
    mirrored_log(store, 4).await;
    own_log(store, 2).await;
    let (log, before) = (mirror(), store.log(mirror()).await.unwrap().unwrap());
    let release = |evidence: &[u8], reason: &str| Release {
        evidence: evidence.to_vec(),
        time: 1_748_736_000,
        actor: "ab".repeat(32),
        reason: reason.to_owned(),
    };
    conflicts(store, log, store.release(log, release(b"", "ONE"))).await;
    let mut acts = Vec::new();
    for (evidence, reason) in [
        (&b"first"[..], "ONE"),
        (b"second", "TWO"),
        (b"first", "ONE"),
    ] {
        store.freeze(log, evidence).await.unwrap();
        conflicts(store, log, store.release(log, release(b"other", "ONE"))).await;
        conflicts(store, own(), store.release(own(), release(evidence, "ONE"))).await;
        store.release(log, release(evidence, reason)).await.unwrap();
        assert_eq!(store.log(log).await.unwrap().as_ref(), Some(&before));
        conflicts(store, log, store.release(log, release(evidence, reason))).await;
        acts.push(release(evidence, reason));
        assert_eq!(store.releases(log).await.unwrap(), acts);
    }
    assert_eq!(store.releases(own()).await.unwrap(), []);
}

pub(crate) async fn a_log_is_restored_until_it_has_caught_up(store: &dyn Store) {
    mirrored_log(store, 4).await;
    let before = store.log(mirror()).await.unwrap().unwrap();
    for restored in [Some(1_800_000_000), Some(1_800_000_001), None, None] {
        store.put_restored(mirror(), restored).await.unwrap();
        let expected = LogState {
            restored,
            ..before.clone()
        };
        assert_eq!(store.log(mirror()).await.unwrap(), Some(expected));
    }
}

pub(crate) async fn writes_to_a_missing_log_conflict_and_reads_find_nothing(store: &dyn Store) {
    let log = own();
    conflicts(store, log, store.put_notes(log, Notes::default())).await;
    conflicts(store, log, store.freeze(log, b"evidence")).await;
    let release = Release {
        evidence: b"evidence".to_vec(),
        time: 0,
        actor: String::new(),
        reason: String::new(),
    };
    conflicts(store, log, store.release(log, release)).await;
    conflicts(store, log, store.put_restored(log, Some(1))).await;
    conflicts(store, log, store.append(log, append(0, 1))).await;
    conflicts(store, log, store.put_packages(log, vec![package(0, 1)])).await;
    conflicts(store, log, store.advance(log, bare_advance(0, 1))).await;
    let changes = Changes::default();
    conflicts(
        store,
        log,
        store.apply(log, 0..0, changes, Erased::default()),
    )
    .await;
    conflicts(store, log, store.put_disclosures(log, 0..0, Vec::new())).await;
    conflicts(store, log, store.drop_register(log)).await;

    assert_eq!(store.held_packages(log, 0..9).await.unwrap(), []);
    assert!(store.targets(log, &[hash(0)]).await.unwrap().is_empty());
    assert_eq!(store.disclosures(log, 0..9).await.unwrap(), []);
    assert_eq!(store.erased(log, 0..9).await.unwrap(), []);
    assert_eq!(store.adoptions(log).await.unwrap(), []);
    assert_eq!(store.quarantined(log, 0, 9).await.unwrap(), (0, vec![]));
    assert!(store.tiles(log, &[tile(0, 0, 1)]).await.unwrap().is_empty());
    assert_eq!(store.bundle(log, 0).await.unwrap(), None);
    assert_eq!(store.releases(log).await.unwrap(), []);
}

pub(crate) async fn trust_lists_are_a_chain(store: &dyn Store) {
    assert!(store.trust_lists().await.unwrap().is_empty());
    let put = async |version: u64, note: &str| store.put_trust_list(version, note.as_bytes()).await;
    for refused in [0, 2, u64::MAX] {
        assert!(matches!(put(refused, "note").await, Err(Error::Conflict)));
    }
    put(1, "one").await.unwrap();
    put(2, "two").await.unwrap();
    put(1, "one").await.unwrap();
    for (version, note) in [(1, "two"), (2, "one"), (4, "four"), (0, "zero")] {
        assert!(matches!(put(version, note).await, Err(Error::Conflict)));
    }
    let chain = store.trust_lists().await.unwrap();
    assert_eq!(chain, [b"one".to_vec(), b"two".to_vec()]);
}
