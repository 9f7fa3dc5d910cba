//! What the own witness cosigned.

use huren_core::checkpoint::Origin;

use super::{
    db::{Db, Pool, values},
    decode::hash,
    place::{integer, unsigned},
};
use crate::{COSIGNED_KEPT, Cosigned, Error, Head};

pub(super) async fn put(
    db: &mut Db,
    origin: &Origin,
    expected: Option<Head>,
    cosigned: &Cosigned,
) -> Result<(), Error> {
    let held = "SELECT size, root FROM cosigned WHERE origin = $1 ORDER BY size DESC LIMIT 1";
    let held = db.one(held, values![origin]).await?;
    let held = held.map(head).transpose()?;
    let new = cosigned.head;
    let contradicts =
        |old: Head| new.size < old.size || (new.size == old.size && new.root != old.root);
    if held != expected || held.is_some_and(contradicts) {
        return Err(Error::Conflict);
    }
    db.execute(
        "INSERT INTO cosigned (origin, size, root, checkpoint) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (origin, size) DO UPDATE SET checkpoint = excluded.checkpoint",
        values![
            origin,
            integer(new.size)?,
            new.root,
            &cosigned.checkpoint[..]
        ],
    )
    .await?;
    db.execute(
        "DELETE FROM cosigned WHERE origin = $1 AND size NOT IN \
         (SELECT size FROM cosigned WHERE origin = $1 ORDER BY size DESC LIMIT $2)",
        values![origin, integer(COSIGNED_KEPT as u64)?],
    )
    .await?;
    Ok(())
}

pub(super) async fn all(db: &Pool, origin: &Origin) -> Result<Vec<Cosigned>, Error> {
    let sql = "SELECT size, root, checkpoint FROM cosigned WHERE origin = $1 ORDER BY size";
    let rows: Vec<(i64, Vec<u8>, Vec<u8>)> = db.all(sql, values![origin]).await?;
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
