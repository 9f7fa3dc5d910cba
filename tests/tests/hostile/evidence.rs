//! Evidence on its way: whoever proves nothing is refused, whoever was not there when it was
//! found hears of it, and a frozen log goes on when the federation has decided, and not before.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use huren_core::{
    audit::Actor,
    checkpoint::{Checkpoint, SignedCheckpoint},
    codes::Region,
    evidence::{self, Evidence, ReleaseReason},
    merkle::leaf_hash,
};
use huren_node::engine::{Engine, ReleaseError};
use huren_proto::v1;
use huren_tests::{
    Closed, Federation, Fork, Honest, Lie, REGIONS, Shown, audit, log_signer, origin,
};

use crate::support::{
    LIAR, OTHERS, VICTIM, answer, empty_store, federation, grow, is_frozen, is_overcome, issue,
};

fn actor() -> Actor {
    Actor::Caller("operator".to_owned())
}

// ---- evidence that proves nothing ---------------------------------------------------------

/// Shows evidence with every head of the liar's log, once there is some.
#[derive(Clone, Default)]
struct Shows(Arc<Mutex<Vec<u8>>>);

impl Shows {
    fn set(&self, evidence: Vec<u8>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = evidence;
    }
}

impl Lie for Shows {
    fn heads(&self, heads: &mut Vec<v1::Head>) {
        let evidence = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for head in heads
            .iter_mut()
            .filter(|h| h.origin == origin(LIAR).as_str())
        {
            head.evidence.clone_from(&evidence);
        }
    }
}

/// Evidence as JSON about the liar's log of seven leaves.
async fn proves_nothing(made: impl FnOnce(&[Vec<u8>]) -> Vec<u8>, code: &str) {
    let shows = Shows::default();
    let federation = federation(shows.clone()).await;
    grow(&federation, 7).await;
    let truth = audit(&federation, LIAR, LIAR).await;
    shows.set(made(&truth.0));
    federation
        .until(VICTIM, |engine| {
            engine.refusals(&LIAR.to_string()).last == code
        })
        .await;
    grow(&federation, 9).await;
    is_overcome(&federation, 9, code).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_evidence_is_refused() {
    proves_nothing(|_| b"{}".to_vec(), "EVIDENCE_FORMAT").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversize_evidence_is_refused() {
    proves_nothing(|_| vec![b' '; Evidence::MAX_BYTES + 1], "EVIDENCE_OVERSIZE").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_without_a_contradiction_is_refused() {
    let made = |leaves: &[Vec<u8>]| {
        let history = huren_tests::History::new(LIAR, leaves.to_vec());
        let proof = history.consistency(5, 7).expect("a proof");
        let (smaller, larger) = (history.checkpoint(5), history.checkpoint(7));
        let evidence = Evidence::of_history(&smaller, &larger, &smaller.checkpoint().root, &proof);
        evidence.to_json().expect("JSON")
    };
    proves_nothing(made, "EVIDENCE_CONSISTENT").await;
}

/// No member can freeze another's log without its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contradiction_signed_by_somebody_else_is_refused() {
    let made = |leaves: &[Vec<u8>]| {
        let history = huren_tests::History::new(LIAR, leaves.to_vec());
        let checkpoint = Checkpoint::new(origin(LIAR), 7, leaf_hash(b"another root"));
        let forged = SignedCheckpoint::sign(checkpoint, &log_signer(VICTIM)).expect("signed");
        let evidence = Evidence::of_one_size(&history.checkpoint(7), &forged);
        evidence.to_json().expect("JSON")
    };
    proves_nothing(made, "EVIDENCE_SIGNATURE").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn evidence_about_another_log_is_refused() {
    let made = |_: &[Vec<u8>]| {
        let of = OTHERS[0];
        let fork = [b"one", b"two"].map(|leaf| {
            let history = huren_tests::History::new(of, vec![leaf.to_vec()]);
            history.checkpoint(1)
        });
        let evidence = Evidence::of_one_size(&fork[0], &fork[1]);
        evidence.to_json().expect("JSON")
    };
    proves_nothing(made, "EVIDENCE_OTHER_LOG").await;
}

// ---- evidence that proves ------------------------------------------------------------------

/// A federation in which the liar has shown the victim an older fork, at seven leaves.
async fn forked() -> Federation {
    let fork = Fork::default();
    let federation = federation(fork.clone()).await;
    grow(&federation, 7).await;
    let truth = audit(&federation, LIAR, LIAR).await;
    let history = Shown::instead_of(LIAR, &truth, 3);
    fork.show(Shown {
        of: LIAR,
        checkpoint: Some(history.checkpoint(5)),
        history,
        witnessed: None,
    });
    frozen_everywhere(&federation).await;
    federation
}

async fn frozen_everywhere(federation: &Federation) {
    for at in REGIONS {
        federation.until(at, is_frozen).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_away_hears_of_it_from_any_member() {
    let fork = Fork::default();
    let mut federation = federation(fork.clone()).await;
    grow(&federation, 7).await;
    let truth = audit(&federation, LIAR, LIAR).await;
    let away = OTHERS[1];
    federation.stop(away).await;
    let history = Shown::instead_of(LIAR, &truth, 3);
    fork.show(Shown {
        of: LIAR,
        checkpoint: Some(history.checkpoint(5)),
        history,
        witnessed: None,
    });
    federation.until(OTHERS[0], is_frozen).await;
    // Whoever found it and whoever did it are gone.
    federation.stop(VICTIM).await;
    federation.stop(LIAR).await;
    federation.open(away).await.expect("an engine");
    federation.until(away, is_frozen).await;

    // What it passes on proves it to anybody who has the root keys.
    let found = federation.engine(away).evidence().await.expect("a store");
    assert_eq!(found.len(), 1);
    let file = found[0].file.to_json().expect("JSON");
    let proven = evidence::verify(file.as_bytes(), &federation.roots).expect("proven");
    assert_eq!(
        (proven.region, proven.origin),
        (LIAR.to_string(), origin(LIAR))
    );
    assert!(found[0].release.is_none());
}

async fn release(federation: &Federation, at: Region) -> Result<(), ReleaseError> {
    let engine = federation.engine(at);
    let reason = ReleaseReason::KeyStolen;
    engine.release_log(&origin(LIAR), reason, &actor()).await
}

/// A member lets the log go on, as soon as it can.
async fn released(federation: &Federation, at: Region) {
    let can = async |_: &Engine| release(federation, at).await.is_ok();
    federation.until_found(at, can).await;
    assert!(!is_frozen(federation.engine(at)), "at {at}");
}

#[track_caller]
fn refused(outcome: Result<(), ReleaseError>, code: &str) {
    let error = outcome.expect_err("a refusal");
    assert_eq!(error.code(), code);
    assert!(!error.zh().is_empty());
}

/// Stops everybody, closes the log's key at a size, and starts everybody again.
async fn decide(federation: &mut Federation, until: u64) {
    for at in REGIONS {
        federation.stop(at).await;
    }
    federation.close_log_key(Closed { of: LIAR, until });
    for at in REGIONS {
        federation.open(at).await.expect("an engine");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_log_goes_on_when_the_federation_has_decided() {
    let mut federation = forked().await;
    for at in REGIONS {
        refused(release(&federation, at).await, "RELEASE_UNDECIDED");
    }
    let (unfrozen, actor) = (origin(OTHERS[0]), actor());
    let engine = Arc::clone(federation.engine(VICTIM));
    let not_frozen = engine.release_log(&unfrozen, ReleaseReason::KeyStolen, &actor);
    refused(not_frozen.await, "RELEASE_NOT_FROZEN");
    let nobodys = "huren.test/log/99".parse().expect("an origin");
    let not_held = engine.release_log(&nobodys, ReleaseReason::KeyStolen, &actor);
    refused(not_held.await, "LOG_NOT_HELD");
    drop(engine);

    // The contradiction begins at the third leaf.
    decide(&mut federation, 2).await;
    frozen_everywhere(&federation).await;
    refused(release(&federation, VICTIM).await, "RELEASE_NOT_CONTINUED");
    // First its own province, once it has heard that others hold what it holds.
    released(&federation, LIAR).await;
    federation.until(LIAR, Engine::is_writable).await;
    issue(&federation, 9).await;
    // The victim hears of it from Jiangsu: the liar still shows it the other history.
    for at in [OTHERS[0], VICTIM] {
        released(&federation, at).await;
        federation
            .until_found(at, async |engine: &Engine| {
                let entry = engine.book().entry(&origin(LIAR)).expect("a log");
                entry.state.head.size >= 9
            })
            .await;
    }
    // Anhui has not let it go on yet, and still shows its evidence to all others.
    assert!(is_frozen(federation.engine(OTHERS[1])));
    federation.restart(VICTIM).await;
    federation
        .until(VICTIM, |engine| {
            !engine.book().seen(&origin(LIAR)).is_empty()
        })
        .await;
    for at in [LIAR, VICTIM, OTHERS[0]] {
        assert!(!is_frozen(federation.engine(at)), "{at}");
        assert_eq!(
            federation.engine(at).refusals(&OTHERS[1].to_string()).count,
            0
        );
    }
    released(&federation, OTHERS[1]).await;
    let size = federation.entry(LIAR, LIAR).state.head.size;
    grow(&federation, size + 1).await;
    for at in REGIONS {
        let again = answer(&federation, at, 1).await;
        assert_eq!(again.verdict(), v1::Verdict::Valid, "{at}");
        // The act stays.
        let found = federation.engine(at).evidence().await.expect("a store");
        assert_eq!(found.len(), 1);
        let act = found[0].release.as_ref().expect("an act");
        assert_eq!(
            (act.actor.as_str(), act.reason.as_str()),
            ("caller:operator", "KEY_STOLEN")
        );
        let file = found[0].file.to_json().expect("JSON");
        let proven = evidence::verify(file.as_bytes(), &federation.roots).expect("proven");
        assert_eq!((proven.trust_list_version, proven.newest_version), (1, 2));
    }
}

/// Who followed the history that the federation decided against cannot go on with it, and does
/// not take the other one in its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_of_the_other_history_stays_frozen() {
    let fork = Fork::default();
    let on = Arc::new(AtomicBool::new(true));
    let lie: Arc<dyn Lie> = Arc::new(fork.clone());
    let is_on = Arc::clone(&on);
    let lies = move |from, to| -> Arc<dyn Lie> {
        if (from, to) == (LIAR, VICTIM) && is_on.load(Ordering::Relaxed) {
            Arc::clone(&lie)
        } else {
            Arc::new(Honest)
        }
    };
    let mut federation = Federation::start(empty_store, lies).await;
    grow(&federation, 5).await;
    let truth = audit(&federation, LIAR, LIAR).await;
    let history = Shown::instead_of(LIAR, &truth, 6);
    // Others would follow it from the victim, as it is what the log signed.
    for other in OTHERS {
        federation.stop(other).await;
    }
    fork.show(Shown {
        of: LIAR,
        checkpoint: Some(history.checkpoint(8)),
        history,
        witnessed: None,
    });
    let holds = |engine: &Engine, size| {
        let entry = engine.book().entry(&origin(LIAR));
        entry.is_some_and(|entry| entry.state.head.size >= size)
    };
    federation.until(VICTIM, |engine| holds(engine, 8)).await;
    federation.stop(VICTIM).await;
    for other in OTHERS {
        federation.open(other).await.expect("an engine");
    }
    issue(&federation, 6).await;
    for other in OTHERS {
        federation.until_known(other, LIAR, 6).await;
    }
    federation.open(VICTIM).await.expect("an engine");
    frozen_everywhere(&federation).await;
    on.store(false, Ordering::Relaxed);
    decide(&mut federation, 5).await;
    released(&federation, LIAR).await;
    federation.until(LIAR, Engine::is_writable).await;
    let size = federation.entry(LIAR, LIAR).state.head.size.max(9);
    issue(&federation, size).await;
    federation
        .until_found(VICTIM, async |_: &Engine| {
            let outcome = release(&federation, VICTIM).await;
            outcome.is_err_and(|error| error.code() == "RELEASE_OTHER_HISTORY")
        })
        .await;
    assert!(is_frozen(federation.engine(VICTIM)));
    assert_eq!(federation.entry(VICTIM, LIAR).state.head.size, 8);
    let frozen = answer(&federation, VICTIM, 1).await;
    assert_eq!(frozen.verdict(), v1::Verdict::Unknown);
    assert_eq!(frozen.last_known(), v1::Verdict::Valid);
}
