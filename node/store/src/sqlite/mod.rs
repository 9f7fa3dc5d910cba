//! The embedded back end: one SQLite database in WAL mode.

mod audit;
mod bulk;
mod connect;
mod decode;
mod disclosures;
mod entries;
mod find;
mod logs;
mod place;
mod register;
mod snapshot;
mod submissions;
mod tokens;
mod tree;
mod write;
mod yardstick;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    ops::Range,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use huren_core::{
    audit::ChainHead,
    checkpoint::Origin,
    merkle::{Hash, TileId, empty_root},
    register::{AdoptionRow, Changes, DirectoryRow, QuarantineRow, StatusRow, Targets},
};
use sqlx::{SqlitePool, Transaction};

pub use connect::SqliteOptions;
pub use yardstick::{Copied, copy_rows};

use crate::{
    Advance, Append, AuditQuery, AuditRow, Bundle, DisclosureRow, Error, Found, Head, LogState,
    Notes, Package, Resealed, Role, Store, Tag, TokenRow,
};

/// How often a write tries to empty the WAL while readers hold on to it; each time waits
/// for the busy timeout.
const SCRUB_ATTEMPTS: u32 = 3;

/// A store in one SQLite file (with `-wal` and `-shm` beside it while it is open).
///
/// Erasing leaves no sealed content in these files. The unused part of an index page may for
/// some time keep the first 8 bytes of an erased tag, which tell nothing without the key.
pub struct Sqlite {
    /// Holds one connection: writes queue for it.
    writer: SqlitePool,
    readers: SqlitePool,
    /// Whether erased bytes may still be in the WAL.
    unscrubbed: AtomicBool,
}

impl Sqlite {
    /// Opens the database, or makes it, and brings its schema up to date.
    ///
    /// # Errors
    /// `Unavailable` if the directory is missing or not writable, or if the schema is of a
    /// newer version.
    pub async fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let writer = connect::writer(path, &options).await?;
        let store = Self {
            readers: connect::readers(path, &options).await?,
            writer,
            unscrubbed: AtomicBool::new(true),
        };
        // A crash between an erasure and its scrub leaves erased bytes in the WAL.
        store.scrub().await?;
        Ok(store)
    }

    /// Waits for what is under way and closes the files. Calls after it fail.
    pub async fn close(&self) {
        // The writer last: whoever closes last empties and removes the WAL.
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn begin(&self) -> Result<Transaction<'static, sqlx::Sqlite>, Error> {
        // IMMEDIATE takes the write lock before the first comparison.
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    async fn commit_erasing(&self, tx: Transaction<'static, sqlx::Sqlite>) -> Result<(), Error> {
        self.unscrubbed.store(true, Ordering::Release);
        tx.commit().await?;
        self.scrub().await
    }

    async fn commit(&self, tx: Transaction<'static, sqlx::Sqlite>) -> Result<(), Error> {
        tx.commit().await?;
        if self.unscrubbed.load(Ordering::Acquire)
            && let Err(error) = self.scrub().await
        {
            tracing::warn!(%error, "erased bytes are still in the write-ahead log");
        }
        Ok(())
    }

    /// Moves the WAL into the database, whose pages have zeros where erased rows were, and
    /// empties it.
    async fn scrub(&self) -> Result<(), Error> {
        for _ in 0..SCRUB_ATTEMPTS {
            let (busy, _, _): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
                .fetch_one(&self.writer)
                .await?;
            if busy == 0 {
                self.unscrubbed.store(false, Ordering::Release);
                return Ok(());
            }
        }
        Err(Error::Unavailable(
            "readers hold on to the write-ahead log, which cannot be emptied".into(),
        ))
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn create_log(&self, origin: &Origin, role: Role) -> Result<(), Error> {
        let empty = Head {
            size: 0,
            root: empty_root(),
        };
        let mut tx = self.begin().await?;
        logs::create(&mut tx, origin, role, empty).await?;
        self.commit(tx).await
    }

    async fn log(&self, origin: &Origin) -> Result<Option<LogState>, Error> {
        logs::one(&self.readers, origin).await
    }

    async fn logs(&self) -> Result<Vec<LogState>, Error> {
        logs::all(&self.readers).await
    }

    async fn put_notes(&self, origin: &Origin, notes: Notes) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        logs::put_notes(&mut tx, origin, notes).await?;
        self.commit(tx).await
    }

    async fn freeze(&self, origin: &Origin, evidence: &[u8]) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        logs::freeze(&mut tx, origin, evidence).await?;
        self.commit(tx).await
    }

    async fn append(&self, origin: &Origin, append: Append) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        write::append(&mut tx, origin, &append).await?;
        if append.resealed.is_empty() {
            self.commit(tx).await
        } else {
            self.commit_erasing(tx).await
        }
    }

    async fn submissions(&self, tags: &[Tag]) -> Result<HashMap<Tag, u64>, Error> {
        submissions::first_indexes(&self.readers, tags).await
    }

    async fn put_packages(&self, origin: &Origin, packages: Vec<Package>) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        write::put_packages(&mut tx, origin, &packages).await?;
        self.commit(tx).await
    }

    async fn held_packages(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<(u64, u16)>, Error> {
        entries::held(&self.readers, origin, range).await
    }

    async fn advance(&self, origin: &Origin, advance: Advance) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        write::advance(&mut tx, origin, &advance).await?;
        self.commit(tx).await
    }

    async fn apply(
        &self,
        origin: &Origin,
        range: Range<u64>,
        changes: Changes,
        resealed: Vec<Resealed>,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        write::apply(&mut tx, origin, range, &changes, &resealed).await?;
        if resealed.is_empty() {
            self.commit(tx).await
        } else {
            self.commit_erasing(tx).await
        }
    }

    async fn put_disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
        rows: Vec<DisclosureRow>,
    ) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        write::put_disclosures(&mut tx, origin, range, &rows).await?;
        self.commit(tx).await
    }

    async fn drop_register(&self, origin: &Origin) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        register::drop_all(&mut tx, origin).await?;
        self.commit(tx).await
    }

    async fn targets(&self, origin: &Origin, leaves: &[Hash]) -> Result<Targets, Error> {
        register::targets(&self.readers, origin, leaves).await
    }

    async fn find_by_number(&self, tags: &[Tag]) -> Result<Vec<Vec<Found>>, Error> {
        find::certificates(&self.readers, find::By::Number, tags).await
    }

    async fn find_by_holder(&self, tag: &Tag) -> Result<Vec<Found>, Error> {
        let found = find::certificates(&self.readers, find::By::Holder, &[*tag]).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<DisclosureRow>, Error> {
        disclosures::range(&self.readers, origin, range).await
    }

    async fn erased(
        &self,
        origin: &Origin,
        targets: Range<u64>,
    ) -> Result<Vec<(u64, Vec<u32>)>, Error> {
        register::erased(&self.readers, origin, targets).await
    }

    async fn directory(&self, kind: u32, key: &str) -> Result<Vec<(Origin, DirectoryRow)>, Error> {
        register::directory(&self.readers, kind, key).await
    }

    async fn statuses(&self, origin: &Origin, target: u64) -> Result<Vec<StatusRow>, Error> {
        register::statuses(&self.readers, origin, target).await
    }

    async fn adoptions(&self, origin: &Origin) -> Result<Vec<AdoptionRow>, Error> {
        register::adoptions(&self.readers, origin).await
    }

    async fn quarantined(
        &self,
        origin: &Origin,
        from: u64,
        limit: u32,
    ) -> Result<(u64, Vec<QuarantineRow>), Error> {
        register::quarantined(&self.readers, origin, from, limit).await
    }

    async fn tiles(
        &self,
        origin: &Origin,
        ids: &[TileId],
    ) -> Result<HashMap<TileId, Vec<Hash>>, Error> {
        tree::tiles(&self.readers, origin, ids).await
    }

    async fn bundle(&self, origin: &Origin, number: u64) -> Result<Option<Bundle>, Error> {
        entries::bundle(&self.readers, origin, number).await
    }

    async fn put_trust_list(&self, version: u64, note: &[u8]) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        logs::put_trust_list(&mut tx, version, note).await?;
        self.commit(tx).await
    }

    async fn trust_lists(&self) -> Result<Vec<Vec<u8>>, Error> {
        logs::trust_lists(&self.readers).await
    }

    async fn append_audit(&self, expected: ChainHead, rows: Vec<AuditRow>) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        audit::append(&mut tx, expected, &rows).await?;
        self.commit(tx).await
    }

    async fn audit_head(&self) -> Result<ChainHead, Error> {
        audit::head(&self.readers).await
    }

    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, Error> {
        audit::find(&self.readers, query).await
    }

    async fn put_token(&self, token: TokenRow) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        tokens::put(&mut tx, &token).await?;
        self.commit(tx).await
    }

    async fn revoke_token(&self, id: &str, time: u64) -> Result<(), Error> {
        let mut tx = self.begin().await?;
        tokens::revoke(&mut tx, id, time).await?;
        self.commit(tx).await
    }

    async fn tokens(&self) -> Result<Vec<TokenRow>, Error> {
        tokens::all(&self.readers).await
    }
}
