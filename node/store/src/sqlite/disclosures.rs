//! Sealed disclosures.

use std::{collections::HashSet, ops::Range};

use huren_core::checkpoint::Origin;
use sqlx::{SqliteConnection, SqlitePool};

use super::{
    bulk::Insert,
    decode::key,
    place::{LogId, index_at, offsets},
};
use crate::{DisclosureRow, Error, Resealed, Tag};

const INSERT: Insert = Insert {
    into: "INSERT INTO disclosures (live, place, number_tag, holder_tag, sealed)",
    columns: 5,
    conflict: "",
};

/// `live` of a row that counts.
const LIVE: i64 = 1;

/// Takes the row out of use and overwrites it. Every column keeps its length, which is what
/// makes SQLite write over the old bytes instead of moving the row; the schema says why it
/// has to.
const ERASE: &str = "UPDATE disclosures SET live = 0, \
     number_tag = zeroblob(length(number_tag)), \
     holder_tag = zeroblob(length(holder_tag)), \
     sealed = zeroblob(length(sealed)) WHERE live = 1 AND place = $1";

/// Keeps rows; those that are held already for the same leaves are erased.
pub(super) async fn put(
    db: &mut SqliteConnection,
    log: LogId,
    rows: &[DisclosureRow],
) -> Result<(), Error> {
    let indexes = rows.iter().map(|row| row.index);
    if let (Some(first), Some(last)) = (indexes.clone().min(), indexes.clone().max()) {
        let held: Vec<i64> = sqlx::query_scalar(
            "SELECT place FROM disclosures WHERE live = 1 AND place >= $1 AND place <= $2",
        )
        .bind(log.place(first)?)
        .bind(log.place(last)?)
        .fetch_all(&mut *db)
        .await?;
        if !held.is_empty() {
            let given: HashSet<u64> = indexes.collect();
            for place in held {
                if given.contains(&index_at(place)) {
                    sqlx::query(ERASE).bind(place).execute(&mut *db).await?;
                }
            }
        }
    }
    insert(db, log, rows).await
}

/// Erases what is held for the leaves and keeps what is left of it.
pub(super) async fn reseal(
    db: &mut SqliteConnection,
    log: LogId,
    resealed: &[Resealed],
) -> Result<(), Error> {
    for one in resealed {
        let place = log.place(one.index)?;
        sqlx::query(ERASE).bind(place).execute(&mut *db).await?;
        insert(db, log, one.row.as_slice()).await?;
    }
    Ok(())
}

async fn insert(
    db: &mut SqliteConnection,
    log: LogId,
    rows: &[DisclosureRow],
) -> Result<(), Error> {
    let bytes = |tag: Option<Tag>| tag.map(|tag| tag.0.to_vec());
    INSERT
        .rows(db, rows, |query, row| {
            Ok(query
                .bind(LIVE)
                .bind(log.place(row.index)?)
                .bind(bytes(row.number_tag))
                .bind(bytes(row.holder_tag))
                .bind(row.sealed.clone()))
        })
        .await
}

pub(super) async fn range(
    db: &SqlitePool,
    origin: &Origin,
    range: Range<u64>,
) -> Result<Vec<DisclosureRow>, Error> {
    type Row = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);
    let (start, end) = offsets(&range);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT place, number_tag, holder_tag, sealed FROM disclosures WHERE live = 1 \
         AND place >= (SELECT id << 40 FROM logs WHERE origin = $1) + $2 \
         AND place < (SELECT id << 40 FROM logs WHERE origin = $1) + $3 ORDER BY place",
    )
    .bind(origin.as_str())
    .bind(start)
    .bind(end)
    .fetch_all(db)
    .await?;
    let tag = |bytes: Option<Vec<u8>>| bytes.map(|bytes| key(&bytes).map(Tag)).transpose();
    rows.into_iter()
        .map(|(place, number_tag, holder_tag, sealed)| {
            Ok(DisclosureRow {
                index: index_at(place),
                number_tag: tag(number_tag)?,
                holder_tag: tag(holder_tag)?,
                sealed,
            })
        })
        .collect()
}
