//! What a dead replica holds.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use huren::local::LocalNode;
use huren_core::{checkpoint::Origin, replicate};
use huren_store::{Sqlite, SqliteOptions, Store as _};

/// Entries of a package.
const PACKAGE: u64 = 256;

/// How far replication of a log has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// Packages that are still to be fetched.
    pub(crate) missing: u64,
    /// Leaves whose disclosures are still to be taken: what comes last.
    pub(crate) closed: u64,
    head: u64,
    folded: u64,
}

impl Held {
    /// What a dead replica holds of a log of `size` leaves. A copy of its database is opened:
    /// the node itself is to be the first that finds the original as the kill left it.
    pub(crate) async fn by(replica: &LocalNode, origin: &Origin, size: u64) -> Result<Self> {
        let copy = tempfile::tempdir()?;
        for file in ["huren.db", "huren.db-wal"] {
            fs::copy(replica.dir.join("data").join(file), copy.path().join(file))?;
        }
        let store = Sqlite::open(&copy.path().join("huren.db"), SqliteOptions::default()).await?;
        let state = store.log(origin).await?.context("no replica of the log")?;
        let from = state.head.size / PACKAGE;
        let held = store
            .held_packages(origin, from..replicate::packages(size))
            .await?;
        let runs = replicate::missing(size, from, &held, u32::MAX);
        Ok(Self {
            missing: runs.iter().map(|(_, count)| u64::from(*count)).sum(),
            closed: size - state.disclosed,
            head: state.head.size,
            folded: state.folded,
        })
    }

    /// Whether nothing is left to do.
    pub(crate) const fn is_all(&self) -> bool {
        self.closed == 0
    }

    /// Sees that nothing was lost since `before`.
    pub(crate) fn goes_on_from(&self, before: &Self) -> Result<()> {
        ensure!(
            self.missing <= before.missing
                && self.head >= before.head
                && self.folded >= before.folded
                && self.closed <= before.closed,
            "{before:?} became {self:?}"
        );
        Ok(())
    }
}
