//! Statistics: cells, and how far logs are counted.

use std::{collections::HashMap, ops::Range};

use huren_core::checkpoint::Origin;
use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};

use super::{
    bulk::{Insert, LONGEST_LIST, list_shape, tuples},
    decode::origin as read_origin,
    place::{LogId, integer, unsigned},
    snapshot::Snapshot,
};
use crate::{Error, KeptCell};

const PUT: Insert = Insert {
    into: "INSERT INTO cells (key, sums)",
    columns: 2,
    conflict: "ON CONFLICT (key) DO UPDATE SET sums = excluded.sums",
};

pub(super) async fn counted(db: &SqlitePool) -> Result<HashMap<Origin, u64>, Error> {
    let sql = "SELECT l.origin, c.up_to FROM counted c JOIN logs l ON l.id = c.log";
    let rows: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(db).await?;
    let read = |(origin, up_to)| Ok((read_origin(origin)?, unsigned(up_to)?));
    rows.into_iter().map(read).collect()
}

pub(super) async fn count(
    db: &mut SqliteConnection,
    name: &Origin,
    range: Range<u64>,
    cells: &[KeptCell],
) -> Result<(), Error> {
    let end = integer(range.end)?;
    let fit = "SELECT l.id FROM logs l LEFT JOIN counted c ON c.log = l.id \
               WHERE l.origin = $1 AND coalesce(c.up_to, 0) = $2 \
               AND $2 <= $3 AND $3 <= l.folded AND $3 <= l.disclosed";
    let log: LogId = sqlx::query_scalar(fit)
        .bind(name.as_str())
        .bind(integer(range.start)?)
        .bind(end)
        .fetch_optional(&mut *db)
        .await?
        .ok_or(Error::Conflict)?;
    let moved = "INSERT INTO counted (log, up_to) VALUES ($1, $2) \
                 ON CONFLICT (log) DO UPDATE SET up_to = excluded.up_to";
    sqlx::query(moved)
        .bind(log)
        .bind(end)
        .execute(&mut *db)
        .await?;
    put(db, cells).await
}

/// Keeps cells; empty ones go.
pub(super) async fn put(db: &mut SqliteConnection, cells: &[KeptCell]) -> Result<(), Error> {
    let (kept, gone): (Vec<&KeptCell>, _) = cells.iter().partition(|cell| !cell.sums.is_empty());
    for cell in gone {
        sqlx::query("DELETE FROM cells WHERE key = $1")
            .bind(&cell.key)
            .execute(&mut *db)
            .await?;
    }
    PUT.rows(db, &kept, |query, cell| {
        Ok(query.bind(cell.key.clone()).bind(cell.sums.clone()))
    })
    .await
}

/// Forgets all that is counted.
pub(super) async fn drop_all(db: &mut SqliteConnection) -> Result<(), Error> {
    for delete in ["DELETE FROM cells", "DELETE FROM counted"] {
        sqlx::query(delete).execute(&mut *db).await?;
    }
    Ok(())
}

pub(super) async fn of_keys(db: &SqlitePool, keys: &[String]) -> Result<Vec<KeptCell>, Error> {
    let mut db = Snapshot::of(db, keys.len().div_ceil(LONGEST_LIST)).await?;
    let mut found = Vec::new();
    for chunk in keys.chunks(LONGEST_LIST) {
        let shape = list_shape(chunk.len());
        let sql = format!(
            "SELECT key, sums FROM cells WHERE key IN {}",
            tuples(1, shape)
        );
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for key in chunk
            .iter()
            .chain(chunk.last().into_iter().cycle())
            .take(shape)
        {
            query = query.bind(key);
        }
        let rows: Vec<(String, Vec<u8>)> = query.fetch_all(db.connection()).await?;
        found.extend(rows.into_iter().map(|(key, sums)| KeptCell { key, sums }));
    }
    Ok(found)
}

pub(super) async fn page(
    db: &SqlitePool,
    prefix: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<KeptCell>, Error> {
    // Keys are ASCII, so this is behind all that start with the prefix.
    let end = format!("{prefix}\u{7f}");
    let sql = "SELECT key, sums FROM cells WHERE key >= $1 AND key > $2 AND key < $3 \
               ORDER BY key LIMIT $4";
    let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(sql)
        .bind(prefix)
        .bind(after)
        .bind(end)
        .bind(i64::from(limit))
        .fetch_all(db)
        .await?;
    let cells = rows.into_iter();
    Ok(cells.map(|(key, sums)| KeptCell { key, sums }).collect())
}
