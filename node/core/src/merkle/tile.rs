//! Tiles of C2SP `tlog-tiles`: which one holds a hash, and where tiles come from.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;
use std::sync::Arc;

use super::hash::{Hash, node_hash, root_of};
use super::range::Node;

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Tree levels that one tile spans.
const TILE_HEIGHT: u32 = 8;

/// Names one tile: `width` hashes at tree height `8 * level`, starting with number
/// `256 * index` of that height.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    level: u8,
    index: u64,
    width: u16,
}

impl TileId {
    /// The highest level that a path may name (`tlog-tiles`, "Merkle Tree"). A tree
    /// of 2^64 leaves reaches level 8; anything above is a valid name of nothing.
    pub const MAX_LEVEL: u8 = 63;

    /// A tile of `width` 1 to 256 at `level` 0 to 63; `None` outside of these.
    pub fn new(level: u8, index: u64, width: u16) -> Option<Self> {
        let valid = level <= Self::MAX_LEVEL && (1..=TILE_WIDTH).contains(&width);
        valid.then_some(Self {
            level,
            index,
            width,
        })
    }

    /// The tile at this place as wide as a tree of `size` leaves makes it; `None`
    /// when that tree has no hash there.
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let hashes = hashes_at_level(level, size);
        let before = index.checked_mul(u64::from(TILE_WIDTH))?;
        let width = hashes.checked_sub(before)?.min(u64::from(TILE_WIDTH));
        Self::new(level, index, u16::try_from(width).ok()?)
    }

    /// Level: 0 holds leaf hashes, each level above the roots of full tiles below.
    pub fn level(self) -> u8 {
        self.level
    }

    /// Number of this tile within its level, from 0.
    pub fn index(self) -> u64 {
        self.index
    }

    /// Hashes in this tile, 1 to 256.
    pub fn width(self) -> u16 {
        self.width
    }

    /// Whether the tile has all its 256 hashes and can never change.
    pub fn is_full(self) -> bool {
        self.width == TILE_WIDTH
    }

    /// The same place at full width.
    pub fn full(self) -> Self {
        Self {
            width: TILE_WIDTH,
            ..self
        }
    }

    fn with_width(self, width: u16) -> Self {
        Self { width, ..self }
    }
}

/// Hashes that a tree of `size` leaves has at `level`: `floor(size / 256^level)`.
pub(super) fn hashes_at_level(level: u8, size: u64) -> u64 {
    size.checked_shr(TILE_HEIGHT * u32::from(level))
        .unwrap_or(0)
}

/// A tile that an evaluator needed and its source does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("tile {index} of level {level} with at least {width} hashes is missing", level = id.level, index = id.index, width = id.width)]
pub struct MissingTile {
    /// The tile, as wide as the planner asked for it.
    pub id: TileId,
}

/// The lowest nodes above its hashes that a tile keeps. The many small ones below are hashed when
/// a proof takes them: 11 hashes at most, and a tile takes half the memory that it would with all.
const KEPT_HEIGHT: u32 = 4;

/// A tile with the upper nodes above its hashes, computed once: a proof takes a few of them each
/// time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tile {
    hashes: Box<[Hash]>,
    /// The nodes `2^KEPT_HEIGHT` hashes wide, then those above each two of them, and so on up to
    /// the last pair.
    upper: Box<[Hash]>,
}

impl Tile {
    /// A tile of 1 to 256 hashes.
    pub fn new(hashes: Vec<Hash>) -> Self {
        let mut upper: Vec<Hash> = (hashes.chunks_exact(1 << KEPT_HEIGHT))
            .map(root_of)
            .collect();
        let (mut start, mut count) = (0, upper.len());
        while count > 1 {
            for pair in 0..count / 2 {
                let left = start + 2 * pair;
                upper.push(node_hash(&upper[left], &upper[left + 1]));
            }
            start += count;
            count /= 2;
        }
        Self {
            hashes: hashes.into(),
            upper: upper.into(),
        }
    }

    /// Its hashes.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Bytes of memory that its hashes and the nodes kept above them take.
    pub fn bytes(&self) -> usize {
        (self.hashes.len() + self.upper.len()) * Hash::LEN
    }

    /// The node `2^height` hashes wide with that number among its like; `None` if the tile does not
    /// span it.
    fn node(&self, height: u32, number: usize) -> Option<Hash> {
        let count = self.hashes.len() >> height;
        if number >= count {
            return None;
        }
        if height < KEPT_HEIGHT {
            let start = number << height;
            return Some(root_of(&self.hashes[start..start + (1 << height)]));
        }
        let before: usize = (KEPT_HEIGHT..height)
            .map(|below| self.hashes.len() >> below)
            .sum();
        Some(self.upper[before + number])
    }
}

/// Where evaluators find tiles that were loaded before.
pub trait Tiles {
    /// The hashes of a tile of this level and index that is at least `id.width()`
    /// wide. A wider one serves as well, because hashes in tiles never change; one
    /// that is too short counts as missing.
    fn tile(&self, id: TileId) -> Option<&[Hash]>;

    /// The root of the full subtree over the hashes `number << height` to
    /// `(number + 1) << height` of such a tile.
    fn node(&self, id: TileId, height: u32, number: usize) -> Option<Hash> {
        let start = number << height;
        let hashes = self.tile(id)?.get(start..start + (1 << height))?;
        Some(root_of(hashes))
    }
}

impl Tiles for BTreeMap<TileId, Vec<Hash>> {
    fn tile(&self, id: TileId) -> Option<&[Hash]> {
        self.range(id..=id.full())
            .next()
            .map(|(_, hashes)| hashes.as_slice())
    }
}

impl<S: BuildHasher> Tiles for HashMap<TileId, Vec<Hash>, S> {
    fn tile(&self, id: TileId) -> Option<&[Hash]> {
        as_wide(self, id).map(Vec::as_slice)
    }
}

impl<S: BuildHasher> Tiles for HashMap<TileId, Arc<Tile>, S> {
    fn tile(&self, id: TileId) -> Option<&[Hash]> {
        as_wide(self, id).map(|tile| tile.hashes())
    }

    fn node(&self, id: TileId, height: u32, number: usize) -> Option<Hash> {
        as_wide(self, id)?.node(height, number)
    }
}

/// The tile at this place that is at least as wide.
fn as_wide<T, S: BuildHasher>(tiles: &HashMap<TileId, T, S>, id: TileId) -> Option<&T> {
    let wider = || (id.width + 1..=TILE_WIDTH).map(|width| id.with_width(width));
    // The planned width and the full one are what callers load; the widths between are only
    // looked through when both are absent.
    [id, id.full()]
        .into_iter()
        .chain(wider())
        .find_map(|id| tiles.get(&id))
}

/// Where a node of a tree is kept: its tile, its height above the hashes there, and its number
/// among the nodes of that height.
pub(super) struct Place {
    pub(super) tile: TileId,
    height: u32,
    number: usize,
}

impl Place {
    /// Finds the place of a full subtree of a tree of `size` leaves.
    ///
    /// The node must lie in the tree, which the callers' range checks ensure.
    pub(super) fn of(node: Node, size: u64) -> Option<Self> {
        let level = u8::try_from(node.height / TILE_HEIGHT).ok()?;
        let below = node.height % TILE_HEIGHT;
        let first = node.index << below;
        let tile = TileId::in_tree(level, first / u64::from(TILE_WIDTH), size)?;
        let offset = usize::try_from(first % u64::from(TILE_WIDTH)).ok()?;
        Some(Self {
            tile,
            height: below,
            number: offset >> below,
        })
    }

    /// Computes the node from its tile.
    pub(super) fn hash(&self, tiles: &dyn Tiles) -> Result<Hash, MissingTile> {
        let missing = MissingTile { id: self.tile };
        let held = tiles.tile(self.tile).ok_or(missing)?;
        if held.len() < usize::from(self.tile.width) {
            return Err(missing);
        }
        tiles
            .node(self.tile, self.height, self.number)
            .ok_or(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hash::leaf_hash;
    use super::*;

    fn widths(level: u8, size: u64) -> Vec<u16> {
        (0..)
            .map_while(|index| TileId::in_tree(level, index, size))
            .map(TileId::width)
            .collect()
    }

    #[test]
    fn the_example_tree_of_70000_leaves() {
        // tlog-tiles, "Partial Tiles".
        let level0 = widths(0, 70_000);
        assert_eq!(level0.len(), 274);
        assert!(level0[..273].iter().all(|width| *width == 256));
        assert_eq!(level0[273], 112);
        assert_eq!(widths(1, 70_000), [256, 17]);
        assert_eq!(widths(2, 70_000), [1]);
        assert_eq!(widths(3, 70_000), Vec::<u16>::new());
        assert_eq!(widths(0, 256), [256]);
        assert_eq!(widths(1, 256), [1]);
    }

    #[test]
    fn a_wider_tile_serves_and_a_narrower_one_does_not() {
        let hashes = |n: u16| vec![Hash([7; 32]); usize::from(n)];
        let id = |width| TileId::new(0, 3, width).unwrap();
        for held in [5u16, 6, 255, 256] {
            let ordered = BTreeMap::from([(id(held), hashes(held))]);
            let hashed = HashMap::from([(id(held), hashes(held))]);
            assert_eq!(ordered.tile(id(5)).unwrap().len(), usize::from(held));
            assert_eq!(hashed.tile(id(5)).unwrap().len(), usize::from(held));
        }
        let narrow = BTreeMap::from([
            (id(4), hashes(4)),
            (TileId::new(0, 4, 256).unwrap(), hashes(256)),
        ]);
        assert_eq!(narrow.tile(id(5)), None);
        assert_eq!(HashMap::from([(id(4), hashes(4))]).tile(id(5)), None);
    }

    #[test]
    fn a_tile_knows_the_nodes_above_its_hashes() {
        for width in [1, 2, 3, 5, 8, 13, 16, 47, 255, 256] {
            let hashes: Vec<Hash> = (0..width).map(|n| leaf_hash(&[n as u8])).collect();
            let id = TileId::new(0, 0, width).unwrap();
            let plain = HashMap::from([(id, hashes.clone())]);
            let tile = Tile::new(hashes.clone());
            assert_eq!(tile.hashes(), hashes);
            let known = HashMap::from([(id, Arc::new(tile))]);
            for height in 0..=8 {
                for number in 0..=usize::from(width) >> height {
                    let node = known.node(id, height, number);
                    assert_eq!(node, plain.node(id, height, number));
                    assert_eq!(node.is_some(), number < usize::from(width) >> height);
                }
            }
        }
    }

    #[test]
    fn bounds_of_names() {
        assert_eq!(TileId::new(64, 0, 1), None);
        assert_eq!(TileId::new(0, 0, 0), None);
        assert_eq!(TileId::new(0, 0, 257), None);
        assert_eq!(TileId::in_tree(63, 0, u64::MAX), None);
        assert_eq!(TileId::in_tree(0, u64::MAX, u64::MAX), None);
        assert_eq!(
            TileId::in_tree(7, 0, u64::MAX).map(TileId::width),
            Some(255)
        );
    }
}
