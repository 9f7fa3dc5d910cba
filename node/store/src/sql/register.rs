//! The register: what folding a log gave.

use std::{collections::HashSet, ops::Range};

use huren_core::{
    checkpoint::Origin,
    merkle::Hash,
    register::{
        AdoptionRow, Changes, DirectoryRow, QuarantineRow, StatusRow, TargetState, Targets,
    },
};

use super::{
    bulk::Insert,
    cells,
    db::{Db, Pool, Value, values},
    decode::{effect, groups, hash, origin},
    logs,
    place::{LogId, index_at, integer, offsets, unsigned},
    statement::{LONGEST_LIST, Statement},
};
use crate::Error;

// Every leaf is folded once: a row that is there already is damage, not a conflict.
const CERTIFICATES: Insert = Insert::new("certificates (place, leaf, writer)");
const STATUSES: Insert = Insert::new("statuses (place, leaf, target, effect, reason, effective)");
const DIRECTORY: Insert = Insert::new("directory (place, kind, key, effective, body)");
const INSTITUTION_KEYS: Insert =
    Insert::new("institution_keys (place, key_id, alg, public_key, code, writer, active)");
const ERASURES: Insert = Insert::new("erasures (place, target, groups)");
const ADOPTIONS: Insert = Insert::new("adoptions (place, version)");
const QUARANTINE: Insert = Insert::new("quarantine (place, code)");

pub(super) async fn put(db: &mut Db, log: LogId, changes: &Changes) -> Result<(), Error> {
    CERTIFICATES
        .rows(db, &changes.certificates, |row| {
            Ok(values![log.place(row.index)?, row.leaf, row.writer_region])
        })
        .await?;
    STATUSES
        .rows(db, &changes.statuses, |row| {
            Ok(values![
                log.place(row.index)?,
                row.leaf,
                log.place(row.target_index)?,
                row.effect as i64,
                row.reason,
                row.effective_date,
            ])
        })
        .await?;
    DIRECTORY
        .rows(db, &changes.directory, |row| {
            Ok(values![
                log.place(row.index)?,
                row.kind,
                &row.key[..],
                row.effective_date,
                &row.body[..],
            ])
        })
        .await?;
    INSTITUTION_KEYS
        .rows(db, &changes.institution_keys, |row| {
            Ok(values![
                log.place(row.index)?,
                row.key_id,
                row.alg,
                &row.public_key[..],
                &row.code[..],
                row.writer_region,
                i64::from(row.active),
            ])
        })
        .await?;
    ERASURES
        .rows(db, &changes.erasures, |row| {
            let groups: Vec<String> = row.groups.iter().map(u32::to_string).collect();
            Ok(values![
                log.place(row.index)?,
                log.place(row.target_index)?,
                groups.join(","),
            ])
        })
        .await?;
    ADOPTIONS
        .rows(db, &changes.adoptions, |row| {
            Ok(values![log.place(row.index)?, integer(row.version)?])
        })
        .await?;
    QUARANTINE
        .rows(db, &changes.quarantined, |row| {
            Ok(values![log.place(row.index)?, &row.code[..]])
        })
        .await
}

pub(super) async fn drop_all(db: &mut Db, name: &Origin) -> Result<(), Error> {
    let sql = "UPDATE logs SET folded = 0 WHERE origin = $1 RETURNING id";
    let places = logs::moved(db, sql, values![name]).await?.places();
    for delete in [
        "DELETE FROM certificates WHERE place >= $1 AND place < $2",
        "DELETE FROM statuses WHERE place >= $1 AND place < $2",
        "DELETE FROM directory WHERE place >= $1 AND place < $2",
        "DELETE FROM institution_keys WHERE place >= $1 AND place < $2",
        "DELETE FROM erasures WHERE place >= $1 AND place < $2",
        "DELETE FROM adoptions WHERE place >= $1 AND place < $2",
        "DELETE FROM quarantine WHERE place >= $1 AND place < $2",
    ] {
        db.execute(delete, values![places.start, places.end])
            .await?;
    }
    cells::drop_all(db).await
}

/// Place, leaf, writer, leaf of the last status change.
type TargetRow = (i64, Vec<u8>, i64, Option<Vec<u8>>);

pub(super) async fn targets(db: &Pool, name: &Origin, leaves: &[Hash]) -> Result<Targets, Error> {
    let asked: HashSet<Hash> = leaves.iter().copied().collect();
    let keys: Vec<[u8; 32]> = asked.iter().map(|leaf| leaf.0).collect();
    let mut targets = Targets::new();
    let mut db = db.read(keys.len().div_ceil(LONGEST_LIST)).await?;
    for chunk in keys.chunks(LONGEST_LIST) {
        let prefixes = chunk.iter().map(|key| Value::from(&key[..8])).collect();
        let rows: Vec<TargetRow> = select_targets(&db, name, prefixes)?.all(&mut db).await?;
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
pub(super) fn select_targets(
    db: &Db,
    name: &Origin,
    prefixes: Vec<Value>,
) -> Result<Statement, Error> {
    let mut statement = Statement::new(
        db,
        "SELECT c.place, c.leaf, c.writer, (SELECT s.leaf FROM statuses s \
         WHERE s.target = c.place AND s.effect <> 255 ORDER BY s.place DESC LIMIT 1) \
         FROM certificates c WHERE substr(c.leaf, 1, 8)",
    );
    statement.is_one_of(prefixes)?;
    statement.push(" AND c.place >> 40 = (SELECT id FROM logs WHERE origin = ");
    statement.value(name)?.push(") ORDER BY c.place DESC");
    Ok(statement)
}

pub(super) async fn statuses(
    db: &Pool,
    name: &Origin,
    targets: &Range<u64>,
) -> Result<Vec<StatusRow>, Error> {
    type Row = (i64, Vec<u8>, i64, i64, i64, i64);
    // Cut off, an index that no log can have must not reach the next log.
    let (start, end) = offsets(targets);
    let sql = "SELECT place, leaf, target, effect, reason, effective FROM statuses \
         WHERE target >= (SELECT id << 40 FROM logs WHERE origin = $1) + $2 \
         AND target < (SELECT id << 40 FROM logs WHERE origin = $1) + $3 \
         ORDER BY target, place";
    let rows: Vec<Row> = db.all(sql, values![name, start, end]).await?;
    rows.into_iter()
        .map(|(place, leaf, target, number, reason, effective)| {
            Ok(StatusRow {
                index: index_at(place),
                leaf: hash(&leaf)?,
                target_index: index_at(target),
                effect: effect(number)?,
                reason: unsigned(reason)?,
                effective_date: unsigned(effective)?,
            })
        })
        .collect()
}

pub(super) async fn erased(
    db: &Pool,
    name: &Origin,
    range: Range<u64>,
) -> Result<Vec<(u64, Vec<u32>)>, Error> {
    let (start, end) = offsets(&range);
    let sql = "SELECT target, groups FROM erasures \
         WHERE target >= (SELECT id << 40 FROM logs WHERE origin = $1) + $2 \
         AND target < (SELECT id << 40 FROM logs WHERE origin = $1) + $3 ORDER BY place";
    let rows: Vec<(i64, String)> = db.all(sql, values![name, start, end]).await?;
    rows.into_iter()
        .map(|(target, text)| Ok((index_at(target), groups(&text)?)))
        .collect()
}

pub(super) async fn directory(
    db: &Pool,
    kind: u32,
    key: &str,
) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
    let sql = "SELECT l.origin, d.place, d.effective, d.body FROM directory d \
         JOIN logs l ON l.id = d.place >> 40 \
         WHERE d.kind = $1 AND d.key = $2 ORDER BY l.origin, d.place";
    let rows: Vec<(String, i64, i64, Vec<u8>)> = db.all(sql, values![kind, key]).await?;
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
    db: &Pool,
    kind: u32,
    prefix: &str,
    after: &str,
    keys: u32,
) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
    let sql = "SELECT l.origin, d.place, d.key, d.effective, d.body FROM directory d \
         JOIN logs l ON l.id = d.place >> 40 \
         WHERE d.kind = $1 AND d.key IN (SELECT DISTINCT key FROM directory \
             WHERE kind = $1 AND key > $2 AND key >= $3 AND key < $4 ORDER BY key LIMIT $5) \
         ORDER BY d.key, l.origin, d.place";
    let rows: Vec<(String, i64, String, i64, Vec<u8>)> = db
        .all(
            sql,
            values![kind, after, prefix, format!("{prefix}\u{7f}"), keys],
        )
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
    db: &Pool,
    name: &Origin,
    kind: u32,
) -> Result<Option<u32>, Error> {
    let sql = "SELECT min(effective) FROM directory WHERE kind = $1 \
         AND place >= (SELECT id << 40 FROM logs WHERE origin = $2) \
         AND place < (SELECT (id + 1) << 40 FROM logs WHERE origin = $2)";
    let first: Option<(Option<i64>,)> = db.one(sql, values![kind, name]).await?;
    let first = first.and_then(|(first,)| first);
    first.map(unsigned).transpose()
}

pub(super) async fn directory_end(db: &Pool, name: &Origin) -> Result<u64, Error> {
    let sql = "SELECT max(place) FROM directory \
         WHERE place >= (SELECT id << 40 FROM logs WHERE origin = $1) \
         AND place < (SELECT (id + 1) << 40 FROM logs WHERE origin = $1)";
    let newest: Option<(Option<i64>,)> = db.one(sql, values![name]).await?;
    let newest = newest.and_then(|(newest,)| newest);
    Ok(newest.map_or(0, |place| index_at(place) + 1))
}

pub(super) async fn directory_has(
    db: &Pool,
    name: &Origin,
    kinds: &[u32],
    from: u64,
) -> Result<bool, Error> {
    let mut db = db.read(1).await?;
    let mut sql = Statement::new(
        &db,
        "SELECT EXISTS (SELECT 1 FROM directory \
         WHERE place >= (SELECT id << 40 FROM logs WHERE origin = ",
    );
    sql.value(name)?.push(") + ").value(integer(from)?)?;
    sql.push(" AND place < (SELECT (id + 1) << 40 FROM logs WHERE origin = ");
    // Without the sign the index by kind would be taken, which holds all of them.
    sql.value(name)?.push(") AND +kind");
    sql.is_one_of(kinds.iter().copied().map(Value::from).collect())?;
    sql.push(")");
    let found: Vec<(bool,)> = sql.all(&mut db).await?;
    Ok(found.contains(&(true,)))
}

pub(super) async fn adoptions(db: &Pool, name: &Origin) -> Result<Vec<AdoptionRow>, Error> {
    let sql = "SELECT place, version FROM adoptions \
         WHERE place >= (SELECT id << 40 FROM logs WHERE origin = $1) \
         AND place < (SELECT (id + 1) << 40 FROM logs WHERE origin = $1) ORDER BY place";
    let rows: Vec<(i64, i64)> = db.all(sql, values![name]).await?;
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
    db: &Pool,
    name: &Origin,
    from: u64,
    limit: u32,
) -> Result<(u64, Vec<QuarantineRow>), Error> {
    let (start, end) = offsets(&(from..u64::MAX));
    let mut db = db.read(2).await?;
    let total = "SELECT count(*) FROM quarantine \
         WHERE place >= (SELECT id << 40 FROM logs WHERE origin = $1) \
         AND place < (SELECT (id + 1) << 40 FROM logs WHERE origin = $1)";
    let total: Option<(i64,)> = db.one(total, values![name]).await?;
    let total = total.map_or(0, |(total,)| total);
    let sql = "SELECT place, code FROM quarantine \
         WHERE place >= (SELECT id << 40 FROM logs WHERE origin = $1) + $2 \
         AND place < (SELECT id << 40 FROM logs WHERE origin = $1) + $3 \
         ORDER BY place LIMIT $4";
    let rows: Vec<(i64, String)> = db.all(sql, values![name, start, end, limit]).await?;
    let rows = rows.into_iter().map(|(place, code)| QuarantineRow {
        index: index_at(place),
        code,
    });
    Ok((unsigned(total)?, rows.collect()))
}
