//! One state of the database for the statements of one read.

use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction, pool::PoolConnection};

use crate::Error;

/// A connection on which all of a read's statements see the same state.
pub(super) enum Snapshot {
    /// A single statement sees one state by itself.
    Statement(PoolConnection<Sqlite>),
    /// Nothing is written in it, so how it ends does not matter.
    Transaction(Transaction<'static, Sqlite>),
}

impl Snapshot {
    /// For a read of so many statements.
    pub(super) async fn of(db: &SqlitePool, statements: usize) -> Result<Self, Error> {
        Ok(if statements > 1 {
            Self::Transaction(db.begin().await?)
        } else {
            Self::Statement(db.acquire().await?)
        })
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Statement(connection) => connection,
            Self::Transaction(transaction) => transaction,
        }
    }
}
