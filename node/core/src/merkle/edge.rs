//! Appending: what must be held of a tree to grow it and to know its root.

use super::hash::{Hash, root_of};
use super::tile::{MissingTile, TILE_WIDTH, TileId, Tiles, hashes_at_level};

/// Levels that have hashes in a tree of fewer than 2^64 leaves.
const LEVELS: u8 = 8;

/// The partial tiles along the right edge of a tree: all that appending needs.
///
/// At most 255 hashes at each of 8 levels, however large the tree is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RightEdge {
    size: u64,
    /// Invariant: entry `level` holds the hashes of that level's last tile if it is
    /// partial, that is `floor(size / 256^level) mod 256` of them.
    levels: Vec<Vec<Hash>>,
}

impl RightEdge {
    /// The edge of the tree without leaves.
    pub fn empty() -> Self {
        Self {
            size: 0,
            levels: vec![Vec::new(); usize::from(LEVELS)],
        }
    }

    /// The tiles that [`RightEdge::load`] needs: the partial ones of a tree of `size`.
    pub fn tiles(size: u64) -> Vec<TileId> {
        (0..LEVELS)
            .filter_map(|level| partial_tile(level, size))
            .collect()
    }

    /// Takes the edge of a tree of `size` leaves out of its tiles. Wider tiles, of a
    /// later tree, serve as well.
    ///
    /// Nothing is verified: compare [`RightEdge::root`] with a signed one.
    pub fn load(size: u64, tiles: &dyn Tiles) -> Result<Self, MissingTile> {
        let mut edge = Self {
            size,
            ..Self::empty()
        };
        for (level, hashes) in (0..LEVELS).zip(&mut edge.levels) {
            let Some(id) = partial_tile(level, size) else {
                continue;
            };
            let missing = MissingTile { id };
            let tile = tiles.tile(id).ok_or(missing)?;
            *hashes = tile.get(..usize::from(id.width())).ok_or(missing)?.to_vec();
        }
        Ok(edge)
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut below: Option<Hash> = None;
        for hashes in &self.levels {
            // What is below a level's last hash is its tree's last, smaller subtree.
            if !hashes.is_empty() {
                let nodes: Vec<Hash> = hashes.iter().copied().chain(below).collect();
                below = Some(root_of(&nodes));
            }
        }
        below.unwrap_or_else(|| root_of(&[]))
    }

    /// Appends leaves and returns every tile that is new or changed: those that became
    /// full, and of each level the last partial one if it gained a hash. Partial
    /// tiles of the sizes between are not returned.
    pub fn append(&mut self, leaf_hashes: &[Hash]) -> Vec<(TileId, Vec<Hash>)> {
        let mut written = Vec::new();
        let mut grown = [false; LEVELS as usize];
        for leaf in leaf_hashes {
            self.size += 1;
            let mut node = *leaf;
            for ((level, hashes), grown) in (0..LEVELS).zip(&mut self.levels).zip(&mut grown) {
                hashes.push(node);
                *grown = true;
                if hashes.len() < usize::from(TILE_WIDTH) {
                    break;
                }
                let full = std::mem::take(hashes);
                *grown = false;
                node = root_of(&full);
                let index = hashes_at_level(level, self.size) / u64::from(TILE_WIDTH) - 1;
                written.extend(TileId::new(level, index, TILE_WIDTH).map(|id| (id, full)));
            }
        }
        for ((level, hashes), grown) in (0..LEVELS).zip(&self.levels).zip(grown) {
            if let Some(id) = partial_tile(level, self.size).filter(|_| grown) {
                written.push((id, hashes.clone()));
            }
        }
        written
    }
}

/// The last tile of a level, if it is partial.
fn partial_tile(level: u8, size: u64) -> Option<TileId> {
    let last = hashes_at_level(level, size) / u64::from(TILE_WIDTH);
    TileId::in_tree(level, last, size)
}

/// The tiles that [`root`] needs.
pub fn tiles_for_root(size: u64) -> Vec<TileId> {
    RightEdge::tiles(size)
}

/// The root of the tree of `size` leaves.
pub fn root(size: u64, tiles: &dyn Tiles) -> Result<Hash, MissingTile> {
    RightEdge::load(size, tiles).map(|edge| edge.root())
}
