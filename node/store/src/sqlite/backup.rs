//! The database in two parts, for backups: what is public, and what is about persons. Each part
//! is a database of the whole schema in which the other part's tables are empty.

use std::{collections::BTreeMap, path::Path};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::connect::MIGRATIONS;
use crate::{Error, sql::unsigned};

/// Tables without anything about persons: what anybody may read of the logs, what follows from
/// it, and the audit trail, which names persons by tags alone and is to be kept as long as the
/// logs that anchor it.
const PUBLIC: [&str; 16] = [
    "logs",
    "tiles",
    "bundles",
    "leaves",
    "certificates",
    "statuses",
    "directory",
    "erasures",
    "adoptions",
    "quarantine",
    "trust_lists",
    "releases",
    "institution_keys",
    "cosigned",
    "audit",
    "tokens",
];

/// Tables about persons, though sealed and keyed, and under which keys they are. A new table
/// belongs to one of the lists: a test says so.
const PERSONAL: [&str; 4] = ["disclosures", "submissions", "data_keys", "rekeyed"];

/// Tables that a node makes anew from the others.
#[cfg(test)]
const DERIVED: [&str; 2] = ["cells", "counted"];

/// Name of the migration table of sqlx, which every part has by itself.
const MIGRATION_TABLE: &str = "_sqlx_migrations";

/// Version of the schema of this program.
pub fn newest_schema() -> u64 {
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max();
    newest
        .and_then(|version| version.try_into().ok())
        .unwrap_or(0)
}

/// Version of the schema of a database, which another process may be using.
///
/// # Errors
/// If it cannot be read, or is no database of a node's.
pub async fn schema(database: &Path) -> Result<u64, Error> {
    // To read only: otherwise whoever closes last moves the write-ahead log into the database.
    let mut db = options(database).read_only(true).connect().await?;
    let sql = AssertSqlSafe(format!("SELECT max(version) FROM {MIGRATION_TABLE}"));
    let version: Option<i64> = sqlx::query_scalar(sql).fetch_one(&mut db).await?;
    db.close().await?;
    version.map_or(Ok(0), unsigned)
}

/// Copies one state of a database, which another process may be writing meanwhile, into two new
/// files. Its schema must be that of this program ([`schema`], [`newest_schema`]).
///
/// Rows are copied and not pages: what was erased stands in unused parts of no page here. Until
/// the copy ends, the process that writes cannot empty its write-ahead log, so an erasure
/// that it makes meanwhile is reported as failed for want of that and made good afterwards.
///
/// # Errors
/// If a file cannot be read or written. What was written is then to be deleted.
pub async fn copy_parts(database: &Path, public: &Path, personal: &Path) -> Result<(), Error> {
    create(personal).await?.close().await?;
    let mut db = create(public).await?;
    attach(&mut db, "personal", personal).await?;
    attach(&mut db, "source", database).await?;
    // The first read of the source fixes the state that all of them see.
    let mut tx = db.begin().await?;
    let copies = PUBLIC.map(|table| ("main", table)).into_iter();
    for (part, table) in copies.chain(PERSONAL.map(|table| ("personal", table))) {
        copy(&mut tx, table, "source", part).await?;
    }
    tx.commit().await?;
    db.close().await?;
    Ok(())
}

/// Makes the database of a node out of the parts of a backup: brings `public` up to the schema of
/// this program, and takes the rows of `personal` into it. Without that part every disclosure
/// has to be fetched again.
///
/// # Errors
/// If a file cannot be read or written, or is of a newer schema. The files are then of no use.
pub async fn join_parts(public: &Path, personal: Option<&Path>) -> Result<(), Error> {
    let mut db = create(public).await?;
    let Some(personal) = personal else {
        sqlx::query("UPDATE logs SET disclosed = 0, restored = NULL")
            .execute(&mut db)
            .await?;
        return Ok(db.close().await?);
    };
    create(personal).await?.close().await?;
    attach(&mut db, "personal", personal).await?;
    let mut tx = db.begin().await?;
    for table in PERSONAL {
        copy(&mut tx, table, "personal", "main").await?;
    }
    tx.commit().await?;
    Ok(db.close().await?)
}

/// Checks the pages and indexes of a part, and counts the rows of every table.
///
/// # Errors
/// `Corrupt` if it is damaged; if it cannot be read.
pub async fn inspect(part: &Path) -> Result<BTreeMap<String, u64>, Error> {
    let mut db = connect(part).await?;
    let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)")
        .fetch_one(&mut db)
        .await?;
    if found != "ok" {
        return Err(Error::Corrupt("its pages do not fit together"));
    }
    let mut counts = BTreeMap::new();
    for table in tables(&mut db).await? {
        let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut db).await?;
        counts.insert(table, unsigned(count)?);
    }
    db.close().await?;
    Ok(counts)
}

/// Every table of a database but that of migrations.
async fn tables(db: &mut SqliteConnection) -> Result<Vec<String>, Error> {
    let tables = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> $1 \
         AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name",
    );
    Ok(tables.bind(MIGRATION_TABLE).fetch_all(db).await?)
}

/// Opens a database that exists, as a reader that does not hinder its writer.
async fn connect(path: &Path) -> Result<SqliteConnection, Error> {
    Ok(options(path).pragma("query_only", "ON").connect().await?)
}

/// Opens a file of this program's schema, which is made or brought up to date. Who makes it
/// syncs it, or deletes it after any failure.
async fn create(path: &Path) -> Result<SqliteConnection, Error> {
    let options = options(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Off)
        .synchronous(SqliteSynchronous::Off);
    let mut db = options.connect().await?;
    MIGRATIONS.run(&mut db).await?;
    Ok(db)
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        // Tables are copied in any order, from where they fit together.
        .foreign_keys(false)
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging()
}

async fn attach(db: &mut SqliteConnection, name: &str, file: &Path) -> Result<(), Error> {
    let file = file.to_str().ok_or_else(|| {
        let reason = "the path of the database is not UTF-8";
        Error::Unavailable(reason.into())
    })?;
    // SQLite would make a file that is missing.
    if !Path::new(file).exists() {
        return Err(Error::Unavailable("the database is missing".into()));
    }
    sqlx::query(AssertSqlSafe(format!("ATTACH DATABASE $1 AS {name}")))
        .bind(file)
        .execute(db)
        .await?;
    Ok(())
}

/// Copies a whole table into an empty one of the same schema, which SQLite does row by row as
/// they are, indexes included.
async fn copy(db: &mut SqliteConnection, table: &str, from: &str, to: &str) -> Result<(), Error> {
    let sql = format!("INSERT INTO {to}.{table} SELECT * FROM {from}.{table}");
    sqlx::query(AssertSqlSafe(sql)).execute(db).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// As a node before the newest release made them.
    async fn old_file(path: &Path, rows: &str) {
        let mut db = options(path)
            .create_if_missing(true)
            .connect()
            .await
            .unwrap();
        let oldest = MIGRATIONS.iter().take(1).cloned().collect();
        let old = sqlx::migrate::Migrator {
            migrations: std::borrow::Cow::Owned(oldest),
            ..sqlx::migrate::Migrator::DEFAULT
        };
        old.run(&mut db).await.unwrap();
        sqlx::query(AssertSqlSafe(rows.to_owned()))
            .execute(&mut db)
            .await
            .unwrap();
        db.close().await.unwrap();
    }

    #[tokio::test]
    async fn parts_of_an_older_schema_are_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let [public, personal] = ["public", "personal"].map(|name| folder.path().join(name));
        let log = "INSERT INTO logs VALUES \
             (1, 'a/b', 1, 0, zeroblob(32), x'', x'', x'', x'', 0, 0, NULL)";
        old_file(&public, log).await;
        let disclosure = "INSERT INTO disclosures VALUES (1, 1, 5, NULL, NULL, x'00')";
        old_file(&personal, disclosure).await;
        assert!(schema(&public).await.unwrap() < newest_schema());
        join_parts(&public, Some(&personal)).await.unwrap();
        assert_eq!(schema(&public).await.unwrap(), newest_schema());
        let rows = inspect(&public).await.unwrap();
        assert_eq!((rows["logs"], rows["disclosures"]), (1, 1));
    }

    #[tokio::test]
    async fn every_table_belongs_to_one_part() {
        let folder = tempfile::tempdir().unwrap();
        let mut db = create(&folder.path().join("all.db")).await.unwrap();
        let all: BTreeSet<String> = tables(&mut db).await.unwrap().into_iter().collect();
        let listed: Vec<String> = PUBLIC
            .iter()
            .chain(&PERSONAL)
            .chain(&DERIVED)
            .map(|t| t.to_string())
            .collect();
        assert_eq!(listed.len(), all.len());
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), all);
    }
}
