//! Look-ups by tag and by place: one statement brings certificates, status changes and disclosures, so
//! that an answer comes from one state of the database.

use std::collections::{BTreeSet, HashMap, HashSet};

use huren_core::{checkpoint::Origin, register::StatusRow};

use super::{
    db::{Db, Pool, Value},
    decode::{effect, hash, key, origin},
    entries::entry_at,
    logs,
    place::{index_at, unsigned},
    statement::{LONGEST_LIST, Statement},
};
use crate::{Error, Found, FoundStatus, Leaves, Tag};

/// What is looked for.
#[derive(Clone, Copy)]
pub(super) enum By {
    Number,
    Holder,
    Place,
}

#[derive(sqlx::FromRow)]
struct Row {
    tag: Option<Vec<u8>>,
    holder_tag: Option<Vec<u8>>,
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
    db: &Pool,
    by: By,
    tags: &[Tag],
    leaves: Leaves,
) -> Result<Vec<Vec<Found>>, Error> {
    let asked: HashSet<Tag> = tags.iter().copied().collect();
    let keys: Vec<[u8; 32]> = asked.iter().map(|tag| tag.0).collect();
    let mut found: HashMap<Tag, Vec<Found>> = HashMap::new();
    let mut db = db.read(keys.len().div_ceil(LONGEST_LIST)).await?;
    for chunk in keys.chunks(LONGEST_LIST) {
        let prefixes = chunk.iter().map(|key| Value::from(&key[..8])).collect();
        let rows = select(&db, by, prefixes, leaves)?.all(&mut db).await?;
        for row in in_order(rows) {
            let tag = Tag(key(row.tag.as_deref().unwrap_or_default())?);
            // The index knows the first bytes of a tag only.
            if asked.contains(&tag) {
                gather(found.entry(tag).or_default(), row)?;
            }
        }
    }
    let of_tag = |tag| found.get(tag).cloned().unwrap_or_default();
    Ok(tags.iter().map(of_tag).collect())
}

/// What is found at places of one log.
pub(super) async fn at(
    db: &Pool,
    name: &Origin,
    indexes: &[u64],
    leaves: Leaves,
) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    let mut db = db.read(1 + indexes.len().div_ceil(LONGEST_LIST)).await?;
    let Some(log) = logs::find(&mut db, name).await? else {
        return Ok(found);
    };
    let places: BTreeSet<u64> = indexes.iter().copied().collect();
    let places: Vec<i64> = places
        .into_iter()
        .map(|index| log.place(index))
        .collect::<Result<_, _>>()?;
    for chunk in places.chunks(LONGEST_LIST) {
        let places = chunk.iter().copied().map(Value::from).collect();
        let rows = select(&db, By::Place, places, leaves)?.all(&mut db).await?;
        for row in in_order(rows) {
            gather(&mut found, row)?;
        }
    }
    Ok(found)
}

/// The statement for first bytes of tags, or for places.
pub(super) fn select(
    db: &Db,
    by: By,
    keys: Vec<Value>,
    leaves: Leaves,
) -> Result<Statement, Error> {
    let (tag, condition) = match by {
        By::Number => (
            "d.number_tag",
            "d.number_tag IS NOT NULL AND substr(d.number_tag, 1, 8)",
        ),
        By::Holder => (
            "d.holder_tag",
            "d.holder_tag IS NOT NULL AND substr(d.holder_tag, 1, 8)",
        ),
        By::Place => ("NULL", "d.place"),
    };
    let (entries, join) = match leaves {
        Leaves::With => (
            "e.entries, se.entries AS status_entries",
            "LEFT JOIN leaves e ON e.place = d.place >> 2 \
             LEFT JOIN leaves se ON se.place = s.place >> 2",
        ),
        Leaves::Without => ("NULL AS entries, NULL AS status_entries", ""),
    };
    let sql = format!(
        "SELECT {tag} AS tag, d.holder_tag, l.origin, d.place, d.sealed, c.leaf, \
         s.place AS status_place, s.leaf AS status_leaf, s.effect, s.reason, s.effective, \
         sd.sealed AS status_sealed, {entries} \
         FROM disclosures d \
         JOIN logs l ON l.id = d.place >> 40 \
         LEFT JOIN certificates c ON c.place = d.place \
         LEFT JOIN statuses s ON s.target = d.place \
         LEFT JOIN disclosures sd ON sd.place = s.place AND sd.live = 1 {join} \
         WHERE d.live = 1 AND {condition}"
    );
    let mut statement = Statement::new(db, &sql);
    statement.is_one_of(keys)?;
    Ok(statement)
}

/// Rows of one certificate follow each other, by its status changes. The database would copy every
/// leaf and every disclosure into a sorter for that.
fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
    let key = |row: &Row| (row.place, row.status_place);
    rows.sort_unstable_by(|a, b| a.origin.cmp(&b.origin).then_with(|| key(a).cmp(&key(b))));
    rows
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
        holder_tag: row.holder_tag.as_deref().map(key).transpose()?.map(Tag),
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
