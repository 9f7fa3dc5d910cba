//! The tasks of a running node. Each has one owner, ends on the shutdown token and is awaited.
//!
//! Where a task waits for one of several things they have an order (`biased`), here and in the
//! whole engine: a simulation, which runs it on one thread by a clock of its own, then sees the
//! same steps whenever it begins with the same seed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::{StreamExt as _, stream::BoxStream};
use huren_core::checkpoint::{Origin, SignedCheckpoint};
use huren_proto::v1;
use huren_store::{Error as StoreError, Role};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, field::Empty};

use super::{
    Engine, Peer, PeerError, RecoverError, Runner, SyncError, clock::random, standing::Answer, work,
};

impl Engine {
    /// Starts everything: the own log (checked first), publishing, taking newer trust lists,
    /// listening to every member, and one replication task for each mirrored log.
    pub fn start(self: &Arc<Self>, runner: Runner, tasks: &TaskTracker, stop: &CancellationToken) {
        self.follows.store(false, Ordering::Release);
        self.book.unproven(&self.origin);
        let spawn = |future: futures::future::BoxFuture<'static, ()>| {
            let stop = stop.clone();
            tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = future => {}
                }
            });
        };
        // Behind the end of the writer nothing is taken any more.
        let engine = Arc::clone(self);
        let writer_stop = stop.clone();
        tasks.spawn(async move { engine.write_own_log(runner, writer_stop).await });

        let engine = Arc::clone(self);
        spawn(Box::pin(async move { engine.publish_heads().await }));
        let audit = Arc::clone(&self.audit);
        spawn(Box::pin(async move { audit.write_behind().await }));
        let engine = Arc::clone(self);
        spawn(Box::pin(async move { engine.anchor_regularly().await }));
        let engine = Arc::clone(self);
        spawn(Box::pin(async move { engine.rekey().await }));
        let engine = Arc::clone(self);
        spawn(Box::pin(async move { engine.count_regularly().await }));
        let engine = Arc::clone(self);
        spawn(Box::pin(async move { engine.follow_trust_lists().await }));
        self.check_keys();
        let (engine, tracker, ends) = (Arc::clone(self), tasks.clone(), stop.clone());
        tasks.spawn(async move { engine.attend(&tracker, &ends).await });
        let (engine, tracker, ends) = (Arc::clone(self), tasks.clone(), stop.clone());
        tasks.spawn(async move { engine.attend_witnesses(&tracker, &ends).await });
    }

    /// Listens to every member and replicates every log, whichever there are: lists bring
    /// members and take them away. What a member wrote is kept and passed on when it has left.
    async fn attend(self: Arc<Self>, tasks: &TaskTracker, stop: &CancellationToken) {
        let mut peers = self.peers.subscribe();
        let mut listening: BTreeMap<String, (Arc<dyn Peer>, CancellationToken)> = BTreeMap::new();
        let mut replicating: BTreeSet<Origin> = BTreeSet::new();
        loop {
            let now = peers.borrow_and_update().clone();
            listening.retain(|region, (peer, listens)| {
                let stays = now.get(region).is_some_and(|now| Arc::ptr_eq(now, peer));
                if !stays {
                    listens.cancel();
                    self.reachable(region, false);
                }
                stays
            });
            for (region, peer) in now.iter() {
                if listening.contains_key(region) {
                    continue;
                }
                let listens = stop.child_token();
                let known = (Arc::clone(peer), listens.clone());
                listening.insert(region.clone(), known);
                let (engine, region, peer) = (Arc::clone(&self), region.clone(), Arc::clone(peer));
                let listen = async move { engine.listen(&region, peer).await };
                tasks.spawn(listens.run_until_cancelled_owned(listen));
            }
            for entry in self.book.entries() {
                let origin = entry.state.origin.clone();
                if entry.state.role == Role::Mirror && replicating.insert(origin.clone()) {
                    let engine = Arc::clone(&self);
                    let replicate = async move { engine.replicate(&origin).await };
                    tasks.spawn(stop.clone().run_until_cancelled_owned(replicate));
                }
            }
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                changed = peers.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Asks the members for newer trust lists now and then. A log that adopts one may be signed
    /// with a key that stands in that list alone, so nothing else would tell of it.
    async fn follow_trust_lists(&self) {
        let pause = Duration::from_secs(self.options.poll_seconds.saturating_mul(LISTS_EVERY));
        loop {
            self.clock.sleep(pause).await;
            self.fetch_trust_lists().await;
        }
    }

    fn not_opened(&self, error: &RecoverError) {
        let cause = error as &dyn std::error::Error;
        tracing::error!(
            error = cause,
            code = error.code(),
            "the own log is not opened for writing"
        );
        metrics::counter!("huren_alarms_total", "kind" => "own_log").increment(1);
        let code = error.code().to_owned();
        self.progress(&self.origin, |progress| progress.last_error = code);
    }

    /// Recovers the own log, adopts the trust list, then serves submissions until shutdown.
    async fn write_own_log(self: Arc<Self>, runner: Runner, stop: CancellationToken) {
        let Runner { mut writer, queue } = runner;
        let open = async {
            let mut delays = self.backoff();
            while let Err(error) = self.recover().await {
                self.not_opened(&error);
                if !error.is_passing() {
                    return false;
                }
                self.clock.sleep(delays.next().unwrap_or(MAX_DELAY)).await;
            }
            let mut delays = self.backoff();
            while let Err(error) = writer.open().await {
                if self.is_frozen() {
                    tracing::error!("the own log is frozen: it takes nothing until it is released");
                } else {
                    tracing::error!(%error, "the own log could not be read or take the trust list");
                }
                self.clock.sleep(delays.next().unwrap_or(MAX_DELAY)).await;
            }
            true
        };
        let opened = tokio::select! {
            biased;
            opened = open => opened,
            () = stop.cancelled() => return,
        };
        if !opened {
            stop.cancelled().await;
            return;
        }
        self.progress(&self.origin, |progress| progress.last_error.clear());
        self.set_writable();
        // It is cut off wherever it stands, as by a crash. What is under way then was not answered
        // yet; who sent it submits again.
        let stopped = stop.cancelled_owned();
        let writing = async move { writer.run(queue).await };
        let written = work::apart(writing, stopped).await;
        self.set_read_only();
        if let Err(error) = written {
            tracing::error!(%error, "the own log is not written any more");
        }
    }

    /// Offers the own log's head to the members: the next one once a quorum has cosigned the
    /// last, or once it has had its time. Without that pause members would cosign ever other
    /// sizes of a busy log, and never two of them the same.
    async fn publish_heads(&self) {
        let mut marked = self.marked.clone();
        let mut delays = self.backoff();
        loop {
            if let Err(error) = self.publish_next(&mut marked).await {
                tracing::warn!(%error, "the head could not be published");
                self.clock.sleep(delays.next().unwrap_or(MAX_DELAY)).await;
                continue;
            }
            delays = self.backoff();
            if marked.changed().await.is_err() {
                return;
            }
        }
    }

    async fn publish_next(&self, marked: &mut watch::Receiver<Vec<u8>>) -> Result<(), StoreError> {
        let Ok(next) = SignedCheckpoint::parse(marked.borrow_and_update().as_slice()) else {
            return Ok(());
        };
        let Some(entry) = self.book.entry(&self.origin) else {
            return Ok(());
        };
        let published = SignedCheckpoint::parse(&entry.state.notes.published).ok();
        let published = published.map_or(0, |signed| signed.checkpoint().size);
        if published >= next.checkpoint().size {
            return Ok(());
        }
        if published > entry.view.witnessed_size {
            let hold = Duration::from_millis(self.options.hold_publish_ms);
            let mut changes = self.book.changes();
            let cosigned = async {
                loop {
                    let entry = self.book.entry(&self.origin);
                    let witnessed = entry.is_some_and(|e| e.view.witnessed_size >= published);
                    if witnessed || changes.changed().await.is_err() {
                        return;
                    }
                }
            };
            tokio::select! {
                biased;
                () = cosigned => {}
                () = self.clock.sleep(hold) => {}
            }
        }
        // Of what was marked meanwhile the newest.
        let newest = marked.borrow_and_update().clone();
        self.book.publish(&self.origin, newest).await
    }

    /// Listens to one member for ever: its stream wakes, and a timed pull makes sure that
    /// nothing depends on the stream.
    async fn listen(&self, region: &str, peer: Arc<dyn Peer>) {
        let mut delays = self.backoff();
        loop {
            match peer.watch_heads().await {
                Ok(heads) => {
                    self.reachable(region, true);
                    let well = self.hear_stream(region, peer.as_ref(), heads).await;
                    if well {
                        delays = self.backoff();
                    }
                }
                Err(error) => {
                    tracing::debug!(peer = region, code = error.code(), "member not reached");
                }
            }
            self.reachable(region, false);
            self.clock.sleep(delays.next().unwrap_or(MAX_DELAY)).await;
        }
    }

    /// Listens until the stream ends, or until the member says something that is refused; then
    /// what it says of other logs is heard all the same. Says whether it ended well.
    async fn hear_stream(
        &self,
        region: &str,
        peer: &dyn Peer,
        mut heads: BoxStream<'static, Result<v1::Head, PeerError>>,
    ) -> bool {
        let poll = Duration::from_secs(self.options.poll_seconds);
        loop {
            tokio::select! {
                biased;
                head = heads.next() => match head {
                    Some(Ok(head)) => if !self.hear_or_refuse(region, head).await {
                        self.pull(region, peer).await;
                        return false;
                    },
                    Some(Err(PeerError::Malformed)) => {
                        self.refuse(region, &self.origin, Answer::Heads, "PEER_MALFORMED");
                        return false;
                    }
                    _ => return true,
                },
                () = self.clock.sleep(poll) => match self.pull(region, peer).await {
                    Some(true) => {}
                    Some(false) => return false,
                    None => return true,
                },
            }
        }
    }

    /// Hears all heads of a member. Says whether all were in order; `None` if it does not answer.
    async fn pull(&self, region: &str, peer: &dyn Peer) -> Option<bool> {
        let mut in_order = true;
        for head in peer.heads().await.ok()? {
            in_order &= self.hear_or_refuse(region, head).await;
        }
        Some(in_order)
    }

    /// Hears a head. Says whether it is in order.
    pub(super) async fn hear_or_refuse(&self, region: &str, head: v1::Head) -> bool {
        match self.hear(region, head).await {
            Ok(()) => true,
            Err(refusal) => {
                self.refuse(region, &self.origin, Answer::Heads, refusal.code());
                false
            }
        }
    }

    fn reachable(&self, region: &str, reachable: bool) {
        let chain = self.trust();
        let member = chain
            .newest()
            .list
            .logs()
            .find(|member| member.region == region);
        if let Some(origin) = member.and_then(|member| member.origin.parse().ok()) {
            self.progress(&origin, |progress| progress.reachable = reachable);
        }
        metrics::gauge!("huren_member_reachable", "region" => region.to_owned())
            .set(if reachable { 1.0 } else { 0.0 });
    }

    /// Replicates one log for ever: on news, on a timer, and after failures with growing,
    /// jittered pauses.
    async fn replicate(&self, origin: &Origin) {
        let mut news = self.book.news(origin);
        let mut delays = self.backoff();
        loop {
            let round = tracing::trace_span!(
                parent: None,
                "replicate",
                huren.origin = %origin,
                otel.status_code = Empty,
                error.type = Empty,
            );
            let outcome = self.sync(origin, false).instrument(round.clone()).await;
            if let Err(error) = self.catch_up(origin).await {
                tracing::warn!(%origin, %error, "that it has caught up could not be noted");
            }
            let pause = match &outcome {
                Ok(()) => {
                    delays = self.backoff();
                    self.until_cosigning(origin)
                }
                Err(error) => {
                    round.record("otel.status_code", "ERROR");
                    round.record("error.type", error.code());
                    tracing::warn!(%origin, code = error.code(), %error, "replication pauses");
                    delays.next().unwrap_or(MAX_DELAY)
                }
            };
            let code = outcome
                .as_ref()
                .err()
                .map(SyncError::code)
                .unwrap_or_default()
                .to_owned();
            self.progress(origin, |progress| progress.last_error = code);
            // It ends here and not with the pause.
            drop(round);
            // After a failure news does not cut the pause short: a hostile peer could otherwise
            // keep this node busy.
            let woken = async {
                if outcome.is_err() || news.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                () = woken => {}
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    /// Pauses after failures: from 0.1 s to 10 s, with jitter, without end.
    pub(super) fn backoff(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_delay(MAX_DELAY)
            .with_jitter()
            .with_jitter_seed(u64::from_le_bytes(random(self.random.as_ref())))
            .without_max_times()
            .build()
    }

    /// Cosigns the head of a mirrored log if it has not been, or not for a while: an unchanged
    /// head is cosigned again, so that its age stays low.
    pub(super) async fn cosign(&self, origin: &Origin) -> Result<(), StoreError> {
        let signing = self.signing();
        let Some(mirror) = signing.mirror(&self.trust(), &self.origin) else {
            return Ok(());
        };
        let age = self
            .book
            .cosigned_at(origin, mirror)
            // A time that is ahead of the clock does not count.
            .and_then(|time| self.clock.now().checked_sub(time));
        if age.is_some_and(|age| age < self.options.recosign_seconds) {
            return Ok(());
        }
        self.book.cosign(origin, mirror).await
    }

    /// How long a log's head needs no further cosignature.
    fn until_cosigning(&self, origin: &Origin) -> Duration {
        let signing = self.signing();
        let mirror = signing.mirror(&self.trust(), &self.origin);
        let time = mirror.and_then(|mirror| self.book.cosigned_at(origin, mirror));
        let age = time.map_or(0, |time| self.clock.now().saturating_sub(time));
        Duration::from_secs(self.options.recosign_seconds.saturating_sub(age).max(1))
    }
}

/// Timed pulls between two looks for newer trust lists.
const LISTS_EVERY: u64 = 6;

/// The longest pause after failures.
pub(super) const MAX_DELAY: Duration = Duration::from_secs(10);
