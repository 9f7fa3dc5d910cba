//! Opening the database: one connection that writes, a few that read.

use std::{path::Path, time::Duration};

use sqlx::{
    ConnectOptions, Connection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::Error;

pub(super) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// Rows that a connection reads ahead of whoever takes them.
const ROWS_AHEAD: usize = 256;

/// How much of the machine the database may use.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Connections that read, each with a thread; at least 1.
    pub readers: u32,
    /// Page cache of each reading connection, in KiB, which fills as the file grows. What lies
    /// beyond it is read through the operating system's cache.
    pub reader_cache_kib: u32,
    /// Page cache of the writing connection, in KiB, which fills as the file grows: keeps pages
    /// of the random indexes, and the changed pages of a transaction until it commits.
    pub writer_cache_kib: u32,
    /// How long a statement waits for a lock of another process, such as a backup tool.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 4,
            reader_cache_kib: 8_000,
            writer_cache_kib: 64_000,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// Opens the one writer, and brings the schema up to date.
pub(super) async fn writer(path: &Path, options: &SqliteOptions) -> Result<SqlitePool, Error> {
    let connect = base(path, options, options.writer_cache_kib)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode only FULL makes a commit outlive a loss of power.
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        // Random index pages are written again and again: a longer WAL gathers several
        // changes of a page before it is copied into the database (in pages of 4 KiB, which
        // makes 128 MiB: with a quarter of that, 400,000 certificates took a third longer). A
        // yet longer one holds up writes for longer when it is copied.
        .pragma("wal_autocheckpoint", "32000")
        // What a large transaction leaves of the WAL is given back beyond this (bytes).
        .pragma("journal_size_limit", "134217728");
    let writer = pool(1)
        // SQLite ends a transaction by itself when it fails for want of space or input and
        // output; the roll-back then fails and the connection counts as inside of one for
        // ever. Such a connection is replaced.
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(connect)
        .await?;
    MIGRATIONS.run(&writer).await?;
    Ok(writer)
}

/// Opens the readers; the database exists.
pub(super) async fn readers(path: &Path, options: &SqliteOptions) -> Result<SqlitePool, Error> {
    let connect = base(path, options, options.reader_cache_kib).read_only(true);
    Ok(pool(options.readers.max(1)).connect_with(connect).await?)
}

fn base(path: &Path, options: &SqliteOptions, cache_kib: u32) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(options.busy_timeout)
        // Rows that wait to be taken, so that the thread which reads them goes on: at 50, the
        // default, a look-up of 128 certificates stops and wakes both sides several times.
        .row_buffer_size(ROWS_AHEAD)
        // Negative: KiB instead of pages.
        .pragma("cache_size", format!("-{cache_kib}"))
        // Sorting must not leave disclosures in temporary files.
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .idle_timeout(None)
        .max_lifetime(None)
        // The other end is a thread of this process, not a network.
        .test_before_acquire(false)
}
