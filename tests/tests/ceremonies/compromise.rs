//! Keys that turn out to be stolen.

use std::sync::Arc;

use huren_core::{
    receipt::{self, ReceiptError},
    trust::Role,
};
use huren_proto::v1;
use huren_tests::{Federation, certificate_in, change, next_signing_keys, question_in};

use crate::support::*;

/// A record key was stolen: what it signed from the third certificate on counts no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compromised_record_key_ends_where_the_list_says() {
    let federation = Federation::start(memory, honest).await;
    let mut places = Vec::new();
    for serial in 1..=4 {
        places.push(issue(&federation, HOME, serial).await);
    }
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 2)).await;
    until_known_everywhere(&federation, HOME, revoked).await;
    let mut receipts = Vec::new();
    for serial in [1, 3] {
        receipts.push(answer(&federation, OTHER, (HOME, serial)).await.receipt);
    }

    federation
        .engine(HOME)
        .set_signing_keys(next_signing_keys(HOME));
    let until_index = Some(places[2].index);
    let note = federation.next_list(HOME, |list| {
        replace_key(list, Role::Record, until_index);
    });
    federation.install(HOME, &note).await;
    federation.until_adopted(2).await;
    let again = issue(&federation, HOME, 3).await;
    until_known_everywhere(&federation, HOME, again).await;
    assert!(again.index > revoked.index && !again.duplicate);
    assert_eq!(issue(&federation, HOME, 3).await.index, again.index);
    check(&federation, (HOME, 1), VALID).await;
    // The revocation was signed by whoever had the key.
    check(&federation, (HOME, 2), VALID).await;
    let reissued = answer(&federation, OTHER, (HOME, 3)).await;
    assert_eq!(
        (reissued.verdict(), reissued.index),
        (v1::Verdict::Valid, again.index)
    );
    check(&federation, (HOME, 4), QUARANTINED).await;
    registers_agree(&federation, HOME).await;

    let known = federation.engine(OTHER).trust();
    let by_known = |receipt: &[u8]| receipt::verify_known(receipt, &federation.roots, &known);
    by_known(&receipts[0]).expect("a receipt of before");
    assert_eq!(
        by_known(&receipts[1]).expect_err("a closed key"),
        ReceiptError::Record("KEY_OUTSIDE_WINDOW")
    );
    // Submitted again the other two are in force again, as what they were.
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 2)).await;
    let again = issue(&federation, HOME, 4).await;
    until_known_everywhere(&federation, HOME, again).await;
    assert!(again.index > revoked.index);
    check(
        &federation,
        (HOME, 2),
        (v1::Verdict::Revoked, "STATUS_REVOKED"),
    )
    .await;
    check(&federation, (HOME, 4), VALID).await;
}

/// The list comes before the next key is in place: until then nothing is written, and then the
/// list is adopted, and what was refused is taken.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_next_key_that_comes_after_the_list_is_taken_up() {
    let federation = Federation::start(memory, honest).await;
    let first = issue(&federation, HOME, 1).await;
    let stolen = issue(&federation, HOME, 2).await;
    until_known_everywhere(&federation, HOME, stolen).await;
    let until_index = Some(first.index + 1);
    let note = federation.next_list(HOME, |list| {
        for role in [Role::Record, Role::Mirror] {
            replace_key(list, role, until_index);
        }
    });
    federation.install(HOME, &note).await;
    let home = federation.engine(HOME);
    assert_eq!(home.unnamed_keys(), ["record", "mirror"]);
    let refused = home.submit(&certificate_in(HOME, 3)).await;
    let refused = refused.expect("a sound submission").expect_err("no key");
    assert_eq!(refused.code(), "KEY_OUTSIDE_WINDOW");

    home.set_signing_keys(next_signing_keys(HOME));
    assert_eq!(home.unnamed_keys(), [""; 0]);
    federation.until_adopted(2).await;
    let third = issue(&federation, HOME, 3).await;
    let again = issue(&federation, HOME, 2).await;
    assert!(!again.duplicate && again.index > third.index);
    until_known_everywhere(&federation, HOME, again).await;
    for serial in 1..=3 {
        check(&federation, (HOME, serial), VALID).await;
    }
    registers_agree(&federation, HOME).await;
}

/// A log key was stolen: the head that stands is signed anew with the next one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compromised_log_key_ends_where_the_list_says() {
    let federation = Federation::start(memory, honest).await;
    let placed = issue(&federation, HOME, 1).await;
    let later = issue(&federation, HOME, 2).await;
    until_known_everywhere(&federation, HOME, later).await;
    let first = answer(&federation, OTHER, (HOME, 1)).await.receipt;
    federation
        .engine(HOME)
        .set_signing_keys(next_signing_keys(HOME));
    let until_index = Some(placed.index + 1);
    let note = federation.next_list(HOME, |list| {
        replace_key(list, Role::Log, until_index);
    });
    federation.install(HOME, &note).await;
    federation.until_adopted(2).await;
    let third = issue(&federation, HOME, 3).await;
    until_known_everywhere(&federation, HOME, third).await;
    for serial in 1..=3 {
        check(&federation, (HOME, serial), VALID).await;
    }
    receipt::verify(&first, &federation.roots).expect("a receipt of before");
    let known = federation.engine(OTHER).trust();
    let judged = receipt::verify_known(&first, &federation.roots, &known);
    assert_eq!(
        judged.expect_err("behind its end"),
        ReceiptError::LogSignature
    );
}

/// While a register is folded again nobody is told that something revoked is in force, or that
/// something in force is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_false_is_said_while_a_log_is_folded_again() {
    let federation = Federation::start(memory, honest).await;
    for serial in 1..=600 {
        issue(&federation, HOME, serial).await;
    }
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 1)).await;
    until_known_everywhere(&federation, HOME, revoked).await;
    for version in 2..=5u64 {
        let note = federation.next_list(OTHER, |list| {
            // A county's key, which signed nothing: a place of the log changes its authority
            // and no record does.
            list.members[2].record_keys[1].until_index = Some(600 - version);
        });
        let engine = Arc::clone(federation.engine(OTHER));
        let taking = async { federation.install(OTHER, &note).await };
        let asking = async {
            for _ in 0..200 {
                for (serial, wrong) in [
                    (1, [v1::Verdict::Valid, v1::Verdict::NotFound]),
                    (2, [v1::Verdict::Revoked, v1::Verdict::NotFound]),
                ] {
                    let question = question_in(HOME, serial, "张三");
                    let verdict = engine.verify(question).await.expect("an answer").verdict();
                    assert!(!wrong.contains(&verdict), "{serial}: {verdict:?}");
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::join!(taking, asking);
        federation.until_adopted(version).await;
        federation.until_known(OTHER, HOME, revoked.index + 1).await;
        let status = answer(&federation, OTHER, (HOME, 1)).await;
        assert_eq!(status.verdict(), v1::Verdict::Revoked);
    }
}
