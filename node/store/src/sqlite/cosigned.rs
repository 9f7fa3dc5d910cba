//! What the own witness cosigned.

use huren_core::checkpoint::Origin;
use sqlx::{SqliteConnection, SqlitePool};

use super::{
    decode::hash,
    place::{integer, unsigned},
};
use crate::{COSIGNED_KEPT, Cosigned, Error, Head};

pub(super) async fn put(
    db: &mut SqliteConnection,
    origin: &Origin,
    expected: Option<Head>,
    cosigned: &Cosigned,
) -> Result<(), Error> {
    let held: Option<(i64, Vec<u8>)> = sqlx::query_as(
        "SELECT size, root FROM cosigned WHERE origin = $1 ORDER BY size DESC LIMIT 1",
    )
    .bind(origin.as_str())
    .fetch_optional(&mut *db)
    .await?;
    let held = held.map(head).transpose()?;
    let new = cosigned.head;
    let contradicts =
        |old: Head| new.size < old.size || (new.size == old.size && new.root != old.root);
    if held != expected || held.is_some_and(contradicts) {
        return Err(Error::Conflict);
    }
    sqlx::query(
        "INSERT INTO cosigned (origin, size, root, checkpoint) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (origin, size) DO UPDATE SET checkpoint = excluded.checkpoint",
    )
    .bind(origin.as_str())
    .bind(integer(new.size)?)
    .bind(&new.root.as_bytes()[..])
    .bind(&cosigned.checkpoint[..])
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "DELETE FROM cosigned WHERE origin = $1 AND size NOT IN \
         (SELECT size FROM cosigned WHERE origin = $1 ORDER BY size DESC LIMIT $2)",
    )
    .bind(origin.as_str())
    .bind(integer(COSIGNED_KEPT as u64)?)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn all(db: &SqlitePool, origin: &Origin) -> Result<Vec<Cosigned>, Error> {
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "SELECT size, root, checkpoint FROM cosigned WHERE origin = $1 ORDER BY size",
    )
    .bind(origin.as_str())
    .fetch_all(db)
    .await?;
    let cosigned = |(size, root, checkpoint)| {
        Ok(Cosigned {
            head: head((size, root))?,
            checkpoint,
        })
    };
    rows.into_iter().map(cosigned).collect()
}

fn head((size, root): (i64, Vec<u8>)) -> Result<Head, Error> {
    Ok(Head {
        size: unsigned(size)?,
        root: hash(&root)?,
    })
}
