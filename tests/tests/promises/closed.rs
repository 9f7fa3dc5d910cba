//! A record key turns out to be stolen: a trust list closes it at a place behind which records
//! stand already, in every register and in receipts alike.

use std::{io::Read as _, sync::Arc};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use flate2::read::GzDecoder;
use huren_core::{
    audit::Actor,
    receipt,
    status_list::Purpose,
    trust::{RecordKey, Refusal, TrustList},
};
use huren_node::engine::{AppendError, Engine, TakeError};
use huren_proto::v1;
use huren_store::Store;
use huren_tests::{
    Fault, FaultyStore, Federation, Operation, Outcome, REGIONS, audit, certificate, change,
    next_list, next_record_key, origin,
};
use serde_json::Value;

use crate::support::{
    HOME, OTHER, answer, empty_store, honest, is_quarantined_everywhere, is_valid_everywhere,
    issue, issued, says, submit, until_known_everywhere,
};

/// Certificates of home's before the key is closed: leaves 1 to 4.
const ISSUED: u32 = 4;
/// The last size of home's log that the members trust.
const TRUSTED: u64 = 3;

/// Home's key ends, and the next one begins where it ends.
fn close(list: &mut TrustList) {
    let home = HOME.to_string();
    let mut members = list.members.iter_mut();
    let member = members.find(|m| m.region == home).expect("home");
    member.record_keys[0].until_index = Some(TRUSTED);
    member.record_keys.push(RecordKey {
        from_index: TRUSTED,
        ..next_record_key(HOME)
    });
}

/// One member's operator installs the list; it reaches everybody.
async fn closed_everywhere(federation: &Federation) {
    let chain = federation.engine(OTHER).trust();
    let note = next_list(&chain, close);
    let other = federation.engine(OTHER);
    other
        .take_trust_lists(&[&note], Actor::Machine)
        .await
        .expect("it follows");
    for at in REGIONS {
        let is_taken = |engine: &Engine| engine.trust().newest().list.version == 2;
        federation.until(at, is_taken).await;
        let size = federation.entry(HOME, HOME).state.head.size;
        federation.until_known(at, HOME, size).await;
    }
}

/// What every register has of home's log.
async fn quarantined(federation: &Federation) -> Vec<(u64, String)> {
    let mut first = None;
    for at in REGIONS {
        let (_, rows) = federation
            .store(at)
            .quarantined(&origin(HOME), 0, 100)
            .await
            .expect("a store");
        let rows: Vec<_> = rows.into_iter().map(|row| (row.index, row.code)).collect();
        assert_eq!(*first.get_or_insert(rows.clone()), rows, "at {at}");
    }
    first.expect("members")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stolen_key_signed_is_valid_nowhere() {
    let mut federation = Federation::start(empty_store, honest).await;
    issued(&federation, ISSUED).await;
    // A revocation behind the end has no effect either: it may be the thief's.
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 1)).await;
    until_known_everywhere(&federation, HOME, revoked).await;
    let before = answer(&federation, OTHER, (HOME, 2)).await.receipt;
    closed_everywhere(&federation).await;

    for serial in 1..=2 {
        is_valid_everywhere(&federation, (HOME, serial)).await;
    }
    for serial in 3..=ISSUED {
        is_quarantined_everywhere(&federation, (HOME, serial)).await;
    }
    let outside = |index| (index, "KEY_OUTSIDE_WINDOW".to_owned());
    assert_eq!(quarantined(&federation).await, [3, 4, 5].map(outside));
    // Nor does anybody's software take it for valid.
    let listed = revoked_leaves(federation.engine(HOME)).await;
    assert_eq!(listed, [3, 4, 5]);
    receipt::verify(&before, &federation.roots).expect("a receipt from before stays genuine");

    // Its node acknowledges nothing that all others would quarantine.
    let refused = federation.engine(HOME).submit(&certificate(9)).await;
    let refused = refused.expect("a sound submission");
    let no_authority = AppendError::NoAuthority(Refusal::KeyOutsideWindow);
    assert_eq!(refused, Err(no_authority));
    assert!(!says(
        &answer(&federation, HOME, (HOME, 9)).await,
        "QUARANTINED"
    ));

    // With the next key it goes on, and what had no effect is submitted again.
    federation.stop(HOME).await;
    federation.give_next_record_key(HOME);
    federation.open(HOME).await.expect("an engine");
    federation.until(HOME, Engine::is_writable).await;
    let again = issue(&federation, HOME, 3).await;
    assert!(!again.duplicate && again.index > revoked.index);
    let twice = issue(&federation, HOME, 3).await;
    assert_eq!((twice.index, twice.duplicate), (again.index, true));
    until_known_everywhere(&federation, HOME, again).await;
    is_valid_everywhere(&federation, (HOME, 3)).await;
    is_quarantined_everywhere(&federation, (HOME, 4)).await;
}

/// The leaves that the first status list calls revoked.
async fn revoked_leaves(engine: &Engine) -> Vec<u64> {
    let token = engine.status_list(Purpose::Revocation, 0).await;
    let token = token.expect("a status list");
    let credential = token.split('.').nth(1).expect("a payload");
    let credential = BASE64_URL_SAFE_NO_PAD.decode(credential).expect("base64");
    let credential: Value = serde_json::from_slice(&credential).expect("JSON");
    let list = &credential["credentialSubject"]["encodedList"];
    let list = list.as_str().and_then(|list| list.strip_prefix('u'));
    let list = BASE64_URL_SAFE_NO_PAD.decode(list.expect("multibase"));
    let mut bits = Vec::new();
    let list = list.expect("base64");
    GzDecoder::new(list.as_slice())
        .read_to_end(&mut bits)
        .expect("GZIP");
    let places = bits.iter().zip(0..).flat_map(|(byte, number)| {
        let is_set = move |bit: &u64| byte & (0x80 >> bit) != 0;
        (0..8).filter(is_set).map(move |bit| 8 * number + bit)
    });
    places.collect()
}

/// The same list by another way: a member that was away is given it for its next start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_comes_to_the_same_register() {
    let mut federation = Federation::start(empty_store, honest).await;
    issued(&federation, ISSUED).await;
    let away = REGIONS[3];
    federation.stop(away).await;
    let chain = federation.engine(OTHER).trust();
    let note = next_list(&chain, close);
    let other = federation.engine(OTHER);
    other
        .take_trust_lists(&[&note], Actor::Machine)
        .await
        .expect("it follows");
    federation.open(away).await.expect("an engine");
    for at in REGIONS {
        let is_taken = |engine: &Engine| engine.trust().newest().list.version == 2;
        federation.until(at, is_taken).await;
        let size = federation.entry(HOME, HOME).state.head.size;
        federation.until_known(at, HOME, size).await;
    }
    assert_eq!(quarantined(&federation).await.len(), 2);
    let truth = audit(&federation, HOME, HOME).await;
    for at in REGIONS {
        assert_eq!(audit(&federation, at, HOME).await, truth, "no leaf is lost");
    }
    // A restart asks nobody: the register is as it was.
    federation.restart(away).await;
    is_quarantined_everywhere(&federation, (HOME, ISSUED)).await;
}

/// A list is kept, and its writing is reported failed: what was folded by older lists than the
/// store holds would never be folded again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_is_kept_counts_though_its_writing_failed() {
    let cases = [
        (1, Outcome::Persisted, 2),
        (2, Outcome::NotPersisted, 2),
        (2, Outcome::Persisted, 3),
        (1, Outcome::NotPersisted, 1),
    ];
    for (call, outcome, version) in cases {
        let faulty = Arc::new(FaultyStore::new(huren_tests::store()));
        let store = Arc::clone(&faulty);
        let stores = move |at| -> Arc<dyn Store> {
            match at == OTHER {
                true => Arc::clone(&store) as Arc<dyn Store>,
                false => empty_store(at),
            }
        };
        let federation = Federation::start(stores, honest).await;
        issued(&federation, ISSUED).await;
        let other = federation.engine(OTHER);
        let second = next_list(&other.trust(), close);
        let third = next_list(&other.trust().extended(&second).expect("follows"), |_| ());
        faulty.arm(vec![Fault {
            operation: Operation::PutTrustList,
            call,
            outcome,
        }]);
        let lists: [&[u8]; 2] = [&second, &third];
        let taken = other.take_trust_lists(&lists, Actor::Machine).await;
        assert!(matches!(taken, Err(TakeError::Store(_))), "{taken:?}");
        assert_eq!(other.trust().newest().list.version, version);
        let kept = faulty.trust_lists().await.expect("a store").len();
        assert_eq!(kept as u64, version);

        let taken = other.take_trust_lists(&lists, Actor::Machine).await;
        assert_eq!(taken.expect("they follow"), 3);
        for at in REGIONS {
            let is_taken = |engine: &Engine| engine.trust().newest().list.version == 3;
            federation.until(at, is_taken).await;
            let size = federation.entry(HOME, HOME).state.head.size;
            federation.until_known(at, HOME, size).await;
        }
        assert_eq!(quarantined(&federation).await.len(), 2);
        is_quarantined_everywhere(&federation, (HOME, ISSUED)).await;
    }
}
