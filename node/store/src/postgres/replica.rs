//! Look-ups from a standby of the database that may be a moment behind it.
//!
//! What a process answers says how large each log was, so a look-up may come from no state older
//! than the process knows. It knows what it has committed, and the logs as it last read them:
//! behind either it asks the database for the end of its write-ahead log, and a standby is asked
//! only once it has replayed that much. A commit is seen only once it is flushed, which is why
//! `synchronous_commit` must not be off.
//!
//! **An erasure** is seen like anything else: the process that wrote it never shows again what was
//! erased, and another one no longer than it takes to see that the log went on. If it cannot
//! see that, because the database does not answer it, the bound is how far the standby may lag.

use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use huren_core::checkpoint::Origin;

use super::{Begin, Connections};
use crate::{
    Error, LogState,
    sql::{self, Db},
};

/// Bytes of the write-ahead log that are on the disk of the database.
const FLUSHED: &str = "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint";

/// Bytes of it that a standby has replayed; `NULL` for a server that is none, such as one that was
/// made the database itself and goes its own way.
const REPLAYED: &str = "SELECT CASE WHEN pg_is_in_recovery() \
     THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END";

/// Seconds since the last transaction that a standby has replayed was committed.
const SINCE_REPLAYED: &str = "SELECT extract(epoch FROM clock_timestamp() - \
     pg_last_xact_replay_timestamp())::bigint";

/// How long a standby may take for an answer that the database gives otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Which cluster a server is of: where the logs of two end says nothing of each other.
const CLUSTER: &str = "SELECT system_identifier FROM pg_control_system()";

/// Without it the database's log may end behind what was committed.
const COMMITS: &str = "SELECT current_setting('synchronous_commit')";

/// The longest pause after look-ups that failed, in seconds.
const LONGEST_PAUSE: u64 = 60;

/// How soon a standby that is waited for is asked again.
const STEP: Duration = Duration::from_millis(1);

/// Measurements that are kept; of more the ones between are left out, and lag is overstated.
const KEPT: usize = 1_000;

/// The standby has not come to what this process knows.
#[derive(Debug, thiserror::Error)]
#[error("the replica is behind what this process knows")]
struct Behind;

/// How a replica stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaState {
    /// Seconds for which it has certainly not been behind the database by more; `None` if it never
    /// answered.
    pub lag: Option<u64>,
    /// Whether it is asked at present: it answers and lags by no more than it may.
    pub is_used: bool,
    /// Look-ups that it has answered since the start.
    pub answered: u64,
    /// Look-ups since then that went to the database itself.
    pub passed_on: u64,
}

/// How a replica is found by somebody who looks once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaFound {
    /// It is of another cluster than the database, and is never asked.
    OtherCluster,
    /// The database has `synchronous_commit = off`, so nobody knows what a standby has to have, and
    /// it is never asked.
    CommitsNotOnDisk,
    /// It is no standby, and is never asked.
    NoStandby,
    /// It is one.
    Standby {
        /// Bytes of the database's log that it has not replayed, for two seconds.
        behind: u64,
        /// If there are any: seconds since the last transaction that it replayed was committed, if it
        /// has replayed one since it was started.
        seconds: Option<u64>,
    },
}

/// A standby of the database.
pub(crate) struct Replica {
    standby: Connections,
    /// Connections to the database for reads: those for writes may be waiting for each other.
    database: Connections,
    /// Seconds.
    lag_max: u64,
    /// Whether it is of the same cluster, and the database's log says what was committed, once both
    /// were asked.
    fits: OnceLock<bool>,
    /// How long a look-up waits until it has replayed what this process knows.
    patience: Duration,
    /// End of the database's log behind everything that this process knows, but for what is in
    /// doubt.
    known: AtomicI64,
    /// How often this process came to know something without learning where the log ended then,
    /// such as by a commit that failed or was given up; the first time at the start.
    doubts: AtomicU64,
    /// How many of them lie before where it has learnt since that the log ends.
    settled: AtomicU64,
    /// The logs as this process read them last.
    logs: Mutex<BTreeMap<Origin, LogState>>,
    measured: Mutex<Measured>,
    is_used: AtomicBool,
    /// Whether a look-up failed since it was last measured, and how often it came to that in a row.
    failed: AtomicBool,
    failures: AtomicU32,
    answered: AtomicU64,
    passed_on: AtomicU64,
}

/// Where the database stood when, in seconds.
#[derive(Default)]
struct Measured {
    /// When it stood no further than the replica has come.
    covered: Option<u64>,
    /// Later on, ascending.
    open: VecDeque<(u64, i64)>,
    /// When it is not used after it failed.
    pause: Range<u64>,
}

/// A commit that is under way: what it did is in doubt if it fails or is given up.
pub(super) struct Committing<'a> {
    replica: &'a Replica,
    is_known: bool,
}

impl Committing<'_> {
    /// It is done.
    pub(super) async fn done(mut self) {
        self.is_known = self.replica.learn().await;
    }
}

impl Drop for Committing<'_> {
    fn drop(&mut self) {
        if !self.is_known {
            self.replica.doubt();
        }
    }
}

impl Measured {
    fn stood(&mut self, now: u64, flushed: i64) {
        if self.open.len() >= KEPT {
            let mut is_odd = false;
            self.open.retain(|_| {
                is_odd = !is_odd;
                is_odd
            });
        }
        self.open.push_back((now, flushed));
    }

    fn replayed(&mut self, replayed: i64) {
        while let Some((time, _)) = self.open.front().filter(|(_, end)| *end <= replayed) {
            self.covered = Some(*time);
            self.open.pop_front();
        }
    }

    /// So many look-ups in a row have failed by now.
    fn failed(&mut self, now: u64, failures: u32) {
        let pause = 1u64.checked_shl(failures).unwrap_or(LONGEST_PAUSE);
        self.pause = now..now.saturating_add(pause.min(LONGEST_PAUSE));
    }
}

impl Replica {
    pub(super) fn new(
        standby: Connections,
        database: Connections,
        lag_max: Duration,
        patience: Duration,
    ) -> Self {
        Self {
            standby,
            database,
            fits: OnceLock::new(),
            lag_max: lag_max.as_secs(),
            patience,
            known: AtomicI64::new(0),
            doubts: AtomicU64::new(1),
            settled: AtomicU64::new(0),
            logs: Mutex::default(),
            measured: Mutex::default(),
            is_used: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            failures: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            passed_on: AtomicU64::new(0),
        }
    }

    /// Whether to ask it.
    pub(super) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Acquire)
    }

    /// What became of a look-up that may come from here; `None` if it was not asked.
    pub(super) fn looked_up(&self, outcome: Option<Result<(), &Error>>) {
        let counter = match outcome {
            Some(Ok(())) => &self.answered,
            Some(Err(_)) | None => &self.passed_on,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Some(Ok(())) = outcome {
            self.failures.store(0, Ordering::Relaxed);
        }
        if let Some(Err(error)) = outcome
            && !matches!(error, Error::Unavailable(error) if error.is::<Behind>())
            // Nobody else waits for it before it was found well, and those who do already are one
            // failure together.
            && self.is_used.swap(false, Ordering::AcqRel)
        {
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.failed.store(true, Ordering::Release);
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the replica failed"
            );
        }
    }

    /// One state of the replica, no older than what this process knows.
    ///
    /// # Errors
    /// `Unavailable` too if it has none.
    pub(crate) async fn snapshot(&self) -> Result<Db, Error> {
        let behind = || Error::Unavailable(Box::new(Behind));
        let known = self.known().ok_or_else(behind)?;
        let logs = self.logs().clone();
        if !self.has_replayed(known).await? {
            if self.patience.is_zero() {
                return Err(behind());
            }
            let comes = async {
                while !self.has_replayed(known).await? {
                    tokio::time::sleep(STEP).await;
                }
                Ok::<_, Error>(())
            };
            let came = tokio::time::timeout(self.patience, comes).await;
            came.map_err(|_| behind())??;
        }
        // A state of after that, in which a register that this process knows may have been
        // dropped since: then nothing says so where the process looks next, at the database.
        let mut begun = self.standby.begin(Begin::Read).await?;
        let held = "SELECT origin, size, folded, disclosed FROM logs";
        let held: Vec<(String, i64, i64, i64)> = begun.all(held, Vec::new()).await?;
        for (origin, log) in logs {
            let sizes = held.iter().find(|(name, ..)| *name == origin.as_str());
            let is_there = match sizes {
                Some(&(_, size, folded, disclosed)) => {
                    sql::unsigned::<u64>(size)? >= log.head.size
                        && sql::unsigned::<u64>(folded)? >= log.folded
                        && sql::unsigned::<u64>(disclosed)? >= log.disclosed
                }
                None => false,
            };
            if !is_there {
                return Err(behind());
            }
        }
        Ok(begun)
    }

    async fn has_replayed(&self, known: i64) -> Result<bool, Error> {
        let replayed: Option<i64> = self.standby.value(REPLAYED).await?;
        Ok(replayed.is_some_and(|replayed| replayed >= known))
    }

    /// Where the database's log ends behind everything that this process knows; `None` while that
    /// is in doubt.
    fn known(&self) -> Option<i64> {
        // In this order: what is put in doubt meanwhile is not settled yet.
        let settled = self.settled.load(Ordering::Acquire);
        let doubts = self.doubts.load(Ordering::Acquire);
        (settled >= doubts).then(|| self.known.load(Ordering::Acquire))
    }

    fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::AcqRel);
    }

    /// Learns where the database's log ends now, and says whether it did.
    async fn learn(&self) -> bool {
        let flushed: Option<i64> = soon(self.database.value(FLUSHED)).await;
        if let Some(flushed) = flushed {
            self.known.fetch_max(flushed, Ordering::AcqRel);
        }
        flushed.is_some()
    }

    /// This process is about to commit something.
    pub(super) const fn committing(&self) -> Committing<'_> {
        Committing {
            replica: self,
            is_known: false,
        }
    }

    /// This process has read these logs, in a statement that is over.
    pub(super) async fn read(&self, logs: &[LogState]) {
        let is_news = |log: &LogState| self.logs().get(&log.origin) != Some(log);
        // Where nothing is new nothing has to be replayed: the end of the database's log moves on
        // for many reasons.
        if !logs.iter().any(is_news) {
            return;
        }
        if !self.learn().await {
            self.doubt();
        }
        let read = logs.iter().map(|log| (log.origin.clone(), log.clone()));
        self.logs().extend(read);
    }

    /// Whether it may be compared with the database at all; `None` if one of them does not answer.
    async fn fits(&self) -> Option<bool> {
        if let Some(fits) = self.fits.get() {
            return Some(*fits);
        }
        let commits: String = soon(self.database.value(COMMITS)).await?;
        let ours: i64 = soon(self.database.value(CLUSTER)).await?;
        let theirs: i64 = soon(self.standby.value(CLUSTER)).await?;
        let (is_same, is_on_disk) = (ours == theirs, commits != "off");
        if !is_same {
            tracing::warn!("the replica is of another database cluster and is not used");
        }
        if !is_on_disk {
            tracing::warn!("the database has synchronous_commit = off: its replica is not used");
        }
        Some(*self.fits.get_or_init(|| is_same && is_on_disk))
    }

    /// Finds out how far the replica lags, at a time in seconds.
    pub(super) async fn measure(&self, now: u64) -> ReplicaState {
        let fits = self.fits().await == Some(true);
        // Those that come meanwhile may lie behind what is found.
        let doubts = self.doubts.load(Ordering::Acquire);
        let flushed: Option<i64> = soon(self.database.value(FLUSHED)).await;
        // Without a doubt it need not have replayed what it was measured by.
        if let Some(flushed) = flushed.filter(|_| self.known().is_none()) {
            self.known.fetch_max(flushed, Ordering::AcqRel);
            self.settled.fetch_max(doubts, Ordering::AcqRel);
        }
        let replayed: Option<i64> = match fits {
            true => soon(self.standby.value(REPLAYED)).await.flatten(),
            false => None,
        };
        let has_failed = self.failed.swap(false, Ordering::AcqRel);
        let (lag, is_pausing) = {
            let mut measured = lock(&self.measured);
            if let Some(flushed) = flushed {
                measured.stood(now, flushed);
            }
            if let Some(replayed) = replayed {
                measured.replayed(replayed);
            }
            if has_failed {
                measured.failed(now, self.failures.load(Ordering::Relaxed));
            }
            let lag = measured.covered.map(|covered| now.saturating_sub(covered));
            (lag, measured.pause.contains(&now))
        };
        let is_near = lag.is_some_and(|lag| lag <= self.lag_max);
        let is_used = replayed.is_some() && is_near && !is_pausing;
        if self.is_used.swap(is_used, Ordering::AcqRel) != is_used {
            tracing::warn!(lag, is_used, "whether the replica is asked has changed");
        }
        ReplicaState {
            lag,
            is_used,
            answered: self.answered.load(Ordering::Relaxed),
            passed_on: self.passed_on.load(Ordering::Relaxed),
        }
    }

    /// Looks at it once, for somebody who is to be told why it is not asked.
    ///
    /// # Errors
    /// If one of both does not answer.
    pub(super) async fn examine(&self) -> Result<ReplicaFound, Error> {
        let ours: i64 = self.database.value(CLUSTER).await?;
        let theirs: i64 = self.standby.value(CLUSTER).await?;
        if ours != theirs {
            return Ok(ReplicaFound::OtherCluster);
        }
        let commits: String = self.database.value(COMMITS).await?;
        if commits == "off" {
            return Ok(ReplicaFound::CommitsNotOnDisk);
        }
        let flushed: i64 = self.database.value(FLUSHED).await?;
        let replayed: Option<i64> = self.standby.value(REPLAYED).await?;
        if replayed.is_none() {
            return Ok(ReplicaFound::NoStandby);
        }
        // What is on its way is no lag.
        let comes = async {
            while !self.has_replayed(flushed).await? {
                tokio::time::sleep(STEP).await;
            }
            Ok::<_, Error>(())
        };
        if let Ok(came) = tokio::time::timeout(PATIENCE, comes).await {
            came?;
            let (behind, seconds) = (0, None);
            return Ok(ReplicaFound::Standby { behind, seconds });
        }
        let replayed: Option<i64> = self.standby.value(REPLAYED).await?;
        let behind = (flushed - replayed.unwrap_or(0)).max(0);
        let since: Option<i64> = self.standby.value(SINCE_REPLAYED).await?;
        Ok(ReplicaFound::Standby {
            behind: sql::unsigned(behind)?,
            seconds: since.map(|since| sql::unsigned(since.max(0))).transpose()?,
        })
    }

    pub(super) async fn close(&self) {
        self.standby.close().await;
    }

    fn logs(&self) -> MutexGuard<'_, BTreeMap<Origin, LogState>> {
        lock(&self.logs)
    }
}

/// What is answered in time.
async fn soon<T>(asked: impl Future<Output = Result<T, Error>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PostgresOptions;

    #[test]
    fn lag_is_since_the_database_last_stood_no_further_than_the_replica_has_come() {
        let mut measured = Measured::default();
        measured.stood(10, 100);
        measured.replayed(99);
        assert_eq!(measured.covered, None, "nobody knows yet");
        measured.replayed(100);
        assert_eq!(measured.covered, Some(10));
        for (time, flushed) in [(11, 100), (12, 150), (13, 200)] {
            measured.stood(time, flushed);
        }
        measured.replayed(199);
        assert_eq!(measured.covered, Some(12));
        measured.replayed(200);
        assert_eq!(measured.covered, Some(13));
    }

    #[test]
    fn who_fails_again_and_again_is_left_alone_for_longer() {
        let mut measured = Measured::default();
        for (failures, pause) in [(1, 2), (2, 4), (5, 32), (6, 60), (200, 60)] {
            measured.failed(10, failures);
            assert_eq!(measured.pause, 10..10 + pause, "{failures}");
        }
    }

    #[tokio::test]
    async fn what_is_in_doubt_is_known_once_it_was_measured_after_that() {
        let Some(server) = huren_postgres_server::server() else {
            return;
        };
        let (url, options) = (server.database().unwrap(), PostgresOptions::default());
        let itself = Connections::new(&url, 2, &options).unwrap();
        let alone = Replica::new(itself.clone(), itself, PATIENCE, Duration::ZERO);
        assert!(alone.learn().await);
        assert_eq!(alone.known(), None, "what was before that is not known");
        alone.measure(0).await;
        let known = alone.known();
        assert!(known.is_some());
        drop(alone.committing());
        assert_eq!(alone.known(), None, "a commit that was given up");
        alone.measure(1).await;
        assert!(alone.known() >= known);
        alone.committing().done().await;
        assert!(alone.known().is_some());
    }

    #[test]
    fn a_replica_that_stays_away_is_not_remembered_second_by_second() {
        let mut measured = Measured::default();
        let position = |time: u64| i64::try_from(time).unwrap();
        (0..100_000).for_each(|time| measured.stood(time, position(time)));
        assert!(measured.open.len() <= KEPT);
        measured.replayed(99_998);
        let covered = measured.covered.unwrap();
        assert!((99_000..=99_998).contains(&covered), "{covered}");
    }
}
