//! A checkpoint that a member took up and whose leaves are lost: it is known to be signed, it
//! is half of the evidence when the log goes on otherwise, and it holds up nothing else.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use huren_core::{
    checkpoint::{Origin, SignedCheckpoint},
    codes::Region,
};
use huren_node::engine::{Engine, PeerPackage};
use huren_store::Store;
use huren_tests::{Federation, Honest, Lie, REGIONS, audit, origin};

use crate::support::{LIAR as HOME, OTHERS, VICTIM, empty_store, grow, is_frozen, issue};

/// Who takes the checkpoint up.
const WAITING: Region = VICTIM;

/// Gives no packages while it is told to.
#[derive(Clone, Default)]
struct Withhold(Arc<AtomicBool>);

impl Lie for Withhold {
    fn packages(&self, _: &Origin, _: u64, packages: &mut Vec<PeerPackage>) {
        if self.0.load(Ordering::Relaxed) {
            packages.clear();
        }
    }
}

/// What a member shows of home's log beyond what it holds.
fn waited_for(engine: &Engine) -> Option<u64> {
    let book = engine.book();
    let head = book.head(book.entry(&origin(HOME))?.as_ref());
    let signed = SignedCheckpoint::parse(&head.pending).ok()?;
    Some(signed.checkpoint().size)
}

/// A federation in which home can be told to withhold from one member.
async fn withholding() -> (Federation, Withhold) {
    let withhold = Withhold::default();
    let lie = withhold.clone();
    let lies = move |from, to| -> Arc<dyn Lie> {
        if (from, to) == (HOME, WAITING) {
            Arc::new(lie.clone())
        } else {
            Arc::new(Honest)
        }
    };
    let federation = Federation::start(empty_store, lies).await;
    (federation, withhold)
}

/// Home has signed a leaf behind the fifth; one member has taken its checkpoint up, and nobody
/// the leaf. Home is down, and so are the others; its database ends with the fifth. Gives the
/// database that has the leaf, too.
async fn scene() -> (Federation, Withhold, Arc<dyn Store>, Arc<dyn Store>) {
    let (mut federation, withhold) = withholding().await;
    grow(&federation, 5).await;
    let backup = federation.backup(HOME, 5).await;
    for other in OTHERS {
        federation.stop(other).await;
    }
    withhold.0.store(true, Ordering::Relaxed);
    issue(&federation, 6).await;
    federation
        .until(WAITING, |engine| waited_for(engine) == Some(6))
        .await;
    let whole = Arc::clone(federation.store(HOME));
    federation.stop(HOME).await;
    for other in OTHERS {
        federation.open(other).await.expect("an engine");
    }
    withhold.0.store(false, Ordering::Relaxed);
    (federation, withhold, backup, whole)
}

async fn refuses(federation: &Federation, code: &str) {
    federation
        .until_found(HOME, async |engine: &Engine| {
            let status = engine.status().await.expect("a status");
            let mut logs = status.logs.into_iter();
            logs.any(|log| {
                let is_own = log
                    .extent
                    .is_some_and(|e| e.origin == origin(HOME).as_str());
                is_own && log.last_error == code
            })
        })
        .await;
    assert!(!federation.engine(HOME).is_writable());
}

/// Even without its high-water file home learns that more was signed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_waits_for_is_known_to_be_signed() {
    let (mut federation, _withhold, backup, whole) = scene().await;
    federation.lose_high_water(HOME);
    federation.replace_store(HOME, backup);
    federation.open(HOME).await.expect("an engine");
    refuses(&federation, "LOG_LOST").await;

    // The database is found again: everybody goes on.
    federation.stop(HOME).await;
    federation.replace_store(HOME, whole);
    federation.open(HOME).await.expect("an engine");
    federation.until(HOME, Engine::is_writable).await;
    grow(&federation, 7).await;
    let truth = audit(&federation, HOME, HOME).await;
    for at in REGIONS {
        assert_eq!(audit(&federation, at, HOME).await, truth);
        assert!(!is_frozen(federation.engine(at)));
        assert_eq!(waited_for(federation.engine(at)), None);
    }
}

/// Home gives the leaf up and signs another in its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_goes_on_without_it_has_contradicted_itself() {
    for sizes in [vec![6], vec![8]] {
        let (mut federation, _withhold, backup, _) = scene().await;
        federation.replace_store(HOME, backup);
        federation.accept_loss(HOME, Some(5));
        federation.stop(WAITING).await;
        federation.open(HOME).await.expect("an engine");
        federation.open(WAITING).await.expect("an engine");
        federation.until(HOME, Engine::is_writable).await;
        for size in sizes {
            // Other certificates than before.
            let mut held = federation.entry(HOME, HOME).state.head.size;
            while held < size {
                let request = huren_tests::certificate(900 + u32::try_from(held).expect("small"));
                let placed = federation.engine(HOME).submit(&request).await;
                held = placed
                    .expect("sound")
                    .map_or(size, |placed| placed.index + 1);
            }
        }
        for at in REGIONS {
            federation.until(at, is_frozen).await;
        }
    }
}

/// As long as the log is shorter than what was signed nothing is proven: the replica follows
/// it, and keeps what it knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_shorter_is_followed_and_what_was_signed_is_remembered() {
    let (mut federation, withhold) = withholding().await;
    grow(&federation, 3).await;
    let backup = federation.backup(HOME, 3).await;
    for other in OTHERS {
        federation.stop(other).await;
    }
    withhold.0.store(true, Ordering::Relaxed);
    federation.stop(WAITING).await;
    issue(&federation, 6).await;
    federation
        .until(HOME, |engine| {
            let entry = engine.book().entry(&origin(HOME)).expect("its own log");
            let published = SignedCheckpoint::parse(&entry.state.notes.published);
            published.is_ok_and(|signed| signed.checkpoint().size == 6)
        })
        .await;
    federation.open(WAITING).await.expect("an engine");
    federation
        .until(WAITING, |engine| waited_for(engine) == Some(6))
        .await;
    federation.stop(HOME).await;
    for other in OTHERS {
        federation.open(other).await.expect("an engine");
    }
    withhold.0.store(false, Ordering::Relaxed);
    federation.replace_store(HOME, backup);
    federation.accept_loss(HOME, Some(3));
    federation.open(HOME).await.expect("an engine");
    federation.until(HOME, Engine::is_writable).await;
    let other = huren_tests::certificate(900);
    let placed = federation.engine(HOME).submit(&other).await;
    assert_eq!(placed.expect("sound").expect("a place").size, 4);
    for at in REGIONS {
        federation.until_known(at, HOME, 4).await;
    }
    assert_eq!(waited_for(federation.engine(WAITING)), Some(6));
    assert!(!is_frozen(federation.engine(WAITING)));
    // It comes to the size that it signed before.
    for serial in 901..=903 {
        let request = huren_tests::certificate(serial);
        drop(federation.engine(HOME).submit(&request).await);
    }
    for at in REGIONS {
        federation.until(at, is_frozen).await;
    }
}
