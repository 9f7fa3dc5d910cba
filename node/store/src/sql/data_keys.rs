//! Which keys disclosures are tagged and sealed with, and how far they have been put under others.

use std::collections::HashMap;

use huren_core::checkpoint::Origin;

use super::{
    db::{Db, Pool, values},
    decode::origin as read_origin,
    logs,
    place::{integer, unsigned},
};
use crate::{DataKey, DataKeyKind, Error, Rekey, Rekeyed};

pub(super) async fn all(db: &Pool) -> Result<Vec<DataKey>, Error> {
    let rows: Vec<Row> = db.all(SELECT, values![]).await?;
    rows.into_iter().map(read).collect()
}

pub(super) async fn put(
    db: &mut Db,
    expected: &[DataKey],
    keys: &[DataKey],
    walk_again: bool,
) -> Result<(), Error> {
    let held: Vec<Row> = db.all(SELECT, values![]).await?;
    let held: Vec<DataKey> = held.into_iter().map(read).collect::<Result<_, _>>()?;
    if held != expected {
        return Err(Error::Conflict);
    }
    db.execute("DELETE FROM data_keys", values![]).await?;
    for (rank, key) in (0i64..).zip(keys) {
        let insert = "INSERT INTO data_keys (rank, kind, key_id) VALUES ($1, $2, $3)";
        let key = values![rank, key.kind as i64, &key.id[..]];
        db.execute(insert, key).await?;
    }
    if walk_again {
        db.execute("DELETE FROM rekeyed", values![]).await?;
    }
    Ok(())
}

pub(super) async fn rekeyed(db: &Pool) -> Result<HashMap<Origin, Rekeyed>, Error> {
    let sql = "SELECT l.origin, r.up_to, r.kept FROM rekeyed r JOIN logs l ON l.id = r.log";
    let rows: Vec<(String, i64, i64)> = db.all(sql, values![]).await?;
    let one = |(origin, up_to, kept)| {
        let (up_to, kept) = (unsigned(up_to)?, unsigned(kept)?);
        Ok((read_origin(origin)?, Rekeyed { up_to, kept }))
    };
    rows.into_iter().map(one).collect()
}

pub(super) async fn rekey(db: &mut Db, origin: &Origin, rekey: &Rekey) -> Result<(), Error> {
    let log = logs::id(db, origin).await?;
    let held = "SELECT up_to, kept FROM rekeyed WHERE log = $1";
    let held: Option<(i64, i64)> = db.one(held, values![log]).await?;
    let (up_to, kept) = held.unwrap_or_default();
    let (up_to, kept) = (unsigned(up_to)?, unsigned(kept)?);
    if (Rekeyed { up_to, kept }) != rekey.from || rekey.to.up_to < up_to {
        return Err(Error::Conflict);
    }
    for row in &rekey.rows {
        // As long as before in every column, so that SQLite writes over the old bytes: see the
        // table.
        db.change_one(
            "UPDATE disclosures SET number_tag = $2, holder_tag = $3, sealed = $4 \
             WHERE live = 1 AND place = $1 AND length(sealed) = length($4) \
             AND length(number_tag) IS NOT DISTINCT FROM length($2) \
             AND length(holder_tag) IS NOT DISTINCT FROM length($3)",
            values![
                log.place(row.index)?,
                row.number_tag,
                row.holder_tag,
                &row.sealed[..]
            ],
        )
        .await?;
    }
    for (old, new, index) in &rekey.submissions {
        db.execute(
            "UPDATE submissions SET tag = $3 \
             WHERE substr(tag, 1, 8) = $1 AND tag = $2 AND leaf_index = $4",
            values![&old.0[..8], *old, *new, integer(*index)?],
        )
        .await?;
    }
    db.execute(
        "INSERT INTO rekeyed (log, up_to, kept) VALUES ($1, $2, $3) \
         ON CONFLICT (log) DO UPDATE SET up_to = excluded.up_to, kept = excluded.kept",
        values![log, integer(rekey.to.up_to)?, integer(rekey.to.kept)?],
    )
    .await?;
    Ok(())
}

const SELECT: &str = "SELECT kind, key_id FROM data_keys ORDER BY rank";

type Row = (i64, Vec<u8>);

fn read((kind, id): Row) -> Result<DataKey, Error> {
    let kind = [DataKeyKind::AtRest, DataKeyKind::Index]
        .into_iter()
        .find(|known| *known as i64 == kind);
    Ok(DataKey {
        kind: kind.ok_or(Error::Corrupt("kind of a data key"))?,
        id: id
            .try_into()
            .map_err(|_| Error::Corrupt("id of a data key"))?,
    })
}
