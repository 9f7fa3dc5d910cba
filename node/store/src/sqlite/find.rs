//! Look-ups by tag: one statement brings certificates, status changes and disclosures, so
//! that an answer comes from one state of the database.

use std::collections::{HashMap, HashSet};

use huren_core::register::StatusRow;
use sqlx::{AssertSqlSafe, SqlitePool};

use super::{
    bulk::{LONGEST_LIST, prefix_list, prefixes},
    decode::{effect, hash, key, origin},
    entries::entry_at,
    place::{index_at, unsigned},
    snapshot::Snapshot,
};
use crate::{Error, Found, FoundStatus, Tag};

/// Which tag is looked for.
#[derive(Clone, Copy)]
pub(super) enum By {
    Number,
    Holder,
}

#[derive(sqlx::FromRow)]
struct Row {
    tag: Vec<u8>,
    origin: String,
    place: i64,
    sealed: Vec<u8>,
    leaf: Option<Vec<u8>>,
    entries: Option<Vec<u8>>,
    status_place: Option<i64>,
    status_leaf: Option<Vec<u8>>,
    effect: Option<i64>,
    reason: Option<i64>,
    effective: Option<i64>,
    status_entries: Option<Vec<u8>>,
    status_sealed: Option<Vec<u8>>,
}

/// What each of the tags finds, in the order asked.
pub(super) async fn certificates(
    db: &SqlitePool,
    by: By,
    tags: &[Tag],
) -> Result<Vec<Vec<Found>>, Error> {
    let asked: HashSet<Tag> = tags.iter().copied().collect();
    let keys: Vec<[u8; 32]> = asked.iter().map(|tag| tag.0).collect();
    let mut found: HashMap<Tag, Vec<Found>> = HashMap::new();
    let mut db = Snapshot::of(db, keys.len().div_ceil(LONGEST_LIST)).await?;
    for chunk in keys.chunks(LONGEST_LIST) {
        let mut query = sqlx::query_as(AssertSqlSafe(select(by, chunk.len())));
        for prefix in prefixes(chunk) {
            query = query.bind(prefix);
        }
        let rows: Vec<Row> = query.fetch_all(db.connection()).await?;
        for row in rows {
            let tag = Tag(key(&row.tag)?);
            // The index knows the first bytes of a tag only.
            if asked.contains(&tag) {
                gather(found.entry(tag).or_default(), row)?;
            }
        }
    }
    let of_tag = |tag| found.get(tag).cloned().unwrap_or_default();
    Ok(tags.iter().map(of_tag).collect())
}

pub(super) fn select(by: By, tags: usize) -> String {
    let column = match by {
        By::Number => "number_tag",
        By::Holder => "holder_tag",
    };
    let list = prefix_list(tags);
    format!(
        "SELECT d.{column} AS tag, l.origin, d.place, d.sealed, c.leaf, e.entries, \
         s.place AS status_place, s.leaf AS status_leaf, s.effect, s.reason, s.effective, \
         se.entries AS status_entries, sd.sealed AS status_sealed \
         FROM disclosures d \
         JOIN logs l ON l.id = d.place >> 40 \
         LEFT JOIN certificates c ON c.place = d.place \
         LEFT JOIN entries e ON e.place = d.place >> 3 \
         LEFT JOIN statuses s ON s.target = d.place \
         LEFT JOIN entries se ON se.place = s.place >> 3 \
         LEFT JOIN disclosures sd ON sd.place = s.place AND sd.live = 1 \
         WHERE d.live = 1 AND d.{column} IS NOT NULL AND substr(d.{column}, 1, 8) IN {list} \
         ORDER BY l.origin, d.place, s.place"
    )
}

/// Adds a row to what was found for its tag: rows of one certificate follow each other.
fn gather(found: &mut Vec<Found>, row: Row) -> Result<(), Error> {
    let index = index_at(row.place);
    let status = status(&row)?;
    let origin = origin(row.origin)?;
    if let Some(last) = found.last_mut()
        && (&last.origin, last.index) == (&origin, index)
    {
        last.statuses.extend(status);
        return Ok(());
    }
    found.push(Found {
        origin,
        index,
        leaf: row.leaf.as_deref().map(hash).transpose()?,
        entry: entry(row.place, row.entries.as_deref())?,
        sealed: row.sealed,
        statuses: status.into_iter().collect(),
    });
    Ok(())
}

/// The status change of a row, if the outer join found one.
fn status(row: &Row) -> Result<Option<FoundStatus>, Error> {
    let (Some(place), Some(leaf)) = (row.status_place, row.status_leaf.as_deref()) else {
        return Ok(None);
    };
    let (Some(number), Some(reason), Some(effective)) = (row.effect, row.reason, row.effective)
    else {
        return Ok(None);
    };
    Ok(Some(FoundStatus {
        row: StatusRow {
            index: index_at(place),
            leaf: hash(leaf)?,
            target_index: index_at(row.place),
            effect: effect(number)?,
            reason: unsigned(reason)?,
            effective_date: unsigned(effective)?,
        },
        entry: entry(place, row.status_entries.as_deref())?,
        sealed: row.status_sealed.clone(),
    }))
}

/// The entry at a place, if the outer join found the row that holds it.
fn entry(place: i64, row: Option<&[u8]>) -> Result<Option<Vec<u8>>, Error> {
    row.map(|row| entry_at(place, row)).transpose()
}
