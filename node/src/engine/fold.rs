//! Folding replicated leaves into the register, and erasing what erasures name.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use huren_core::{
    checkpoint::Origin,
    disclosure::{Group, KeyRing},
    merkle::{Hash, decode_bundle},
    register::{CheckedLeaf, ErasureRow, Fold, InstitutionKeys, KeysWanted},
    replicate::PACKAGE,
    trust::TrustChain,
};
use huren_store::{DisclosureRow, Erased, Error as StoreError, Resealed, Store};
use tokio::sync::{Mutex, MutexGuard, RwLock, watch};

use super::{
    clock::{Random, random},
    reader::Reader,
    rekey::renewed_number_tag,
    statistics::Counting,
    work,
};

/// Leaves in one fold transaction, where so many are there: keys of the registers are random, and
/// the more rows a transaction has, the fewer pages of their indexes it writes for each.
const RANGE: u64 = 16 * PACKAGE;

/// Bytes of cached tiles and bundles where a log is folded once.
const REFOLDING_CACHE: u64 = 8 << 20;

/// How far a log is folded, for what follows the fold while it goes on.
pub(super) struct Progress {
    /// The leaves folded, and whether the fold has ended.
    folded: watch::Sender<(u64, bool)>,
    /// Written while disclosures are read to be erased until that is applied, and read while
    /// erasures are read until the disclosures that they leave are kept: so neither misses the
    /// other.
    pub(super) erasing: RwLock<()>,
}

impl Progress {
    /// That of a fold which has come to `folded`.
    pub(super) fn at(folded: u64) -> Self {
        Self {
            folded: watch::Sender::new((folded, false)),
            erasing: RwLock::default(),
        }
    }

    /// Waits until the fold has come to `wanted` or has ended; how far it came.
    pub(super) async fn reach(&self, wanted: u64) -> u64 {
        let mut folded = self.folded.subscribe();
        let reached = folded.wait_for(|(up_to, ended)| *ended || *up_to >= wanted);
        // The sender lives as long as this future.
        reached.await.map_or(0, |reached| reached.0)
    }

    /// How far the fold has come until now.
    pub(super) fn reached(&self) -> u64 {
        self.folded.borrow().0
    }

    fn end(&self) {
        self.folded.send_modify(|(_, ended)| *ended = true);
    }
}

/// Folds a log from where it stands up to `size`. Stops early, without failing, before a
/// leaf that adopts a trust list which is not held; gives the index that it came to.
///
/// # Errors
/// If the store fails.
pub(super) async fn fold_up_to(
    sealing: &Sealing<'_>,
    chain: &Arc<TrustChain>,
    origin: &Origin,
    size: u64,
    progress: &Progress,
) -> Result<u64, StoreError> {
    let outcome = fold(sealing, chain, origin, size, progress).await;
    progress.end();
    outcome
}

/// Folds a log of a store from where it stands up to `size`, for who checks what another store
/// keeps; gives the index that it came to.
///
/// # Errors
/// If the store fails, or lacks a leaf.
pub async fn refold(
    store: Arc<dyn Store>,
    (at_rest, index): (&KeyRing, &KeyRing),
    chain: &Arc<TrustChain>,
    (origin, size): (&Origin, u64),
    random: &dyn Random,
) -> Result<u64, StoreError> {
    let reader = Reader::new(Arc::clone(&store), REFOLDING_CACHE);
    let (_changes, trust) = watch::channel(Arc::clone(chain));
    let sealing = Sealing {
        store: store.as_ref(),
        reader: &reader,
        random,
        at_rest,
        index,
        judging: &RwLock::default(),
        counting: &Mutex::default(),
        trust: &trust,
    };
    fold(&sealing, chain, origin, size, &Progress::at(0)).await
}

async fn fold(
    sealing: &Sealing<'_>,
    chain: &Arc<TrustChain>,
    origin: &Origin,
    size: u64,
    progress: &Progress,
) -> Result<u64, StoreError> {
    let state = sealing.store.log(origin).await?;
    let state = state.ok_or(StoreError::Corrupt("log is missing"))?;
    let check = |start: u64| {
        let range = start..size.min((start / PACKAGE) * PACKAGE + RANGE);
        check_leaves(sealing.reader, chain, origin, range)
    };
    let mut next = state.folded;
    let mut checked = check(next).await?;
    while !checked.is_empty() {
        let end = next + checked.len() as u64;
        // While the database keeps one range, the processor checks the next one.
        let (folded, ahead) = futures::join!(
            fold_range(sealing, chain, origin, next, checked, progress),
            check(end)
        );
        next = folded?;
        progress.folded.send_replace((next, false));
        if next < end {
            break;
        }
        checked = ahead?;
    }
    Ok(next)
}

/// Folds checked leaves from an index on; gives the index that it came to.
async fn fold_range(
    sealing: &Sealing<'_>,
    chain: &Arc<TrustChain>,
    origin: &Origin,
    start: u64,
    checked: Vec<CheckedLeaf>,
    progress: &Progress,
) -> Result<u64, StoreError> {
    let store = sealing.store;
    let _judging = sealing.judging.read().await;
    if !Arc::ptr_eq(chain, &sealing.trust.borrow()) {
        // A newer list came: whoever folds next judges by that.
        return Ok(start);
    }
    let adopted = store.adoptions(origin).await?;
    let adopted = adopted.last().map_or(0, |row| row.version);
    let refers: Vec<Hash> = checked.iter().flat_map(CheckedLeaf::refers_to).collect();
    let targets = store.targets(origin, &refers).await?;
    let keys = institution_keys(store, origin, &checked, start).await?;
    let mut fold = Fold::new(chain, origin, start, adopted, targets).with_institution_keys(keys);
    for leaf in checked {
        if let Err(needs) = fold.step(leaf) {
            tracing::warn!(%origin, version = needs.version, "folding waits for a trust list");
            break;
        }
    }
    let end = fold.next();
    if end == start {
        return Ok(end);
    }
    let changes = fold.finish();
    if !changes.quarantined.is_empty() {
        tracing::warn!(%origin, leaves = changes.quarantined.len(), "quarantined");
    }
    let erasing = if changes.erasures.is_empty() {
        None
    } else {
        Some(progress.erasing.write().await)
    };
    let (erased, counting) = sealing.erase(origin, &changes.erasures).await?;
    store.apply(origin, start..end, changes, erased).await?;
    drop(counting);
    drop(erasing);
    Ok(end)
}

/// What folding leaves from an index on wants to know of institutions' keys.
///
/// # Errors
/// If the store fails.
pub(super) async fn institution_keys(
    store: &dyn Store,
    origin: &Origin,
    leaves: &[CheckedLeaf],
    start: u64,
) -> Result<InstitutionKeys, StoreError> {
    let wanted = KeysWanted::of(leaves);
    if wanted.is_empty() {
        return Ok(InstitutionKeys::new());
    }
    store.institution_keys(origin, &wanted, start).await
}

/// Checks the signatures of a range of leaves on all cores.
async fn check_leaves(
    reader: &Reader,
    chain: &Arc<TrustChain>,
    origin: &Origin,
    range: Range<u64>,
) -> Result<Vec<CheckedLeaf>, StoreError> {
    let mut checks = Vec::new();
    for number in range.start / PACKAGE..range.end.div_ceil(PACKAGE) {
        let entries = reader
            .bundle(origin, number)
            .await?
            .ok_or(StoreError::Corrupt("a bundle is missing"))?;
        let (chain, origin) = (Arc::clone(chain), origin.clone());
        let first = number * PACKAGE;
        let (skip, end) = (range.start.saturating_sub(first), range.end - first);
        checks.push(work::aside(move || {
            let leaves = decode_bundle(&entries).map_err(|_| StoreError::Corrupt("bundle"))?;
            let wanted = usize::try_from(skip).unwrap_or(usize::MAX)
                ..leaves.len().min(usize::try_from(end).unwrap_or(usize::MAX));
            let leaves = leaves
                .get(wanted)
                .ok_or(StoreError::Corrupt("bundle is too short"))?;
            let check = |leaf: &&[u8]| CheckedLeaf::check(&chain, &origin, leaf);
            Ok::<_, StoreError>(leaves.iter().map(check).collect::<Vec<_>>())
        }));
    }
    let mut checked = Vec::new();
    for check in checks {
        checked.extend(check.await??);
    }
    let expected = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
    if checked.len() == expected {
        Ok(checked)
    } else {
        Err(StoreError::Corrupt("missing leaves"))
    }
}

/// What sealing and resealing disclosures needs.
pub(super) struct Sealing<'a> {
    /// Where they are.
    pub store: &'a dyn Store,
    /// Where their leaves are.
    pub reader: &'a Reader,
    /// Where nonces come from.
    pub random: &'a dyn Random,
    /// The keys that seal them.
    pub at_rest: &'a KeyRing,
    /// The keys that tag their numbers.
    pub index: &'a KeyRing,
    /// Read by whoever folds, from looking at the trust lists until the outcome is kept; written
    /// while a newer list is taken.
    pub judging: &'a RwLock<()>,
    /// Held while what erasures touch is taken out of the statistics.
    pub counting: &'a Mutex<()>,
    /// The trust lists in force.
    pub trust: &'a watch::Receiver<Arc<TrustChain>>,
}

impl<'a> Sealing<'a> {
    /// What counts, and takes out of the statistics what is erased.
    pub(super) fn counter(&self) -> Counting<'a> {
        Counting {
            store: self.store,
            reader: self.reader,
            at_rest: self.at_rest,
        }
    }

    /// What is left of the disclosures that erasures name. The number's tag stays, so that
    /// the answer can be 'erased' and not 'not found'; the holder's tag goes with the ID. Nothing
    /// is counted until the guard is dropped, behind the transaction that keeps it.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn erase(
        &self,
        origin: &Origin,
        erasures: &[ErasureRow],
    ) -> Result<(Erased, Option<MutexGuard<'_, ()>>), StoreError> {
        if erasures.is_empty() {
            return Ok((Erased::default(), None));
        }
        let guard = self.counting.lock().await;
        let mut groups: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
        for erasure in erasures {
            groups
                .entry(erasure.target_index)
                .or_default()
                .extend(&erasure.groups);
        }
        let cells = self.counter().without(origin, &groups).await?;
        let mut resealed = Vec::new();
        for (index, groups) in groups {
            // The certificate's own row and those of its corrections.
            let changes = self.store.statuses(origin, index..index + 1).await?;
            let rows = std::iter::once(index).chain(changes.iter().map(|change| change.index));
            for index in rows {
                let rows = self.store.disclosures(origin, index..index + 1).await?;
                for row in rows {
                    let row = self.without(origin, row, &groups).await?;
                    resealed.push(Resealed {
                        index,
                        row: Some(row),
                    });
                }
            }
        }
        Ok((Erased { resealed, cells }, Some(guard)))
    }

    async fn without(
        &self,
        origin: &Origin,
        row: DisclosureRow,
        groups: &[u32],
    ) -> Result<DisclosureRow, StoreError> {
        let hash = self.reader.leaf_hash(origin, row.index).await?;
        let mut openings = (self.at_rest.unseal((origin, &hash), &row.sealed))
            .map_err(|_| StoreError::Corrupt("sealed disclosures do not open"))?;
        // Nobody can tag the number anew once it is erased.
        let number_tag = renewed_number_tag(self.index, row.number_tag, &openings);
        openings.retain(|o| !groups.contains(&o.group.number().unsigned_abs()));
        let keeps_holder = openings.iter().any(|o| o.group == Group::HolderId);
        let nonce = random(self.random);
        let sealed = (self.at_rest.seal(nonce, (origin, &hash), &openings))
            .map_err(|_| StoreError::Corrupt("sealing failed"))?;
        Ok(DisclosureRow {
            sealed,
            number_tag,
            holder_tag: row.holder_tag.filter(|_| keeps_holder),
            ..row
        })
    }
}
