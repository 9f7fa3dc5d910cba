//! Connections of either back end, and values on their way into it.

use std::sync::Arc;

use huren_core::{checkpoint::Origin, merkle::Hash};
use sqlx::{
    FromRow, Postgres, SqlSafeStr, Sqlite, SqlitePool, Transaction,
    pool::PoolConnection,
    postgres::{PgArguments, PgRow},
    sqlite::{SqliteArguments, SqliteRow},
};
use tracing::Span;

use super::place::LogId;
use crate::{
    Error, Tag,
    postgres::{Begin, Connections, Replica},
};

/// Connections that read.
#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(Connections),
    Replica(Arc<Replica>),
}

impl Pool {
    /// The span of an operation of the contract, by OpenTelemetry's semantic conventions 1.37
    /// (<https://opentelemetry.io/docs/specs/semconv/database/database-spans/>), without any value.
    pub(super) fn span(&self, operation: &'static str) -> Span {
        tracing::trace_span!(
            "store",
            otel.name = operation,
            otel.kind = "client",
            db.system.name = match self {
                Self::Sqlite(_) => "sqlite",
                Self::Postgres(_) | Self::Replica(_) => "postgresql",
            },
            db.operation.name = operation,
        )
    }

    /// A connection for a read of so many statements, all of which see one state.
    pub(crate) async fn read(&self, statements: usize) -> Result<Db, Error> {
        // A single statement sees one state by itself. Nothing is written in the transactions, so
        // how they end does not matter.
        Ok(match (self, statements > 1) {
            (Self::Replica(replica), _) => replica.snapshot().await?,
            (Self::Sqlite(pool), false) => Db::Sqlite(pool.acquire().await?),
            (Self::Sqlite(pool), true) => Db::SqliteTransaction(pool.begin().await?),
            (Self::Postgres(connections), false) => connections.statement().await?,
            (Self::Postgres(connections), true) => connections.begin(Begin::Read).await?,
        })
    }

    /// Waits for what is under way and closes the connections.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(connections) => connections.close().await,
            // Whoever has it closes it.
            Self::Replica(_) => {}
        }
    }

    /// A connection on which whole tables are seen as they are now, however long that takes.
    pub(crate) async fn snapshot(&self) -> Result<Db, Error> {
        match self {
            Self::Postgres(connections) => connections.begin(Begin::ReadAll).await,
            Self::Sqlite(_) | Self::Replica(_) => self.read(2).await,
        }
    }

    /// As [`Db::all`], by a connection of its own.
    pub(super) async fn all<T: Row>(
        &self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<Vec<T>, Error> {
        self.read(1).await?.all(sql, values).await
    }

    /// As [`Db::one`], by a connection of its own.
    pub(super) async fn one<T: Row>(
        &self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<Option<T>, Error> {
        self.read(1).await?.one(sql, values).await
    }
}

/// A connection, by itself or inside of a transaction.
pub(crate) enum Db {
    Sqlite(PoolConnection<Sqlite>),
    SqliteTransaction(Transaction<'static, Sqlite>),
    Postgres(PoolConnection<Postgres>),
    PostgresTransaction(Transaction<'static, Postgres>),
    /// Behind a pooler, where statements get no names: another one's may be there under the same.
    PostgresPooled(Transaction<'static, Postgres>),
}

/// Runs a query of whichever back end it is: `sqlx::$query(sql, arguments).$fetch(connection)`.
macro_rules! run {
    ($db:expr, $query:ident, $fetch:ident, $sql:expr, $arguments:expr) => {
        match ($db, $arguments) {
            (Db::Sqlite(db), Arguments::Sqlite(arguments)) => {
                run!(db, sqlx::$query($sql, arguments), $fetch)
            }
            (Db::SqliteTransaction(db), Arguments::Sqlite(arguments)) => {
                run!(db, sqlx::$query($sql, arguments), $fetch)
            }
            (Db::Postgres(db), Arguments::Postgres(arguments)) => {
                run!(db, sqlx::$query($sql, arguments), $fetch)
            }
            (Db::PostgresTransaction(db), Arguments::Postgres(arguments)) => {
                run!(db, sqlx::$query($sql, arguments), $fetch)
            }
            (Db::PostgresPooled(db), Arguments::Postgres(arguments)) => {
                run!(db, sqlx::$query($sql, arguments).persistent(false), $fetch)
            }
            _ => Err(Error::Unavailable(
                "arguments were made for another database".into(),
            )),
        }
    };
    ($connection:expr, $query:expr, $fetch:ident) => {
        Ok($query.$fetch(&mut **$connection).await?.into())
    };
}

impl Db {
    /// Which back end this is.
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) | Self::SqliteTransaction(_) => Dialect::Sqlite,
            Self::Postgres(_) | Self::PostgresTransaction(_) | Self::PostgresPooled(_) => {
                Dialect::Postgres
            }
        }
    }

    /// All rows of a statement, with values for `$1`, `$2` and so on.
    pub(crate) async fn all<T: Row>(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<Vec<T>, Error> {
        let arguments = Arguments::of(self.dialect(), values)?;
        self.all_with(sql, arguments).await
    }

    /// The only row of a statement, if it has one.
    pub(crate) async fn one<T: Row>(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<Option<T>, Error> {
        let arguments = Arguments::of(self.dialect(), values)?;
        run!(self, query_as_with, fetch_optional, sql, arguments)
    }

    /// Runs a statement, and tells how many rows it changed.
    pub(crate) async fn execute(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<u64, Error> {
        let arguments = Arguments::of(self.dialect(), values)?;
        self.execute_with(sql, arguments).await
    }

    /// As [`Self::execute`] for a statement that changes exactly one row.
    ///
    /// # Errors
    /// `Conflict` if it changes none.
    pub(super) async fn change_one(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<(), Error> {
        match self.execute(sql, values).await? {
            1 => Ok(()),
            _ => Err(Error::Conflict),
        }
    }

    pub(super) async fn all_with<T: Row>(
        &mut self,
        sql: impl SqlSafeStr,
        arguments: Arguments,
    ) -> Result<Vec<T>, Error> {
        run!(self, query_as_with, fetch_all, sql, arguments)
    }

    pub(super) async fn execute_with(
        &mut self,
        sql: impl SqlSafeStr,
        arguments: Arguments,
    ) -> Result<u64, Error> {
        let done: Done = run!(self, query_with, execute, sql, arguments)?;
        Ok(done.0)
    }

    /// Makes what was written in a transaction last.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::SqliteTransaction(transaction) => transaction.commit().await?,
            Self::PostgresTransaction(transaction) | Self::PostgresPooled(transaction) => {
                transaction.commit().await?;
            }
            Self::Sqlite(_) | Self::Postgres(_) => {}
        }
        Ok(())
    }
}

/// Rows that a statement changed.
struct Done(u64);

impl From<sqlx::sqlite::SqliteQueryResult> for Done {
    fn from(done: sqlx::sqlite::SqliteQueryResult) -> Self {
        Self(done.rows_affected())
    }
}

impl From<sqlx::postgres::PgQueryResult> for Done {
    fn from(done: sqlx::postgres::PgQueryResult) -> Self {
        Self(done.rows_affected())
    }
}

/// Whose SQL it is, where it is not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// What can be read from a row of either back end.
pub(crate) trait Row:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

/// A value of one of the three types that columns have. Numbers are kept in 64 bits everywhere.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Integer(Option<i64>),
    Text(String),
    Bytes(Option<Vec<u8>>),
}

/// `values![a, b]`: each into a [`Value`].
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::Value::from($value)),*] };
}
pub(crate) use values;

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(Some(value))
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        i64::from(value).into()
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        i64::from(value).into()
    }
}

impl From<Option<i64>> for Value {
    fn from(value: Option<i64>) -> Self {
        Self::Integer(value)
    }
}

impl From<LogId> for Value {
    fn from(log: LogId) -> Self {
        log.0.into()
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&Origin> for Value {
    fn from(origin: &Origin) -> Self {
        origin.as_str().into()
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        value.to_vec().into()
    }
}

impl From<Hash> for Value {
    fn from(hash: Hash) -> Self {
        hash.0.to_vec().into()
    }
}

impl From<Tag> for Value {
    fn from(tag: Tag) -> Self {
        tag.0.to_vec().into()
    }
}

impl From<Option<Tag>> for Value {
    fn from(tag: Option<Tag>) -> Self {
        Self::Bytes(tag.map(|tag| tag.0.to_vec()))
    }
}

/// Values as the driver of a back end takes them.
pub(super) enum Arguments {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

impl Arguments {
    /// None yet.
    pub(super) fn new(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Sqlite => Self::Sqlite(SqliteArguments::default()),
            Dialect::Postgres => Self::Postgres(PgArguments::default()),
        }
    }

    fn of(dialect: Dialect, values: Vec<Value>) -> Result<Self, Error> {
        let mut arguments = Self::new(dialect);
        values
            .into_iter()
            .try_for_each(|value| arguments.add(value))?;
        Ok(arguments)
    }

    /// One more.
    pub(super) fn add(&mut self, value: Value) -> Result<(), Error> {
        use sqlx::Arguments as _;
        let added = match (self, value) {
            (Self::Sqlite(to), Value::Integer(value)) => to.add(value),
            (Self::Sqlite(to), Value::Text(value)) => to.add(value),
            (Self::Sqlite(to), Value::Bytes(value)) => to.add(value),
            (Self::Postgres(to), Value::Integer(value)) => to.add(value),
            (Self::Postgres(to), Value::Text(value)) => to.add(value),
            (Self::Postgres(to), Value::Bytes(value)) => to.add(value),
        };
        added.map_err(|error| sqlx::Error::Encode(error).into())
    }
}
