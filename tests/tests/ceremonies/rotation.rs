//! Planned rotation, and how a list reaches everybody.

use std::collections::BTreeSet;

use futures::future::join_all;
use huren_core::{
    checkpoint::SignedCheckpoint,
    receipt,
    trust::{Edit, Role},
};
use huren_node::engine::Engine;
use huren_tests::{
    Federation, certificate_in, next_member, next_signing_keys, origin, record_signer,
};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_operator_installs_reaches_all() {
    let federation = Federation::start(empty_store, honest).await;
    let placed = issue(&federation, HOME, 1).await;
    let note = federation.next_list(OTHER, |list| list.quorum = 3);
    federation.install(OTHER, &note).await;
    // Once more is no harm.
    federation.install(OTHER, &note).await;
    federation.until_adopted(2).await;
    until_known_everywhere(&federation, HOME, placed).await;
    let later = issue(&federation, HOME, 2).await;
    until_known_everywhere(&federation, HOME, later).await;
    check(&federation, (HOME, 1), VALID).await;
    check(&federation, (HOME, 2), VALID).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_follow_is_refused_and_changes_nothing() {
    let federation = Federation::start(empty_store, honest).await;
    let good = federation.next_list(OTHER, |_| ());
    let other = federation.next_list(OTHER, |list| list.quorum = 3);
    let dropping = federation.next_list(OTHER, |list| drop(list.members[0].record_keys.remove(0)));
    let mut forged = good.clone();
    let at = forged.len() - 10;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    let engine = federation.engine(OTHER);
    let refused = async |note: &[u8], expected: &str| {
        let before = engine.trust().newest().digest;
        let error = engine
            .take_trust_lists(&[note], huren_core::audit::Actor::Machine)
            .await
            .expect_err("a refusal");
        assert_eq!(error.code(), expected);
        assert_eq!(engine.trust().newest().digest, before);
    };
    refused(&dropping, "TRUST_KEY_DROPPED").await;
    refused(&forged, "TRUST_SIGNATURE").await;
    federation.install(OTHER, &good).await;
    refused(&other, "TRUST_HELD_DIFFERS").await;
    federation.until_adopted(2).await;
}

/// Every role of a member changes its key at once, some records behind the end of the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_every_role_rotate_while_the_node_runs() {
    let federation = Federation::start(empty_store, honest).await;
    for serial in 1..=2 {
        issue(&federation, HOME, serial).await;
    }
    let placed = issue(&federation, OTHER, 1).await;
    until_known_everywhere(&federation, OTHER, placed).await;
    let placed = issue(&federation, HOME, 3).await;
    until_known_everywhere(&federation, HOME, placed).await;
    let before = answer(&federation, OTHER, (HOME, 1)).await.receipt;
    let by_home = answer(&federation, HOME, (OTHER, 1)).await.receipt;

    federation
        .engine(HOME)
        .set_signing_keys(next_signing_keys(HOME));
    // The adoption and two more certificates are still signed with the old keys.
    let until_index = Some(size(&federation, HOME) + 3);
    let note = federation.next_list(HOME, |list| {
        for (_, role) in Role::ALL {
            if role != Role::Tls {
                replace_key(list, role, until_index);
            }
        }
    });
    federation.install(HOME, &note).await;
    for serial in 4..=9 {
        issue(&federation, HOME, serial).await;
    }
    federation.until_adopted(2).await;
    let placed = issue(&federation, OTHER, 2).await;
    until_known_everywhere(&federation, OTHER, placed).await;
    let placed = issue(&federation, HOME, 10).await;
    until_known_everywhere(&federation, HOME, placed).await;
    for serial in 1..=10 {
        check(&federation, (HOME, serial), VALID).await;
    }
    check(&federation, (OTHER, 2), VALID).await;
    registers_agree(&federation, HOME).await;

    // The head is signed with the new log key, and home cosigns with the new mirror key.
    let keys = next_member(HOME);
    let head = federation.entry(OTHER, HOME).state.checkpoint.clone();
    let head = SignedCheckpoint::parse(&head).expect("a checkpoint");
    head.verify_log(&keys.log_keys[0].key.parse().expect("a key"))
        .expect("the new key");
    let mirror = keys.mirror_key.parse().expect("a key");
    federation
        .until(OTHER, |engine: &Engine| {
            let entry = engine.book().entry(&origin(OTHER)).expect("a log");
            let published = SignedCheckpoint::parse(&entry.state.notes.published);
            let note = published.expect("a checkpoint");
            note.note().signatures().iter().any(|s| s.is_by(&mirror))
        })
        .await;

    // What was given before holds by itself and by what is known now.
    let known = federation.engine(OTHER).trust();
    for receipt in [before, by_home] {
        receipt::verify(&receipt, &federation.roots).expect("a receipt");
        receipt::verify_known(&receipt, &federation.roots, &known).expect("a receipt");
    }
}

/// What was prepared under a key whose end the log passes before it is placed is signed by the next.
#[tokio::test]
async fn a_batch_goes_beyond_the_end_of_a_key() {
    let federation = Federation::start(empty_store, honest).await;
    let placed = issue(&federation, HOME, 1).await;
    until_known_everywhere(&federation, HOME, placed).await;
    let engine = federation.engine(HOME);
    engine.set_signing_keys(next_signing_keys(HOME));
    // The adoption and two more certificates are still signed with the old key.
    let until_index = Some(size(&federation, HOME) + 3);
    let note = federation.next_list(HOME, |list| replace_key(list, Role::Record, until_index));
    federation.install(HOME, &note).await;
    federation.until_adopted(2).await;

    // On one thread all are prepared before the writer has its turn.
    let submissions: Vec<_> = (2..=7).map(|serial| certificate_in(HOME, serial)).collect();
    let placed = join_all(submissions.iter().map(|given| engine.submit(given))).await;
    let placed: Vec<_> = placed
        .into_iter()
        .map(|placed| placed.expect("a sound submission").expect("a place"))
        .collect();
    let sizes: BTreeSet<u64> = placed.iter().map(|placed| placed.size).collect();
    assert_eq!(sizes.len(), 1, "one batch: {placed:?}");
    until_known_everywhere(&federation, HOME, *placed.last().expect("one")).await;
    for serial in 1..=7 {
        check(&federation, (HOME, serial), VALID).await;
    }
    registers_agree(&federation, HOME).await;
}

/// A node whose key file is missing refuses rather than writing what nobody would accept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_the_new_key_writes_nothing() {
    let federation = Federation::start(empty_store, honest).await;
    let placed = issue(&federation, HOME, 1).await;
    until_known_everywhere(&federation, HOME, placed).await;
    let id = record_signer(HOME).id().to_hex();
    let end = size(&federation, HOME) + 1;
    let note = federation.next_list(HOME, |list| {
        let (role, from) = (Role::Record, Box::new(next_member(HOME)));
        let edit = Edit::ReplaceKey {
            role,
            from,
            until_index: None,
        };
        list.edit(edit).expect("a new key");
        list.edit(Edit::CloseKey {
            key: id,
            until_index: end,
        })
        .expect("a key");
    });
    federation.install(HOME, &note).await;
    federation.until_adopted(2).await;
    let refused = federation
        .engine(HOME)
        .submit(&certificate_in(HOME, 2))
        .await;
    let refused = refused.expect("a sound submission").expect_err("no key");
    assert_eq!(refused.code(), "KEY_OUTSIDE_WINDOW");
    federation
        .engine(HOME)
        .set_signing_keys(next_signing_keys(HOME));
    let placed = issue(&federation, HOME, 2).await;
    until_known_everywhere(&federation, HOME, placed).await;
    check(&federation, (HOME, 2), VALID).await;
    registers_agree(&federation, HOME).await;
}
