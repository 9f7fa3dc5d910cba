//! What the database engine alone needs for the rows that a store holds: the limit beside
//! which benchmarks show the store's own figures.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use sqlx::AssertSqlSafe;

use super::{Sqlite, SqliteOptions};
use crate::{Error, sql::REGISTERS};

/// Rows, and how long the engine took for them.
#[derive(Clone, Copy, Debug)]
pub struct Copied {
    /// Rows of all tables together.
    pub rows: u64,
    /// From the first statement until everything is synced into the database file.
    pub elapsed: Duration,
}

/// Copies every row of the store in file `from` into a new store in file `to`, with the same
/// tables and indexes, in one transaction with every sync on. No value crosses a thread or is
/// bound by hand, and each page is synced once: no program that writes these rows in smaller
/// transactions can be faster.
///
/// # Errors
/// If either file cannot be opened, or `to` has rows already.
pub async fn copy_rows(from: &Path, to: &Path) -> Result<Copied, Error> {
    copy(from, to, |_| true).await
}

/// As [`copy_rows`], of the registers alone: what folding writes.
///
/// # Errors
/// As [`copy_rows`].
pub async fn copy_registers(from: &Path, to: &Path) -> Result<Copied, Error> {
    copy(from, to, |table| REGISTERS.contains(&table)).await
}

async fn copy(from: &Path, to: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<Copied, Error> {
    let target = Sqlite::open(to, SqliteOptions::default()).await?;
    let from = from.to_str().ok_or_else(|| {
        let reason = "the path of the database is not UTF-8";
        Error::Unavailable(reason.into())
    })?;
    let mut writer = target.writer.acquire().await?;
    sqlx::query("ATTACH DATABASE $1 AS source")
        .bind(from)
        .execute(&mut *writer)
        .await?;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM main.sqlite_schema \
         WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' \
         AND name NOT LIKE '~_sqlx%' ESCAPE '~' ORDER BY rowid",
    )
    .fetch_all(&mut *writer)
    .await?;

    let begin = Instant::now();
    let mut rows = 0;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *writer).await?;
    for table in tables.into_iter().filter(|table| is_wanted(table)) {
        // The names come from this program's own migrations.
        let copy = format!("INSERT INTO main.{table} SELECT * FROM source.{table}");
        let done = sqlx::query(AssertSqlSafe(copy)).execute(&mut *writer);
        rows += done.await?.rows_affected();
    }
    sqlx::query("COMMIT").execute(&mut *writer).await?;
    drop(writer);
    target.scrub().await?;
    let elapsed = begin.elapsed();
    target.close().await;
    Ok(Copied { rows, elapsed })
}

/// The version of the database engine.
///
/// # Errors
/// If it does not answer.
pub async fn sqlite_version() -> Result<String, Error> {
    let pool = sqlx::SqlitePool::connect("sqlite::memory:").await?;
    let version = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(&pool)
        .await?;
    pool.close().await;
    Ok(version)
}
