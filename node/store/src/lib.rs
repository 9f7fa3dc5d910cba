//! Where a node keeps its logs and registers: one contract, several back ends.
//!
//! The store persists and decides nothing. What it is given is already verified; the
//! personal parts of it are already sealed and their look-up keys already keyed, so that
//! a stolen database tells nothing without the key files, which never come here.

use std::{collections::HashMap, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;
use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, TileId},
    register::{Changes, StatusRow, Targets},
};

/// The contract. Every method is a whole operation: after `Ok` its effect is on disk
/// (fsync) and visible to every later read; after `Err(Conflict)` nothing changed; after
/// any other error the caller does not know whether it happened, and must read again
/// before it decides (both outcomes occur in practice). After a crash each operation is
/// there whole or not at all.
///
/// One process writes. Reads never wait for a write in progress and see a committed state.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    // ---- logs -------------------------------------------------------------------------

    /// Makes an empty log of that role. Does nothing if it exists with the same role.
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

    /// Marks a log as having contradicted itself, with the evidence. Kept for ever: a second
    /// call leaves the first evidence in place.
    async fn freeze(&self, origin: &Origin, evidence: &[u8]) -> Result<(), Error>;

    // ---- the own log: the one write path ----------------------------------------------

    /// Appends leaves with everything that follows from them, in one transaction.
    ///
    /// # Errors
    /// `Conflict` unless the log's head is exactly `append.expected` and its `folded` and
    /// `disclosed` equal `append.expected.size`.
    async fn append(&self, origin: &Origin, append: Append) -> Result<(), Error>;

    /// For each submission tag the index that it first got.
    async fn submissions(&self, tags: &[Tag]) -> Result<HashMap<Tag, u64>, Error>;

    // ---- mirrored logs ----------------------------------------------------------------

    /// Keeps entry packages that are proven but lie beyond the head. A package that is
    /// narrower than, or as wide as, what is held already is skipped.
    async fn put_packages(&self, origin: &Origin, packages: Vec<Package>) -> Result<(), Error>;

    /// Widths of the packages held in a range of package numbers, ascending by number.
    async fn held_packages(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<(u64, u16)>, Error>;

    /// Moves a mirrored log's head forward, once every leaf up to it is held.
    ///
    /// # Errors
    /// `Conflict` unless the head is exactly `advance.expected`, or if the new size is smaller.
    async fn advance(&self, origin: &Origin, advance: Advance) -> Result<(), Error>;

    // ---- register and disclosures -----------------------------------------------------

    /// Keeps the outcome of folding the leaves of `range`, which starts at the log's
    /// `folded` and does not pass its head; sets `folded` to its end. `resealed` replaces
    /// (or, without content, securely deletes) disclosures that erasures touch.
    ///
    /// # Errors
    /// `Conflict` if `folded` is not the start of `range`.
    async fn apply(
        &self,
        origin: &Origin,
        range: Range<u64>,
        changes: Changes,
        resealed: Vec<Resealed>,
    ) -> Result<(), Error>;

    /// Keeps the disclosures of the leaves of `range`, which starts at the log's
    /// `disclosed`; sets `disclosed` to its end.
    ///
    /// # Errors
    /// `Conflict` if `disclosed` is not the start of `range`.
    async fn put_disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
        rows: Vec<DisclosureRow>,
    ) -> Result<(), Error>;

    /// Drops the register of a log (not its disclosures) and sets `folded` to 0.
    async fn drop_register(&self, origin: &Origin) -> Result<(), Error>;

    /// The status changes of one certificate, in index order.
    async fn statuses(&self, origin: &Origin, target: u64) -> Result<Vec<StatusRow>, Error>;

    /// Those of the leaf hashes that are certificates of this log's register.
    async fn targets(&self, origin: &Origin, leaves: &[Hash]) -> Result<Targets, Error>;

    /// For each number tag, every certificate of any log whose disclosure carries it,
    /// ascending by (origin, index), together with its status changes in index order.
    async fn find_by_number(&self, tags: &[Tag]) -> Result<Vec<Vec<Found>>, Error>;

    /// Every certificate of any log whose disclosure carries this holder tag.
    async fn find_by_holder(&self, tag: &Tag) -> Result<Vec<Found>, Error>;

    /// Sealed disclosures of a range of leaves, ascending by index.
    async fn disclosures(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<DisclosureRow>, Error>;

    /// Group numbers that were erased, for targets in a range of indexes; one entry for each
    /// erasure, in the order of the erasures.
    async fn erased(
        &self,
        origin: &Origin,
        targets: Range<u64>,
    ) -> Result<Vec<(u64, Vec<u32>)>, Error>;

    /// Every entry of a directory for one key, of one log or of all, in index order.
    async fn directory(
        &self,
        kind: u32,
        key: &str,
    ) -> Result<Vec<(Origin, huren_core::register::DirectoryRow)>, Error>;

    /// Trust-list versions that a log adopted, in index order.
    async fn adoptions(
        &self,
        origin: &Origin,
    ) -> Result<Vec<huren_core::register::AdoptionRow>, Error>;

    /// Quarantined leaves from an index on, at most `limit`, with the total count.
    async fn quarantined(
        &self,
        origin: &Origin,
        from: u64,
        limit: u32,
    ) -> Result<(u64, Vec<huren_core::register::QuarantineRow>), Error>;

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

    // ---- trust lists ------------------------------------------------------------------

    /// Keeps a version of the trust list (signed note).
    ///
    /// # Errors
    /// `Conflict` if another note is held for that version, or if `version` is not the
    /// next one.
    async fn put_trust_list(&self, version: u64, note: &[u8]) -> Result<(), Error>;

    /// The chain of trust lists, ascending from version 1.
    async fn trust_lists(&self) -> Result<Vec<Vec<u8>>, Error>;
}

/// Whose log it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This node's own: it appends.
    Own,
    /// Another member's: it replicates.
    Mirror,
}

/// Size and root of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of leaves.
    pub size: u64,
    /// RFC 6962 root.
    pub root: Hash,
}

/// The notes of a log. All are signed notes (C2SP) as bytes; empty means none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Mirrored logs: the verified checkpoint that packages are being fetched for.
    pub pending: Vec<u8>,
    /// The newest checkpoint held and offered to others, with all cosignatures known.
    pub published: Vec<u8>,
    /// The newest checkpoint that a quorum cosigned.
    pub witnessed: Vec<u8>,
}

/// The state of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// The log.
    pub origin: Origin,
    /// Whose it is.
    pub role: Role,
    /// Leaves held and proven.
    pub head: Head,
    /// The log's own signed checkpoint of `head`; empty while the log is empty.
    pub checkpoint: Vec<u8>,
    /// Its notes.
    pub notes: Notes,
    /// Leaves folded into the register.
    pub folded: u64,
    /// Leaves whose disclosures have arrived or been erased.
    pub disclosed: u64,
    /// Evidence, if the log contradicted itself.
    pub frozen: Option<Vec<u8>>,
}

/// What is appended to the own log.
#[derive(Clone, Debug)]
pub struct Append {
    /// The head that it builds on.
    pub expected: Head,
    /// The new head.
    pub head: Head,
    /// The log's signed checkpoint of the new head.
    pub checkpoint: Vec<u8>,
    /// New or widened bundles.
    pub bundles: Vec<Bundle>,
    /// New or widened tiles.
    pub tiles: Vec<(TileId, Vec<Hash>)>,
    /// What the leaves change in the register.
    pub changes: Changes,
    /// Disclosures that erasures in `changes` touch.
    pub resealed: Vec<Resealed>,
    /// Disclosures of the new leaves.
    pub disclosures: Vec<DisclosureRow>,
    /// Submission tags and the indexes that they got.
    pub submissions: Vec<(Tag, u64)>,
}

/// A move forward of a mirrored log.
#[derive(Clone, Debug)]
pub struct Advance {
    /// The head that it builds on.
    pub expected: Head,
    /// The new head.
    pub head: Head,
    /// The log's signed checkpoint of the new head.
    pub checkpoint: Vec<u8>,
    /// New or widened tiles of all levels that `put_packages` did not keep.
    pub tiles: Vec<(TileId, Vec<Hash>)>,
}

/// A proven entry package.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its entries.
    pub bundle: Bundle,
    /// Their leaf hashes: the level-0 tile of the same number and width.
    pub leaves: Vec<Hash>,
}

/// An entry bundle: leaves `256 * number ..`, `width` of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Its number.
    pub number: u64,
    /// How many entries, 1 to 256.
    pub width: u16,
    /// The entries, each with a big-endian uint16 length (tlog-tiles).
    pub entries: Bytes,
}

/// A keyed tag (HMAC-SHA-256).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; 32]);

/// The sealed disclosures of one leaf and the tags that it is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisclosureRow {
    /// Index of the leaf.
    pub index: u64,
    /// Tag of the certificate number; none for corrections.
    pub number_tag: Option<Tag>,
    /// Tag of the holder; none when erased or not given.
    pub holder_tag: Option<Tag>,
    /// Sealed content.
    pub sealed: Vec<u8>,
}

/// Disclosures that an erasure touched.
#[derive(Clone, Debug)]
pub struct Resealed {
    /// Index of the leaf.
    pub index: u64,
    /// What is left; `None` if nothing is.
    pub row: Option<DisclosureRow>,
}

/// A certificate that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its log.
    pub origin: Origin,
    /// Index of its leaf.
    pub index: u64,
    /// Its leaf hash; `None` if the leaf is not folded yet or is quarantined.
    pub leaf: Option<Hash>,
    /// Its sealed disclosures.
    pub sealed: Vec<u8>,
    /// Its status changes in index order, each with its own sealed disclosures if it has any.
    pub statuses: Vec<(StatusRow, Option<Vec<u8>>)>,
}

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
