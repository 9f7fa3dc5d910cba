//! Logs: their state, notes and evidence; the chain of trust lists.

use huren_core::checkpoint::Origin;
use sqlx::{SqliteConnection, SqlitePool};

use super::{
    decode::{hash, origin},
    place::{LogId, integer, unsigned},
};
use crate::{Error, Head, LogState, Notes, Release, Role};

const SELECT: &str = "SELECT origin, role, size, root, checkpoint, pending, published, \
     witnessed, folded, disclosed, frozen, restored FROM logs";

#[derive(sqlx::FromRow)]
struct Row {
    origin: String,
    role: i64,
    size: i64,
    root: Vec<u8>,
    checkpoint: Vec<u8>,
    pending: Vec<u8>,
    published: Vec<u8>,
    witnessed: Vec<u8>,
    folded: i64,
    disclosed: i64,
    frozen: Option<Vec<u8>>,
    restored: Option<i64>,
}

impl TryFrom<Row> for LogState {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            origin: origin(row.origin)?,
            role: match row.role {
                0 => Role::Own,
                1 => Role::Mirror,
                _ => return Err(Error::Corrupt("a log has an unknown role")),
            },
            head: Head {
                size: unsigned(row.size)?,
                root: hash(&row.root)?,
            },
            checkpoint: row.checkpoint,
            notes: Notes {
                pending: row.pending,
                published: row.published,
                witnessed: row.witnessed,
            },
            folded: unsigned(row.folded)?,
            disclosed: unsigned(row.disclosed)?,
            frozen: row.frozen,
            restored: row.restored.map(unsigned).transpose()?,
        })
    }
}

fn role_number(role: Role) -> i64 {
    match role {
        Role::Own => 0,
        Role::Mirror => 1,
    }
}

pub(super) async fn create(
    db: &mut SqliteConnection,
    name: &Origin,
    role: Role,
    empty: Head,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO logs (origin, role, size, root, checkpoint, pending, published, witnessed, \
         folded, disclosed) VALUES ($1, $2, $3, $4, $5, $5, $5, $5, 0, 0) \
         ON CONFLICT (origin) DO NOTHING",
    )
    .bind(name.as_str())
    .bind(role_number(role))
    .bind(integer(empty.size)?)
    .bind(&empty.root.as_bytes()[..])
    .bind(&[][..])
    .execute(&mut *db)
    .await?;
    let held: i64 = sqlx::query_scalar("SELECT role FROM logs WHERE origin = $1")
        .bind(name.as_str())
        .fetch_one(&mut *db)
        .await?;
    if held == role_number(role) {
        Ok(())
    } else {
        Err(Error::Conflict)
    }
}

pub(super) async fn one(db: &SqlitePool, name: &Origin) -> Result<Option<LogState>, Error> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE origin = $1"));
    let row: Option<Row> = sqlx::query_as(sql)
        .bind(name.as_str())
        .fetch_optional(db)
        .await?;
    row.map(LogState::try_from).transpose()
}

pub(super) async fn all(db: &SqlitePool) -> Result<Vec<LogState>, Error> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY origin"));
    let rows: Vec<Row> = sqlx::query_as(sql).fetch_all(db).await?;
    rows.into_iter().map(LogState::try_from).collect()
}

/// The number of a log.
pub(super) async fn find(db: &mut SqliteConnection, name: &Origin) -> Result<Option<LogId>, Error> {
    let id = sqlx::query_scalar("SELECT id FROM logs WHERE origin = $1").bind(name.as_str());
    Ok(id.fetch_optional(db).await?)
}

/// The number of a log that an operation writes to.
pub(super) async fn id(db: &mut SqliteConnection, name: &Origin) -> Result<LogId, Error> {
    find(db, name).await?.ok_or(Error::Conflict)
}

pub(super) async fn put_notes(
    db: &mut SqliteConnection,
    name: &Origin,
    notes: Notes,
) -> Result<(), Error> {
    let done = sqlx::query(
        "UPDATE logs SET pending = $2, published = $3, witnessed = $4 WHERE origin = $1",
    )
    .bind(name.as_str())
    .bind(notes.pending)
    .bind(notes.published)
    .bind(notes.witnessed)
    .execute(db)
    .await?;
    changed_one(&done)
}

pub(super) async fn freeze(
    db: &mut SqliteConnection,
    name: &Origin,
    evidence: &[u8],
) -> Result<(), Error> {
    let done = sqlx::query("UPDATE logs SET frozen = coalesce(frozen, $2) WHERE origin = $1")
        .bind(name.as_str())
        .bind(evidence)
        .execute(db)
        .await?;
    changed_one(&done)
}

pub(super) async fn release(
    db: &mut SqliteConnection,
    name: &Origin,
    release: &Release,
) -> Result<(), Error> {
    let log: LogId = sqlx::query_scalar(
        "UPDATE logs SET frozen = NULL WHERE origin = $1 AND frozen = $2 RETURNING id",
    )
    .bind(name.as_str())
    .bind(&release.evidence[..])
    .fetch_optional(&mut *db)
    .await?
    .ok_or(Error::Conflict)?;
    sqlx::query(
        "INSERT INTO releases (log, evidence, time, actor, reason) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(log)
    .bind(&release.evidence[..])
    .bind(integer(release.time)?)
    .bind(&release.actor)
    .bind(&release.reason)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn releases(db: &SqlitePool, name: &Origin) -> Result<Vec<Release>, Error> {
    let rows: Vec<(Vec<u8>, i64, String, String)> = sqlx::query_as(
        "SELECT evidence, time, actor, reason FROM releases \
         WHERE log = (SELECT id FROM logs WHERE origin = $1) ORDER BY id",
    )
    .bind(name.as_str())
    .fetch_all(db)
    .await?;
    let release = |(evidence, time, actor, reason)| {
        Ok(Release {
            evidence,
            time: unsigned(time)?,
            actor,
            reason,
        })
    };
    rows.into_iter().map(release).collect()
}

pub(super) async fn put_restored(
    db: &mut SqliteConnection,
    name: &Origin,
    restored: Option<u64>,
) -> Result<(), Error> {
    let done = sqlx::query("UPDATE logs SET restored = $2 WHERE origin = $1")
        .bind(name.as_str())
        .bind(restored.map(integer).transpose()?)
        .execute(db)
        .await?;
    changed_one(&done)
}

fn changed_one(done: &sqlx::sqlite::SqliteQueryResult) -> Result<(), Error> {
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(Error::Conflict)
    }
}

pub(super) async fn put_trust_list(
    db: &mut SqliteConnection,
    version: u64,
    note: &[u8],
) -> Result<(), Error> {
    // A version that no chain reaches is not the next one either.
    let version = integer(version).map_err(|_| Error::Conflict)?;
    let held: Option<Vec<u8>> =
        sqlx::query_scalar("SELECT note FROM trust_lists WHERE version = $1")
            .bind(version)
            .fetch_optional(&mut *db)
            .await?;
    if let Some(held) = held {
        return if held == note {
            Ok(())
        } else {
            Err(Error::Conflict)
        };
    }
    let done = sqlx::query(
        "INSERT INTO trust_lists (version, note) \
         SELECT $1, $2 WHERE $1 = (SELECT coalesce(max(version), 0) + 1 FROM trust_lists)",
    )
    .bind(version)
    .bind(note)
    .execute(db)
    .await?;
    changed_one(&done)
}

pub(super) async fn trust_lists(db: &SqlitePool) -> Result<Vec<Vec<u8>>, Error> {
    Ok(
        sqlx::query_scalar("SELECT note FROM trust_lists ORDER BY version")
            .fetch_all(db)
            .await?,
    )
}
