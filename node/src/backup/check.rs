//! Whether a database that came out of a backup holds what it should: every log re-hashed from its
//! entries and tiles up to the checkpoint that its province signed.

use huren_core::{
    checkpoint::Origin,
    disclosure,
    merkle::{Hash, RightEdge, TILE_WIDTH, decode_bundle, leaf_hash},
    replicate::{PACKAGE, packages, read_checkpoint, width},
    trust::TrustChain,
};
use huren_store::{Error as StoreError, LogState, Store};
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
            is_signed(state, chain).map_err(wrong)?;
        }
        let root = root(store, state, progress).await?.map_err(wrong)?;
        if root != state.head.root {
            return Err(wrong("根不符 / its leaves have another root"));
        }
        opens(store, state, at_rest).await?;
    }
    Ok(())
}

/// A member that has left is found in an older list.
fn is_signed(state: &LogState, chain: &TrustChain) -> Result<(), &'static str> {
    let lists = chain.lists().iter().rev();
    let members = lists.filter_map(|list| list.list.member_of(&state.origin));
    let signed = members
        .filter_map(|member| read_checkpoint(member, &state.origin, &state.checkpoint).ok())
        .next()
        .ok_or("检查点签名无效 / its checkpoint is not signed by its province")?;
    let (checkpoint, head) = (signed.checkpoint(), &state.head);
    if (checkpoint.size, checkpoint.root) == (head.size, head.root) {
        Ok(())
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
    for number in 0..packages(size) {
        let Some(bundle) = store.bundle(origin, number).await? else {
            return Ok(Err("缺少条目 / entries are missing"));
        };
        let entries = decode_bundle(&bundle.entries).ok();
        let wanted = usize::from(width(number, size));
        let Some(entries) = entries.as_ref().and_then(|entries| entries.get(..wanted)) else {
            return Ok(Err("缺少条目 / entries are missing"));
        };
        hashes.extend(entries.iter().map(|entry| leaf_hash(entry)));
        progress.inc(entries.len() as u64);
        if number + 1 < packages(size) && hashes.len() < STRIDE * PACKAGE as usize {
            continue;
        }
        let tiles = edge.append(&hashes);
        hashes.clear();
        let ids: Vec<_> = tiles.iter().map(|(id, _)| *id).collect();
        let held = store.tiles(origin, &ids).await?;
        let is_held =
            |(id, tile): &(_, Vec<Hash>)| held.get(id).is_some_and(|held| held.starts_with(tile));
        if !tiles.iter().all(is_held) {
            return Ok(Err("树块不符 / its tiles are not those of its entries"));
        }
    }
    Ok(Ok(edge.root()))
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
