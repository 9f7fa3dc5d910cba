//! Heads that are no heads, of no log, of another log, forged, from the future, or too long.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use huren_core::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    merkle::leaf_hash,
    replicate::MAX_CHECKPOINT_BYTES,
};
use huren_node::engine::Clock as _;
use huren_proto::v1;
use huren_tests::{
    Federation, Fork, History, Lie, REGIONS, Shown, audit, log_signer, mirror, origin,
};

use crate::support::{LIAR, OTHERS, VICTIM, federation, grow, is_frozen, is_overcome, until_heard};

/// What becomes of true heads.
type Change = dyn Fn(&mut Vec<v1::Head>) + Send + Sync;

/// Does something to all heads, once it is told to.
#[derive(Clone)]
struct Heads {
    on: Arc<AtomicBool>,
    lie: Arc<Change>,
}

impl Heads {
    fn new(lie: impl Fn(&mut Vec<v1::Head>) + Send + Sync + 'static) -> Self {
        Self {
            on: Arc::default(),
            lie: Arc::new(lie),
        }
    }

    /// Does something to the head of the liar's own log.
    fn of_own_log(lie: impl Fn(&mut v1::Head) + Send + Sync + 'static) -> Self {
        Self::new(move |heads| {
            let own = |head: &&mut v1::Head| head.origin == origin(LIAR).as_str();
            heads.iter_mut().filter(own).for_each(&lie);
        })
    }
}

impl Lie for Heads {
    fn heads(&self, heads: &mut Vec<v1::Head>) {
        if self.on.load(Ordering::Relaxed) {
            (self.lie)(heads);
        }
    }
}

/// The log grows while the lie is told; everybody has it, and the liar is refused.
async fn refused(lie: Heads, code: &str) -> Federation {
    let federation = federation(lie.clone()).await;
    until_heard(&federation).await;
    grow(&federation, 3).await;
    lie.on.store(true, Ordering::Relaxed);
    for size in [4, 6] {
        grow(&federation, size).await;
    }
    is_overcome(&federation, 6, code).await;
    federation
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_checkpoint_is_refused() {
    let lie = Heads::of_own_log(|head| head.checkpoint = b"not a note\n".to_vec());
    refused(lie, "CHECKPOINT_MALFORMED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_checkpoint_is_refused() {
    let lie = Heads::of_own_log(|head| head.checkpoint.truncate(40));
    refused(lie, "CHECKPOINT_MALFORMED").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversize_checkpoint_is_refused_and_not_kept() {
    let lie = Heads::of_own_log(|head| head.witnessed = vec![b'x'; MAX_CHECKPOINT_BYTES + 1]);
    let federation = refused(lie, "CHECKPOINT_OVERSIZE").await;
    let seen = federation.engine(VICTIM).book().seen(&origin(LIAR));
    for head in seen.values() {
        assert!(head.witnessed.len() <= MAX_CHECKPOINT_BYTES);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checkpoint_of_another_log_is_refused() {
    let other = History::new(OTHERS[0], vec![vec![1]; 99]).checkpoint(99);
    let other = other.to_string().into_bytes();
    let lie = Heads::of_own_log(move |head| head.checkpoint.clone_from(&other));
    refused(lie, "CHECKPOINT_OTHER_LOG").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_without_a_log_is_refused() {
    let lie = Heads::of_own_log(|head| head.origin = "two\nlines".to_owned());
    refused(lie, "HEAD_MALFORMED").await;
}

/// A newer trust list may know them, so nobody is refused for them; and nothing is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn heads_for_unknown_logs_are_passed_over() {
    let unknown = |n: u32| format!("huren.test/log/unknown-{n}");
    let lie = Heads::new(move |heads| {
        let real = heads[0].clone();
        heads.extend((0..1000).map(|n| v1::Head {
            origin: unknown(n),
            ..real.clone()
        }));
    });
    let federation = refused(lie, "").await;
    let engine = federation.engine(VICTIM);
    assert_eq!(engine.book().entries().len(), REGIONS.len());
    for n in 0..1000 {
        assert!(
            engine
                .book()
                .seen(&unknown(n).parse().expect("an origin"))
                .is_empty()
        );
    }
}

/// Signed by another member, in the log's name: whoever believed it would wait for leaves that
/// nobody has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_checkpoint_is_passed_over() {
    let checkpoint = Checkpoint::new(origin(LIAR), 1_000_000, leaf_hash(b"forged"));
    let forged = SignedCheckpoint::sign(checkpoint, &log_signer(OTHERS[0])).expect("a checkpoint");
    let forged = forged.to_string().into_bytes();
    let lie = Heads::of_own_log(move |head| {
        head.checkpoint.clone_from(&forged);
        head.pending.clone_from(&forged);
        head.witnessed.clone_from(&forged);
    });
    let federation = refused(lie, "").await;
    assert!(federation.entry(VICTIM, LIAR).state.notes.pending.len() < 1000);
    let status = federation.engine(VICTIM).status().await.expect("a status");
    for log in status.logs {
        assert!(log.known_size < 1_000_000, "nobody signed that");
    }
}

/// Two members' cosignatures from years ahead would keep the log young for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cosignature_times_in_the_future_do_not_count() {
    let federation_time = huren_tests::ManualClock::default().now();
    let lie = Heads::of_own_log(move |head| {
        let Ok(mut signed) = SignedCheckpoint::parse(&head.checkpoint) else {
            return;
        };
        let checkpoint = signed.checkpoint().clone();
        for colluder in OTHERS {
            let time = federation_time + 10 * 365 * 24 * 3600;
            let cosignature = mirror(colluder).cosign(&checkpoint, time).expect("a time");
            signed.add(cosignature).expect("room");
        }
        head.checkpoint = signed.to_string().into_bytes();
        head.witnessed.clone_from(&head.checkpoint);
    });
    let federation = refused(lie, "").await;
    let entry = federation.entry(VICTIM, LIAR);
    let time = entry.view.quorum_time.expect("a quorum");
    assert!(time <= federation.clock.now() + 120, "{time}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_head_of_the_same_history_changes_nothing() {
    let fork = Fork::default();
    let mut federation = federation(fork.clone()).await;
    grow(&federation, 6).await;
    let truth = audit(&federation, LIAR, LIAR).await;
    let history = History::new(LIAR, truth.0.clone());
    let old = Some(history.checkpoint(3));
    fork.show(Shown {
        of: LIAR,
        checkpoint: old.clone(),
        history,
        witnessed: old.clone(),
    });
    let shown = old.map(|signed| signed.to_string().into_bytes());
    federation
        .until(VICTIM, |engine| {
            let seen = engine.book().seen(&origin(LIAR));
            seen.get(&LIAR.to_string())
                .is_some_and(|head| Some(&head.checkpoint) == shown.as_ref())
        })
        .await;
    federation.restart(VICTIM).await;
    grow(&federation, 8).await;
    assert!(!is_frozen(federation.engine(VICTIM)));
    let held = audit(&federation, VICTIM, LIAR).await;
    assert_eq!(held.0[..truth.0.len()], truth.0);
}
