//! Statistics: cells, and how far logs are counted.

use std::{collections::HashMap, ops::Range};

use huren_core::checkpoint::Origin;

use super::{
    bulk::Insert,
    db::{Db, Pool, Value, values},
    decode::origin as read_origin,
    place::{LogId, integer, unsigned},
    statement::{LONGEST_LIST, Statement},
};
use crate::{Error, KeptCell};

const PUT: Insert = Insert {
    into: "cells (key, sums)",
    conflict: "ON CONFLICT (key) DO UPDATE SET sums = excluded.sums",
};

pub(super) async fn counted(db: &Pool) -> Result<HashMap<Origin, u64>, Error> {
    let sql = "SELECT l.origin, c.up_to FROM counted c JOIN logs l ON l.id = c.log";
    let rows: Vec<(String, i64)> = db.all(sql, values![]).await?;
    let read = |(origin, up_to)| Ok((read_origin(origin)?, unsigned(up_to)?));
    rows.into_iter().map(read).collect()
}

pub(super) async fn count(
    db: &mut Db,
    name: &Origin,
    range: Range<u64>,
    cells: &[KeptCell],
) -> Result<(), Error> {
    let (start, end) = (integer(range.start)?, integer(range.end)?);
    let fit = "SELECT l.id FROM logs l LEFT JOIN counted c ON c.log = l.id \
               WHERE l.origin = $1 AND coalesce(c.up_to, 0) = $2 \
               AND $2 <= $3 AND $3 <= l.folded AND $3 <= l.disclosed";
    let log: Option<(LogId,)> = db.one(fit, values![name, start, end]).await?;
    let (log,) = log.ok_or(Error::Conflict)?;
    let moved = "INSERT INTO counted (log, up_to) VALUES ($1, $2) \
                 ON CONFLICT (log) DO UPDATE SET up_to = excluded.up_to";
    db.execute(moved, values![log, end]).await?;
    put(db, cells).await
}

/// Keeps cells; empty ones go.
pub(super) async fn put(db: &mut Db, cells: &[KeptCell]) -> Result<(), Error> {
    let (kept, gone): (Vec<&KeptCell>, _) = cells.iter().partition(|cell| !cell.sums.is_empty());
    for cell in gone {
        db.execute("DELETE FROM cells WHERE key = $1", values![&cell.key[..]])
            .await?;
    }
    PUT.rows(db, &kept, |cell| Ok(values![&cell.key[..], &cell.sums[..]]))
        .await
}

/// Forgets all that is counted.
pub(super) async fn drop_all(db: &mut Db) -> Result<(), Error> {
    for delete in ["DELETE FROM cells", "DELETE FROM counted"] {
        db.execute(delete, values![]).await?;
    }
    Ok(())
}

pub(super) async fn of_keys(db: &Pool, keys: &[String]) -> Result<Vec<KeptCell>, Error> {
    let mut db = db.read(keys.len().div_ceil(LONGEST_LIST)).await?;
    let mut found = Vec::new();
    for chunk in keys.chunks(LONGEST_LIST) {
        let mut sql = Statement::new(&db, "SELECT key, sums FROM cells WHERE key");
        sql.is_one_of(chunk.iter().map(|key| Value::from(&key[..])).collect())?;
        found.extend(sql.all(&mut db).await?.into_iter().map(cell));
    }
    Ok(found)
}

pub(super) async fn page(
    db: &Pool,
    prefix: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<KeptCell>, Error> {
    // Keys are ASCII, so this is behind all that start with the prefix.
    let end = format!("{prefix}\u{7f}");
    let sql = "SELECT key, sums FROM cells WHERE key >= $1 AND key > $2 AND key < $3 \
               ORDER BY key LIMIT $4";
    let rows = db.all(sql, values![prefix, after, end, limit]).await?;
    Ok(rows.into_iter().map(cell).collect())
}

fn cell((key, sums): (String, Vec<u8>)) -> KeptCell {
    KeptCell { key, sums }
}
