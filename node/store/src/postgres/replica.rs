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
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use huren_core::checkpoint::Origin;
use sqlx::{PgPool, Postgres as Pg, Transaction};

use crate::{Error, LogState, sql};

/// Bytes of the write-ahead log that are on the disk of the database.
const FLUSHED: &str = "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint";

/// Bytes of it that a standby has replayed; `NULL` for a server that is none, such as one that was
/// made the database itself and goes its own way.
const REPLAYED: &str = "SELECT CASE WHEN pg_is_in_recovery() \
     THEN (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint END";

const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// How long a standby may take for an answer that the database gives otherwise.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Where no log ever ends.
const UNKNOWN: i64 = i64::MAX;

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

/// A standby of the database.
pub(crate) struct Replica {
    pool: PgPool,
    /// Seconds.
    lag_max: u64,
    /// How long a look-up waits until it has replayed what this process knows.
    patience: Duration,
    /// End of the database's log behind everything that this process knows; [`UNKNOWN`] at first,
    /// and behind a commit that could not be asked about, until it is measured again.
    known: AtomicI64,
    /// The logs as this process read them last.
    logs: Mutex<BTreeMap<Origin, LogState>>,
    measured: Mutex<Measured>,
    is_used: AtomicBool,
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
}

impl Replica {
    pub(super) fn new(pool: PgPool, lag_max: Duration, patience: Duration) -> Self {
        Self {
            pool,
            lag_max: lag_max.as_secs(),
            patience,
            known: AtomicI64::new(UNKNOWN),
            logs: Mutex::default(),
            measured: Mutex::default(),
            is_used: AtomicBool::new(false),
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
        if let Some(Err(error)) = outcome
            && !matches!(error, Error::Unavailable(error) if error.is::<Behind>())
        {
            // Nobody else waits for it before it was found well.
            self.is_used.store(false, Ordering::Release);
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
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Pg>, Error> {
        let known = self.known.load(Ordering::Acquire);
        let logs = self.logs().clone();
        if !self.has_replayed(known).await? {
            let comes = async {
                while !self.has_replayed(known).await? {
                    tokio::time::sleep(STEP).await;
                }
                Ok::<_, Error>(())
            };
            let came = tokio::time::timeout(self.patience, comes).await;
            came.map_err(|_| Error::Unavailable(Box::new(Behind)))??;
        }
        // A state of after that, in which a register that this process knows may have been
        // dropped since: then nothing says so where the process looks next, at the database.
        let mut begun = self.pool.begin_with(SNAPSHOT).await?;
        let held = "SELECT origin, size, folded, disclosed FROM logs";
        let held: Vec<(String, i64, i64, i64)> =
            sqlx::query_as(held).fetch_all(&mut *begun).await?;
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
                return Err(Error::Unavailable(Box::new(Behind)));
            }
        }
        Ok(begun)
    }

    async fn has_replayed(&self, known: i64) -> Result<bool, Error> {
        let replayed: Option<i64> = sqlx::query_scalar(REPLAYED).fetch_one(&self.pool).await?;
        Ok(replayed.is_some_and(|replayed| replayed >= known))
    }

    /// This process has committed something.
    pub(super) async fn committed(&self, database: &PgPool) {
        let flushed: Result<i64, _> = sqlx::query_scalar(FLUSHED).fetch_one(database).await;
        match flushed {
            Ok(flushed) => drop(self.known.fetch_max(flushed, Ordering::AcqRel)),
            // It is done all the same.
            Err(_) => self.known.store(UNKNOWN, Ordering::Release),
        }
    }

    /// This process has read these logs, in a statement that is over.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn read(&self, database: &PgPool, logs: &[LogState]) -> Result<(), Error> {
        let is_news = |log: &LogState| self.logs().get(&log.origin) != Some(log);
        // Where nothing is new nothing has to be replayed: the end of the database's log moves on
        // for many reasons.
        if !logs.iter().any(is_news) {
            return Ok(());
        }
        let flushed: i64 = sqlx::query_scalar(FLUSHED).fetch_one(database).await?;
        self.known.fetch_max(flushed, Ordering::AcqRel);
        let read = logs.iter().map(|log| (log.origin.clone(), log.clone()));
        self.logs().extend(read);
        Ok(())
    }

    /// Finds out how far the replica lags, at a time in seconds.
    pub(super) async fn measure(&self, database: &PgPool, now: u64) -> ReplicaState {
        let flushed: Option<i64> = soon(sqlx::query_scalar(FLUSHED).fetch_one(database)).await;
        let replayed = soon(sqlx::query_scalar(REPLAYED).fetch_one(&self.pool)).await;
        let replayed: Option<i64> = replayed.flatten();
        let lag = {
            let mut measured = lock(&self.measured);
            if let Some(flushed) = flushed {
                measured.stood(now, flushed);
            }
            if let Some(replayed) = replayed {
                measured.replayed(replayed);
            }
            measured.covered.map(|covered| now.saturating_sub(covered))
        };
        if let Some(flushed) = flushed {
            let (unknown, order) = (UNKNOWN, Ordering::AcqRel);
            let _ = (self.known).compare_exchange(unknown, flushed, order, Ordering::Acquire);
        }
        let is_near = lag.is_some_and(|lag| lag <= self.lag_max);
        let is_used = replayed.is_some() && is_near;
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

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    fn logs(&self) -> MutexGuard<'_, BTreeMap<Origin, LogState>> {
        lock(&self.logs)
    }
}

/// What is answered in time.
async fn soon<T>(asked: impl Future<Output = Result<T, sqlx::Error>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

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
