//! Stores of whichever back end is tried.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use huren_postgres_server::Server;
use huren_store::{Memory, Postgres, PostgresOptions, Store};
use tokio::runtime::Handle;

/// Names the back end of [`store`]: `memory`, which is meant without it; `postgres`; `pgbouncer`
/// for PostgreSQL behind a pooler; `replica` for PostgreSQL with a standby that look-ups for
/// answers come from.
pub const BACK_END: &str = "TEST_STORE";

/// How soon it is seen how far the standby has come.
const MEASURED: Duration = Duration::from_millis(20);

/// An empty store of the back end that is tried.
///
/// # Panics
/// If there is no such back end, or it cannot be had.
pub fn store() -> Arc<dyn Store> {
    let Some((url, options)) = empty_database() else {
        return Arc::new(Memory::new());
    };
    // It connects in the runtime of its test.
    let store = Postgres::lazy(&url, &options).expect("an address");
    if options.replica.is_some() {
        // It is part of the machine, whose time is not that of the test.
        Handle::current().spawn(watch(store.clone()));
    }
    Arc::new(store)
}

/// Measures the standby, as a node does, until the test is over.
async fn watch(store: Postgres) {
    let mut ticks = tokio::time::interval(MEASURED);
    while store.measure_replica(0).await.is_some() {
        ticks.tick().await;
    }
}

/// The address of a new database that has its tables, if PostgreSQL is tried, and as many
/// connections as a test needs, of which many run at once.
pub(crate) fn empty_database() -> Option<(String, PostgresOptions)> {
    let mut options = PostgresOptions {
        writers: 1,
        readers: 2,
        // Each database is copied by the test's own thread, which other stores of that test wait for.
        acquire_timeout: Duration::from_secs(120),
        ..PostgresOptions::default()
    };
    let back_end = std::env::var(BACK_END).unwrap_or_else(|_| "memory".to_owned());
    if back_end == "memory" {
        return None;
    }
    let server = huren_postgres_server::server().expect("PostgreSQL, which was asked for");
    let mut url = server.copy_of(empty(server)).expect("a database");
    match back_end.as_str() {
        "postgres" => {}
        "pgbouncer" => {
            let pooler = huren_postgres_server::pooler().expect("PgBouncer, which was asked for");
            (url, options.pooled) = (pooler.same(&url), true);
        }
        "replica" => {
            let standby = huren_postgres_server::standby().expect("PostgreSQL");
            options.replica = Some(standby.same(&url));
            // As long as look-ups wait for it.
            options.replica_patience = Duration::from_secs(2);
        }
        other => panic!("{BACK_END} is {other}: memory, postgres, pgbouncer and replica are"),
    }
    Some((url, options))
}

/// The address of a database that has its tables and nothing in them.
fn empty(server: &Server) -> &'static str {
    static EMPTY: OnceLock<String> = OnceLock::new();
    EMPTY.get_or_init(|| {
        let url = server.database().expect("a database");
        let make = async |url: &str| {
            let options = PostgresOptions::default();
            let store = Postgres::open(url, &options).await.expect("tables");
            store.close().await;
        };
        std::thread::scope(|scope| {
            // The test's own runtime may not wait.
            scope.spawn(|| {
                let mut runtime = tokio::runtime::Builder::new_current_thread();
                let runtime = runtime.enable_all().build().expect("a runtime");
                runtime.block_on(make(&url));
            });
        });
        url
    })
}
