//! The audit trail.

use huren_core::audit::{ChainHead, Link};

use super::{
    bulk::Insert,
    db::{Db, Dialect, Pool, values},
    decode::hash,
    place::{integer, unsigned},
    statement::Statement,
};
use crate::{AuditQuery, AuditRow, Error};

const INSERT: Insert = Insert::new("audit (sequence, time, action, actor, entry, hash)");

const HEAD: &str = "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1";

type Row = (i64, i64, i64, String, Vec<u8>, Vec<u8>);

pub(super) async fn append(
    db: &mut Db,
    expected: ChainHead,
    rows: &[AuditRow],
) -> Result<(), Error> {
    if head_of(db.one(HEAD, values![]).await?)? != expected {
        return Err(Error::Conflict);
    }
    INSERT
        .rows(db, rows, |row| {
            Ok(values![
                integer(row.link.sequence)?,
                integer(row.time)?,
                row.action,
                &row.actor[..],
                &row.link.entry[..],
                row.link.hash,
            ])
        })
        .await
}

pub(super) async fn head(db: &Pool) -> Result<ChainHead, Error> {
    head_of(db.one(HEAD, values![]).await?)
}

fn head_of(row: Option<(i64, Vec<u8>)>) -> Result<ChainHead, Error> {
    let Some((sequence, digest)) = row else {
        return Ok(ChainHead::EMPTY);
    };
    Ok(ChainHead {
        sequence: unsigned(sequence)?,
        hash: hash(&digest)?,
    })
}

pub(super) async fn find(db: &Pool, query: &AuditQuery) -> Result<Vec<AuditRow>, Error> {
    let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut db = db.read(1).await?;
    let mut sql = Statement::new(
        &db,
        "SELECT sequence, time, action, actor, entry, hash FROM audit WHERE sequence >= ",
    );
    sql.value(bound(query.sequences.start))?;
    sql.push(" AND sequence < ")
        .value(bound(query.sequences.end))?;
    sql.push(" AND time >= ").value(bound(query.times.start))?;
    sql.push(" AND time < ").value(bound(query.times.end))?;
    if let Some(action) = query.action {
        sql.push(" AND action = ").value(action)?;
    }
    if let Some(actor) = &query.actor {
        sql.push(" AND actor = ").value(&actor[..])?;
    }
    if !query.subjects.is_empty() {
        let (position, of) = match db.dialect() {
            Dialect::Sqlite => ("instr(entry, ", ") > 0"),
            Dialect::Postgres => ("position(", " IN entry) > 0"),
        };
        // 16 random bytes stand nowhere else in an entry.
        let mut any = " AND (";
        for subject in &query.subjects {
            sql.push(any).push(position).value(&subject.0[..])?;
            sql.push(of);
            any = " OR ";
        }
        sql.push(")");
    }
    sql.push(" ORDER BY sequence");
    if query.newest_first {
        sql.push(" DESC");
    }
    sql.push(" LIMIT ").value(query.limit)?;
    let rows: Vec<Row> = sql.all(&mut db).await?;
    rows.into_iter().map(row).collect()
}

fn row((sequence, time, action, actor, entry, digest): Row) -> Result<AuditRow, Error> {
    Ok(AuditRow {
        link: Link {
            sequence: unsigned(sequence)?,
            entry,
            hash: hash(&digest)?,
        },
        time: unsigned(time)?,
        action: i32::try_from(action).map_err(|_| Error::Corrupt("an action has no number"))?,
        actor,
    })
}
