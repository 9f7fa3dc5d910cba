//! Which submission became which leaf.

use std::collections::{HashMap, HashSet};

use super::{
    bulk::Insert,
    db::{Db, Pool, Value, values},
    decode::key,
    place::{integer, unsigned},
    statement::{LONGEST_LIST, Statement},
};
use crate::{Error, Tag};

const INSERT: Insert = Insert::new("submissions (tag, leaf_index)");

pub(super) async fn put(db: &mut Db, rows: &[(Tag, u64)]) -> Result<(), Error> {
    INSERT
        .rows(db, rows, |(tag, index)| Ok(values![*tag, integer(*index)?]))
        .await
}

pub(super) async fn first_indexes(db: &Pool, tags: &[Tag]) -> Result<HashMap<Tag, u64>, Error> {
    let asked: HashSet<Tag> = tags.iter().copied().collect();
    let keys: Vec<[u8; 32]> = asked.iter().map(|tag| tag.0).collect();
    let mut found = HashMap::new();
    let mut db = db.read(keys.len().div_ceil(LONGEST_LIST)).await?;
    for chunk in keys.chunks(LONGEST_LIST) {
        let prefixes = chunk.iter().map(|key| Value::from(&key[..8])).collect();
        let rows: Vec<(Vec<u8>, i64)> = select(&db, prefixes)?.all(&mut db).await?;
        for (tag, index) in rows {
            let tag = Tag(key(&tag)?);
            if asked.contains(&tag) {
                found.insert(tag, unsigned(index)?);
            }
        }
    }
    Ok(found)
}

pub(super) fn select(db: &Db, prefixes: Vec<Value>) -> Result<Statement, Error> {
    let sql = "SELECT tag, min(leaf_index) FROM submissions WHERE substr(tag, 1, 8)";
    let mut statement = Statement::new(db, sql);
    statement.is_one_of(prefixes)?.push(" GROUP BY tag");
    Ok(statement)
}
