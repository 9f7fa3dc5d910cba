//! Entry bundles, four entries to a row of the table `leaves`.

use std::ops::Range;

use huren_core::{
    checkpoint::Origin,
    merkle::{TILE_WIDTH, decode_bundle, encode_bundle},
};

use super::{
    bulk::Insert,
    db::{Db, Pool, values},
    place::{LogId, index_at, integer, offsets, unsigned},
};
use crate::{Bundle, Error};

/// Entries in a row; the schema says why.
const IN_ROW: u64 = 4;

/// Leaves of a bundle.
const IN_BUNDLE: u64 = TILE_WIDTH as u64;

const INSERT_BUNDLES: Insert = Insert {
    into: "bundles (log, number, width)",
    conflict: "ON CONFLICT (log, number) DO UPDATE SET width = excluded.width \
               WHERE excluded.width > bundles.width",
};

const INSERT_ENTRIES: Insert = Insert {
    into: "leaves (place, entries)",
    conflict: "ON CONFLICT (place) DO UPDATE SET entries = excluded.entries \
               WHERE length(excluded.entries) > length(leaves.entries)",
};

pub(super) async fn put(db: &mut Db, log: LogId, bundles: &[&Bundle]) -> Result<(), Error> {
    let mut rows = Vec::new();
    for bundle in bundles {
        let entries = decode(&bundle.entries)?;
        if entries.len() != usize::from(bundle.width) {
            return Err(Error::Corrupt("a bundle is not as wide as it says"));
        }
        let first = log.place(bundle.number * IN_BUNDLE)?;
        for (index, some) in (first..)
            .step_by(IN_ROW as usize)
            .zip(entries.chunks(IN_ROW as usize))
        {
            let some = encode_bundle(some.iter().copied());
            rows.push((index >> IN_ROW.ilog2(), some.map_err(|_| DAMAGED)?));
        }
    }
    INSERT_ENTRIES
        .rows(db, &rows, |(place, entries)| {
            Ok(values![*place, &entries[..]])
        })
        .await?;
    INSERT_BUNDLES
        .rows(db, bundles, |bundle| {
            Ok(values![
                log,
                integer(bundle.number)?,
                u32::from(bundle.width)
            ])
        })
        .await
}

pub(super) async fn remove(db: &mut Db, log: LogId, bundles: &[&Bundle]) -> Result<(), Error> {
    for bundle in bundles {
        let first = log.place(bundle.number * IN_BUNDLE)? >> IN_ROW.ilog2();
        let rows = values![first, first + (IN_BUNDLE / IN_ROW).cast_signed()];
        let sql = "DELETE FROM leaves WHERE place >= $1 AND place < $2";
        db.execute(sql, rows).await?;
        let sql = "DELETE FROM bundles WHERE log = $1 AND number = $2";
        db.execute(sql, values![log, integer(bundle.number)?])
            .await?;
    }
    Ok(())
}

pub(super) async fn bundle(
    db: &Pool,
    origin: &Origin,
    number: u64,
) -> Result<Option<Bundle>, Error> {
    let start = number.saturating_mul(IN_BUNDLE);
    let (start, end) = offsets(&(start..start.saturating_add(IN_BUNDLE)));
    let sql = "SELECT entries FROM leaves \
         WHERE place >= ((SELECT id << 40 FROM logs WHERE origin = $1) + $2) / 4 \
         AND place < ((SELECT id << 40 FROM logs WHERE origin = $1) + $3) / 4 ORDER BY place";
    let rows: Vec<(Vec<u8>,)> = db.all(sql, values![origin, start, end]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let entries: Vec<u8> = rows.into_iter().flat_map(|(row,)| row).collect();
    let width = decode(&entries)?.len();
    Ok(Some(Bundle {
        number,
        width: u16::try_from(width).map_err(|_| DAMAGED)?,
        entries: entries.into(),
    }))
}

pub(super) async fn held(
    db: &Pool,
    origin: &Origin,
    range: Range<u64>,
) -> Result<Vec<(u64, u16)>, Error> {
    let clamp = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let sql = "SELECT number, width FROM bundles \
         WHERE log = (SELECT id FROM logs WHERE origin = $1) AND number >= $2 AND number < $3 \
         ORDER BY number";
    let range = values![origin, clamp(range.start), clamp(range.end)];
    let rows: Vec<(i64, i64)> = db.all(sql, range).await?;
    rows.into_iter()
        .map(|(number, width)| Ok((unsigned(number)?, unsigned(width)?)))
        .collect()
}

/// The entry at a place, out of the row that holds it.
pub(super) fn entry_at(place: i64, row: &[u8]) -> Result<Vec<u8>, Error> {
    let position = index_at(place) % IN_ROW;
    let position = usize::try_from(position).map_err(|_| DAMAGED)?;
    let entries = decode(row)?;
    entries
        .get(position)
        .map(|entry| entry.to_vec())
        .ok_or(DAMAGED)
}

const DAMAGED: Error = Error::Corrupt("an entry bundle does not decode");

fn decode(entries: &[u8]) -> Result<Vec<&[u8]>, Error> {
    decode_bundle(entries).map_err(|_| DAMAGED)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use sqlx::{
        AssertSqlSafe, Connection as _, PgConnection, SqliteConnection, migrate::Migrator, raw_sql,
    };

    use super::*;
    use crate::{Postgres, PostgresOptions, Sqlite, SqliteOptions, Store};

    /// How many entries each log has: rows of eight that are full, and that are not.
    const WIDTHS: [u64; 10] = [1, 3, 4, 5, 7, 8, 9, 12, 13, 261];

    fn origin(log: usize) -> Origin {
        format!("huren.zj.example/log/{log}").parse().unwrap()
    }

    /// Entries of lengths that are written with all kinds of bytes, one empty.
    fn entries(width: u64) -> Vec<Vec<u8>> {
        let length = |n: u64| usize::try_from(n * 97 % 777).unwrap();
        (0..width)
            .map(|n| vec![n.to_le_bytes()[0]; length(n)])
            .collect()
    }

    /// What an older program would have kept: eight to a row.
    fn rows_of_eight() -> String {
        let mut sql = String::new();
        for (log, width) in (1..).zip(WIDTHS) {
            let (id, origin) = (log, origin(log));
            let zero = "0".repeat(64);
            let blob = |hex: &str| format!("BLOB'{hex}'");
            sql += &format!(
                "INSERT INTO logs (id, origin, role, size, root, checkpoint, pending, published, \
                 witnessed, folded, disclosed) VALUES ({id}, '{origin}', 1, 0, {}, {e}, {e}, {e}, \
                 {e}, 0, 0);",
                blob(&zero),
                e = blob("")
            );
            for (row, some) in entries(width).chunks(8).enumerate() {
                let place = ((id << 40) >> 3) + row;
                let some = encode_bundle(some.iter().map(Vec::as_slice)).unwrap();
                let some = blob(&hex::encode(some));
                sql += &format!("INSERT INTO entries VALUES ({place}, {some});");
            }
        }
        sql
    }

    fn before(migrations: &Migrator, version: i64) -> Migrator {
        let old = migrations.iter().filter(|one| one.version < version);
        Migrator {
            migrations: Cow::Owned(old.cloned().collect()),
            ..Migrator::DEFAULT
        }
    }

    async fn has_all(store: &dyn Store) {
        for (log, width) in (1..).zip(WIDTHS) {
            for (number, some) in (0..).zip(entries(width).chunks(IN_BUNDLE as usize)) {
                let bundle = store.bundle(&origin(log), number).await.unwrap().unwrap();
                assert_eq!(usize::from(bundle.width), some.len());
                assert_eq!(decode(&bundle.entries).unwrap(), some);
            }
        }
    }

    #[tokio::test]
    async fn rows_of_eight_in_a_file_become_rows_of_four() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huren.sqlite");
        let url = format!("sqlite:{}?mode=rwc", path.display());
        let mut db = SqliteConnection::connect(&url).await.unwrap();
        let migrations = sqlx::migrate!("migrations/sqlite");
        before(&migrations, 11).run(&mut db).await.unwrap();
        let rows = rows_of_eight().replace("BLOB'", "x'");
        raw_sql(AssertSqlSafe(rows)).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
        let store = Sqlite::open(path, SqliteOptions::default()).await.unwrap();
        has_all(&store).await;
    }

    #[tokio::test]
    async fn rows_of_eight_on_a_server_become_rows_of_four() {
        let Some(server) = huren_postgres_server::server() else {
            return;
        };
        let url = server.database().unwrap();
        let mut db = PgConnection::connect(&url).await.unwrap();
        let migrations = sqlx::migrate!("migrations/postgres");
        before(&migrations, 2).run(&mut db).await.unwrap();
        let rows = rows_of_eight().replace("BLOB'", "'\\x");
        raw_sql(AssertSqlSafe(rows)).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
        let options = PostgresOptions::default();
        let store = Postgres::open(&url, &options).await.unwrap();
        has_all(&store).await;
    }
}
