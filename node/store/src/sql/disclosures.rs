//! Sealed disclosures.

use std::{collections::HashSet, ops::Range};

use huren_core::checkpoint::Origin;

use super::{
    bulk::Insert,
    db::{Db, Dialect, Pool, values},
    decode::key,
    place::{LogId, index_at, offsets},
};
use crate::{DisclosureRow, Error, Resealed, Tag};

const INSERT: Insert = Insert::new("disclosures (live, place, number_tag, holder_tag, sealed)");

/// `live` of a row that counts.
const LIVE: i64 = 1;

/// Takes the row out of use and overwrites it. Every column keeps its length, which is what
/// makes SQLite write over the old bytes instead of moving the row; the schema says why it
/// has to.
const OVERWRITE: &str = "UPDATE disclosures SET live = 0, \
     number_tag = zeroblob(length(number_tag)), \
     holder_tag = zeroblob(length(holder_tag)), \
     sealed = zeroblob(length(sealed)) WHERE live = 1 AND place = $1";

/// PostgreSQL writes over nothing, so there is nothing to keep in place: see `Postgres` for what a
/// deleted row leaves behind.
const DELETE: &str = "DELETE FROM disclosures WHERE live = 1 AND place = $1";

async fn erase(db: &mut Db, place: i64) -> Result<(), Error> {
    let sql = match db.dialect() {
        Dialect::Sqlite => OVERWRITE,
        Dialect::Postgres => DELETE,
    };
    db.execute(sql, values![place]).await?;
    Ok(())
}

/// Keeps rows; those that are held already for the same leaves are erased.
pub(super) async fn put(db: &mut Db, log: LogId, rows: &[DisclosureRow]) -> Result<(), Error> {
    let indexes = rows.iter().map(|row| row.index);
    if let (Some(first), Some(last)) = (indexes.clone().min(), indexes.clone().max()) {
        let held = "SELECT place FROM disclosures WHERE live = 1 AND place >= $1 AND place <= $2";
        let range = values![log.place(first)?, log.place(last)?];
        let held: Vec<(i64,)> = db.all(held, range).await?;
        if !held.is_empty() {
            let given: HashSet<u64> = indexes.collect();
            for (place,) in held {
                if given.contains(&index_at(place)) {
                    erase(db, place).await?;
                }
            }
        }
    }
    insert(db, log, rows).await
}

/// Erases what is held for the leaves and keeps what is left of it.
pub(super) async fn reseal(db: &mut Db, log: LogId, resealed: &[Resealed]) -> Result<(), Error> {
    for one in resealed {
        erase(db, log.place(one.index)?).await?;
        insert(db, log, one.row.as_slice()).await?;
    }
    Ok(())
}

async fn insert(db: &mut Db, log: LogId, rows: &[DisclosureRow]) -> Result<(), Error> {
    INSERT
        .rows(db, rows, |row| {
            Ok(values![
                LIVE,
                log.place(row.index)?,
                row.number_tag,
                row.holder_tag,
                &row.sealed[..],
            ])
        })
        .await
}

pub(super) async fn range(
    db: &Pool,
    origin: &Origin,
    range: Range<u64>,
) -> Result<Vec<DisclosureRow>, Error> {
    type Row = (i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<u8>);
    let (start, end) = offsets(&range);
    let sql = "SELECT place, number_tag, holder_tag, sealed FROM disclosures WHERE live = 1 \
         AND place >= (SELECT id << 40 FROM logs WHERE origin = $1) + $2 \
         AND place < (SELECT id << 40 FROM logs WHERE origin = $1) + $3 ORDER BY place";
    let rows: Vec<Row> = db.all(sql, values![origin, start, end]).await?;
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
