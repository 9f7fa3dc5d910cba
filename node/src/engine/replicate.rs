//! Replication of one log: the rules are `huren_core::replicate`; here are their order, the
//! store, and the peers that are asked.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use huren_core::{
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    merkle::{self, Hash, RightEdge},
    replicate::{self, Evidence, Judgement, PACKAGE},
    trust::TrustChain,
};
use huren_proto::v1;
use huren_store::{Advance, Bundle, Error as StoreError, Head, LogState, Package};

use super::{
    Engine, disclose,
    fold::{self, Progress},
    peers::{Peer, PeerError, PeerPackage},
};

/// Packages asked for in one call.
const RUN: u32 = 16;
/// Packages whose leaf hashes are held at a time while the tree is computed.
const STRIDE: u64 = 256;

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
}

/// A checkpoint to replicate to, and who showed it.
struct Target {
    signed: SignedCheckpoint,
    shown_by: String,
}

impl Engine {
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
        if let Some(pending) = self.pending(chain, state).await? {
            self.fetch(chain, state, &pending).await?;
            self.advance(&state.origin, &pending).await?;
        }
        Ok(())
    }

    async fn state(&self, origin: &Origin) -> Result<LogState, StoreError> {
        let entry = self.book.reload(origin).await?;
        let state = entry.map(|entry| entry.state.clone());
        state.ok_or(StoreError::Corrupt("log is missing"))
    }

    /// The checkpoint to fetch for: the pending one of an interrupted round, or the largest
    /// that a peer has shown, once it is proven to extend what is held.
    async fn pending(
        &self,
        chain: &TrustChain,
        state: &LogState,
    ) -> Result<Option<SignedCheckpoint>, SyncError> {
        let held = SignedCheckpoint::parse(&state.notes.pending).ok();
        if let Some(held) = held
            && held.checkpoint().size > state.head.size
        {
            return Ok(Some(held));
        }
        let Some(member) = chain.newest().list.log_of(&state.origin) else {
            return Ok(None);
        };
        let mut targets: Vec<Target> = Vec::new();
        for (region, head) in self.book.seen(&state.origin) {
            match replicate::read_checkpoint(member, &state.origin, &head.checkpoint) {
                Ok(signed) => targets.push(Target {
                    signed,
                    shown_by: region,
                }),
                Err(refusal) if !head.checkpoint.is_empty() => {
                    tracing::warn!(origin = %state.origin, peer = region, code = refusal.code(),
                        "a peer shows a checkpoint that is not one of the log");
                }
                Err(_) => {}
            }
        }
        targets.sort_by_key(|target| std::cmp::Reverse(target.signed.checkpoint().size));
        for target in targets {
            let seen = target.signed.checkpoint();
            match replicate::judge((state.head.size, &state.head.root), seen) {
                Judgement::Same => {}
                Judgement::Older => self.compare_older(state, &target).await?,
                Judgement::Contradiction => {
                    let evidence = Evidence {
                        smaller: String::from_utf8_lossy(&state.checkpoint).into_owned(),
                        larger: target.signed.note().to_string(),
                        proof: Vec::new(),
                    };
                    self.book.freeze(&state.origin, &evidence).await?;
                    return Err(SyncError::Refused("LOG_FROZEN"));
                }
                Judgement::Adopt => {
                    self.adopt(state, &target.signed).await?;
                    return Ok(Some(target.signed));
                }
                Judgement::NeedsProof { old, new } => {
                    if self.extends(state, &target, old, new).await? {
                        self.adopt(state, &target.signed).await?;
                        return Ok(Some(target.signed));
                    }
                }
            }
        }
        Ok(None)
    }

    /// An older checkpoint is of no interest, unless it is not of our history.
    async fn compare_older(&self, state: &LogState, target: &Target) -> Result<(), SyncError> {
        let seen = target.signed.checkpoint();
        if seen.size == 0 {
            return Ok(());
        }
        match self.reader.root(&state.origin, seen.size).await? {
            Some(ours) if ours != seen.root => {
                self.book
                    .contradiction(state, &target.signed, &ours)
                    .await?;
                Err(SyncError::Refused("LOG_FROZEN"))
            }
            _ => Ok(()),
        }
    }

    /// Whether a larger checkpoint extends what is held, by a consistency proof from whoever
    /// showed it. A proof that leads to its root from another root than ours is evidence.
    async fn extends(
        &self,
        state: &LogState,
        target: &Target,
        old: u64,
        new: u64,
    ) -> Result<bool, SyncError> {
        let peers = self.peers();
        let Some(peer) = peers.get(&target.shown_by) else {
            return Ok(false);
        };
        let seen = target.signed.checkpoint();
        let proof = match peer.consistency(&state.origin, old, new).await {
            Ok(proof) => proof,
            Err(error) => {
                tracing::debug!(peer = target.shown_by, code = error.code(), "no proof");
                return Ok(false);
            }
        };
        let verified = merkle::verify_consistency(old, new, &state.head.root, &seen.root, &proof);
        if verified.is_ok() {
            return Ok(true);
        }
        tracing::warn!(origin = %state.origin, peer = target.shown_by, "consistency proof fails");
        let before = self.root_before(peer.as_ref(), state, seen, &proof).await;
        if let (Some(before), Ok(held)) = (before, SignedCheckpoint::parse(&state.checkpoint))
            && before != state.head.root
        {
            let evidence = Evidence::of_history(&held, &target.signed, &before, &proof);
            self.book.freeze(&state.origin, &evidence).await?;
            return Err(SyncError::Refused("LOG_FROZEN"));
        }
        Ok(false)
    }

    /// The root that another tree has at the size that is held, if its consistency proof is a
    /// true one. Where that proof leaves the root out, the tree's first package tells it.
    async fn root_before(
        &self,
        peer: &dyn Peer,
        state: &LogState,
        seen: &Checkpoint,
        proof: &[Hash],
    ) -> Option<Hash> {
        let old = state.head.size;
        let before = if old.is_power_of_two() {
            let mut packages = peer.packages(&state.origin, seen.size, 0, 1).await.ok()?;
            let PeerPackage { entries, proof, .. } = packages.next().await?.ok()?;
            let first =
                replicate::check_package(0, &entries, &proof, seen.size, &seen.root).ok()?;
            replicate::root_at_power_of_two(old, &first, &proof)?
        } else {
            state.head.root
        };
        let (before, root) = merkle::consistency_roots(old, seen.size, &before, proof).ok()?;
        (root == seen.root).then_some(before)
    }

    async fn adopt(&self, state: &LogState, signed: &SignedCheckpoint) -> Result<(), StoreError> {
        let pending = signed.note().to_string().into_bytes();
        self.book.put_pending(&state.origin, pending).await
    }

    /// Fetches, proves and stores every package that is missing.
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
            return Err(PeerError::Unreachable.into());
        }
        // Runs are independent: each package carries its own proof to the pending tree.
        stream::iter(runs.into_iter().map(Ok))
            .try_for_each_concurrent(self.options.packages_in_flight, |(first, count)| {
                self.fetch_run(&state.origin, tree, first, count, &sources)
            })
            .await
    }

    /// Members that may serve a log up to a size: its own province first, then who shows it.
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
                    return Ok(());
                }
                Err(SyncError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%origin, peer = region, code = error.code(),
                        "packages refused or not given; asking another member");
                    metrics::counter!("huren_packages_refused_total").increment(1);
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
        let mut packages = peer.packages(origin, tree.size, *first, count).await?;
        let mut proven = Vec::new();
        let mut next = *first;
        let outcome = loop {
            if next == end {
                break Ok(());
            }
            match packages.next().await {
                None => break Err(SyncError::Refused("PACKAGE_MISSING")),
                Some(Err(error)) => break Err(error.into()),
                Some(Ok(package)) => match check(tree, next, package) {
                    Ok(package) => proven.push(package),
                    Err(error) => break Err(error),
                },
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
    /// root with the signed one, and moves the head forward in one step.
    async fn advance(&self, origin: &Origin, pending: &SignedCheckpoint) -> Result<(), SyncError> {
        let state = self.state(origin).await?;
        let tree = pending.checkpoint();
        if tree.size <= state.head.size {
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
        while next < tree.size {
            let end = tree.size.min((next / PACKAGE + STRIDE) * PACKAGE);
            let leaves = self.reader.leaf_hashes(origin, next..end).await?;
            // Full level-0 tiles came with their packages; what lies above them is new.
            let made = edge.append(&leaves);
            new_tiles.extend(
                made.into_iter()
                    .filter(|(id, _)| id.level() > 0 || !id.is_full()),
            );
            next = end;
        }
        if edge.root() != tree.root {
            return Err(SyncError::Refused("ROOT_MISMATCH"));
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
        let (sealing, folding) = (self.sealing(), Progress::at(state.folded));
        let (folded, disclosed) = futures::join!(
            fold::fold_up_to(&sealing, chain, origin, size, &folding),
            self.disclose(chain, origin, size, &folding, partial)
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
        let taking = disclose::Taking {
            sealing: &self.sealing(),
            keys: &self.keys,
            origin,
            folding,
            partial,
        };
        let home = chain.newest().list.member_of(origin);
        let home = home.map(|member| member.region.clone());
        let mut seen: Vec<_> = self.book.seen(origin).into_iter().collect();
        seen.sort_by_key(|(region, _)| Some(region) != home.as_ref());
        let mut outcome = Ok(());
        let peers = self.peers();
        for (region, head) in seen {
            let Some(peer) = peers.get(&region) else {
                continue;
            };
            let range = self.state(origin).await?.disclosed..size.min(head.disclosed_size);
            if range.is_empty() || folding.reach(range.start + 1).await <= range.start {
                continue;
            }
            let taken = taking.take(peer.as_ref(), range).await;
            self.book.reload(origin).await?;
            if let Err(error) = taken {
                tracing::warn!(%origin, peer = region, code = error.code(), "disclosures not taken");
                outcome = Err(error.into());
            }
        }
        if self.state(origin).await?.disclosed >= folding.reach(size).await {
            outcome = Ok(());
        }
        outcome
    }
}

fn check(tree: &Checkpoint, expected: u64, package: PeerPackage) -> Result<Package, SyncError> {
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
