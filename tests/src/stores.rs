//! Stores of whichever back end is tried.

use std::sync::{Arc, OnceLock};

use huren_postgres_server::Server;
use huren_store::{Memory, Postgres, PostgresOptions, Store};

/// Names the back end of [`store`]: `memory`, which is meant without it, or `postgres`.
pub const BACK_END: &str = "TEST_STORE";

/// An empty store of the back end that is tried.
///
/// # Panics
/// If there is no such back end, or it cannot be had.
pub fn store() -> Arc<dyn Store> {
    let Some(url) = empty_database() else {
        return Arc::new(Memory::new());
    };
    // It connects in the runtime of its test.
    let store = Postgres::lazy(&url, &few_connections());
    Arc::new(store.expect("an address"))
}

/// The address of a new database that has its tables, if PostgreSQL is tried.
pub(crate) fn empty_database() -> Option<String> {
    match std::env::var(BACK_END).as_deref() {
        Err(_) | Ok("memory") => None,
        Ok("postgres") => {
            let server = huren_postgres_server::server().expect("PostgreSQL, which was asked for");
            Some(server.copy_of(empty(server)).expect("a database"))
        }
        Ok(other) => panic!("{BACK_END} is {other}: it is memory or postgres"),
    }
}

/// As many connections as a test needs, of which many run at once.
pub(crate) fn few_connections() -> PostgresOptions {
    PostgresOptions {
        writers: 1,
        readers: 2,
        ..PostgresOptions::default()
    }
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
