//! Logs: their state, notes and evidence; the chain of trust lists.

use huren_core::checkpoint::Origin;

use super::{
    db::{Db, Pool, Value, values},
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
    db: &mut Db,
    name: &Origin,
    role: Role,
    empty: Head,
) -> Result<(), Error> {
    let role = role_number(role);
    let held = "SELECT role FROM logs WHERE origin = $1";
    let held: Option<(i64,)> = db.one(held, values![name]).await?;
    if let Some((held,)) = held {
        return if held == role {
            Ok(())
        } else {
            Err(Error::Conflict)
        };
    }
    // Numbers are part of places and have 23 bits: none is left out.
    db.execute(
        "INSERT INTO logs (id, origin, role, size, root, checkpoint, pending, published, \
         witnessed, folded, disclosed) SELECT coalesce(max(id), 0) + 1, \
         $1, $2, $3, $4, $5, $5, $5, $5, 0, 0 FROM logs",
        values![name, role, integer(empty.size)?, empty.root, &[][..]],
    )
    .await?;
    Ok(())
}

pub(super) async fn one(db: &Pool, name: &Origin) -> Result<Option<LogState>, Error> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} WHERE origin = $1"));
    let row: Option<Row> = db.one(sql, values![name]).await?;
    row.map(LogState::try_from).transpose()
}

pub(super) async fn all(db: &Pool) -> Result<Vec<LogState>, Error> {
    let sql = sqlx::AssertSqlSafe(format!("{SELECT} ORDER BY origin"));
    let rows: Vec<Row> = db.all(sql, values![]).await?;
    rows.into_iter().map(LogState::try_from).collect()
}

/// The number of a log.
pub(super) async fn find(db: &mut Db, name: &Origin) -> Result<Option<LogId>, Error> {
    let id = "SELECT id FROM logs WHERE origin = $1";
    let id: Option<(LogId,)> = db.one(id, values![name]).await?;
    Ok(id.map(|(id,)| id))
}

/// The number of a log that an operation writes to.
pub(super) async fn id(db: &mut Db, name: &Origin) -> Result<LogId, Error> {
    find(db, name).await?.ok_or(Error::Conflict)
}

/// Moves a log by a statement that compares, changes and returns its number.
///
/// # Errors
/// `Conflict` if the comparison fails.
pub(super) async fn moved(
    db: &mut Db,
    sql: &'static str,
    values: Vec<Value>,
) -> Result<LogId, Error> {
    let log: Option<(LogId,)> = db.one(sql, values).await?;
    Ok(log.ok_or(Error::Conflict)?.0)
}

pub(super) async fn put_notes(db: &mut Db, name: &Origin, notes: Notes) -> Result<(), Error> {
    let Notes {
        pending,
        published,
        witnessed,
    } = notes;
    db.change_one(
        "UPDATE logs SET pending = $2, published = $3, witnessed = $4 WHERE origin = $1",
        values![name, pending, published, witnessed],
    )
    .await
}

pub(super) async fn freeze(db: &mut Db, name: &Origin, evidence: &[u8]) -> Result<(), Error> {
    let sql = "UPDATE logs SET frozen = coalesce(frozen, $2) WHERE origin = $1";
    db.change_one(sql, values![name, evidence]).await
}

pub(super) async fn release(db: &mut Db, name: &Origin, release: &Release) -> Result<(), Error> {
    let sql = "UPDATE logs SET frozen = NULL WHERE origin = $1 AND frozen = $2 RETURNING id";
    let evidence = &release.evidence[..];
    let log = moved(db, sql, values![name, evidence]).await?;
    db.execute(
        "INSERT INTO releases (id, log, evidence, time, actor, reason) \
         SELECT coalesce(max(id), 0) + 1, $1, $2, $3, $4, $5 FROM releases",
        values![
            log,
            evidence,
            integer(release.time)?,
            &release.actor[..],
            &release.reason[..]
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn releases(db: &Pool, name: &Origin) -> Result<Vec<Release>, Error> {
    let sql = "SELECT evidence, time, actor, reason FROM releases \
         WHERE log = (SELECT id FROM logs WHERE origin = $1) ORDER BY id";
    let rows: Vec<(Vec<u8>, i64, String, String)> = db.all(sql, values![name]).await?;
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
    db: &mut Db,
    name: &Origin,
    restored: Option<u64>,
) -> Result<(), Error> {
    let restored = restored.map(integer).transpose()?;
    let sql = "UPDATE logs SET restored = $2 WHERE origin = $1";
    db.change_one(sql, values![name, restored]).await
}

pub(super) async fn put_trust_list(db: &mut Db, version: u64, note: &[u8]) -> Result<(), Error> {
    // A version that no chain reaches is not the next one either.
    let version = integer(version).map_err(|_| Error::Conflict)?;
    let held = "SELECT note FROM trust_lists WHERE version = $1";
    let held: Option<(Vec<u8>,)> = db.one(held, values![version]).await?;
    if let Some((held,)) = held {
        return if held == note {
            Ok(())
        } else {
            Err(Error::Conflict)
        };
    }
    db.change_one(
        "INSERT INTO trust_lists (version, note) \
         SELECT $1, $2 WHERE $1 = (SELECT coalesce(max(version), 0) + 1 FROM trust_lists)",
        values![version, note],
    )
    .await
}

pub(super) async fn trust_lists(db: &Pool) -> Result<Vec<Vec<u8>>, Error> {
    let sql = "SELECT note FROM trust_lists ORDER BY version";
    let notes: Vec<(Vec<u8>,)> = db.all(sql, values![]).await?;
    Ok(notes.into_iter().map(|(note,)| note).collect())
}
