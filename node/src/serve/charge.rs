//! Which of several processes over one database is in charge of the logs.
//!
//! A process tries to get the lease as long as it runs. Once it has it, it takes charge, and renews
//! the lease until it stops. One that finds that another has taken over, because it stood still
//! for too long, ends: whatever it believes is old, and its writes are refused by then.

use std::{sync::Arc, time::Duration};

use huren_store::{Error as StoreError, Held, Postgres};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::engine::{Clock, Engine, Runner};

/// How long a lease lasts. Together with a renewal and the time that the database gives to a
/// transaction that stands still, it is within the five seconds in which another takes over.
const LEASE: Duration = Duration::from_secs(3);
/// How often it is renewed, or tried for.
const RENEWAL: Duration = Duration::from_millis(500);

/// A process's place among those over its database.
pub(super) struct Charge {
    /// The database; `None` if no other process has it.
    shared: Option<Arc<Postgres>>,
    /// Where the others reach this process.
    address: String,
    clock: Arc<dyn Clock>,
    /// Where the process in charge is reached, if that is another one.
    elsewhere: watch::Sender<Option<String>>,
}

/// Another process has taken over.
#[derive(Debug, thiserror::Error)]
#[error(
    "另一进程已接管本省日志，本进程须重新启动后继续应答 / another process has taken charge of the logs: start \
     this one again, to follow it"
)]
pub(super) struct TakenOver;

impl Charge {
    pub(super) fn new(
        shared: Option<Arc<Postgres>>,
        address: String,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            shared,
            address,
            clock,
            elsewhere: watch::Sender::default(),
        }
    }

    /// Where the process in charge is reached, if that is another one.
    pub(super) fn elsewhere(&self) -> watch::Receiver<Option<String>> {
        self.elsewhere.subscribe()
    }

    /// The database, if other processes may have it.
    pub(super) fn shared(&self) -> Option<Arc<Postgres>> {
        self.shared.clone()
    }

    /// Whether no other process has the database.
    pub(super) const fn is_alone(&self) -> bool {
        self.shared.is_none()
    }

    /// Tries to get or to renew the lease, and says whether this process is in charge.
    async fn try_for_it(&self) -> Result<bool, StoreError> {
        let Some(shared) = &self.shared else {
            return Ok(true);
        };
        let holder = match shared.acquire(&self.address, LEASE).await? {
            Held::Here => None,
            Held::Elsewhere(address) => Some(address),
        };
        let is_here = holder.is_none();
        metrics::gauge!("huren_in_charge").set(f64::from(u8::from(is_here)));
        self.elsewhere.send_if_modified(|known| {
            let is_other = *known != holder;
            *known = holder;
            is_other
        });
        Ok(is_here)
    }

    /// Starts the engine: at once, if no other process has the database; else it follows whoever is
    /// in charge, and takes charge when it gets the lease. Until `done`: what is under way when
    /// `stop` comes is written under the lease still.
    ///
    /// # Errors
    /// [`TakenOver`].
    pub(super) async fn lead(
        &self,
        engine: &Arc<Engine>,
        runner: Runner,
        (tasks, stop, done): (&TaskTracker, &CancellationToken, &CancellationToken),
    ) -> Result<(), TakenOver> {
        if self.is_alone() {
            engine.start(runner, tasks, stop);
            done.cancelled().await;
            return Ok(());
        }
        let tokens = {
            let engine = Arc::clone(engine);
            async move { engine.follow_tokens().await }
        };
        tasks.spawn(stop.clone().run_until_cancelled_owned(tokens));
        let mut runner = Some(runner);
        let (following, mut follows) = (stop.child_token(), false);
        loop {
            match (self.try_for_it().await, runner.take()) {
                (Ok(true), Some(runner)) => {
                    tracing::warn!("this process takes charge of the logs");
                    following.cancel();
                    // Beside the renewals, which must not wait for it.
                    let (engine, clock) = (Arc::clone(engine), Arc::clone(&self.clock));
                    let (started, ends) = (tasks.clone(), stop.clone());
                    let take_over = async move {
                        while let Err(error) = engine.take_charge().await {
                            tracing::error!(%error, "the logs cannot be taken charge of");
                            clock.sleep(RENEWAL).await;
                        }
                        engine.start(runner, &started, &ends);
                    };
                    tasks.spawn(stop.clone().run_until_cancelled_owned(take_over));
                }
                (Ok(false), None) => return Err(TakenOver),
                (Ok(false), before) if !follows => {
                    tracing::info!("another process is in charge of the logs: this one follows it");
                    engine.start_following(tasks, &following);
                    (runner, follows) = (before, true);
                }
                (Ok(_), before) => runner = before,
                (Err(error), before) => {
                    // Nobody else can know more; writes fail until the database is back.
                    tracing::warn!(%error, "the lease could not be looked after");
                    runner = before;
                }
            }
            tokio::select! {
                biased;
                () = done.cancelled() => return Ok(()),
                () = self.clock.sleep(RENEWAL) => {}
            }
        }
    }

    /// Gives the lease up, once nothing is written any more.
    pub(super) async fn resign(&self) {
        if let Some(shared) = &self.shared
            && let Err(error) = shared.resign().await
        {
            tracing::warn!(%error, "the lease could not be given up: it runs out by itself");
        }
    }
}
