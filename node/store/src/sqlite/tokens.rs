//! Tokens.

use sqlx::{SqliteConnection, SqlitePool};

use super::{
    decode::key,
    place::{integer, unsigned},
};
use crate::{Error, TokenRow};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    hash: Vec<u8>,
    name: String,
    roles: String,
    kinds: String,
    regions: String,
    created: i64,
    expires: i64,
    revoked: Option<i64>,
}

pub(super) async fn put(db: &mut SqliteConnection, token: &TokenRow) -> Result<(), Error> {
    let done = sqlx::query(
        "INSERT INTO tokens (id, hash, name, roles, kinds, regions, created, expires, revoked) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
    )
    .bind(&token.id)
    .bind(&token.hash[..])
    .bind(&token.name)
    .bind(&token.roles)
    .bind(&token.kinds)
    .bind(&token.regions)
    .bind(integer(token.created)?)
    .bind(integer(token.expires)?)
    .bind(token.revoked.map(integer).transpose()?)
    .execute(db)
    .await?;
    changed_one(&done)
}

pub(super) async fn revoke(db: &mut SqliteConnection, id: &str, time: u64) -> Result<(), Error> {
    let done = sqlx::query("UPDATE tokens SET revoked = coalesce(revoked, $2) WHERE id = $1")
        .bind(id)
        .bind(integer(time)?)
        .execute(db)
        .await?;
    changed_one(&done)
}

fn changed_one(done: &sqlx::sqlite::SqliteQueryResult) -> Result<(), Error> {
    if done.rows_affected() == 1 {
        Ok(())
    } else {
        Err(Error::Conflict)
    }
}

pub(super) async fn all(db: &SqlitePool) -> Result<Vec<TokenRow>, Error> {
    let sql = "SELECT id, hash, name, roles, kinds, regions, created, expires, revoked \
               FROM tokens ORDER BY created, id";
    let rows: Vec<Row> = sqlx::query_as(sql).fetch_all(db).await?;
    let read = |row: Row| {
        Ok(TokenRow {
            id: row.id,
            hash: key(&row.hash)?,
            name: row.name,
            roles: row.roles,
            kinds: row.kinds,
            regions: row.regions,
            created: unsigned(row.created)?,
            expires: unsigned(row.expires)?,
            revoked: row.revoked.map(unsigned).transpose()?,
        })
    };
    rows.into_iter().map(read).collect()
}
