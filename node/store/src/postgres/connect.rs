//! Connecting to the database.

use std::{fmt::Write as _, str::FromStr as _, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    Error,
    sql::{Db, Row},
};

/// Key of the lock under which one process at a time makes tables: nobody else's, so any number.
const MIGRATING: i64 = 0x6875_7265_6e00;

/// Statements whose plans a connection keeps.
const PLANS_KEPT: usize = 200;

/// How statements are planned that look for keys, of which each has an index. A database that was
/// filled a moment ago has no statistics: it takes a hundred keys for a twentieth of a table, and
/// reads the whole of every table that is joined (PostgreSQL 15: a third of SQLite's answers a
/// second, and fewer with every record). Whichever keys they are, one plan will do.
const BY_KEYS: [(&str, &str); 5] = [
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_seqscan", "off"),
    // What is switched off counts as so expensive that compiling it would seem worth it.
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];

/// How those are planned that read whole tables, and those that write.
const WHOLE_TABLES: [(&str, &str); 4] = [
    ("enable_hashjoin", "on"),
    ("enable_mergejoin", "on"),
    ("enable_seqscan", "on"),
    ("plan_cache_mode", "auto"),
];

/// How much of the database a process may use.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Connections that write; at least 1. More than one wait for each other.
    pub writers: u32,
    /// Connections that read; at least 1.
    pub readers: u32,
    /// How long a call waits for a connection.
    pub acquire_timeout: Duration,
    /// How long one statement may take, but for those that have much to write or read every row.
    pub statement_timeout: Duration,
    /// How long a transaction that writes may stand still before the database ends it, so that a
    /// process that stopped in the middle holds nobody up.
    pub stall: Duration,
    /// Whether a pooler such as PgBouncer is in between. It may give each transaction another
    /// connection to the database and need not know prepared statements.
    pub pooled: bool,
    /// Address of a standby of the database, from which look-ups for answers may come. It is of
    /// one server.
    pub replica: Option<String>,
    /// How far the standby may be behind to be asked, in whole seconds.
    pub replica_lag_max: Duration,
    /// How long a look-up waits until the standby has replayed what this process knows, before it
    /// goes to the database itself.
    pub replica_patience: Duration,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            writers: 2,
            readers: 8,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(60),
            stall: Duration::from_secs(2),
            pooled: false,
            replica: None,
            replica_lag_max: Duration::from_secs(30),
            replica_patience: Duration::ZERO,
        }
    }
}

/// Connections to a database. No statement goes there but through what [`Self::statement`] and
/// [`Self::begin`] give, so that none rests on what a pooler does not keep from one transaction to
/// the next: prepared statements and settings.
#[derive(Clone)]
pub(crate) struct Connections {
    pool: PgPool,
    is_pooled: bool,
    statement_timeout: Duration,
    stall: Duration,
}

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    /// Reads, all of which see one state.
    Read,
    /// Reads of whole tables, which take as long as they take.
    ReadAll,
    /// Writes that are done at once.
    Write,
    /// Writes of whatever length.
    WriteMuch,
}

impl Connections {
    /// Connections to what is at an address, made as they are needed.
    pub(super) fn new(
        url: &str,
        connections: u32,
        options: &PostgresOptions,
    ) -> Result<Self, Error> {
        let pool = PgPoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(options.acquire_timeout)
            .connect_lazy_with(target(url, options)?);
        Ok(Self {
            pool,
            is_pooled: options.pooled,
            statement_timeout: options.statement_timeout,
            stall: options.stall,
        })
    }

    /// A connection for one statement that reads.
    pub(crate) async fn statement(&self) -> Result<Db, Error> {
        // Parsing a statement and running it are two requests, which a pooler keeps together in a
        // transaction alone.
        match self.is_pooled {
            true => self.begin(Begin::Read).await,
            false => Ok(Db::Postgres(self.pool.acquire().await?)),
        }
    }

    /// The only value of a statement that reads.
    pub(super) async fn value<T>(&self, sql: &'static str) -> Result<T, Error>
    where
        (T,): Row,
    {
        let row: Option<(T,)> = self.statement().await?.one(sql, Vec::new()).await?;
        let (value,) = row.ok_or(sqlx::Error::RowNotFound)?;
        Ok(value)
    }

    /// Begins a transaction, in one request with its limits.
    pub(crate) async fn begin(&self, what: Begin) -> Result<Db, Error> {
        const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        const WRITE: &str = "BEGIN";
        // Without a pooler the connection has it from its start. With one, who stands still in
        // the midst of a read has a connection that others wait for.
        let usual = self.is_pooled.then_some(self.statement_timeout);
        let (begin, statement_timeout, stall) = match what {
            Begin::Read => (READ, usual, usual),
            Begin::ReadAll => (READ, Some(Duration::ZERO), None),
            Begin::Write => (WRITE, usual, Some(self.stall)),
            Begin::WriteMuch => (WRITE, Some(Duration::ZERO), Some(self.stall)),
        };
        let mut sql = begin.to_owned();
        for (setting, limit) in [
            ("statement_timeout", statement_timeout),
            ("idle_in_transaction_session_timeout", stall),
        ] {
            if let Some(limit) = limit {
                let _ = write!(sql, "; SET LOCAL {setting} = {}", limit.as_millis());
            }
        }
        let planning: &[(&str, &str)] = match (what, self.is_pooled) {
            (Begin::Read | Begin::Write, true) => &BY_KEYS,
            // The connection has them from its start.
            (Begin::Read | Begin::Write, false) => &[],
            (Begin::ReadAll | Begin::WriteMuch, true) => &[],
            (Begin::ReadAll | Begin::WriteMuch, false) => &WHOLE_TABLES,
        };
        for (setting, value) in planning {
            let _ = write!(sql, "; SET LOCAL {setting} = {value}");
        }
        let begun = self.pool.begin_with(AssertSqlSafe(sql)).await?;
        Ok(match self.is_pooled {
            true => Db::PostgresPooled(begun),
            false => Db::PostgresTransaction(begun),
        })
    }

    /// Waits for what is under way and closes them.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Where the database is, out of its address.
fn target(url: &str, options: &PostgresOptions) -> Result<PgConnectOptions, Error> {
    let target = PgConnectOptions::from_str(url)?
        .application_name("huren")
        // There is no such number in any table, and poolers do not know the setting.
        .extra_float_digits(None)
        .statement_cache_capacity(PLANS_KEPT)
        .disable_statement_logging();
    if options.pooled {
        return Ok(target);
    }
    let timeout = format!("{}ms", options.statement_timeout.as_millis());
    let target = target.options([("statement_timeout", timeout.as_str())]);
    Ok(target.options(BY_KEYS))
}

/// The steps that make the tables.
pub(super) fn migrations() -> Migrator {
    let mut migrations: Migrator = sqlx::migrate!("migrations/postgres");
    // Under a lock of our own: see `migrate`.
    migrations.set_locking(false);
    migrations
}

/// Brings the schema up to date, in one transaction and under one lock, both of which work
/// through a pooler too.
pub(super) async fn migrate(connections: &Connections) -> Result<(), Error> {
    let mut transaction = connections.pool.begin().await?;
    // That a table is there already is no news.
    let silent = sqlx::query("SET LOCAL client_min_messages = warning").persistent(false);
    silent.execute(&mut *transaction).await?;
    let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").persistent(false);
    lock.bind(MIGRATING).execute(&mut *transaction).await?;
    // A large table takes its time.
    let unlimited = [("statement_timeout", "0")];
    for (setting, value) in unlimited.iter().chain(&WHOLE_TABLES) {
        let set = AssertSqlSafe(format!("SET LOCAL {setting} = {value}"));
        let set = sqlx::query(set).persistent(false);
        set.execute(&mut *transaction).await?;
    }
    let migrated = migrations().run(&mut *transaction).await;
    // The statements that the library prepares have names, which others would come upon who are
    // given this connection by a pooler. It closes one that breaks off in a transaction.
    transaction.clear_cached_statements().await?;
    migrated?;
    Ok(transaction.commit().await?)
}
