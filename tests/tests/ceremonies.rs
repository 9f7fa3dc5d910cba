//! Trust lists that change while nodes run: rotation of every role, compromise, members that
//! join and leave. What was in order stays verifiable, what was not does not.

use std::sync::Arc;

use huren_core::{
    checkpoint::SignedCheckpoint,
    codes::Region,
    receipt::{self, ReceiptError},
    trust::{Edit, Role, TrustList},
    verdict::Verdict,
};
use huren_node::engine::{Engine, Placed};
use huren_proto::v1;
use huren_store::{Memory, Store};
use huren_tests::{
    Federation, Honest, Lie, REGIONS, certificate_in, change, member, next_member,
    next_signing_keys, origin, question_in, record_signer,
};

const HOME: Region = Region::ZHEJIANG;
const OTHER: Region = Region::SHANGHAI;

fn memory(_: Region) -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

/// Has a province's node put something into its log. What is refused because the node is busy
/// following a list is submitted again.
async fn submit(federation: &Federation, of: Region, request: &v1::SubmitRequest) -> Placed {
    loop {
        let answer = federation.engine(of).submit(request).await;
        match answer.expect("a sound submission") {
            Ok(placed) => return placed,
            Err(error) if error.is_retryable() => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn issue(federation: &Federation, of: Region, serial: u32) -> Placed {
    submit(federation, of, &certificate_in(of, serial)).await
}

async fn until_known_everywhere(federation: &Federation, of: Region, placed: Placed) {
    for at in REGIONS {
        federation.until_known(at, of, placed.index + 1).await;
    }
}

async fn answer(
    federation: &Federation,
    at: Region,
    (of, serial): (Region, u32),
) -> v1::VerifyResponse {
    let question = question_in(of, serial, "张三");
    federation
        .engine(at)
        .verify(question)
        .await
        .expect("an answer")
}

/// Every member gives this verdict with this reason; the receipt of a valid one holds.
async fn check(
    federation: &Federation,
    certificate: (Region, u32),
    (verdict, reason): (v1::Verdict, &str),
) {
    for at in REGIONS {
        let answer = answer(federation, at, certificate).await;
        let reasons: Vec<_> = answer.reasons.iter().map(|r| r.code.as_str()).collect();
        assert_eq!(
            answer.verdict(),
            verdict,
            "{certificate:?} at {at}: {reasons:?}"
        );
        assert!(
            reasons.contains(&reason),
            "{certificate:?} at {at}: {reasons:?}"
        );
        if verdict == v1::Verdict::Valid {
            let checked = receipt::verify(&answer.receipt, &federation.roots).expect("a receipt");
            assert_eq!(checked.assertion.verdict, Verdict::Valid);
        }
    }
}

const VALID: (v1::Verdict, &str) = (v1::Verdict::Valid, "IN_FORCE");
const QUARANTINED: (v1::Verdict, &str) = (v1::Verdict::NotFound, "QUARANTINED");

/// Every member has come to the same register of a log.
async fn registers_agree(federation: &Federation, of: Region) {
    let mut first = None;
    for at in REGIONS {
        let store = federation.store(at);
        let log = origin(of);
        let register = (
            store.quarantined(&log, 0, 1000).await.expect("a store"),
            store.adoptions(&log).await.expect("a store"),
        );
        assert_eq!(*first.get_or_insert(register.clone()), register, "at {at}");
    }
}

fn size(federation: &Federation, of: Region) -> u64 {
    federation.entry(of, of).state.head.size
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_operator_installs_reaches_all() {
    let federation = Federation::start(memory, honest).await;
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
    let federation = Federation::start(memory, honest).await;
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
            .take_lists(&[note], "test")
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
    let federation = Federation::start(memory, honest).await;
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
                let from = Box::new(next_member(HOME));
                let edit = Edit::ReplaceKey {
                    role,
                    from,
                    until_index,
                };
                list.edit(edit).expect("a new key");
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
        let (role, from) = (Role::Record, Box::new(next_member(HOME)));
        let edit = Edit::ReplaceKey {
            role,
            from,
            until_index,
        };
        list.edit(edit).expect("a new key");
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
        let (role, from) = (Role::Log, Box::new(next_member(HOME)));
        let edit = Edit::ReplaceKey {
            role,
            from,
            until_index,
        };
        list.edit(edit).expect("a new key");
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifth_member_joins() {
    let fujian = Region::parse("35").expect("a province");
    let mut federation = Federation::start(memory, honest).await;
    let placed = issue(&federation, HOME, 1).await;
    until_known_everywhere(&federation, HOME, placed).await;
    let note = federation.next_list(HOME, |list| {
        list.edit(Edit::AddMember(Box::new(member(fujian))))
            .expect("a member");
        list.edit(Edit::Quorum(3)).expect("a quorum");
    });
    federation.install(HOME, &note).await;
    federation
        .until(OTHER, |engine: &Engine| engine.trust().lists().len() == 2)
        .await;
    federation.join(fujian, memory(fujian), OTHER).await;
    federation.until_adopted(2).await;
    let own = issue(&federation, fujian, 1).await;
    until_known_everywhere(&federation, fujian, own).await;
    check(&federation, (fujian, 1), VALID).await;
    // It holds what was there before, and its cosignature counts.
    let later = issue(&federation, HOME, 2).await;
    federation.until_known(fujian, HOME, later.index + 1).await;
    for serial in 1..=2 {
        let answer = answer(&federation, fujian, (HOME, serial)).await;
        assert_eq!(answer.verdict(), v1::Verdict::Valid);
        receipt::verify(&answer.receipt, &federation.roots).expect("a receipt");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_wrote_stays_when_it_leaves() {
    let mut federation = Federation::start(memory, honest).await;
    for serial in 1..=2 {
        issue(&federation, HOME, serial).await;
    }
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 2)).await;
    until_known_everywhere(&federation, HOME, revoked).await;
    let before = answer(&federation, OTHER, (HOME, 1)).await.receipt;
    let until_index = size(&federation, HOME);
    let note = federation.next_list(OTHER, |list: &mut TrustList| {
        let region = HOME.to_string();
        list.edit(Edit::RemoveMember {
            region,
            until_index,
        })
        .expect("a member");
    });
    federation.install(OTHER, &note).await;
    federation
        .until(HOME, |engine: &Engine| engine.trust().lists().len() == 2)
        .await;
    // It takes nothing any more: nobody would believe it.
    let refused = federation
        .engine(HOME)
        .submit(&certificate_in(HOME, 3))
        .await;
    assert!(refused.expect("a sound submission").is_err());
    federation.stop(HOME).await;
    federation.until_adopted(2).await;
    // The others go on, two of two.
    let placed = issue(&federation, OTHER, 1).await;
    let rest = REGIONS.into_iter().filter(|region| *region != HOME);
    for at in rest {
        federation.until_known(at, OTHER, placed.index + 1).await;
        let expected = [
            ((HOME, 1), v1::Verdict::Valid),
            ((HOME, 2), v1::Verdict::Revoked),
            ((OTHER, 1), v1::Verdict::Valid),
        ];
        for (certificate, verdict) in expected {
            let answer = answer(&federation, at, certificate).await;
            assert_eq!(
                answer.verdict(),
                verdict,
                "{certificate:?} at {at}: {:?}",
                answer.reasons
            );
            receipt::verify(&answer.receipt, &federation.roots).expect("a receipt");
        }
    }
    receipt::verify(&before, &federation.roots).expect("a receipt of before");
}

/// A node whose key file is missing refuses rather than writing what nobody would accept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_the_new_key_writes_nothing() {
    let federation = Federation::start(memory, honest).await;
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
