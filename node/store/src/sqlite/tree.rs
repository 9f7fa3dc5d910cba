//! Tiles.

use std::collections::HashMap;

use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, TileId},
};
use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};

use super::{
    bulk::{Insert, list_shape, tuples},
    decode::hashes,
    place::{LogId, integer},
    snapshot::Snapshot,
};
use crate::Error;

/// A tile is up to 8 KiB: fewer at a time than other keys.
const TILES_AT_ONCE: usize = 128;

const INSERT_TILES: Insert = Insert {
    into: "INSERT INTO tiles (log, level, number, hashes)",
    columns: 4,
    conflict: "ON CONFLICT (log, level, number) DO UPDATE SET hashes = excluded.hashes \
               WHERE length(excluded.hashes) > length(tiles.hashes)",
};

/// A tile on its way in: level, number, hashes.
pub(super) type NewTile<'a> = (u8, u64, &'a [Hash]);

pub(super) async fn put_tiles(
    db: &mut SqliteConnection,
    log: LogId,
    tiles: &[NewTile<'_>],
) -> Result<(), Error> {
    INSERT_TILES
        .rows(db, tiles, |query, (level, number, hashes)| {
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
            Ok(query
                .bind(log)
                .bind(i64::from(*level))
                .bind(integer(*number)?)
                .bind(bytes))
        })
        .await
}

pub(super) async fn tiles(
    db: &SqlitePool,
    origin: &Origin,
    ids: &[TileId],
) -> Result<HashMap<TileId, Vec<Hash>>, Error> {
    let mut keys: Vec<(i64, i64)> = ids
        .iter()
        // A number beyond what the database can hold is of a tile that it does not hold.
        .filter_map(|id| Some((i64::from(id.level()), i64::try_from(id.index()).ok()?)))
        .collect();
    keys.sort_unstable();
    keys.dedup();

    let mut held = HashMap::new();
    let mut db = Snapshot::of(db, keys.len().div_ceil(TILES_AT_ONCE)).await?;
    for chunk in keys.chunks(TILES_AT_ONCE) {
        let mut query = sqlx::query_as(AssertSqlSafe(select_tiles(chunk.len())));
        let nothing = std::iter::repeat(&(-1, -1));
        for (level, number) in chunk.iter().chain(nothing).take(list_shape(chunk.len())) {
            query = query.bind(*level).bind(*number);
        }
        let rows: Vec<(i64, i64, Vec<u8>)> = query
            .bind(origin.as_str())
            .fetch_all(db.connection())
            .await?;
        for (level, number, bytes) in rows {
            held.insert((level, number), hashes(&bytes)?);
        }
    }

    let wide_enough = |id: &TileId| {
        let number = i64::try_from(id.index()).ok()?;
        let hashes = held.get(&(i64::from(id.level()), number))?;
        (hashes.len() >= usize::from(id.width())).then(|| (*id, hashes.clone()))
    };
    Ok(ids.iter().filter_map(wide_enough).collect())
}

pub(super) fn select_tiles(count: usize) -> String {
    let wanted = tuples(list_shape(count), 2);
    format!(
        "WITH wanted (level, number) AS (VALUES {wanted}) \
         SELECT t.level, t.number, t.hashes FROM wanted w CROSS JOIN tiles t \
         WHERE t.log = (SELECT id FROM logs WHERE origin = ?) \
         AND t.level = w.level AND t.number = w.number"
    )
}
