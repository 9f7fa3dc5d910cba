//! The register: what folding a log gave.

use std::{collections::HashSet, ops::Range};

use huren_core::{
    checkpoint::Origin,
    merkle::Hash,
    register::{
        AdoptionRow, Changes, DirectoryRow, QuarantineRow, StatusRow, TargetState, Targets,
    },
};
use sqlx::{AssertSqlSafe, QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use super::{
    bulk::{Insert, LONGEST_LIST, placeholders, prefixes},
    cells,
    decode::{effect, groups, hash, origin},
    place::{LogId, index_at, integer, offsets, unsigned},
    snapshot::Snapshot,
};
use crate::Error;

const CERTIFICATES: Insert = insert("INSERT INTO certificates (place, leaf, writer)", 3);
const STATUSES: Insert = insert(
    "INSERT INTO statuses (place, leaf, target, effect, reason, effective)",
    6,
);
const DIRECTORY: Insert = insert(
    "INSERT INTO directory (place, kind, key, effective, body)",
    5,
);
const INSTITUTION_KEYS: Insert = insert(
    "INSERT INTO institution_keys (place, key_id, alg, public_key, code, writer, active)",
    7,
);
const ERASURES: Insert = insert("INSERT INTO erasures (place, target, groups)", 3);
const ADOPTIONS: Insert = insert("INSERT INTO adoptions (place, version)", 2);
const QUARANTINE: Insert = insert("INSERT INTO quarantine (place, code)", 2);

/// Every leaf is folded once: a row that is there already is damage, not a conflict.
const fn insert(into: &'static str, columns: usize) -> Insert {
    Insert {
        into,
        columns,
        conflict: "",
    }
}

pub(super) async fn put(
    db: &mut SqliteConnection,
    log: LogId,
    changes: &Changes,
) -> Result<(), Error> {
    CERTIFICATES
        .rows(db, &changes.certificates, |query, row| {
            Ok(query
                .bind(log.place(row.index)?)
                .bind(row.leaf.0.to_vec())
                .bind(i64::from(row.writer_region)))
        })
        .await?;
    STATUSES
        .rows(db, &changes.statuses, |query, row| {
            Ok(query
                .bind(log.place(row.index)?)
                .bind(row.leaf.0.to_vec())
                .bind(log.place(row.target_index)?)
                .bind(row.effect as i64)
                .bind(i64::from(row.reason))
                .bind(i64::from(row.effective_date)))
        })
        .await?;
    DIRECTORY
        .rows(db, &changes.directory, |query, row| {
            Ok(query
                .bind(log.place(row.index)?)
                .bind(i64::from(row.kind))
                .bind(row.key.clone())
                .bind(i64::from(row.effective_date))
                .bind(row.body.clone()))
        })
        .await?;
    INSTITUTION_KEYS
        .rows(db, &changes.institution_keys, |query, row| {
            Ok(query
                .bind(log.place(row.index)?)
                .bind(row.key_id.0.to_vec())
                .bind(i64::from(row.alg))
                .bind(row.public_key.clone())
                .bind(row.code.clone())
                .bind(i64::from(row.writer_region))
                .bind(i64::from(row.active)))
        })
        .await?;
    ERASURES
        .rows(db, &changes.erasures, |query, row| {
            let groups: Vec<String> = row.groups.iter().map(u32::to_string).collect();
            Ok(query
                .bind(log.place(row.index)?)
                .bind(log.place(row.target_index)?)
                .bind(groups.join(",")))
        })
        .await?;
    ADOPTIONS
        .rows(db, &changes.adoptions, |query, row| {
            Ok(query
                .bind(log.place(row.index)?)
                .bind(integer(row.version)?))
        })
        .await?;
    QUARANTINE
        .rows(db, &changes.quarantined, |query, row| {
            Ok(query.bind(log.place(row.index)?).bind(row.code.clone()))
        })
        .await
}

pub(super) async fn drop_all(db: &mut SqliteConnection, name: &Origin) -> Result<(), Error> {
    let log: LogId =
        sqlx::query_scalar("UPDATE logs SET folded = 0 WHERE origin = $1 RETURNING id")
            .bind(name.as_str())
            .fetch_optional(&mut *db)
            .await?
            .ok_or(Error::Conflict)?;
    let places = log.places();
    for delete in [
        "DELETE FROM certificates WHERE place >= $1 AND place < $2",
        "DELETE FROM statuses WHERE place >= $1 AND place < $2",
        "DELETE FROM directory WHERE place >= $1 AND place < $2",
        "DELETE FROM institution_keys WHERE place >= $1 AND place < $2",
        "DELETE FROM erasures WHERE place >= $1 AND place < $2",
        "DELETE FROM adoptions WHERE place >= $1 AND place < $2",
        "DELETE FROM quarantine WHERE place >= $1 AND place < $2",
    ] {
        sqlx::query(delete)
            .bind(places.start)
            .bind(places.end)
            .execute(&mut *db)
            .await?;
    }
    cells::drop_all(db).await
}

/// Place, leaf, writer, leaf of the last status change.
type TargetRow = (i64, Vec<u8>, i64, Option<Vec<u8>>);

pub(super) async fn targets(
    db: &SqlitePool,
    name: &Origin,
    leaves: &[Hash],
) -> Result<Targets, Error> {
    let asked: HashSet<Hash> = leaves.iter().copied().collect();
    let keys: Vec<[u8; 32]> = asked.iter().map(|leaf| leaf.0).collect();
    let mut targets = Targets::new();
    let mut db = Snapshot::of(db, keys.len().div_ceil(LONGEST_LIST)).await?;
    for chunk in keys.chunks(LONGEST_LIST) {
        let mut query = sqlx::query_as(AssertSqlSafe(select_targets(chunk.len())));
        for prefix in prefixes(chunk) {
            query = query.bind(prefix);
        }
        let rows: Vec<TargetRow> = query.bind(name.as_str()).fetch_all(db.connection()).await?;
        // Last to first: of a leaf that is there twice, the first stays.
        for (place, leaf, writer, last_status) in rows {
            let leaf = hash(&leaf)?;
            if asked.contains(&leaf) {
                let target = TargetState {
                    index: index_at(place),
                    writer_region: unsigned(writer)?,
                    last_status: last_status.as_deref().map(hash).transpose()?,
                };
                targets.insert(leaf, target);
            }
        }
    }
    Ok(targets)
}

/// A change that this program does not understand (effect 255) is nobody's predecessor.
///
/// The log is compared by its part of the place, and not by a range of places, so that the
/// range never looks better to the planner than the index on leaves.
pub(super) fn select_targets(leaves: usize) -> String {
    let list = placeholders(leaves);
    format!(
        "SELECT c.place, c.leaf, c.writer, (SELECT s.leaf FROM statuses s \
         WHERE s.target = c.place AND s.effect <> 255 ORDER BY s.place DESC LIMIT 1) \
         FROM certificates c \
         WHERE substr(c.leaf, 1, 8) IN {list} \
         AND c.place >> 40 = (SELECT id FROM logs WHERE origin = ?) \
         ORDER BY c.place DESC"
    )
}

pub(super) async fn statuses(
    db: &SqlitePool,
    name: &Origin,
    target: u64,
) -> Result<Vec<StatusRow>, Error> {
    type Row = (i64, Vec<u8>, i64, i64, i64);
    // As a range: cut off, an index that no log can have must not reach the next log.
    let (start, end) = offsets(&(target..target.saturating_add(1)));
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT place, leaf, effect, reason, effective FROM statuses \
         WHERE target >= (SELECT id << 40 FROM logs WHERE origin = $1) + $2 \
         AND target < (SELECT id << 40 FROM logs WHERE origin = $1) + $3 ORDER BY place",
    )
    .bind(name.as_str())
    .bind(start)
    .bind(end)
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(place, leaf, number, reason, effective)| {
            Ok(StatusRow {
                index: index_at(place),
                leaf: hash(&leaf)?,
                target_index: target,
                effect: effect(number)?,
                reason: unsigned(reason)?,
                effective_date: unsigned(effective)?,
            })
        })
        .collect()
}

pub(super) async fn erased(
    db: &SqlitePool,
    name: &Origin,
    range: Range<u64>,
) -> Result<Vec<(u64, Vec<u32>)>, Error> {
    let (start, end) = offsets(&range);
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT target, groups FROM erasures \
         WHERE target >= (SELECT id << 40 FROM logs WHERE origin = $1) + $2 \
         AND target < (SELECT id << 40 FROM logs WHERE origin = $1) + $3 ORDER BY place",
    )
    .bind(name.as_str())
    .bind(start)
    .bind(end)
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(target, text)| Ok((index_at(target), groups(&text)?)))
        .collect()
}

pub(super) async fn directory(
    db: &SqlitePool,
    kind: u32,
    key: &str,
) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
    let rows: Vec<(String, i64, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT l.origin, d.place, d.effective, d.body FROM directory d \
         JOIN logs l ON l.id = d.place >> 40 \
         WHERE d.kind = $1 AND d.key = $2 ORDER BY l.origin, d.place",
    )
    .bind(i64::from(kind))
    .bind(key)
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(name, place, effective, body)| {
            let row = DirectoryRow {
                index: index_at(place),
                kind,
                key: key.to_owned(),
                effective_date: unsigned(effective)?,
                body,
            };
            Ok((origin(name)?, row))
        })
        .collect()
}

pub(super) async fn directory_page(
    db: &SqlitePool,
    kind: u32,
    prefix: &str,
    after: &str,
    keys: u32,
) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
    let rows: Vec<(String, i64, String, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT l.origin, d.place, d.key, d.effective, d.body FROM directory d \
         JOIN logs l ON l.id = d.place >> 40 \
         WHERE d.kind = $1 AND d.key IN (SELECT DISTINCT key FROM directory \
             WHERE kind = $1 AND key > $2 AND key >= $3 AND key < $4 ORDER BY key LIMIT $5) \
         ORDER BY d.key, l.origin, d.place",
    )
    .bind(i64::from(kind))
    .bind(after)
    .bind(prefix)
    // Behind every key of ASCII that starts with the prefix.
    .bind(format!("{prefix}\u{7f}"))
    .bind(i64::from(keys))
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(name, place, key, effective, body)| {
            let row = DirectoryRow {
                index: index_at(place),
                kind,
                key,
                effective_date: unsigned(effective)?,
                body,
            };
            Ok((origin(name)?, row))
        })
        .collect()
}

pub(super) async fn directory_from(
    db: &SqlitePool,
    name: &Origin,
    kind: u32,
) -> Result<Option<u32>, Error> {
    let first: Option<i64> = sqlx::query_scalar(
        "SELECT min(effective) FROM directory WHERE kind = $1 \
         AND place >= (SELECT id << 40 FROM logs WHERE origin = $2) \
         AND place < (SELECT (id + 1) << 40 FROM logs WHERE origin = $2)",
    )
    .bind(i64::from(kind))
    .bind(name.as_str())
    .fetch_one(db)
    .await?;
    first.map(unsigned).transpose()
}

pub(super) async fn directory_end(db: &SqlitePool, name: &Origin) -> Result<u64, Error> {
    let newest: Option<i64> = sqlx::query_scalar(
        "SELECT max(place) FROM directory \
         WHERE place >= (SELECT id << 40 FROM logs WHERE origin = $1) \
         AND place < (SELECT (id + 1) << 40 FROM logs WHERE origin = $1)",
    )
    .bind(name.as_str())
    .fetch_one(db)
    .await?;
    Ok(newest.map_or(0, |place| index_at(place) + 1))
}

pub(super) async fn directory_has(
    db: &SqlitePool,
    name: &Origin,
    kinds: &[u32],
    from: u64,
) -> Result<bool, Error> {
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT EXISTS (SELECT 1 FROM directory \
         WHERE place >= (SELECT id << 40 FROM logs WHERE origin = ",
    );
    sql.push_bind(name.as_str()).push(") + ");
    sql.push_bind(integer(from)?);
    sql.push(" AND place < (SELECT (id + 1) << 40 FROM logs WHERE origin = ");
    sql.push_bind(name.as_str());
    // Without the sign the index by kind would be taken, which holds all of them.
    sql.push(") AND +kind IN (");
    let mut listed = sql.separated(", ");
    for kind in kinds {
        listed.push_bind(i64::from(*kind));
    }
    sql.push("))");
    Ok(sql.build_query_scalar().fetch_one(db).await?)
}

pub(super) async fn adoptions(db: &SqlitePool, name: &Origin) -> Result<Vec<AdoptionRow>, Error> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "SELECT place, version FROM adoptions \
         WHERE place >= (SELECT id << 40 FROM logs WHERE origin = $1) \
         AND place < (SELECT (id + 1) << 40 FROM logs WHERE origin = $1) ORDER BY place",
    )
    .bind(name.as_str())
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(place, version)| {
            Ok(AdoptionRow {
                index: index_at(place),
                version: unsigned(version)?,
            })
        })
        .collect()
}

pub(super) async fn quarantined(
    db: &SqlitePool,
    name: &Origin,
    from: u64,
    limit: u32,
) -> Result<(u64, Vec<QuarantineRow>), Error> {
    let (start, end) = offsets(&(from..u64::MAX));
    let mut db = Snapshot::of(db, 2).await?;
    let total: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM quarantine \
         WHERE place >= (SELECT id << 40 FROM logs WHERE origin = $1) \
         AND place < (SELECT (id + 1) << 40 FROM logs WHERE origin = $1)",
    )
    .bind(name.as_str())
    .fetch_one(db.connection())
    .await?;
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT place, code FROM quarantine \
         WHERE place >= (SELECT id << 40 FROM logs WHERE origin = $1) + $2 \
         AND place < (SELECT id << 40 FROM logs WHERE origin = $1) + $3 \
         ORDER BY place LIMIT $4",
    )
    .bind(name.as_str())
    .bind(start)
    .bind(end)
    .bind(i64::from(limit))
    .fetch_all(db.connection())
    .await?;
    let rows = rows.into_iter().map(|(place, code)| QuarantineRow {
        index: index_at(place),
        code,
    });
    Ok((unsigned(total)?, rows.collect()))
}
