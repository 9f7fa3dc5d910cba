//! Entry packages and consistency proofs that are forged, cut off, too long, old, in disorder,
//! endless, slow or not there.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use futures::{StreamExt as _, stream, stream::BoxStream};
use huren_core::{checkpoint::Origin, merkle::Hash};
use huren_node::engine::{Clock as _, Engine, PeerError, PeerPackage};
use huren_tests::{Lie, origin};
use tokio::sync::Notify;

use crate::support::{LIAR, VICTIM, federation, grow, is_overcome, issue, overcomes};

/// Does something to every package.
struct Each(fn(&mut PeerPackage));

impl Lie for Each {
    fn packages(&self, _: &Origin, _: u64, packages: &mut Vec<PeerPackage>) {
        packages.iter_mut().for_each(self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_overcome() {
    let lie = Each(|package| {
        let mut entries = package.entries.to_vec();
        *entries.last_mut().expect("an entry") ^= 1;
        package.entries = entries.into();
    });
    overcomes(lie, "PACKAGE_PROOF").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_package_proof_is_overcome() {
    let lie = Each(|package| package.proof.push(Hash([7; 32])));
    overcomes(lie, "PACKAGE_PROOF").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_package_is_overcome() {
    let lie = Each(|package| package.entries.truncate(package.entries.len() - 1));
    overcomes(lie, "PACKAGE_ENTRIES").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_oversize_package_is_overcome() {
    let lie = Each(|package| {
        let mut entries = package.entries.to_vec();
        entries.resize(entries.len() + (1 << 20), 0);
        package.entries = entries.into();
    });
    overcomes(lie, "PACKAGE_ENTRIES").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packages_out_of_order_are_overcome() {
    overcomes(Each(|package| package.number += 1), "PACKAGE_ORDER").await;
}

/// Sends the package of the liar's log that it sent first, again and again.
#[derive(Default)]
struct Replay(Mutex<Option<PeerPackage>>);

impl Lie for Replay {
    fn packages(&self, log: &Origin, _: u64, packages: &mut Vec<PeerPackage>) {
        if *log == origin(LIAR) && !packages.is_empty() {
            let mut first = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let first = first.get_or_insert_with(|| packages[0].clone());
            *packages = vec![first.clone()];
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replayed_package_is_overcome() {
    overcomes(Replay::default(), "PACKAGE_ENTRIES").await;
}

/// Sends nothing.
struct Nothing;

impl Lie for Nothing {
    fn packages(&self, _: &Origin, _: u64, packages: &mut Vec<PeerPackage>) {
        packages.clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packages_that_end_early_are_overcome() {
    overcomes(Nothing, "PACKAGE_MISSING").await;
}

/// Goes on for ever behind the packages that were asked for.
struct Endless;

impl Lie for Endless {
    fn deliver(
        &self,
        packages: Vec<PeerPackage>,
    ) -> BoxStream<'static, Result<PeerPackage, PeerError>> {
        stream::iter(packages.into_iter().cycle().map(Ok)).boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endless_packages_are_read_as_far_as_they_were_asked_for() {
    overcomes(Endless, "").await;
}

/// Once it is told to, begins an answer and never ends it; says when.
#[derive(Clone, Default)]
struct Slow(Arc<(AtomicBool, Notify)>);

impl Lie for Slow {
    fn deliver(
        &self,
        packages: Vec<PeerPackage>,
    ) -> BoxStream<'static, Result<PeerPackage, PeerError>> {
        let (on, begun) = &*self.0;
        if on.load(Ordering::Relaxed) {
            begun.notify_one();
            stream::pending().boxed()
        } else {
            stream::iter(packages.into_iter().map(Ok)).boxed()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_packages_are_given_up_and_others_are_asked() {
    let lie = Slow::default();
    let federation = federation(lie.clone()).await;
    grow(&federation, 2).await;
    let (on, begun) = &*lie.0;
    on.store(true, Ordering::Relaxed);
    let clock = Arc::clone(&federation.clock);
    let time = async {
        loop {
            begun.notified().await;
            clock.until_sleeping(Engine::PACKAGES_PATIENCE).await;
            clock.advance(Engine::PACKAGES_PATIENCE);
        }
    };
    tokio::select! {
        () = grow(&federation, 4) => {}
        () = time => {}
    }
    is_overcome(&federation, 4, "PACKAGES_SLOW").await;
}

/// Never answers.
struct Silence;

impl Lie for Silence {
    fn answers(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_overcome() {
    overcomes(Silence, "").await;
}

/// Breaks every consistency proof.
struct WrongProof;

impl Lie for WrongProof {
    fn consistency(
        &self,
        _: &Origin,
        _: (u64, u64),
        truth: Option<Vec<Hash>>,
    ) -> Option<Vec<Hash>> {
        let mut proof = truth?;
        proof.iter_mut().for_each(|hash| hash.0[0] ^= 1);
        Some(proof)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_consistency_proof_is_overcome() {
    overcomes(WrongProof, "CONSISTENCY_PROOF").await;
}

/// Sends what is no proof.
struct NoProof;

impl Lie for NoProof {
    fn consistency(&self, _: &Origin, _: (u64, u64), _: Option<Vec<Hash>>) -> Option<Vec<Hash>> {
        None
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_cannot_be_read_is_overcome() {
    overcomes(NoProof, "PEER_MALFORMED").await;
}

/// Counts how often it is asked for the liar's log, and answers wrong every time.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicU64>);

impl Lie for Counting {
    fn packages(&self, log: &Origin, _: u64, packages: &mut Vec<PeerPackage>) {
        if *log == origin(LIAR) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        packages.clear();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_wrong_is_asked_ever_more_rarely() {
    let lie = Counting::default();
    let federation = federation(lie.clone()).await;
    let start = federation.clock.now();
    let asked = || lie.0.load(Ordering::Relaxed);
    let mut rounds = 0;
    // Whom the victim asks first is up to chance: the liar comes to its turn.
    while rounds < 20 || asked() == 0 {
        let size = 2 + rounds;
        issue(&federation, size).await;
        federation.until_known(VICTIM, LIAR, size).await;
        rounds += 1;
    }
    let asked = asked();
    // Pauses last for 1, 2, 4 and more seconds: so many fit, and one more has begun.
    let passed = federation.clock.now() - start;
    let most = u64::from((passed + 2).ilog2()) + 2;
    assert!((1..=most).contains(&asked), "{asked} times in {passed} s");
    assert!(most < rounds, "{passed} s: each round would be a question");
}
