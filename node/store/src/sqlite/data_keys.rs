//! Which keys disclosures are tagged and sealed with, and how far they have been put under others.

use std::collections::HashMap;

use huren_core::checkpoint::Origin;
use sqlx::{SqliteConnection, SqlitePool};

use super::{
    decode::origin as read_origin,
    logs,
    place::{integer, unsigned},
};
use crate::{DataKey, DataKeyKind, Error, Rekey, Rekeyed};

pub(super) async fn all(db: &SqlitePool) -> Result<Vec<DataKey>, Error> {
    let rows: Vec<Row> = sqlx::query_as(SELECT).fetch_all(db).await?;
    rows.into_iter().map(read).collect()
}

pub(super) async fn put(
    db: &mut SqliteConnection,
    expected: &[DataKey],
    keys: &[DataKey],
    walk_again: bool,
) -> Result<(), Error> {
    let held: Vec<Row> = sqlx::query_as(SELECT).fetch_all(&mut *db).await?;
    let held: Vec<DataKey> = held.into_iter().map(read).collect::<Result<_, _>>()?;
    if held != expected {
        return Err(Error::Conflict);
    }
    sqlx::query("DELETE FROM data_keys")
        .execute(&mut *db)
        .await?;
    for (rank, key) in (0i64..).zip(keys) {
        sqlx::query("INSERT INTO data_keys (rank, kind, key_id) VALUES ($1, $2, $3)")
            .bind(rank)
            .bind(key.kind as i64)
            .bind(&key.id[..])
            .execute(&mut *db)
            .await?;
    }
    if walk_again {
        sqlx::query("DELETE FROM rekeyed").execute(db).await?;
    }
    Ok(())
}

pub(super) async fn rekeyed(db: &SqlitePool) -> Result<HashMap<Origin, Rekeyed>, Error> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT l.origin, r.up_to, r.kept FROM rekeyed r JOIN logs l ON l.id = r.log",
    )
    .fetch_all(db)
    .await?;
    let one = |(origin, up_to, kept)| {
        let (up_to, kept) = (unsigned(up_to)?, unsigned(kept)?);
        Ok((read_origin(origin)?, Rekeyed { up_to, kept }))
    };
    rows.into_iter().map(one).collect()
}

pub(super) async fn rekey(
    db: &mut SqliteConnection,
    origin: &Origin,
    rekey: &Rekey,
) -> Result<(), Error> {
    let log = logs::id(db, origin).await?;
    let held: Option<(i64, i64)> = sqlx::query_as("SELECT up_to, kept FROM rekeyed WHERE log = $1")
        .bind(log)
        .fetch_optional(&mut *db)
        .await?;
    let (up_to, kept) = held.unwrap_or_default();
    let (up_to, kept) = (unsigned(up_to)?, unsigned(kept)?);
    if (Rekeyed { up_to, kept }) != rekey.from || rekey.to.up_to < up_to {
        return Err(Error::Conflict);
    }
    for row in &rekey.rows {
        // As long as before in every column, so that SQLite writes over the old bytes: see the
        // table.
        let done = sqlx::query(
            "UPDATE disclosures SET number_tag = $2, holder_tag = $3, sealed = $4 \
             WHERE live = 1 AND place = $1 AND length(sealed) = length($4) \
             AND length(number_tag) IS length($2) AND length(holder_tag) IS length($3)",
        )
        .bind(log.place(row.index)?)
        .bind(row.number_tag.map(|tag| tag.0.to_vec()))
        .bind(row.holder_tag.map(|tag| tag.0.to_vec()))
        .bind(&row.sealed[..])
        .execute(&mut *db)
        .await?;
        if done.rows_affected() != 1 {
            return Err(Error::Conflict);
        }
    }
    for (old, new, index) in &rekey.submissions {
        sqlx::query(
            "UPDATE submissions SET tag = $3 \
             WHERE substr(tag, 1, 8) = $1 AND tag = $2 AND leaf_index = $4",
        )
        .bind(&old.0[..8])
        .bind(&old.0[..])
        .bind(&new.0[..])
        .bind(integer(*index)?)
        .execute(&mut *db)
        .await?;
    }
    sqlx::query(
        "INSERT INTO rekeyed (log, up_to, kept) VALUES ($1, $2, $3) \
         ON CONFLICT (log) DO UPDATE SET up_to = excluded.up_to, kept = excluded.kept",
    )
    .bind(log)
    .bind(integer(rekey.to.up_to)?)
    .bind(integer(rekey.to.kept)?)
    .execute(db)
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
