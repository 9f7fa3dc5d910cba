//! Whether a database that came out of a backup holds what it should: every log re-hashed from its
//! entries and tiles up to the checkpoint that its province signed.

use huren_core::{
    checkpoint::{Origin, SignedCheckpoint},
    disclosure,
    merkle::{Hash, RightEdge, TILE_WIDTH, TileId, decode_bundle, leaf_hash},
    replicate::{PACKAGE, packages, read_checkpoint, width},
    trust::TrustChain,
};
use huren_store::{Bundle, Error as StoreError, LogState, Package, Store};
use indicatif::ProgressBar;

use super::step;

/// Packages that are hashed at a time.
const STRIDE: usize = 16;

/// Why the content of a backup is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A log is not what its province signed.
    #[error("日志 {origin}：{what} / the log {origin}: {what}")]
    Log {
        /// The log.
        origin: Origin,
        /// What is wrong.
        what: &'static str,
    },
    /// The node's key does not open the disclosures.
    #[error(
        "本机 at-rest.key 打不开备份中的披露数据，请放回备份当时的密钥 / this node's at-rest.key does not open \
         the disclosures: put back the key of the time of the backup"
    )]
    AtRestKey,
}

/// Checks every log of a store; `at_rest` are the keys that its disclosures are sealed with.
pub(crate) async fn logs(
    store: &dyn Store,
    chain: &TrustChain,
    at_rest: &disclosure::KeyRing,
    progress: &ProgressBar,
) -> Result<(), ContentError> {
    let logs = store.logs().await?;
    let leaves = logs.iter().map(|state| state.head.size).sum();
    step(progress, leaves, "核对日志 / checking the logs");
    for state in &logs {
        let wrong = |what| ContentError::Log {
            origin: state.origin.clone(),
            what,
        };
        if state.head.size > 0 {
            signed(state, chain).map_err(wrong)?;
        }
        let root = root(store, state, progress).await?.map_err(wrong)?;
        if root != state.head.root {
            return Err(wrong("根不符 / its leaves have another root"));
        }
        opens(store, state, at_rest).await?;
    }
    Ok(())
}

/// The checkpoint of a log's head, as its province signed it. A member that has left is found in an
/// older list.
pub(crate) fn signed(
    state: &LogState,
    chain: &TrustChain,
) -> Result<SignedCheckpoint, &'static str> {
    let lists = chain.lists().iter().rev();
    let members = lists.filter_map(|list| list.list.member_of(&state.origin));
    let signed = members
        .filter_map(|member| read_checkpoint(member, &state.origin, &state.checkpoint).ok())
        .next()
        .ok_or("检查点签名无效 / its checkpoint is not signed by its province")?;
    let (checkpoint, head) = (signed.checkpoint(), &state.head);
    if (checkpoint.size, checkpoint.root) == (head.size, head.root) {
        Ok(signed)
    } else {
        Err("检查点不符 / its checkpoint is of another tree")
    }
}

/// The root that the stored entries have, every stored tile being theirs.
async fn root(
    store: &dyn Store,
    state: &LogState,
    progress: &ProgressBar,
) -> Result<Result<Hash, &'static str>, StoreError> {
    let (origin, size) = (&state.origin, state.head.size);
    let mut edge = RightEdge::empty();
    let mut hashes = Vec::with_capacity(STRIDE * usize::from(TILE_WIDTH));
    let mut listed = Vec::new();
    for number in 0..packages(size) {
        if hashes.is_empty() {
            let stride = number..number + STRIDE as u64;
            listed = store.held_packages(origin, stride).await?;
        }
        let Some(held) = package(store, origin, number, size).await? else {
            return Ok(Err(
                "缺少条目，或条目已损坏 / entries are missing or damaged",
            ));
        };
        if !held.is_in(&listed) {
            return Ok(Err(
                "条目登记不符 / its entries are not those that are listed",
            ));
        }
        progress.inc(held.package.leaves.len() as u64);
        hashes.extend(held.package.leaves);
        if number + 1 < packages(size) && hashes.len() < STRIDE * PACKAGE as usize {
            continue;
        }
        if !holds_tiles(store, origin, &edge.append(&hashes)).await? {
            return Ok(Err("树块不符 / its tiles are not those of its entries"));
        }
        hashes.clear();
    }
    Ok(Ok(edge.root()))
}

/// A package as wide as in the tree.
pub(crate) struct HeldPackage {
    /// It.
    pub(crate) package: Package,
    /// How many entries are held of it, which may be more.
    width: u16,
}

impl HeldPackage {
    /// Whether it is as wide as a list of widths says that was read before it: a node that runs may have
    /// widened it since.
    pub(crate) fn is_in(&self, listed: &[(u64, u16)]) -> bool {
        let Bundle { number, width, .. } = self.package.bundle;
        let found = listed.iter().find(|(listed, _)| *listed == number);
        found.is_some_and(|(_, listed)| (width..=self.width).contains(listed))
    }
}

/// What is held of a package of the tree of `size` leaves; none unless it is as wide as there.
pub(crate) async fn package(
    store: &dyn Store,
    origin: &Origin,
    number: u64,
    size: u64,
) -> Result<Option<HeldPackage>, StoreError> {
    let bundle = match store.bundle(origin, number).await {
        Err(StoreError::Corrupt(_)) => None,
        bundle => bundle?,
    };
    let Some(Bundle {
        entries: bytes,
        width: held,
        ..
    }) = bundle
    else {
        return Ok(None);
    };
    let width = width(number, size);
    let entries = decode_bundle(&bytes).ok();
    let Some(entries) = entries
        .as_ref()
        .and_then(|entries| entries.get(..usize::from(width)))
    else {
        return Ok(None);
    };
    // Each stands behind two bytes that say how long it is.
    let length: usize = entries.iter().map(|entry| entry.len() + 2).sum();
    let leaves = entries.iter().map(|entry| leaf_hash(entry)).collect();
    let entries = bytes.slice(..length);
    Ok(Some(HeldPackage {
        package: Package {
            bundle: Bundle {
                number,
                width,
                entries,
            },
            leaves,
        },
        width: held,
    }))
}

/// Whether these tiles are held, perhaps wider.
pub(crate) async fn holds_tiles(
    store: &dyn Store,
    origin: &Origin,
    tiles: &[(TileId, Vec<Hash>)],
) -> Result<bool, StoreError> {
    let ids: Vec<_> = tiles.iter().map(|(id, _)| *id).collect();
    let held = match store.tiles(origin, &ids).await {
        Err(StoreError::Corrupt(_)) => return Ok(false),
        held => held?,
    };
    let is_held =
        |(id, tile): &(_, Vec<Hash>)| held.get(id).is_some_and(|held| held.starts_with(tile));
    Ok(tiles.iter().all(is_held))
}

/// Tries the key on the first disclosures of a log.
async fn opens(
    store: &dyn Store,
    state: &LogState,
    at_rest: &disclosure::KeyRing,
) -> Result<(), ContentError> {
    let origin = &state.origin;
    let rows = store
        .disclosures(origin, 0..state.head.size.min(PACKAGE))
        .await?;
    let Some(bundle) = store.bundle(origin, 0).await? else {
        return Ok(());
    };
    let entries = decode_bundle(&bundle.entries).map_err(|_| StoreError::Corrupt("bundle"))?;
    for row in rows {
        let index = usize::try_from(row.index).unwrap_or(usize::MAX);
        let hash = entries.get(index).map(|entry| leaf_hash(entry));
        let hash = hash.ok_or(StoreError::Corrupt("a disclosure without a leaf"))?;
        at_rest
            .unseal((origin, &hash), &row.sealed)
            .map_err(|_| ContentError::AtRestKey)?;
    }
    Ok(())
}
