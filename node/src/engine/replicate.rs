//! Replication of one log: the rules are `huren_core::replicate`; here are their order, the
//! store, and the peers that are asked.

mod target;

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use huren_core::{
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    merkle::{self, Hash, RightEdge},
    replicate::{self, PACKAGE},
    trust::TrustChain,
};
use huren_proto::v1;
use huren_store::{Advance, Bundle, Error as StoreError, Head, LogState, Package};
use tracing::{Instrument as _, instrument};

use super::{
    Engine, disclose,
    fold::{self, Progress},
    peers::{Peer, PeerError, PeerPackage},
    standing::Answer,
};

/// Packages asked for in one call, and kept in one transaction.
pub(super) const RUN: u32 = 8;
/// Packages whose leaf hashes are held at a time while the tree is computed.
const STRIDE: u64 = 32;

/// The witness cosigned another tree while the head was to move: look again.
pub(super) const WITNESS_MOVED: &str = "WITNESS_MOVED";

/// Why a round of replication ended early.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// No member gave what was asked for.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// A member gave something that is wrong.
    #[error("{0}")]
    Refused(&'static str),
    /// Disclosures did not arrive or were wrong.
    #[error(transparent)]
    Disclose(#[from] disclose::DiscloseError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SyncError {
    /// The stable reason code.
    pub fn code(&self) -> &str {
        match self {
            Self::Peer(error) => error.code(),
            Self::Refused(code) => code,
            Self::Disclose(error) => error.code(),
            Self::Store(_) => "STORE",
        }
    }

    /// Whether a member sent something wrong, rather than nothing.
    fn is_the_peers_fault(&self) -> bool {
        use disclose::DiscloseError as Disclose;
        match self {
            Self::Peer(error) | Self::Disclose(Disclose::Peer(error)) => {
                *error == PeerError::Malformed
            }
            Self::Refused(_) | Self::Disclose(Disclose::Wrong | Disclose::Missing) => true,
            Self::Disclose(Disclose::Store(_) | Disclose::Spoiled) | Self::Store(_) => false,
        }
    }
}

impl Engine {
    /// How long a member may take for a call for packages. Whatever arrived whole is kept.
    pub const PACKAGES_PATIENCE: Duration = Duration::from_secs(60);

    /// One round for a log: as far as peers have shown it. `partial` accepts that disclosures
    /// are missing, which only a province does that takes its own log back. Every step is durable by
    /// itself, so that a crash at any point costs at most the packages in flight.
    ///
    /// # Errors
    /// [`SyncError`]; what was stored stays stored, and the next round goes on from there.
    pub async fn sync(&self, origin: &Origin, partial: bool) -> Result<(), SyncError> {
        let chain = self.trust.borrow().clone();
        let state = self.state(origin).await?;
        if state.frozen.is_some() {
            return Ok(());
        }
        let moved = self.move_head(&chain, &state).await;
        // What is held is vouched for and folded, whatever became of what is not held yet.
        self.cosign(origin).await?;
        let folded = self.fold_and_disclose(&chain, origin, partial).await;
        moved.and(folded)
    }

    /// Replicates up to the largest checkpoint that peers have shown.
    async fn move_head(&self, chain: &TrustChain, state: &LogState) -> Result<(), SyncError> {
        if let Some(pending) = self.target(chain, state).await? {
            let _under_way = self.load.begin();
            self.fetch(chain, state, &pending).await?;
            self.move_to(&state.origin, &pending).await?;
        }
        Ok(())
    }

    /// Moves the head of a log to a tree of which everything is held.
    pub(super) async fn move_to(
        &self,
        origin: &Origin,
        tree: &SignedCheckpoint,
    ) -> Result<(), SyncError> {
        let bound = self.bound_by_witness(origin, tree).await?;
        self.advance(origin, tree, bound).await
    }

    async fn state(&self, origin: &Origin) -> Result<LogState, StoreError> {
        let entry = self.book.reload(origin).await?;
        let state = entry.map(|entry| entry.state.clone());
        state.ok_or(StoreError::Corrupt("log is missing"))
    }

    /// Fetches, proves and stores every package that is missing.
    #[instrument(level = "trace", skip_all)]
    async fn fetch(
        &self,
        chain: &TrustChain,
        state: &LogState,
        pending: &SignedCheckpoint,
    ) -> Result<(), SyncError> {
        let tree = pending.checkpoint();
        let from = state.head.size / PACKAGE;
        let held = self
            .store
            .held_packages(&state.origin, from..replicate::packages(tree.size));
        let runs = replicate::missing(tree.size, from, &held.await?, RUN);
        let sources = self.sources(chain, &state.origin, tree.size);
        if runs.is_empty() {
            return Ok(());
        }
        if sources.is_empty() {
            return Err(SyncError::Refused("NOBODY_TO_ASK"));
        }
        // Runs are independent: each package carries its own proof to the pending tree.
        stream::iter(runs.into_iter().map(Ok))
            .try_for_each_concurrent(self.options.packages_in_flight, |(first, count)| {
                self.fetch_run(&state.origin, tree, first, count, &sources)
            })
            .await
    }

    /// Members that may serve a log up to a size: its own province first, then who shows it;
    /// without those that gave wrong packages lately.
    fn sources(
        &self,
        chain: &TrustChain,
        origin: &Origin,
        size: u64,
    ) -> Vec<(String, Arc<dyn Peer>)> {
        let list = &chain.newest().list;
        let home = list.member_of(origin).map(|member| member.region.clone());
        let shows = |head: &v1::Head| {
            SignedCheckpoint::parse(&head.checkpoint).is_ok_and(|s| s.checkpoint().size >= size)
        };
        let mut regions: Vec<String> = self
            .book
            .seen(origin)
            .into_iter()
            .filter(|(_, head)| shows(head))
            .map(|(region, _)| region)
            .filter(|region| self.is_asked(region, origin, Answer::Packages))
            .collect();
        regions.sort_by_key(|region| Some(region) != home.as_ref());
        let peers = self.peers();
        regions
            .into_iter()
            .filter_map(|region| Some((region.clone(), Arc::clone(peers.get(&region)?))))
            .collect()
    }

    /// One run of packages, from the first member that gives it right.
    async fn fetch_run(
        &self,
        origin: &Origin,
        tree: &Checkpoint,
        mut first: u64,
        count: u32,
        sources: &[(String, Arc<dyn Peer>)],
    ) -> Result<(), SyncError> {
        let end = first + u64::from(count);
        let mut last = SyncError::Peer(PeerError::Unreachable);
        for (region, peer) in sources {
            match self
                .fetch_from(origin, tree, &mut first, end, peer.as_ref())
                .await
            {
                Ok(()) => {
                    self.note_source(origin, region);
                    self.standing.accept((region, origin, Answer::Packages));
                    return Ok(());
                }
                Err(SyncError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    if error.is_the_peers_fault() {
                        self.refuse(region, origin, Answer::Packages, error.code());
                    } else {
                        tracing::debug!(%origin, peer = region, code = error.code(), "no packages");
                    }
                    last = error;
                }
            }
        }
        Err(last)
    }

    /// Moves `first` forward with every package that is stored.
    async fn fetch_from(
        &self,
        origin: &Origin,
        tree: &Checkpoint,
        first: &mut u64,
        end: u64,
        peer: &dyn Peer,
    ) -> Result<(), SyncError> {
        let count = u32::try_from(end - *first).unwrap_or(RUN);
        let mut too_slow = self.clock.sleep(Self::PACKAGES_PATIENCE);
        let mut packages = tokio::select! {
            biased;
            packages = peer.packages(origin, tree.size, *first, count) => packages?,
            () = &mut too_slow => return Err(SyncError::Refused("PACKAGES_SLOW")),
        };
        let mut proven = Vec::new();
        let mut next = *first;
        let outcome = loop {
            if next == end {
                break Ok(());
            }
            let package = tokio::select! {
                biased;
                package = packages.next() => package,
                () = &mut too_slow => break Err(SyncError::Refused("PACKAGES_SLOW")),
            };
            match package {
                None => break Err(SyncError::Refused("PACKAGE_MISSING")),
                Some(Err(error)) => break Err(error.into()),
                Some(Ok(package)) => {
                    let proving = tracing::trace_span!("prove");
                    match proving.in_scope(|| check(tree, next, package)) {
                        Ok(package) => proven.push(package),
                        Err(error) => break Err(error),
                    }
                }
            }
            next += 1;
        };
        // What arrived whole is kept, whatever became of the rest.
        if !proven.is_empty() {
            metrics::counter!("huren_packages_total").increment(proven.len() as u64);
            self.store.put_packages(origin, proven).await?;
            *first = next;
        }
        outcome
    }

    /// Everything is held: computes the tree from the leaves that are stored, compares its
    /// root with the signed one and with the one that the witness cosigned on the way, and
    /// moves the head forward in one step.
    #[instrument(level = "trace", skip_all)]
    async fn advance(
        &self,
        origin: &Origin,
        pending: &SignedCheckpoint,
        bound: Option<Head>,
    ) -> Result<(), SyncError> {
        let state = self.state(origin).await?;
        let tree = pending.checkpoint();
        if tree.size <= state.head.size || state.frozen.is_some() {
            return Ok(());
        }
        let tiles = self
            .store
            .tiles(origin, &RightEdge::tiles(state.head.size))
            .await?;
        let mut edge = RightEdge::load(state.head.size, &tiles)
            .map_err(|_| StoreError::Corrupt("a tile of the right edge is missing"))?;
        let mut new_tiles = std::collections::BTreeMap::new();
        let mut next = state.head.size;
        let mut on_the_way = None;
        while next < tree.size {
            let mut end = tree.size.min((next / PACKAGE + STRIDE) * PACKAGE);
            if let Some(bound) = bound.filter(|bound| (next + 1..=end).contains(&bound.size)) {
                end = bound.size;
            }
            let leaves = self.reader.leaf_hashes(origin, next..end).await?;
            // Full level-0 tiles came with their packages; what lies above them is new.
            let made = edge.append(&leaves);
            new_tiles.extend(
                made.into_iter()
                    .filter(|(id, _)| id.level() > 0 || !id.is_full()),
            );
            next = end;
            if bound.is_some_and(|bound| bound.size == next) {
                on_the_way = Some(edge.root());
            }
        }
        if edge.root() != tree.root {
            return Err(SyncError::Refused("ROOT_MISMATCH"));
        }
        if let (Some(bound), Some(ours)) = (bound, on_the_way)
            && bound.root != ours
        {
            self.contradicts_witness(pending, bound, &ours, new_tiles)
                .await?;
            return Err(SyncError::Refused("WITNESS_OTHER_TREE"));
        }
        // A width that a later stride overtook is not needed any more.
        let last: std::collections::BTreeMap<_, _> = new_tiles
            .into_iter()
            .map(|(id, tile)| ((id.level(), id.index()), (id, tile)))
            .collect();
        let advance = Advance {
            expected: state.head,
            head: Head {
                size: tree.size,
                root: tree.root,
            },
            checkpoint: pending.note().to_string().into_bytes(),
            tiles: last.into_values().collect(),
        };
        let _one_at_a_time = self.vouching.lock().await;
        let latest = self.store.cosigned(origin).await?.pop();
        if latest.map(|latest| latest.head) != bound {
            return Err(SyncError::Refused(WITNESS_MOVED));
        }
        self.store.advance(origin, advance).await?;
        tracing::info!(%origin, size = tree.size, "replica moved forward");
        self.book.reload(origin).await?;
        Ok(())
    }

    /// Folds what is held, and behind the fold takes the disclosures.
    pub(super) async fn fold_and_disclose(
        &self,
        chain: &Arc<TrustChain>,
        origin: &Origin,
        partial: bool,
    ) -> Result<(), SyncError> {
        let state = self.state(origin).await?;
        let size = state.head.size;
        let behind = state.folded < size || state.disclosed < size;
        let _under_way = behind.then(|| self.load.begin());
        let (sealing, folding) = (self.sealing(), Progress::at(state.folded));
        let (folded, disclosed) = futures::join!(
            fold::fold_up_to(&sealing, chain, origin, size, &folding)
                .instrument(tracing::trace_span!("fold")),
            self.disclose(chain, origin, size, &folding, partial)
                .instrument(tracing::trace_span!("disclose"))
        );
        self.book.reload(origin).await?;
        if folded? < size {
            self.fetch_trust_lists().await;
        }
        disclosed
    }

    /// Takes the disclosures of what is folded, from its own province first.
    async fn disclose(
        &self,
        chain: &TrustChain,
        origin: &Origin,
        size: u64,
        folding: &Progress,
        partial: bool,
    ) -> Result<(), SyncError> {
        let home = chain.newest().list.member_of(origin);
        let home = home.map(|member| member.region.clone());
        let mut seen: Vec<_> = self.book.seen(origin).into_iter().collect();
        seen.sort_by_key(|(region, _)| Some(region) != home.as_ref());
        let sealing = self.sealing();
        let mut taking = disclose::Taking {
            sealing: &sealing,
            keys: &self.keys,
            origin,
            book: &self.book,
            folding,
            partial,
            excusing: false,
        };
        let mut outcome = self.disclose_from(&seen, size, &taking).await?;
        if outcome.is_spoiled {
            // What a stolen key erased nobody has any more: the rest must not wait for it.
            taking.excusing = true;
            outcome = self.disclose_from(&seen, size, &taking).await?;
        }
        outcome.error.map_or(Ok(()), Err)
    }

    /// Asks everybody who shows more disclosures than are held.
    async fn disclose_from(
        &self,
        seen: &[(String, v1::Head)],
        size: u64,
        taking: &disclose::Taking<'_>,
    ) -> Result<Asked, StoreError> {
        let (origin, folding) = (taking.origin, taking.folding);
        let (mut error, mut spoiled, mut passed_over) = (None, false, false);
        let peers = self.peers();
        for (region, head) in seen {
            let Some(peer) = peers.get(region) else {
                continue;
            };
            let range = self.state(origin).await?.disclosed..size.min(head.disclosed_size);
            if range.is_empty() || folding.reach(range.start + 1).await <= range.start {
                continue;
            }
            if !self.is_asked(region, origin, Answer::Disclosures) {
                passed_over = true;
                error = Some(SyncError::Refused("NOBODY_TO_ASK"));
                continue;
            }
            let taken = taking.take(peer.as_ref(), range).await;
            self.book.reload(origin).await?;
            match taken.map_err(SyncError::from) {
                Ok(()) => self.standing.accept((region, origin, Answer::Disclosures)),
                Err(failed) => {
                    if failed.is_the_peers_fault() {
                        self.refuse(region, origin, Answer::Disclosures, failed.code());
                    }
                    spoiled |= matches!(
                        failed,
                        SyncError::Disclose(disclose::DiscloseError::Spoiled)
                    );
                    error = Some(failed);
                }
            }
        }
        if self.state(origin).await?.disclosed >= folding.reach(size).await {
            error = None;
        }
        Ok(Asked {
            is_spoiled: error.is_some() && spoiled && !passed_over,
            error,
        })
    }
}

/// How asking for disclosures went.
struct Asked {
    /// Why some are not held yet.
    error: Option<SyncError>,
    /// Whether those were erased by a key that was closed later, at everybody who could give them.
    is_spoiled: bool,
}

/// The root that another tree has at the size that is held, if its consistency proof is a
/// true one. Where that proof leaves the root out, the tree's first package tells it.
pub(super) async fn root_before(
    peer: &dyn Peer,
    origin: &Origin,
    held: Head,
    seen: &Checkpoint,
    proof: &[Hash],
) -> Option<Hash> {
    let before = if held.size.is_power_of_two() {
        let mut packages = peer.packages(origin, seen.size, 0, 1).await.ok()?;
        let PeerPackage { entries, proof, .. } = packages.next().await?.ok()?;
        let first = replicate::check_package(0, &entries, &proof, seen.size, &seen.root).ok()?;
        replicate::root_at_power_of_two(held.size, &first, &proof)?
    } else {
        held.root
    };
    let (before, root) = merkle::consistency_roots(held.size, seen.size, &before, proof).ok()?;
    (root == seen.root).then_some(before)
}

/// Checks a package that is to be kept for a tree.
pub(crate) fn check(
    tree: &Checkpoint,
    expected: u64,
    package: PeerPackage,
) -> Result<Package, SyncError> {
    let PeerPackage {
        number,
        entries,
        proof,
    } = package;
    if number != expected {
        return Err(SyncError::Refused("PACKAGE_ORDER"));
    }
    let proven = replicate::check_package(number, &entries, &proof, tree.size, &tree.root)
        .map_err(|refusal| SyncError::Refused(refusal.code()))?;
    let width = replicate::width(number, tree.size);
    Ok(Package {
        bundle: Bundle {
            number,
            width,
            entries,
        },
        leaves: proven.leaves,
    })
}
