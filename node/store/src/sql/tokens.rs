//! Tokens.

use super::{
    db::{Db, Pool, values},
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

pub(super) async fn put(db: &mut Db, token: &TokenRow) -> Result<(), Error> {
    db.change_one(
        "INSERT INTO tokens (id, hash, name, roles, kinds, regions, created, expires, revoked) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
        values![
            &token.id[..],
            &token.hash[..],
            &token.name[..],
            &token.roles[..],
            &token.kinds[..],
            &token.regions[..],
            integer(token.created)?,
            integer(token.expires)?,
            token.revoked.map(integer).transpose()?
        ],
    )
    .await
}

pub(super) async fn revoke(db: &mut Db, id: &str, time: u64) -> Result<(), Error> {
    let sql = "UPDATE tokens SET revoked = coalesce(revoked, $2) WHERE id = $1";
    db.change_one(sql, values![id, integer(time)?]).await
}

pub(super) async fn all(db: &Pool) -> Result<Vec<TokenRow>, Error> {
    let sql = "SELECT id, hash, name, roles, kinds, regions, created, expires, revoked \
               FROM tokens ORDER BY created, id";
    let rows: Vec<Row> = db.all(sql, values![]).await?;
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
