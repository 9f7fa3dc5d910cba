//! Which submission became which leaf.

use std::collections::{HashMap, HashSet};

use sqlx::{AssertSqlSafe, SqliteConnection, SqlitePool};

use super::{
    bulk::{Insert, LONGEST_LIST, placeholders, prefixes},
    decode::key,
    place::{integer, unsigned},
    snapshot::Snapshot,
};
use crate::{Error, Tag};

const INSERT: Insert = Insert {
    into: "INSERT INTO submissions (tag, leaf_index)",
    columns: 2,
    conflict: "",
};

pub(super) async fn put(db: &mut SqliteConnection, rows: &[(Tag, u64)]) -> Result<(), Error> {
    INSERT
        .rows(db, rows, |query, (tag, index)| {
            Ok(query.bind(tag.0.to_vec()).bind(integer(*index)?))
        })
        .await
}

pub(super) async fn first_indexes(
    db: &SqlitePool,
    tags: &[Tag],
) -> Result<HashMap<Tag, u64>, Error> {
    let asked: HashSet<Tag> = tags.iter().copied().collect();
    let keys: Vec<[u8; 32]> = asked.iter().map(|tag| tag.0).collect();
    let mut found = HashMap::new();
    let mut db = Snapshot::of(db, keys.len().div_ceil(LONGEST_LIST)).await?;
    for chunk in keys.chunks(LONGEST_LIST) {
        let mut query = sqlx::query_as(AssertSqlSafe(select(chunk.len())));
        for prefix in prefixes(chunk) {
            query = query.bind(prefix);
        }
        let rows: Vec<(Vec<u8>, i64)> = query.fetch_all(db.connection()).await?;
        for (tag, index) in rows {
            let tag = Tag(key(&tag)?);
            if asked.contains(&tag) {
                found.insert(tag, unsigned(index)?);
            }
        }
    }
    Ok(found)
}

pub(super) fn select(tags: usize) -> String {
    let list = placeholders(tags);
    format!(
        "SELECT tag, min(leaf_index) FROM submissions \
         WHERE substr(tag, 1, 8) IN {list} GROUP BY tag"
    )
}
