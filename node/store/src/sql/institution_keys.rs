//! The keys that institutions hold at a place of a log.

use huren_core::{
    checkpoint::Origin,
    register::{InstitutionKeyRow, InstitutionKeys, KeysWanted},
};

use super::{
    db::{Pool, values},
    decode::hash,
    place::{index_at, offsets, unsigned},
};
use crate::Error;

pub(super) const BY_ID: &str = "SELECT k.place, k.key_id, k.alg, k.public_key, k.code, k.writer, k.active \
     FROM logs l JOIN institution_keys k ON k.key_id = $4 \
     AND k.place >= l.id << 40 AND k.place < (l.id << 40) + $2 \
     WHERE l.origin = $1 AND NOT EXISTS (SELECT 1 FROM directory d \
     WHERE d.kind = $3 AND d.key = k.code AND d.place > k.place AND d.place < (l.id << 40) + $2)";
pub(super) const BY_CODE: &str = "SELECT k.place, k.key_id, k.alg, k.public_key, k.code, k.writer, k.active \
     FROM logs l JOIN institution_keys k ON k.code = $4 \
     AND k.place >= l.id << 40 AND k.place < (l.id << 40) + $2 \
     WHERE l.origin = $1 AND NOT EXISTS (SELECT 1 FROM directory d \
     WHERE d.kind = $3 AND d.key = k.code AND d.place > k.place AND d.place < (l.id << 40) + $2)";

type Row = (i64, Vec<u8>, i64, Vec<u8>, String, i64, i64);

/// Those that are wanted: few, so each is asked for by itself.
pub(super) async fn held(
    db: &Pool,
    name: &Origin,
    wanted: &KeysWanted,
    before: u64,
) -> Result<InstitutionKeys, Error> {
    let (_, end) = offsets(&(0..before));
    let mut keys = InstitutionKeys::new();
    let mut db = db.read(wanted.ids.len() + wanted.codes.len()).await?;
    for id in &wanted.ids {
        let asked = values![name, end, InstitutionKeyRow::DIRECTORY, *id];
        take(&mut keys, db.all(BY_ID, asked).await?)?;
    }
    for code in &wanted.codes {
        let asked = values![name, end, InstitutionKeyRow::DIRECTORY, &code[..]];
        take(&mut keys, db.all(BY_CODE, asked).await?)?;
    }
    Ok(keys)
}

fn take(keys: &mut InstitutionKeys, rows: Vec<Row>) -> Result<(), Error> {
    for (place, key_id, alg, public_key, code, writer, active) in rows {
        let row = InstitutionKeyRow {
            index: index_at(place),
            key_id: hash(&key_id)?,
            alg: unsigned(alg)?,
            public_key,
            code,
            writer_region: unsigned(writer)?,
            active: active != 0,
        };
        keys.insert(row.key_id, row);
    }
    Ok(())
}
