//! Tiles and entry bundles.

use std::{collections::HashMap, ops::Range};

use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, TileId},
};
use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};

use super::{
    bulk::{Insert, list_shape, tuples},
    decode::hashes,
    place::{LogId, integer, unsigned},
    snapshot::Snapshot,
};
use crate::{Bundle, Error};

/// A tile is up to 8 KiB: fewer at a time than other keys.
const TILES_AT_ONCE: usize = 128;

const INSERT_TILES: Insert = Insert {
    into: "INSERT INTO tiles (log, level, number, hashes)",
    columns: 4,
    conflict: "ON CONFLICT (log, level, number) DO UPDATE SET hashes = excluded.hashes \
               WHERE length(excluded.hashes) > length(tiles.hashes)",
};

const INSERT_BUNDLES: Insert = Insert {
    into: "INSERT INTO bundles (log, number, width, entries)",
    columns: 4,
    conflict: "ON CONFLICT (log, number) DO UPDATE \
               SET width = excluded.width, entries = excluded.entries \
               WHERE excluded.width > bundles.width",
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

pub(super) async fn put_bundles(
    db: &mut SqliteConnection,
    log: LogId,
    bundles: &[&Bundle],
) -> Result<(), Error> {
    INSERT_BUNDLES
        .rows(db, bundles, |query, bundle| {
            Ok(query
                .bind(log)
                .bind(integer(bundle.number)?)
                .bind(i64::from(bundle.width))
                .bind(bundle.entries.to_vec()))
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

pub(super) async fn bundle(
    db: &SqlitePool,
    origin: &Origin,
    number: u64,
) -> Result<Option<Bundle>, Error> {
    let Ok(key) = i64::try_from(number) else {
        return Ok(None);
    };
    let row: Option<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT width, entries FROM bundles \
         WHERE log = (SELECT id FROM logs WHERE origin = $1) AND number = $2",
    )
    .bind(origin.as_str())
    .bind(key)
    .fetch_optional(db)
    .await?;
    row.map(|(width, entries)| {
        Ok(Bundle {
            number,
            width: unsigned(width)?,
            entries: entries.into(),
        })
    })
    .transpose()
}

pub(super) async fn held(
    db: &SqlitePool,
    origin: &Origin,
    range: Range<u64>,
) -> Result<Vec<(u64, u16)>, Error> {
    let clamp = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT number, width FROM bundles \
         WHERE log = (SELECT id FROM logs WHERE origin = $1) AND number >= $2 AND number < $3 \
         ORDER BY number",
    )
    .bind(origin.as_str())
    .bind(clamp(range.start))
    .bind(clamp(range.end))
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(number, width)| Ok((unsigned(number)?, unsigned(width)?)))
        .collect()
}
