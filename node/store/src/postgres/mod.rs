//! The back end for several processes on several machines: a PostgreSQL database.

mod connect;
mod lease;
mod moving;
mod replica;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;

pub use connect::PostgresOptions;
pub(crate) use connect::{Begin, Connections};
pub use lease::Held;
pub use moving::{MoveError, Moving, move_store};
pub(crate) use replica::{PATIENCE, Replica};
pub use replica::{ReplicaFound, ReplicaState};

use crate::{
    Error, LogState, Sqlite, Store,
    sql::{self, Database, Db, Pool, Registers, Writes},
};

/// Locks the one row that every writing transaction locks first, which makes it the only one, as
/// SQLite has it. A transaction whose process does not go on ends by itself and lets others by;
/// one that has much to write, such as a register to drop, may take its time.
const LOCK: &str = "SELECT epoch FROM lease WHERE id = 1 FOR UPDATE";

/// A store in a PostgreSQL database, which several processes may share. One of them is in charge
/// of the logs: the one that holds the lease, see [`Self::acquire`]. What another one writes to
/// them is refused, whatever that one believes.
///
/// What is erased is in no row afterwards. PostgreSQL itself leaves its bytes in the files of the
/// database until it writes over them, and in its write-ahead log: they are sealed, and end for
/// good with the key that seals them.
///
/// Clones share everything.
#[derive(Clone)]
pub struct Postgres {
    writers: Connections,
    readers: Pool,
    /// Where look-ups for answers go, if there is one.
    replica: Option<Arc<Replica>>,
    /// The same for those who look up: none where what is read is written upon.
    answers: Option<Pool>,
    /// The epoch in which this process holds the lease, or held it last; 0 before it ever did.
    epoch: Arc<AtomicI64>,
}

impl Postgres {
    /// Connects, makes the tables if there are none, and brings the schema up to date.
    ///
    /// `url` is as in libpq: `postgres://user@host/database`.
    ///
    /// # Errors
    /// `Unavailable` if the address is none or nobody answers there, or if the schema is of a
    /// newer version.
    pub async fn open(url: &str, options: &PostgresOptions) -> Result<Self, Error> {
        let store = Self::lazy(url, options)?;
        connect::migrate(&store.writers).await?;
        Ok(store)
    }

    /// As [`Self::open`], of a database whose schema is up to date, to which it connects when it
    /// is first used.
    ///
    /// # Errors
    /// `Unavailable` if the address is none.
    pub fn lazy(url: &str, options: &PostgresOptions) -> Result<Self, Error> {
        let readers = Connections::new(url, options.readers, options)?;
        let replica = match &options.replica {
            Some(url) => {
                // What nobody waits for any more is not to go on there.
                let hasty = PostgresOptions {
                    acquire_timeout: PATIENCE,
                    statement_timeout: PATIENCE,
                    ..options.clone()
                };
                let standby = Connections::new(url, options.readers, &hasty)?;
                let (lag_max, patience) = (options.replica_lag_max, options.replica_patience);
                let replica = Replica::new(standby, readers.clone(), lag_max, patience);
                Some(Arc::new(replica))
            }
            None => None,
        };
        Ok(Self {
            replica,
            answers: None,
            writers: Connections::new(url, options.writers, options)?,
            readers: Pool::Postgres(readers),
            epoch: Arc::default(),
        })
    }

    /// Version of the schema of the database; 0 if no node ever used it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub async fn schema(&self) -> Result<u64, Error> {
        let made = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
        if !self.writers.value(made).await? {
            return Ok(0);
        }
        let version = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";
        sql::unsigned(self.writers.value(version).await?)
    }

    /// Version of the schema of this program.
    pub fn newest_schema() -> u64 {
        let newest = connect::migrations().iter().map(|one| one.version).max();
        newest
            .and_then(|version| version.try_into().ok())
            .unwrap_or(0)
    }

    /// As [`Sqlite::extract`].
    ///
    /// # Errors
    /// If either database fails.
    pub async fn extract(&self, to: &Sqlite) -> Result<(Vec<LogState>, Registers), Error> {
        sql::extract(self, to).await
    }

    /// Finds out how far the replica lags, if there is one, at a time in seconds from whatever
    /// moment: to be called every second or so. Before the first time it is not used.
    pub async fn measure_replica(&self, now: u64) -> Option<ReplicaState> {
        let replica = self.replica.as_ref()?;
        Some(replica.measure(now).await)
    }

    /// How the replica is found now, if there is one.
    pub async fn examine_replica(&self) -> Option<Result<ReplicaFound, Error>> {
        let replica = self.replica.as_ref()?;
        Some(replica.examine().await)
    }

    /// Waits for what is under way and closes the connections. Calls after it fail.
    pub async fn close(&self) {
        if let Some(replica) = &self.replica {
            replica.close().await;
        }
        self.readers.close().await;
        self.writers.close().await;
    }
}

#[async_trait]
impl Database for Postgres {
    fn readers(&self) -> &Pool {
        &self.readers
    }

    fn answering(&self) -> Option<Arc<dyn Store>> {
        let replica = Arc::clone(self.replica.as_ref()?);
        Some(Arc::new(Self {
            answers: Some(Pool::Replica(replica)),
            ..self.clone()
        }))
    }

    fn replica(&self) -> Option<&Pool> {
        let is_used = self.replica.as_ref()?.is_used();
        self.answers.as_ref().filter(|_| is_used)
    }

    fn looked_up(&self, outcome: Option<Result<(), &Error>>) {
        if let (Some(replica), Some(_)) = (&self.replica, &self.answers) {
            replica.looked_up(outcome);
        }
    }

    async fn has_read(&self, logs: &[LogState]) {
        if let Some(replica) = &self.replica {
            replica.read(logs).await;
        }
    }

    async fn begin(&self, what: Writes) -> Result<Db, Error> {
        let mut begun = self.writers.begin(Begin::WriteMuch).await?;
        let epoch: Option<(i64,)> = begun.one(LOCK, Vec::new()).await?;
        // Read under the lock that a new holder needs: nobody takes over before this ends.
        if what == Writes::Logs && epoch != Some((self.epoch.load(Ordering::Acquire),)) {
            return Err(Error::Unavailable(
                "another process is in charge of the logs".into(),
            ));
        }
        Ok(begun)
    }

    async fn commit(&self, transaction: Db, what: Writes, _erased: bool) -> Result<(), Error> {
        // Nothing of what every process writes is looked up there.
        let replica = self.replica.as_deref().filter(|_| what == Writes::Logs);
        let committing = replica.map(Replica::committing);
        transaction.commit().await?;
        if let Some(committing) = committing {
            committing.done().await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transaction_has_the_limits_of_what_it_is_for() {
        let Some(server) = huren_postgres_server::server() else {
            return;
        };
        let url = server.database().unwrap();
        for pooled in [false, true] {
            let options = PostgresOptions {
                pooled,
                ..PostgresOptions::default()
            };
            let store = Postgres::open(&url, &options).await.unwrap();
            let limits = async |mut begun: Db| {
                let limits = "SELECT current_setting('statement_timeout'), \
                     current_setting('idle_in_transaction_session_timeout'), \
                     concat_ws(' ', current_setting('enable_hashjoin'), \
                     current_setting('enable_mergejoin'), current_setting('enable_seqscan'), \
                     current_setting('plan_cache_mode'))";
                let limits: Option<(String, String, String)> =
                    begun.one(limits, Vec::new()).await.unwrap();
                limits.unwrap()
            };
            let is = |statement: &str, stall: &str, planned: &str| {
                (statement.to_owned(), stall.to_owned(), planned.to_owned())
            };
            let whole_tables = "on on on auto";
            let by_keys = "off off off force_generic_plan";
            let written = store.begin(Writes::Beside).await.unwrap();
            assert_eq!(limits(written).await, is("0", "2s", whole_tables));
            let leased = store.writers.begin(Begin::Write).await.unwrap();
            assert_eq!(limits(leased).await, is("1min", "2s", by_keys));
            let whole = store.readers().snapshot().await.unwrap();
            assert_eq!(limits(whole).await, is("0", "0", whole_tables));
            for statements in [1, 2] {
                let read = store.readers().read(statements).await.unwrap();
                let stall = if pooled { "1min" } else { "0" };
                assert_eq!(limits(read).await, is("1min", stall, by_keys));
            }
        }
    }
}
