//! The Merkle tree of a log: RFC 6962 hashing, tiles, proofs and appending.
//!
//! Hashing is RFC 6962 section 2.1 with SHA-256. Trees are held as the tiles of
//! C2SP `tlog-tiles`: nothing here reads one, a caller asks a *planner*
//! (`tiles_for_…`) which tiles a proof needs, loads them in one go, and hands them
//! to the *evaluator* of the same name. Proofs are those of RFC 9162 section 2.1 and
//! the subtree proofs of draft-ietf-plants-merkle-tree-certs section 4, of which the
//! former are special cases.

mod bundle;
mod edge;
mod hash;
mod prove;
mod range;
mod tile;
mod tile_path;
mod verify;

pub use bundle::{BundleError, MAX_ENTRY_LEN, decode_bundle, encode_bundle};
pub use edge::{RightEdge, root, tiles_for_root};
pub use hash::{Hash, HashError, empty_root, leaf_hash, node_hash, root_of};
pub use prove::{
    ProveError, consistency_proof, inclusion_proof, subtree_consistency_proof,
    tiles_for_consistency, tiles_for_inclusion, tiles_for_subtree_consistency,
};
pub use range::is_subtree;
pub use tile::{MissingTile, TILE_WIDTH, Tile, TileId, Tiles};
pub use tile_path::{TilePath, TilePathError, entries_path};
pub use verify::{
    ProofError, consistency_roots, root_from_inclusion, subtree_consistency_roots,
    verify_consistency, verify_inclusion, verify_subtree_consistency, verify_subtree_inclusion,
};
