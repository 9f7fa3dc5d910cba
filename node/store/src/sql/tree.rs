//! Tiles.

use std::collections::HashMap;

use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, TileId},
};

use super::{
    bulk::Insert,
    db::{Db, Pool, values},
    decode::hashes,
    place::{LogId, integer},
    statement::Statement,
};
use crate::Error;

/// A tile is up to 8 KiB: fewer at a time than other keys.
const TILES_AT_ONCE: usize = 128;

const INSERT_TILES: Insert = Insert {
    into: "tiles (log, level, number, hashes)",
    conflict: "ON CONFLICT (log, level, number) DO UPDATE SET hashes = excluded.hashes \
               WHERE length(excluded.hashes) > length(tiles.hashes)",
};

/// A tile on its way in: level, number, hashes.
pub(super) type NewTile<'a> = (u8, u64, &'a [Hash]);

pub(super) async fn put_tiles(db: &mut Db, log: LogId, tiles: &[NewTile<'_>]) -> Result<(), Error> {
    INSERT_TILES
        .rows(db, tiles, |(level, number, hashes)| {
            let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
            Ok(values![log, u32::from(*level), integer(*number)?, bytes])
        })
        .await
}

pub(super) async fn remove_tiles(
    db: &mut Db,
    log: LogId,
    tiles: &[NewTile<'_>],
) -> Result<(), Error> {
    let sql = "DELETE FROM tiles WHERE log = $1 AND level = $2 AND number = $3";
    for (level, number, _) in tiles {
        let tile = values![log, u32::from(*level), integer(*number)?];
        db.execute(sql, tile).await?;
    }
    Ok(())
}

pub(super) async fn tiles(
    db: &Pool,
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
    let mut db = db.read(keys.len().div_ceil(TILES_AT_ONCE)).await?;
    for chunk in keys.chunks(TILES_AT_ONCE) {
        let rows: Vec<(i64, i64, Vec<u8>)> = select_tiles(&db, origin, chunk)?.all(&mut db).await?;
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

pub(super) fn select_tiles(
    db: &Db,
    origin: &Origin,
    keys: &[(i64, i64)],
) -> Result<Statement, Error> {
    let mut statement = Statement::new(db, "WITH wanted (level, number) AS (");
    let keys = keys.iter().map(|(level, number)| values![*level, *number]);
    statement.wanted(keys.collect(), values![-1_i64, -1_i64])?;
    statement.push(
        ") SELECT t.level, t.number, t.hashes FROM wanted w CROSS JOIN tiles t \
         WHERE t.level = w.level AND t.number = w.number \
         AND t.log = (SELECT id FROM logs WHERE origin = ",
    );
    statement.value(origin)?.push(")");
    Ok(statement)
}
