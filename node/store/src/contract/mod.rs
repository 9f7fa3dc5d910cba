//! The contract that every back end keeps, and that `tests/contract.rs` holds them to.

mod audit;
mod types;

use std::{collections::HashMap, ops::Range, sync::Arc};

use async_trait::async_trait;
use huren_core::{
    audit::ChainHead,
    checkpoint::Origin,
    merkle::{Hash, TileId},
    register::{
        AdoptionRow, Changes, DirectoryRow, InstitutionKeys, KeysWanted, QuarantineRow, StatusRow,
        Targets,
    },
};

pub use audit::*;
pub use types::*;

/// The contract. Every method is a whole operation: after `Ok` its effect is on disk
/// (fsync) and visible to every later read; after `Err(Conflict)` nothing changed; after
/// any other error the caller does not know whether it happened, and must read again
/// before it decides (both outcomes occur in practice). After a crash each operation is
/// there whole or not at all.
///
/// One process writes to the logs and what follows from them; where several share a database,
/// `Unavailable` is what the others are told. The audit trail, tokens, data keys and what the
/// witness cosigned are written by any of them. Reads never wait for a write in progress and see a
/// committed state; what one call returns comes from one such state.
///
/// A write to a log that was never created is a `Conflict`; a read of one finds nothing.
/// A log has at most 2^40 leaves.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// The same store for whoever answers others, if that makes a difference: what the answers rest
    /// on may come from a replica of the database. It is never older than what this process has
    /// read of the logs and written, but may be older than what other processes have written
    /// since. What is read to be written upon is not read here.
    fn answering(&self) -> Option<Arc<dyn Store>> {
        None
    }

    // ---- logs -------------------------------------------------------------------------

    /// Makes an empty log of that role: no leaves, the RFC 6962 root of none, no notes. Does
    /// nothing if it exists with the same role.
    ///
    /// # Errors
    /// `Conflict` if it exists with the other role.
    async fn create_log(&self, origin: &Origin, role: Role) -> Result<(), Error>;

    /// The state of one log.
    async fn log(&self, origin: &Origin) -> Result<Option<LogState>, Error>;

    /// The state of every log, by origin.
    async fn logs(&self) -> Result<Vec<LogState>, Error>;

    /// Replaces the notes (never the head) of a log.
    async fn put_notes(&self, origin: &Origin, notes: Notes) -> Result<(), Error>;

    /// Marks a log as having contradicted itself, with the evidence. Kept until it is released:
    /// a second call leaves the first evidence in place.
    async fn freeze(&self, origin: &Origin, evidence: &[u8]) -> Result<(), Error>;

    /// Lets a frozen log go on: it is not frozen any more, and the act is kept for ever.
    ///
    /// # Errors
    /// `Conflict` unless the log is frozen on exactly `release.evidence`.
    async fn release(&self, origin: &Origin, release: Release) -> Result<(), Error>;

    /// Every release of a log, in their order.
    async fn releases(&self, origin: &Origin) -> Result<Vec<Release>, Error>;

    /// Notes when (in seconds since 1970) a log's disclosures were restored from a backup, or
    /// with `None` that all that was erased since is erased here too.
    async fn put_restored(&self, origin: &Origin, restored: Option<u64>) -> Result<(), Error>;

    // ---- the own log: the one write path ----------------------------------------------

    /// Appends leaves with everything that follows from them, in one transaction; `folded`
    /// and `disclosed` become the new size. `erased` is applied behind `disclosures`, so
    /// that an erasure reaches a certificate of the same batch.
    ///
    /// # Errors
    /// `Conflict` unless the log is the own one, its head is exactly `append.expected`, its
    /// `folded` and `disclosed` equal `append.expected.size`, and the new size is not smaller.
    async fn append(&self, origin: &Origin, append: Append) -> Result<(), Error>;

    /// For each submission tag the index that it first got.
    async fn submissions(&self, tags: &[Tag]) -> Result<HashMap<Tag, u64>, Error>;

    // ---- mirrored logs, and the own one while it is fetched back from the others --------

    /// Keeps entry packages that are proven but lie beyond the head. A package that is
    /// narrower than, or as wide as, what is held already is skipped.
    async fn put_packages(&self, origin: &Origin, packages: Vec<Package>) -> Result<(), Error>;

    /// Widths of the packages held in a range of package numbers, ascending by number.
    async fn held_packages(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<(u64, u16)>, Error>;

    /// Moves a log's head forward, once every leaf up to it is held (which the caller sees to).
    /// The same head again replaces its checkpoint.
    ///
    /// # Errors
    /// `Conflict` unless the head is exactly `advance.expected`, or if the new size is smaller,
    /// or the same with another root.
    async fn advance(&self, origin: &Origin, advance: Advance) -> Result<(), Error>;

    // ---- register and disclosures -----------------------------------------------------

    /// Keeps the outcome of folding the leaves of `range`, which starts at the log's
    /// `folded` and does not pass its head; sets `folded` to its end. `erased` replaces
    /// (or, without content, securely deletes) disclosures that erasures touch: behind `Ok`
    /// the earlier content is in no file of the database, as far as that is in the hands of the
    /// back end, which says where it is not.
    ///
    /// # Errors
    /// `Conflict` if `folded` is not the start of `range`, or if the range passes the head.
    async fn apply(
        &self,
        origin: &Origin,
        range: Range<u64>,
        changes: Changes,
        erased: Erased,
    ) -> Result<(), Error>;

    /// Keeps the disclosures of the leaves of `range`, which starts at the log's
    /// `disclosed`; sets `disclosed` to its end. A row replaces one that is held already.
    ///
    /// # Errors
    /// `Conflict` if `disclosed` is not the start of `range`.
    async fn put_disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
        rows: Vec<DisclosureRow>,
    ) -> Result<(), Error>;

    /// Drops the register of a log (not its disclosures) and sets `folded` to 0. The statistics
    /// of all logs are dropped with it: what was counted of this one cannot be told any more.
    async fn drop_register(&self, origin: &Origin) -> Result<(), Error>;

    /// The status changes of the certificates of a range of indexes, ascending by (certificate,
    /// index).
    async fn statuses(&self, origin: &Origin, targets: Range<u64>)
    -> Result<Vec<StatusRow>, Error>;

    /// Those of the leaf hashes that are certificates of this log's register (the first, if
    /// a leaf is there twice).
    async fn targets(&self, origin: &Origin, leaves: &[Hash]) -> Result<Targets, Error>;

    /// For each number tag, in the order asked, every certificate of any log whose disclosure
    /// carries it, ascending by (origin, index), with its status changes in index order and
    /// the bytes of all their leaves.
    async fn find_by_number(&self, tags: &[Tag]) -> Result<Vec<Vec<Found>>, Error>;

    /// The same for holder tags; without the bytes of leaves where they are not needed.
    async fn find_by_holders(&self, tags: &[Tag], leaves: Leaves)
    -> Result<Vec<Vec<Found>>, Error>;

    /// The same for places in one log, ascending by index: those that have disclosures.
    async fn find_at(
        &self,
        origin: &Origin,
        indexes: &[u64],
        leaves: Leaves,
    ) -> Result<Vec<Found>, Error>;

    /// The same for one holder tag.
    async fn find_by_holder(&self, tag: &Tag) -> Result<Vec<Found>, Error> {
        let found = self.find_by_holders(&[*tag], Leaves::With).await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Sealed disclosures of a range of leaves, ascending by index.
    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<DisclosureRow>, Error>;

    /// The keys that disclosures are tagged and sealed with, as they were last put.
    async fn data_keys(&self) -> Result<Vec<DataKey>, Error>;

    /// Replaces these keys, in whose order they come back; with `walk_again` nothing counts as
    /// put under them yet ([`Self::rekeyed`]).
    ///
    /// # Errors
    /// `Conflict` unless they are exactly `expected`.
    async fn put_data_keys(
        &self,
        expected: &[DataKey],
        keys: &[DataKey],
        walk_again: bool,
    ) -> Result<(), Error>;

    /// How far each log's disclosures have been put under the keys in use; a log that is missing
    /// stands at the beginning.
    async fn rekeyed(&self) -> Result<HashMap<Origin, Rekeyed>, Error>;

    /// Puts disclosures of a log, and tags of submissions, under other keys, in place. Behind `Ok`
    /// what was there before is in no file of the database.
    ///
    /// # Errors
    /// `Conflict` unless the log stands exactly at `rekey.from` and does not go back, and unless
    /// for each row one is held with tags and content of the same lengths.
    async fn rekey(&self, origin: &Origin, rekey: Rekey) -> Result<(), Error>;

    /// Group numbers that were erased, for targets in a range of indexes; one entry for each
    /// erasure, in the order of the erasures.
    async fn erased(
        &self,
        origin: &Origin,
        targets: Range<u64>,
    ) -> Result<Vec<(u64, Vec<u32>)>, Error>;

    /// Every entry of a directory for one key, of any log, ascending by (origin, index).
    async fn directory(&self, kind: u32, key: &str) -> Result<Vec<(Origin, DirectoryRow)>, Error>;

    /// Every entry of a kind, of any log, under the next keys that start with `prefix` and come
    /// behind `after` (empty for the first): at most so many keys, all entries of each. Ascending
    /// by (key, origin, index); keys are ASCII.
    async fn directory_page(
        &self,
        kind: u32,
        prefix: &str,
        after: &str,
        keys: u32,
    ) -> Result<Vec<(Origin, DirectoryRow)>, Error>;

    /// The earliest effective date of a log's entries of a kind, yyyymmdd; `None` without any.
    async fn directory_from(&self, origin: &Origin, kind: u32) -> Result<Option<u32>, Error>;

    /// Index behind a log's newest directory entry of any kind; 0 without any. Where it has not
    /// moved and no register was dropped, no entry has come.
    async fn directory_end(&self, origin: &Origin) -> Result<u64, Error>;

    /// Whether a log has a directory entry of one of these kinds at an index from `from` on. It
    /// takes as long as there are entries from there on, of whatever kind.
    async fn directory_has(&self, origin: &Origin, kinds: &[u32], from: u64)
    -> Result<bool, Error>;

    /// The keys that institutions of a log hold before the leaf at an index, as far as they are
    /// wanted, by id or by institution: those that the newest entry of each institution before
    /// that leaf names.
    async fn institution_keys(
        &self,
        origin: &Origin,
        wanted: &KeysWanted,
        before: u64,
    ) -> Result<InstitutionKeys, Error>;

    /// Trust-list versions that a log adopted, in index order.
    async fn adoptions(&self, origin: &Origin) -> Result<Vec<AdoptionRow>, Error>;

    /// Quarantined leaves from an index on, at most `limit`, ascending; before them the count
    /// of all quarantined leaves of the log.
    async fn quarantined(
        &self,
        origin: &Origin,
        from: u64,
        limit: u32,
    ) -> Result<(u64, Vec<QuarantineRow>), Error>;

    // ---- statistics -------------------------------------------------------------------

    /// How many leaves of each log are counted; a log that is missing stands at the beginning.
    async fn counted(&self) -> Result<HashMap<Origin, u64>, Error>;

    /// Counts the leaves of `range`: keeps these cells, and sets how far the log is counted to
    /// its end.
    ///
    /// # Errors
    /// `Conflict` unless the log is counted up to exactly the start of `range`, and folded and
    /// disclosed up to its end.
    async fn put_counts(
        &self,
        origin: &Origin,
        range: Range<u64>,
        cells: Vec<KeptCell>,
    ) -> Result<(), Error>;

    /// The cells of these keys, as far as anything is counted in them.
    async fn cells(&self, keys: &[String]) -> Result<Vec<KeptCell>, Error>;

    /// The next cells whose keys start with `prefix` and come behind `after` (empty for the
    /// first), at most `limit`, ascending by key.
    async fn cells_page(
        &self,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<KeptCell>, Error>;

    // ---- the tree ---------------------------------------------------------------------

    /// Tiles of a log, each at least as wide as asked for (a wider one has the same start);
    /// those that are not held are missing from the answer.
    async fn tiles(
        &self,
        origin: &Origin,
        ids: &[TileId],
    ) -> Result<HashMap<TileId, Vec<Hash>>, Error>;

    /// An entry bundle (tlog-tiles format) as wide as it is held.
    async fn bundle(&self, origin: &Origin, number: u64) -> Result<Option<Bundle>, Error>;

    /// Puts packages and tiles of a log's tree in the place of what is held for them and is damaged:
    /// what was there goes, as far as it was wider too, so that nothing of it is relied on. Nothing
    /// else of the log changes.
    ///
    /// # Errors
    /// `Conflict` unless the head is exactly `mending.tree`, and unless each of them lies in that tree
    /// and is as wide as there.
    async fn mend(&self, origin: &Origin, mending: Mending) -> Result<(), Error>;

    // ---- what the own witness cosigned -----------------------------------------------

    /// Makes a checkpoint the latest that this node's witness cosigned of a log, which need not
    /// be one of those that were created. The same tree again replaces its note. Of each log
    /// the [`COSIGNED_KEPT`] largest are kept.
    ///
    /// Behind `Ok` it is on disk and every later call has to build on it: only then may the
    /// cosignature leave. Of two calls that expect the same, one is a `Conflict`.
    ///
    /// # Errors
    /// `Conflict` unless the largest one held is exactly `expected` (`None`: none is held), or
    /// if the new tree is smaller, or of the same size with another root.
    async fn put_cosigned(
        &self,
        origin: &Origin,
        expected: Option<Head>,
        cosigned: Cosigned,
    ) -> Result<(), Error>;

    /// The checkpoints of a log that this node's witness cosigned, ascending by size.
    async fn cosigned(&self, origin: &Origin) -> Result<Vec<Cosigned>, Error>;

    // ---- trust lists ------------------------------------------------------------------

    /// Keeps a version of the trust list (signed note), the first being 1. Does nothing if
    /// the same note is held for it.
    ///
    /// # Errors
    /// `Conflict` if another note is held for that version, or if `version` is neither held
    /// nor the next one.
    async fn put_trust_list(&self, version: u64, note: &[u8]) -> Result<(), Error>;

    /// The chain of trust lists, ascending from version 1.
    async fn trust_lists(&self) -> Result<Vec<Vec<u8>>, Error>;

    // ---- the audit trail --------------------------------------------------------------

    /// Appends entries to the audit trail. They follow each other and `expected`, which the
    /// caller sees to.
    ///
    /// # Errors
    /// `Conflict` unless the trail ends with exactly `expected`.
    async fn append_audit(&self, expected: ChainHead, rows: Vec<AuditRow>) -> Result<(), Error>;

    /// How far the audit trail goes.
    async fn audit_head(&self) -> Result<ChainHead, Error>;

    /// Entries of the audit trail, as kept, in the order asked for.
    async fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, Error>;

    // ---- tokens -----------------------------------------------------------------------

    /// Keeps a new token.
    ///
    /// # Errors
    /// `Conflict` if there is one of that id.
    async fn put_token(&self, token: TokenRow) -> Result<(), Error>;

    /// Marks a token as revoked at that time (seconds since 1970); the first time stays.
    ///
    /// # Errors
    /// `Conflict` if there is no such token.
    async fn revoke_token(&self, id: &str, time: u64) -> Result<(), Error>;

    /// All tokens, expired and revoked ones too, by the time when they were made, then by id.
    async fn tokens(&self) -> Result<Vec<TokenRow>, Error>;
}

/// Cosigned checkpoints that are kept of each log: as many an upload may lag behind.
pub const COSIGNED_KEPT: usize = 16;

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else was faster, or the caller's view is old: read again.
    #[error("the stored state is not the expected one")]
    Conflict,
    /// No room: refuse writes, go on reading.
    #[error("no space left for the database")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The back end failed; whether the operation took effect is not known.
    #[error("the database failed")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database holds something that it should not.
    #[error("the database is damaged: {0}")]
    Corrupt(&'static str),
}
