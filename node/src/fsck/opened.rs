//! The database that is checked, whichever it is.

use std::{sync::Arc, time::Duration};

use huren_store::{
    Error as StoreError, Held, LogState, Postgres, Registers, Sqlite, SqliteOptions, Store,
    newest_schema,
};

use crate::config::{Config, Database};

/// For how long after the last renewal no node takes charge of a database that is being repaired.
const LEASE: Duration = Duration::from_secs(30);
/// How often that is renewed.
const RENEWAL: Duration = Duration::from_secs(5);

/// A store, whichever it is.
pub(super) enum Opened {
    File(Arc<Sqlite>),
    Shared(Arc<Postgres>),
}

impl Opened {
    pub(super) async fn of(config: &Config) -> anyhow::Result<Self> {
        Ok(match &config.database {
            Database::File(path) => {
                let there = path.exists();
                anyhow::ensure!(
                    there,
                    "没有数据库 {0} / there is no database {0}",
                    path.display()
                );
                // Opening another one would change it, perhaps beside a node that runs.
                let (held, known) = (huren_store::schema(path).await?, newest_schema());
                anyhow::ensure!(
                    held == known,
                    "数据库结构为第 {held} 版，本程序为第 {known} 版：请用运行该节点的同一程序核对 / the database has \
                     schema {held}, this program {known}: check it with the program that runs the node"
                );
                Self::File(Arc::new(
                    Sqlite::open(path, SqliteOptions::default()).await?,
                ))
            }
            Database::Shared(at) => {
                Self::Shared(Arc::new(Postgres::open(&at.url, &at.options).await?))
            }
        })
    }

    pub(super) fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::File(store) => Arc::clone(store) as Arc<dyn Store>,
            Self::Shared(store) => Arc::clone(store) as Arc<dyn Store>,
        }
    }

    /// Does what writes to the logs, while no node takes charge of them.
    pub(super) async fn in_charge<T>(
        &self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        let Self::Shared(store) = self else {
            return work.await;
        };
        let acquire = async || match store.acquire("fsck", LEASE).await? {
            Held::Here => Ok(()),
            Held::Elsewhere(_) => Err(anyhow::anyhow!(
                "节点正在运行，请先停止 / a node is in charge of the database: stop it first"
            )),
        };
        acquire().await?;
        let renewing = async {
            loop {
                tokio::time::sleep(RENEWAL).await;
                acquire().await?;
            }
        };
        let done = tokio::select! {
            biased;
            done = work => done,
            lost = renewing => return lost,
        };
        store.resign().await?;
        done
    }

    pub(super) async fn drop_registers(&self, logs: &[LogState]) -> anyhow::Result<()> {
        let store = self.store();
        let dropping = async {
            for log in logs {
                store.drop_register(&log.origin).await?;
            }
            Ok(())
        };
        self.in_charge(dropping).await
    }

    pub(super) async fn extract(
        &self,
        to: &Sqlite,
    ) -> Result<(Vec<LogState>, Registers), StoreError> {
        match self {
            Self::File(store) => store.extract(to).await,
            Self::Shared(store) => store.extract(to).await,
        }
    }
    pub(super) async fn close(&self) {
        match self {
            Self::File(store) => store.close().await,
            Self::Shared(store) => store.close().await,
        }
    }
}
