//! Moving a node's database from a file into PostgreSQL.

use std::sync::atomic::Ordering;

use super::{Begin, Postgres};
use crate::{
    Error, Sqlite, Store as _,
    sql::{Database as _, Sum, TABLES, values},
};

/// Who holds the lease of a database that is not whole yet: no node takes charge of it.
const MOVING: &str = "migrate-store";

/// Takes the lease for good, of an empty database or of one into which a move was begun.
const TAKE: &str = "UPDATE lease SET epoch = epoch + 1, holder = $1, expires = 'infinity' \
     WHERE id = 1 AND (holder = $1 OR NOT EXISTS (SELECT 1 FROM logs)) RETURNING epoch";

/// Why a database was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// One of the two failed. What was moved stays; begin again.
    #[error(transparent)]
    Store(#[from] Error),
    /// There is a node's database already.
    #[error(
        "目标数据库中已有节点数据，未作改动 / the database that it is to go to has a node's data already, and was not \
         changed"
    )]
    NotEmpty,
    /// The file changed meanwhile.
    #[error(
        "搬移期间源数据库有改动：请停止节点后重新运行 / the file was written to meanwhile: stop the node and run \
         this again"
    )]
    Changed,
    /// What was written does not read back.
    #[error("表 {0} 读回不符 / the table {0} does not read back as it was written")]
    Differs(&'static str),
}

/// How far a move is.
#[derive(Clone, Copy, Debug)]
pub enum Moving {
    /// A table comes next, with so many rows.
    Table(&'static str, u64),
    /// So many more rows of it are there.
    Rows(u64),
}

/// Copies everything of a store in a file into an empty PostgreSQL database, reads all of it back
/// and compares. Tables that an earlier attempt has finished are compared alone. Until the end no
/// node takes charge of the database.
///
/// Gives the rows of each table.
///
/// # Errors
/// [`MoveError`].
pub async fn move_store(
    from: &Sqlite,
    to: &Postgres,
    mut told: impl FnMut(Moving),
) -> Result<Vec<(&'static str, u64)>, MoveError> {
    let mut taking = to.writers.begin(Begin::Write).await?;
    let epoch: Option<(i64,)> = taking.one(TAKE, values![MOVING]).await?;
    let (epoch,) = epoch.ok_or(MoveError::NotEmpty)?;
    taking.commit().await?;
    to.epoch.store(epoch, Ordering::Release);
    let before = state(from).await?;
    // One state of the file, whatever happens to it.
    let mut source = from.readers().snapshot().await?;
    let mut moved = Vec::new();
    for table in &TABLES {
        let name = table.name();
        let wanted = table.sum(&mut source).await?;
        told(Moving::Table(name, wanted.rows));
        if held(to, table).await? != wanted {
            table
                .copy(&mut source, to, &mut |rows| told(Moving::Rows(rows)))
                .await?;
            if held(to, table).await? != wanted {
                return Err(MoveError::Differs(name));
            }
        }
        moved.push((name, wanted.rows));
    }
    drop(source);
    if state(from).await? != before {
        return Err(MoveError::Changed);
    }
    to.resign().await?;
    Ok(moved)
}

async fn held(to: &Postgres, table: &crate::sql::Table) -> Result<Sum, Error> {
    table.sum(&mut to.readers().snapshot().await?).await
}

/// What changes with every act of a node.
async fn state(from: &Sqlite) -> Result<impl PartialEq + use<>, Error> {
    Ok((from.logs().await?, from.audit_head().await?))
}
