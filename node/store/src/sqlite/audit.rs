//! The audit trail.

use huren_core::audit::{ChainHead, Link};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, SqlitePool};

use super::{
    bulk::Insert,
    decode::hash,
    place::{integer, unsigned},
};
use crate::{AuditQuery, AuditRow, Error};

const INSERT: Insert = Insert {
    into: "INSERT INTO audit (sequence, time, action, actor, entry, hash)",
    columns: 6,
    conflict: "",
};

const HEAD: &str = "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1";

type Row = (i64, i64, i32, String, Vec<u8>, Vec<u8>);

pub(super) async fn append(
    db: &mut SqliteConnection,
    expected: ChainHead,
    rows: &[AuditRow],
) -> Result<(), Error> {
    let held: Option<(i64, Vec<u8>)> = sqlx::query_as(HEAD).fetch_optional(&mut *db).await?;
    if head_of(held)? != expected {
        return Err(Error::Conflict);
    }
    INSERT
        .rows(db, rows, |query, row| {
            Ok(query
                .bind(integer(row.link.sequence)?)
                .bind(integer(row.time)?)
                .bind(row.action)
                .bind(row.actor.clone())
                .bind(row.link.entry.clone())
                .bind(row.link.hash.0.to_vec()))
        })
        .await
}

pub(super) async fn head(db: &SqlitePool) -> Result<ChainHead, Error> {
    head_of(sqlx::query_as(HEAD).fetch_optional(db).await?)
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

pub(super) async fn find(db: &SqlitePool, query: &AuditQuery) -> Result<Vec<AuditRow>, Error> {
    let bound = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut sql = QueryBuilder::<Sqlite>::new(
        "SELECT sequence, time, action, actor, entry, hash FROM audit WHERE sequence >= ",
    );
    sql.push_bind(bound(query.sequences.start));
    sql.push(" AND sequence < ");
    sql.push_bind(bound(query.sequences.end));
    sql.push(" AND time >= ")
        .push_bind(bound(query.times.start));
    sql.push(" AND time < ").push_bind(bound(query.times.end));
    if let Some(action) = query.action {
        sql.push(" AND action = ").push_bind(action);
    }
    if let Some(actor) = &query.actor {
        sql.push(" AND actor = ").push_bind(actor.clone());
    }
    if !query.subjects.is_empty() {
        // 16 random bytes stand nowhere else in an entry.
        let mut any = " AND (";
        for subject in &query.subjects {
            sql.push(any).push("instr(entry, ");
            sql.push_bind(subject.0.to_vec()).push(") > 0");
            any = " OR ";
        }
        sql.push(")");
    }
    sql.push(" ORDER BY sequence");
    if query.newest_first {
        sql.push(" DESC");
    }
    sql.push(" LIMIT ").push_bind(i64::from(query.limit));
    let rows: Vec<Row> = sql.build_query_as().fetch_all(db).await?;
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
        action,
        actor,
    })
}
