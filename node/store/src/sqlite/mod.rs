//! The embedded back end: one SQLite database in WAL mode.

mod backup;
mod connect;
mod yardstick;

#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use sqlx::{SqliteConnection, SqlitePool};

pub use backup::{copy_parts, inspect, join_parts, newest_schema, schema};
pub use connect::SqliteOptions;
pub use yardstick::{Copied, copy_registers, copy_rows, sqlite_version};

use crate::{
    Error, LogState,
    sql::{self, Database, Db, Pool, Registers, Writes},
};

/// How often a write tries to empty the WAL while readers hold on to it; each time waits
/// for the busy timeout.
const SCRUB_ATTEMPTS: u32 = 3;

/// A store in one SQLite file (with `-wal` and `-shm` beside it while it is open).
///
/// Erasing leaves no sealed content in these files. The unused part of an index page may for
/// some time keep the first 8 bytes of an erased tag, which tell nothing without the key.
pub struct Sqlite {
    /// Holds one connection: writes queue for it.
    writer: SqlitePool,
    readers: Pool,
    /// Whether erased bytes may still be in the WAL.
    unscrubbed: AtomicBool,
    /// How long the writer waits for a lock of another process.
    busy_timeout: Duration,
}

impl Sqlite {
    /// Opens the database, or makes it, and brings its schema up to date.
    ///
    /// # Errors
    /// `Unavailable` if the directory is missing or not writable, or if the schema is of a
    /// newer version.
    pub async fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let writer = connect::writer(path, &options).await?;
        let store = Self {
            readers: Pool::Sqlite(connect::readers(path, &options).await?),
            writer,
            unscrubbed: AtomicBool::new(true),
            busy_timeout: options.busy_timeout,
        };
        // A crash between an erasure and its scrub leaves erased bytes in the WAL.
        store.scrub().await?;
        Ok(store)
    }

    /// Opens a database that another process may be writing, to look at it: nothing is changed, and
    /// whatever would change it fails. Its schema must be that of this program ([`schema`],
    /// [`newest_schema`]).
    ///
    /// # Errors
    /// `Unavailable` if it is not there or cannot be read.
    pub async fn look_at(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, Error> {
        let readers = connect::readers(path.as_ref(), &options).await?;
        Ok(Self {
            writer: readers.clone(),
            readers: Pool::Sqlite(readers),
            unscrubbed: AtomicBool::new(false),
            busy_timeout: options.busy_timeout,
        })
    }

    /// Waits for what is under way and closes the files. Calls after it fail.
    pub async fn close(&self) {
        // The writer last: whoever closes last empties and removes the WAL.
        self.readers.close().await;
        self.writer.close().await;
    }

    /// What the registers add up to.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn registers(&self) -> Result<Registers, Error> {
        sql::registers(self).await
    }

    /// Copies what registers follow from into an empty store, where nothing is folded. Gives the
    /// logs as they were then, and what the registers of that very state add up to.
    ///
    /// # Errors
    /// If either database fails.
    pub async fn extract(&self, to: &Self) -> Result<(Vec<LogState>, Registers), Error> {
        sql::extract(self, to).await
    }

    /// Scrubs if nobody reads just then: who does, such as a backup, may do so for long, and
    /// writes that erase nothing do not wait for it.
    async fn scrub_unless_read(&self) -> Result<(), Error> {
        let mut writer = self.writer.acquire().await?;
        let wait = |time: Duration| {
            let set = format!("PRAGMA busy_timeout = {}", time.as_millis());
            sqlx::query(sqlx::AssertSqlSafe(set))
        };
        wait(Duration::ZERO).execute(&mut *writer).await?;
        let emptied = self.empty_wal(&mut writer).await;
        wait(self.busy_timeout).execute(&mut *writer).await?;
        emptied.map(drop)
    }

    /// Moves the WAL into the database, whose pages have zeros where erased rows were, and
    /// empties it.
    async fn scrub(&self) -> Result<(), Error> {
        for _ in 0..SCRUB_ATTEMPTS {
            if self.empty_wal(&mut *self.writer.acquire().await?).await? {
                return Ok(());
            }
        }
        Err(Error::Unavailable(
            "readers hold on to the write-ahead log, which cannot be emptied".into(),
        ))
    }

    /// Whether the WAL could be emptied.
    async fn empty_wal(&self, writer: &mut SqliteConnection) -> Result<bool, Error> {
        let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(writer)
            .await?;
        if busy == 0 {
            self.unscrubbed.store(false, Ordering::Release);
        }
        Ok(busy == 0)
    }
}

#[async_trait]
impl Database for Sqlite {
    fn readers(&self) -> &Pool {
        &self.readers
    }

    async fn begin(&self, _what: Writes) -> Result<Db, Error> {
        // IMMEDIATE takes the write lock before the first comparison.
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Db::SqliteTransaction(begun))
    }

    async fn commit(&self, transaction: Db, _what: Writes, erased: bool) -> Result<(), Error> {
        if erased {
            self.unscrubbed.store(true, Ordering::Release);
            transaction.commit().await?;
            return self.scrub().await;
        }
        transaction.commit().await?;
        if self.unscrubbed.load(Ordering::Acquire)
            && let Err(error) = self.scrub_unless_read().await
        {
            tracing::warn!(%error, "erased bytes are still in the write-ahead log");
        }
        Ok(())
    }
}
