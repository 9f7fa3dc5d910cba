//! Every answer rests on evidence of an age. What is too old is no answer any more, and what no
//! quorum has seen is not valid yet.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use huren_core::{
    checkpoint::SignedCheckpoint,
    codes::Region,
    cosign::verify_cosignature,
    receipt::{self, ReceiptError},
};
use huren_node::engine::{Clock as _, Engine};
use huren_proto::v1;
use huren_tests::{Federation, Honest, Lie, REGIONS, change, mirror, origin, question};

use crate::support::{
    HOME, OTHER, answer, empty_store, honest, is_valid_everywhere, issue, issued, says, submit,
};

/// The members whose cosignatures, with [`OTHER`]'s, make more than a quorum for home's log.
const REST: [Region; 2] = [Region::JIANGSU, Region::ANHUI];

const HOUR: u64 = 60 * 60;
const DAY: u64 = 24 * HOUR;

fn pass(federation: &Federation, seconds: u64) {
    federation.clock.advance(Duration::from_secs(seconds));
}

/// How old home's log is at a member, in seconds.
fn age(federation: &Federation, at: Region) -> u64 {
    let view = &federation.entry(at, HOME).view;
    view.age(federation.clock.now()).expect("a quorum")
}

/// When a member cosigned home's log last, as another one knows it.
fn cosigned_at(engine: &Engine, by: Region) -> Option<u64> {
    let entry = engine.book().entry(&origin(HOME))?;
    let note = SignedCheckpoint::parse(&entry.state.notes.witnessed).ok()?;
    let (note, key) = (note.note(), mirror(by));
    let times = note.signatures().iter();
    times
        .filter_map(|s| verify_cosignature(note.text(), s, key.verifier_key()).ok())
        .max()
}

async fn until_said(
    federation: &Federation,
    at: Region,
    serial: u32,
    (verdict, reason): (v1::Verdict, &str),
) {
    federation
        .until_found(at, async |_: &Engine| {
            let answer = answer(federation, at, (HOME, serial)).await;
            answer.verdict() == verdict && says(&answer, reason)
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_older_than_a_day_is_no_answer() {
    let mut federation = Federation::start(empty_store, honest).await;
    issued(&federation, 2).await;
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 2)).await;
    for at in REGIONS {
        federation.until_known(at, HOME, revoked.index + 1).await;
    }
    for region in REST {
        federation.stop(region).await;
    }
    // The one that is left cosigns again, which makes no quorum.
    let again = federation.clock.now() + HOUR;
    pass(&federation, HOUR);
    for at in [HOME, OTHER] {
        federation
            .until(at, |engine| cosigned_at(engine, OTHER) >= Some(again))
            .await;
    }
    let known = [
        (1, v1::Verdict::Valid),
        (2, v1::Verdict::Revoked),
        (3, v1::Verdict::NotFound),
    ];
    let ask = async |federation: &Federation, at, serial, max_age_seconds| {
        let question = v1::VerifyRequest {
            max_age_seconds,
            ..question(serial, "张三")
        };
        let answer = federation.engine(at).verify(question).await;
        let answer = answer.expect("an answer");
        let stale = says(&answer, "STALE_EVIDENCE");
        (answer.verdict(), answer.last_known(), stale)
    };
    assert_eq!(age(&federation, HOME), age(&federation, OTHER));
    pass(&federation, DAY - age(&federation, OTHER));
    for at in [HOME, OTHER] {
        for (serial, verdict) in known {
            let fresh = (verdict, v1::Verdict::Unspecified, false);
            let stale = (v1::Verdict::Unknown, verdict, true);
            assert_eq!(ask(&federation, at, serial, 0).await, fresh);
            assert_eq!(ask(&federation, at, serial, DAY - 1).await, stale);
        }
    }
    pass(&federation, 1);
    for at in [HOME, OTHER] {
        for (serial, verdict) in known {
            let fresh = (verdict, v1::Verdict::Unspecified, false);
            let stale = (v1::Verdict::Unknown, verdict, true);
            assert_eq!(ask(&federation, at, serial, 0).await, stale);
            assert_eq!(ask(&federation, at, serial, DAY + 1).await, fresh);
        }
    }

    // A second member cosigns the unchanged head.
    federation.open(REST[0]).await.expect("an engine");
    for at in [HOME, OTHER] {
        until_said(&federation, at, 1, (v1::Verdict::Valid, "IN_FORCE")).await;
        until_said(&federation, at, 2, (v1::Verdict::Revoked, "STATUS_REVOKED")).await;
        assert_eq!(federation.entry(at, HOME).state.head.size, revoked.size);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_does_not_grow_stays_fresh() {
    let federation = Federation::start(empty_store, honest).await;
    issued(&federation, 1).await;
    let size = federation.entry(HOME, HOME).state.head.size;
    for _ in 0..3 {
        pass(&federation, 20 * HOUR);
        let now = federation.clock.now();
        for at in REGIONS {
            federation
                .until(at, |engine| {
                    let entry = engine.book().entry(&origin(HOME));
                    entry.is_some_and(|entry| entry.view.quorum_time >= Some(now))
                })
                .await;
        }
        is_valid_everywhere(&federation, (HOME, 1)).await;
    }
    assert_eq!(federation.entry(OTHER, HOME).state.head.size, size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_quorum_has_seen_is_pending() {
    let mut federation = Federation::start(empty_store, honest).await;
    issued(&federation, 1).await;
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 1)).await;
    for at in REGIONS {
        federation.until_known(at, HOME, revoked.index + 1).await;
    }
    for region in REST {
        federation.stop(region).await;
    }
    issue(&federation, HOME, 2).await;
    issue(&federation, HOME, 3).await;
    submit(&federation, HOME, &change(v1::StatusAction::Revoke, 3)).await;
    let last = submit(&federation, HOME, &change(v1::StatusAction::Reinstate, 1)).await;
    federation
        .until(OTHER, |engine| {
            let entry = engine.book().entry(&origin(HOME));
            entry.is_some_and(|entry| entry.view.size == last.size)
        })
        .await;
    for at in [HOME, OTHER] {
        // A certificate, and one whose end of revocation is not witnessed.
        for serial in [1, 2] {
            let pending = answer(&federation, at, (HOME, serial)).await;
            assert_eq!(pending.verdict(), v1::Verdict::Pending, "{serial} at {at}");
            assert!(says(&pending, "PENDING_QUORUM") && !says(&pending, "IN_FORCE"));
            let checked = receipt::verify(&pending.receipt, &federation.roots);
            assert_eq!(checked.err(), Some(ReceiptError::NoQuorum));
        }
        // What is taken back is not usable, whoever has seen it.
        let revoked = answer(&federation, at, (HOME, 3)).await;
        assert_eq!(revoked.verdict(), v1::Verdict::Revoked, "at {at}");
        assert!(says(&revoked, "PENDING_QUORUM"));
    }
    // It does not become anything else by waiting.
    pass(&federation, 2 * DAY);
    for at in [HOME, OTHER] {
        let pending = answer(&federation, at, (HOME, 2)).await;
        assert_eq!(pending.verdict(), v1::Verdict::Pending);
    }
    federation.open(REST[0]).await.expect("an engine");
    for at in [HOME, OTHER, REST[0]] {
        federation.until_known(at, HOME, last.size).await;
        for serial in [1, 2] {
            until_said(&federation, at, serial, (v1::Verdict::Valid, "IN_FORCE")).await;
        }
        let revoked = answer(&federation, at, (HOME, 3)).await;
        assert!(!says(&revoked, "PENDING_QUORUM"));
    }
}

/// Keeps its trust lists to itself until it is told otherwise.
#[derive(Clone, Default)]
struct Withholds(Arc<AtomicBool>);

impl Lie for Withholds {
    fn trust_lists(&self, lists: &mut Vec<Vec<u8>>) {
        if !self.0.load(Ordering::Relaxed) {
            lists.clear();
        }
    }
}

/// Members cosign what they hold, also where they cannot tell what it means: home has adopted a
/// trust list that nobody else has, and then revoked a certificate.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cosigned_and_not_understood_makes_nothing_fresh() {
    let withholds = Withholds::default();
    let lie = withholds.clone();
    let lies = move |from, _| -> Arc<dyn Lie> {
        if from == HOME {
            Arc::new(lie.clone())
        } else {
            Arc::new(Honest)
        }
    };
    let mut federation = Federation::start(empty_store, lies).await;
    issued(&federation, 1).await;
    federation.give_trust_lists(HOME, 2);
    federation.restart(HOME).await;
    federation.until(HOME, Engine::is_writable).await;
    let revoked = submit(&federation, HOME, &change(v1::StatusAction::Revoke, 1)).await;
    let others = REGIONS.into_iter().filter(|region| *region != HOME);
    let until_cosigned = async |federation: &Federation, at, now| {
        let covers = |engine: &Engine| {
            let entry = engine.book().entry(&origin(HOME));
            let times = REST.map(|by| cosigned_at(engine, by));
            entry.is_some_and(|entry| entry.view.witnessed_size == revoked.size)
                && times.into_iter().all(|time| time >= Some(now))
        };
        federation.until(at, covers).await;
    };
    for at in others.clone() {
        until_cosigned(&federation, at, 0).await;
        let before = answer(&federation, at, (HOME, 1)).await;
        assert_eq!(before.verdict(), v1::Verdict::Valid, "as of a smaller size");
    }
    pass(&federation, DAY + HOUR);
    let now = federation.clock.now();
    for at in others.clone() {
        until_cosigned(&federation, at, now).await;
        let stale = answer(&federation, at, (HOME, 1)).await;
        assert_eq!(stale.verdict(), v1::Verdict::Unknown, "at {at}");
        assert_eq!(stale.last_known(), v1::Verdict::Valid);
        assert!(says(&stale, "STALE_EVIDENCE"), "{:?}", stale.reasons);
    }
    withholds.0.store(true, Ordering::Relaxed);
    pass(&federation, HOUR);
    for at in others {
        until_said(&federation, at, 1, (v1::Verdict::Revoked, "STATUS_REVOKED")).await;
    }
}
