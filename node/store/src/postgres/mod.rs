//! The back end for several processes on several machines: a PostgreSQL database.

mod connect;

use async_trait::async_trait;
use sqlx::PgPool;

pub use connect::PostgresOptions;

use crate::{
    Error,
    sql::{Database, Db, Pool},
};

/// Locks the one row that every writing transaction locks first, which makes it the only one, as
/// SQLite has it. A transaction whose process does not go on ends by itself and lets others by.
const BEGIN: &str = "SELECT epoch, set_config('idle_in_transaction_session_timeout', $1, true) \
     FROM lease WHERE id = 1 FOR UPDATE";

/// A store in a PostgreSQL database.
///
/// What is erased is in no row afterwards. PostgreSQL itself leaves its bytes in the files of the
/// database until it writes over them, and in its write-ahead log: they are sealed, and end for
/// good with the key that seals them.
pub struct Postgres {
    writers: PgPool,
    readers: Pool,
    /// How long a writing transaction may stand still.
    stall: String,
}

impl Postgres {
    /// Connects, makes the tables if there are none, and brings the schema up to date.
    ///
    /// `url` is as in libpq: `postgres://user@host/database`.
    ///
    /// # Errors
    /// `Unavailable` if the address is none or nobody answers there, or if the schema is of a
    /// newer version.
    pub async fn open(url: &str, options: &PostgresOptions) -> Result<Self, Error> {
        let target = connect::target(url, options)?;
        let writers = connect::pool(options.writers, options, target.clone()).await?;
        connect::migrate(&writers).await?;
        Ok(Self {
            readers: Pool::Postgres(connect::pool(options.readers, options, target).await?),
            writers,
            stall: format!("{}ms", options.stall.as_millis()),
        })
    }

    /// Waits for what is under way and closes the connections. Calls after it fail.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}

#[async_trait]
impl Database for Postgres {
    fn readers(&self) -> &Pool {
        &self.readers
    }

    async fn begin(&self) -> Result<Db, Error> {
        let mut begun = self.writers.begin().await?;
        sqlx::query(BEGIN)
            .bind(&self.stall)
            .execute(&mut *begun)
            .await?;
        Ok(Db::PostgresTransaction(begun))
    }

    async fn commit(&self, transaction: Db, _erased: bool) -> Result<(), Error> {
        transaction.commit().await
    }
}
