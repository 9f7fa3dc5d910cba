//! Reading logs: tiles and bundles through a bounded cache of what never changes, and the
//! proofs that are computed from them.

use std::{collections::HashMap, ops::Range, sync::Arc};

use bytes::Bytes;
use huren_core::{
    checkpoint::Origin,
    merkle::{self, Hash, Tile, TileId, decode_bundle},
    replicate::PACKAGE,
};
use huren_store::{Bundle, Error as StoreError, Store};
use moka::sync::Cache;

/// Which part of the caches is for bundles: what was folded a moment ago is read once more for
/// its disclosures, and 2 MiB of the default 32 hold the 18 bundles between the two.
const BUNDLES: u64 = 16;

/// Reads logs. Cheap to clone; clones share the cache.
#[derive(Clone)]
pub struct Reader {
    store: Arc<dyn Store>,
    tiles: Cache<(Origin, TileId), Arc<Tile>>,
    bundles: Cache<(Origin, u64), Bytes>,
}

impl Reader {
    /// A reader whose caches hold at most about `cache_bytes` together. Proofs of any leaf need
    /// tiles; bundles are mostly read in their order, and once more soon after.
    pub fn new(store: Arc<dyn Store>, cache_bytes: u64) -> Self {
        let tiles = Cache::builder()
            .max_capacity(cache_bytes - cache_bytes / BUNDLES)
            .weigher(|_, tile: &Arc<Tile>| weight(tile.bytes()))
            .build();
        let bundles = Cache::builder()
            .max_capacity(cache_bytes / BUNDLES)
            .weigher(|_, entries: &Bytes| weight(entries.len()))
            .build();
        Self {
            store,
            tiles,
            bundles,
        }
    }

    /// A reader of the same logs in another store, which shares the caches.
    pub(super) fn over(&self, store: Arc<dyn Store>) -> Self {
        Self {
            store,
            ..self.clone()
        }
    }

    /// Tiles, each at least as wide as asked for: so far a tile never changes.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn tiles(
        &self,
        origin: &Origin,
        ids: &[TileId],
    ) -> Result<HashMap<TileId, Arc<Tile>>, StoreError> {
        let mut found = HashMap::with_capacity(ids.len());
        let mut wanted = Vec::new();
        for id in ids {
            match self.tiles.get(&(origin.clone(), *id)) {
                Some(tile) => drop(found.insert(*id, tile)),
                None => wanted.push(*id),
            }
        }
        if !wanted.is_empty() {
            for (id, tile) in self.store.tiles(origin, &wanted).await? {
                let tile = Arc::new(Tile::new(tile));
                self.tiles.insert((origin.clone(), id), Arc::clone(&tile));
                found.insert(id, tile);
            }
        }
        Ok(found)
    }

    /// A bundle as wide as it is held, from the cache if it is full.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn bundle(&self, origin: &Origin, number: u64) -> Result<Option<Bytes>, StoreError> {
        let key = (origin.clone(), number);
        if let Some(entries) = self.bundles.get(&key) {
            return Ok(Some(entries));
        }
        let Some(Bundle { entries, width, .. }) = self.store.bundle(origin, number).await? else {
            return Ok(None);
        };
        if width == 256 {
            self.bundles.insert(key, entries.clone());
            // What gives way goes now: the cache would let it pile up, and bundles are large.
            self.bundles.run_pending_tasks();
        }
        Ok(Some(entries))
    }

    /// The hash of a leaf that is held.
    ///
    /// # Errors
    /// If the store fails or does not have it.
    pub async fn leaf_hash(&self, origin: &Origin, index: u64) -> Result<Hash, StoreError> {
        let hashes = self.leaf_hashes(origin, index..index + 1).await?;
        let hash = hashes.first().copied();
        hash.ok_or(StoreError::Corrupt("level-0 tile"))
    }

    /// The bytes of a leaf; `None` if it is not held.
    ///
    /// # Errors
    /// If the store fails or holds a damaged bundle.
    pub async fn leaf(&self, origin: &Origin, index: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(entries) = self.bundle(origin, index / PACKAGE).await? else {
            return Ok(None);
        };
        let entries = decode_bundle(&entries).map_err(|_| StoreError::Corrupt("entry bundle"))?;
        let position = usize::try_from(index % PACKAGE).unwrap_or(usize::MAX);
        Ok(entries.get(position).map(|entry| entry.to_vec()))
    }

    /// The hashes of a range of leaves that are held.
    ///
    /// # Errors
    /// If the store fails or does not have them.
    pub async fn leaf_hashes(
        &self,
        origin: &Origin,
        range: Range<u64>,
    ) -> Result<Vec<Hash>, StoreError> {
        let ids: Vec<TileId> = (range.start / PACKAGE..range.end.div_ceil(PACKAGE))
            .filter_map(|number| TileId::in_tree(0, number, range.end))
            .collect();
        let tiles = self.tiles(origin, &ids).await?;
        let mut hashes = Vec::new();
        for id in ids {
            let skip = range.start.saturating_sub(id.index() * PACKAGE);
            let wanted = usize::try_from(skip).unwrap_or(usize::MAX)..usize::from(id.width());
            let tile = tiles.get(&id).and_then(|tile| tile.hashes().get(wanted));
            hashes.extend_from_slice(tile.ok_or(StoreError::Corrupt("level-0 tile"))?);
        }
        Ok(hashes)
    }

    /// The root of the tree of the first `size` leaves; `None` if they are not all held.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn root(&self, origin: &Origin, size: u64) -> Result<Option<Hash>, StoreError> {
        let tiles = self.tiles(origin, &merkle::tiles_for_root(size)).await?;
        Ok(merkle::root(size, &tiles).ok())
    }

    /// Inclusion proof of a leaf in the tree of `size` leaves; `None` if it cannot be made.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn inclusion(
        &self,
        origin: &Origin,
        index: u64,
        size: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        let tiles = self
            .tiles(origin, &merkle::tiles_for_inclusion(index, size))
            .await?;
        Ok(merkle::inclusion_proof(index, size, &tiles).ok())
    }

    /// Consistency proof between two sizes; `None` if it cannot be made.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn consistency(
        &self,
        origin: &Origin,
        old: u64,
        new: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        let tiles = self
            .tiles(origin, &merkle::tiles_for_consistency(old, new))
            .await?;
        Ok(merkle::consistency_proof(old, new, &tiles).ok())
    }

    /// Package `number` of the tree of `size` leaves, with its proof; `None` if the tree has
    /// no such package or it is not held.
    ///
    /// # Errors
    /// If the store fails or holds a damaged bundle.
    pub async fn package(
        &self,
        origin: &Origin,
        number: u64,
        size: u64,
    ) -> Result<Option<(Bytes, Vec<Hash>)>, StoreError> {
        let width = huren_core::replicate::width(number, size);
        let Some(held) = self.bundle(origin, number).await? else {
            return Ok(None);
        };
        let (start, end) = (number * PACKAGE, number * PACKAGE + u64::from(width));
        if width == 0 {
            return Ok(None);
        }
        let entries = decode_bundle(&held).map_err(|_| StoreError::Corrupt("entry bundle"))?;
        let Some(wanted) = entries.get(..usize::from(width)) else {
            return Ok(None);
        };
        let bytes = if wanted.len() == entries.len() {
            held.clone()
        } else {
            let length: usize = wanted.iter().map(|entry| entry.len() + 2).sum();
            held.slice(..length)
        };
        let plan = merkle::tiles_for_subtree_consistency(start, end, size);
        let tiles = self.tiles(origin, &plan).await?;
        let proof = merkle::subtree_consistency_proof(start, end, size, &tiles).ok();
        Ok(proof.map(|proof| (bytes, proof)))
    }
}

fn weight(bytes: usize) -> u32 {
    u32::try_from(bytes + 128).unwrap_or(u32::MAX)
}
