//! Connecting to the database.

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    ConnectOptions as _, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::Error;

/// Key of the lock under which one process at a time makes tables: nobody else's, so any number.
const MIGRATING: i64 = 0x6875_7265_6e00;

/// Statements whose plans a connection keeps.
const PLANS_KEPT: usize = 200;

/// How much of the database a process may use.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// Connections that write; at least 1. More than one wait for each other.
    pub writers: u32,
    /// Connections that read; at least 1.
    pub readers: u32,
    /// How long a call waits for a connection.
    pub acquire_timeout: Duration,
    /// How long one statement may take. Where it is `pooled` that is for the pooler to say.
    pub statement_timeout: Duration,
    /// How long a transaction that writes may stand still before the database ends it, so that a
    /// process that stopped in the middle holds nobody up.
    pub stall: Duration,
    /// Whether a pooler such as PgBouncer is in between, which refuses settings at the start. It
    /// has to know prepared statements: in session mode any does, in transaction mode those that
    /// are told to.
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

/// Where the database is, out of its address.
pub(super) fn target(url: &str, options: &PostgresOptions) -> Result<PgConnectOptions, Error> {
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
    Ok(target.options([("statement_timeout", timeout.as_str())]))
}

/// Connections, made as they are needed.
pub(super) fn pool(
    connections: u32,
    options: &PostgresOptions,
    target: PgConnectOptions,
) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections.max(1))
        .acquire_timeout(options.acquire_timeout)
        .connect_lazy_with(target)
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
pub(super) async fn migrate(pool: &PgPool) -> Result<(), Error> {
    let mut transaction = pool.begin().await?;
    // That a table is there already is no news.
    sqlx::query("SET LOCAL client_min_messages = warning")
        .execute(&mut *transaction)
        .await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MIGRATING)
        .execute(&mut *transaction)
        .await?;
    migrations().run(&mut *transaction).await?;
    Ok(transaction.commit().await?)
}
