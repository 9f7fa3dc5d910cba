//! Proofs out of tiles. Each kind has a planner that names the tiles and an evaluator
//! that computes the proof from them; both walk the same ranges.

use std::collections::BTreeSet;
use std::ops::Range;

use super::hash::{Hash, empty_root, node_hash};
use super::range::{nodes, proof_ranges};
use super::tile::{MissingTile, Place, TileId, Tiles};

/// Why there is no proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProveError {
    /// A planned tile was not supplied.
    #[error(transparent)]
    MissingTile(#[from] MissingTile),
    /// No such proof exists: `[start, end)` is not a subtree (draft-ietf-plants-
    /// merkle-tree-certs section 4.1), or not of a tree of that size.
    #[error("[{start}, {end}) is not a subtree of a tree of {size} leaves")]
    NoSuchProof {
        /// First leaf.
        start: u64,
        /// The leaf after the last one.
        end: u64,
        /// Leaves in the tree.
        size: u64,
    },
}

/// The tiles that [`inclusion_proof`] needs; none if `index` is not below `size`.
pub fn tiles_for_inclusion(index: u64, size: u64) -> Vec<TileId> {
    tiles_for_subtree_consistency(index, index.saturating_add(1), size)
}

/// The proof that the leaf `index` is in the tree of `size` leaves (RFC 9162 section
/// 2.1.3.1), from the leaf's sibling upwards.
pub fn inclusion_proof(index: u64, size: u64, tiles: &dyn Tiles) -> Result<Vec<Hash>, ProveError> {
    subtree_consistency_proof(index, index.saturating_add(1), size, tiles)
}

/// The tiles that [`consistency_proof`] needs; none if there is no such proof.
pub fn tiles_for_consistency(old_size: u64, new_size: u64) -> Vec<TileId> {
    tiles_for_subtree_consistency(0, old_size, new_size)
}

/// The proof that the tree of `new_size` leaves continues that of `old_size`
/// (RFC 9162 section 2.1.4.1); empty for equal sizes.
///
/// From size 0 there is none: nothing has to be proven about an empty tree.
pub fn consistency_proof(
    old_size: u64,
    new_size: u64,
    tiles: &dyn Tiles,
) -> Result<Vec<Hash>, ProveError> {
    subtree_consistency_proof(0, old_size, new_size, tiles)
}

/// The tiles that [`subtree_consistency_proof`] needs; none if there is no such proof.
/// Ordered, without repetition, each as wide as a tree of `size` leaves makes it.
pub fn tiles_for_subtree_consistency(start: u64, end: u64, size: u64) -> Vec<TileId> {
    let ranges = proof_ranges(start, end, size).unwrap_or_default();
    let tiles: BTreeSet<TileId> = ranges
        .iter()
        .flat_map(|range| places(range, size))
        .map(|place| place.tile)
        .collect();
    tiles.into_iter().collect()
}

/// The proof that the subtree `[start, end)` holds the same leaves as the tree of
/// `size` leaves (draft-ietf-plants-merkle-tree-certs section 4.4.1).
pub fn subtree_consistency_proof(
    start: u64,
    end: u64,
    size: u64,
    tiles: &dyn Tiles,
) -> Result<Vec<Hash>, ProveError> {
    let ranges =
        proof_ranges(start, end, size).ok_or(ProveError::NoSuchProof { start, end, size })?;
    Ok(ranges
        .iter()
        .map(|range| range_hash(range, size, tiles))
        .collect::<Result<_, _>>()?)
}

fn places(range: &Range<u64>, size: u64) -> impl DoubleEndedIterator<Item = Place> {
    nodes(range)
        .into_iter()
        .filter_map(move |node| Place::of(node, size))
}

/// `MTH(D[range])`: the full subtrees of the range, joined from the right.
fn range_hash(range: &Range<u64>, size: u64, tiles: &dyn Tiles) -> Result<Hash, MissingTile> {
    let mut joined: Option<Hash> = None;
    for place in places(range, size).rev() {
        let left = place.hash(tiles)?;
        joined = Some(joined.map_or(left, |right| node_hash(&left, &right)));
    }
    Ok(joined.unwrap_or_else(empty_root))
}
