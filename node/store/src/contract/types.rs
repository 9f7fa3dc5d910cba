//! What goes through the contract.

use bytes::Bytes;
use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, TileId},
    register::{Changes, StatusRow},
};

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
    /// When its disclosures were restored from a backup, in seconds since 1970, as long as some
    /// of them may have been erased since.
    pub restored: Option<u64>,
}

/// The act of letting a frozen log go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The evidence on which it was frozen.
    pub evidence: Vec<u8>,
    /// When, in seconds since 1970.
    pub time: u64,
    /// Who: SHA-256 of the public key of the caller's certificate, hexadecimal.
    pub actor: String,
    /// Why: a stable reason code.
    pub reason: String,
}

/// A checkpoint that this node's witness cosigned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosigned {
    /// Its tree.
    pub head: Head,
    /// The signed note, with the log's signatures and the witness's cosignature.
    pub checkpoint: Vec<u8>,
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
    /// New or widened bundles; one that is no wider than what is held is skipped.
    pub bundles: Vec<Bundle>,
    /// New or widened tiles, each with `width` hashes; likewise.
    pub tiles: Vec<(TileId, Vec<Hash>)>,
    /// What the leaves change in the register.
    pub changes: Changes,
    /// What erasures in `changes` touch.
    pub erased: Erased,
    /// Disclosures of the new leaves.
    pub disclosures: Vec<DisclosureRow>,
    /// Submission tags and the indexes that they got; a tag that is held keeps its first.
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

/// What takes the place of damaged packages and tiles of a log.
#[derive(Clone, Debug)]
pub struct Mending {
    /// The head, to whose tree each of them is proven.
    pub tree: Head,
    /// Packages.
    pub packages: Vec<Package>,
    /// Tiles above level 0: those of that level come with their packages.
    pub tiles: Vec<(TileId, Vec<Hash>)>,
}

impl Mending {
    /// Whether all of it lies in the tree and is as wide as there.
    pub(crate) fn fits(&self) -> bool {
        let size = self.tree.size;
        let package = |package: &Package| {
            let (number, width) = (package.bundle.number, package.bundle.width);
            let id = TileId::in_tree(0, number, size);
            id.is_some_and(|id| id.width() == width) && package.leaves.len() == usize::from(width)
        };
        let tile = |(id, hashes): &(TileId, Vec<Hash>)| {
            id.level() > 0
                && TileId::in_tree(id.level(), id.index(), size) == Some(*id)
                && hashes.len() == usize::from(id.width())
        };
        self.packages.iter().all(package) && self.tiles.iter().all(tile)
    }
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

/// Disclosures that an erasure touched. Afterwards exactly `row` is held for the leaf,
/// whatever was held before.
#[derive(Clone, Debug)]
pub struct Resealed {
    /// Index of the leaf.
    pub index: u64,
    /// What is left (its index is the same); `None` if nothing is.
    pub row: Option<DisclosureRow>,
}

/// Everything that erasures touch at once.
#[derive(Clone, Debug, Default)]
pub struct Erased {
    /// Disclosures.
    pub resealed: Vec<Resealed>,
    /// Cells of the statistics in which they were counted, as they are without them.
    pub cells: Vec<KeptCell>,
}

impl From<Vec<Resealed>> for Erased {
    fn from(resealed: Vec<Resealed>) -> Self {
        Self {
            resealed,
            cells: Vec::new(),
        }
    }
}

/// A cell of the statistics: sums, and nothing of anybody alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCell {
    /// What it is found by: ASCII, at most 128 bytes.
    pub key: String,
    /// Its sums; empty if nothing is counted.
    pub sums: Vec<u8>,
}

/// What a key of the database is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DataKeyKind {
    /// Seals disclosures.
    AtRest = 1,
    /// Tags numbers and submissions.
    Index = 2,
}

/// A key of the database, by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataKey {
    /// What it is for.
    pub kind: DataKeyKind,
    /// Its id: the key itself never comes here.
    pub id: [u8; 8],
}

/// How far a log's disclosures have been put under the keys in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rekeyed {
    /// Leaves below this index are done with.
    pub up_to: u64,
    /// How many numbers among them may stay tagged under an earlier key.
    pub kept: u64,
}

/// A step of putting a log's disclosures under other keys.
#[derive(Clone, Debug)]
pub struct Rekey {
    /// Where the log stands.
    pub from: Rekeyed,
    /// Where it stands afterwards.
    pub to: Rekeyed,
    /// Rows that change: for each leaf one is held, as long in every part.
    pub rows: Vec<DisclosureRow>,
    /// A submission's tag, the one that takes its place, and the index of its leaf. One that
    /// is not held for that leaf is passed over.
    pub submissions: Vec<(Tag, Tag, u64)>,
}

/// Whether a look-up brings the bytes of leaves, which are most of what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// It does.
    With,
    /// `entry` is `None`.
    Without,
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
    /// The bytes of its leaf; `None` if they are not held or not asked for.
    pub entry: Option<Vec<u8>>,
    /// Its holder's tag; `None` if no holder is disclosed.
    pub holder_tag: Option<Tag>,
    /// Its sealed disclosures.
    pub sealed: Vec<u8>,
    /// Its status changes in index order.
    pub statuses: Vec<FoundStatus>,
}

/// A status change of a certificate that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundStatus {
    /// What the register says of it.
    pub row: StatusRow,
    /// The bytes of its leaf; `None` if they are not held or not asked for.
    pub entry: Option<Vec<u8>>,
    /// Its own sealed disclosures, if it has any.
    pub sealed: Option<Vec<u8>>,
}
