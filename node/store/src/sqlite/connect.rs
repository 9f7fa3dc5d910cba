//! Opening the database: one connection that writes, a few that read.

use std::{path::Path, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::Error;

pub(super) static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// Rows that a connection reads ahead of whoever takes them.
const ROWS_AHEAD: usize = 256;

/// How long a write waits for its turn.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much of the machine the database may use.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// Connections that read, each with a thread; at least 1.
    pub readers: u32,
    /// Page cache of each reading connection, in KiB, which fills as the file grows. What lies
    /// beyond it is read through the operating system's cache.
    pub reader_cache_kib: u32,
    /// Page cache of the writing connection, in KiB, which fills as the file grows: keeps pages
    /// of the random indexes, and the changed pages of a transaction until it commits (with a
    /// million certificates one of 4,096 changes some 110 MB of them).
    pub writer_cache_kib: u32,
    /// Pages in the WAL from which on they are copied into the database. Random index pages are
    /// written again and again: a longer WAL gathers several changes of a page before it is copied
    /// (in pages of 4 KiB the default makes 128 MiB: with a quarter of that, 400,000 certificates
    /// took a third longer), and takes longer to be copied.
    pub checkpoint_pages: u32,
    /// How long a statement waits for a lock of another process, such as a backup tool.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            readers: 4,
            reader_cache_kib: 8_000,
            writer_cache_kib: 128_000,
            checkpoint_pages: 32_000,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// Opens the one writer, and brings the schema up to date.
pub(super) async fn writer(path: &Path, options: &SqliteOptions) -> Result<SqlitePool, Error> {
    let pages = options.checkpoint_pages;
    let connect = base(path, options, options.writer_cache_kib)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode only FULL makes a commit outlive a loss of power.
        .synchronous(SqliteSynchronous::Full)
        .pragma("secure_delete", "ON")
        // By whoever commits, should it not be done behind the commits.
        .pragma("wal_autocheckpoint", pages.saturating_mul(4).to_string())
        // What a large transaction leaves of the WAL is given back beyond this (bytes).
        .pragma("journal_size_limit", "134217728");
    let writer = pool(1)
        // A checkpoint of the WAL can take longer than the transaction before it.
        .acquire_timeout(PATIENCE)
        .after_release(move |connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                // SQLite ends a transaction by itself when it fails for want of space or input
                // and output; the roll-back then fails and the connection counts as inside of
                // one for ever. Such a connection is replaced.
                if connection.is_in_transaction() {
                    return Ok(false);
                }
                // It is tried again behind the next commit, and what it was for is durable.
                if let Err(error) = checkpoint(connection, pages.into()).await {
                    tracing::warn!(%error, "the WAL could not be copied into the database");
                }
                Ok(true)
            })
        })
        .connect_with(connect)
        .await?;
    MIGRATIONS.run(&writer).await?;
    Ok(writer)
}

/// Copies what has gathered in the WAL into the database, once the WAL is long. Behind a commit and not
/// as a part of it: what was committed is acknowledged, and the next transaction prepared, meanwhile.
async fn checkpoint(connection: &mut SqliteConnection, pages: i64) -> Result<(), sqlx::Error> {
    let frames = |mode: &str| {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        sqlx::query_as::<_, (i64, i64, i64)>(AssertSqlSafe(sql))
    };
    // https://www.sqlite.org/pragma.html#pragma_wal_checkpoint: whether it was hindered, frames in
    // the WAL, and how many of them are in the database.
    let (_, written, copied) = frames("NOOP").fetch_one(&mut *connection).await?;
    if written >= pages && copied < written {
        frames("PASSIVE").fetch_one(connection).await?;
    }
    Ok(())
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
