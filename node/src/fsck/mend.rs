//! Mending logs whose bytes are damaged on the disk.
//!
//! A log is mended to one tree alone: that of the checkpoint that it holds and that its province
//! signed. Every package is proven to that tree before it takes the place of what is held, and
//! tiles are computed once all entries are proven. Each piece is a step by itself: whoever is cut
//! off begins again, and what is in order is not touched.

use std::{cmp::Reverse, sync::Arc};

use anyhow::Context as _;
use bytes::Bytes;
use futures::StreamExt as _;
use huren_core::{
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    merkle::{self, Hash, RightEdge, TileId},
    replicate::{PACKAGE, packages, width},
    trust::TrustChain,
};
use huren_proto::v1;
use huren_store::{
    Advance, Error as StoreError, Head, LogState, Mending as Pieces, Package, Store,
};
use indicatif::ProgressBar;

use super::mended::{Mended, What};
use crate::{
    backup::{check, step},
    engine::{Peer, PeerError, PeerPackage, Peers, Reader, SyncError, check_package},
};

/// Memory for the tiles that proofs are made of, in bytes.
const CACHE: u64 = 8 << 20;

/// Nothing can be proven of what changes while it is read.
const UNSTEADY: &str = "数据库在修复中变化：请确认节点已停止，并检查磁盘 / the database changed while it was mended: see that \
     no node runs, and check the disk";

/// Finds the members that are asked for what is damaged: only called when something is.
pub type FindMembers<'a> = &'a (dyn Fn(&TrustChain) -> anyhow::Result<Peers> + Sync);

/// Mends the logs of a database.
pub struct Mending<'a> {
    /// The database. No node writes to it meanwhile.
    pub store: Arc<dyn Store>,
    /// Whose logs they are, and who signs them.
    pub trust: &'a TrustChain,
    /// What the high-water file says was last signed: a log that holds another tree of that size is
    /// left alone.
    pub signed: Option<(Origin, Head)>,
    /// Whom to ask.
    pub members: FindMembers<'a>,
}

/// A member that answers.
struct Member {
    region: String,
    peer: Arc<dyn Peer>,
    heads: Vec<v1::Head>,
}

/// Mending under way.
struct Run<'a> {
    mending: &'a Mending<'a>,
    progress: &'a ProgressBar,
    members: Option<Arc<[Member]>>,
    mended: Mended,
}

impl Mending<'_> {
    /// Mends every log, and tells what was damaged, where it came from, and what is damaged still.
    ///
    /// # Errors
    /// If the store fails, or the members cannot be found. What was mended stays mended.
    pub async fn run(&self, progress: &ProgressBar) -> anyhow::Result<Mended> {
        let logs = self.store.logs().await?;
        let leaves = logs.iter().map(|state| state.head.size).sum();
        step(progress, leaves, "修复日志 / mending the logs");
        let mut run = Run {
            mending: self,
            progress,
            members: None,
            mended: Mended::default(),
        };
        for state in logs.iter().filter(|state| state.head.size > 0) {
            run.log(state).await?;
        }
        Ok(run.mended)
    }

    /// Whether the log that is signed here holds another tree than the one that was signed last.
    fn is_other_tree(&self, state: &LogState) -> bool {
        self.signed.as_ref().is_some_and(|(origin, signed)| {
            *origin == state.origin && signed.size == state.head.size && *signed != state.head
        })
    }
}

impl Run<'_> {
    fn store(&self) -> &dyn Store {
        self.mending.store.as_ref()
    }

    async fn log(&mut self, state: &LogState) -> anyhow::Result<()> {
        let origin = &state.origin;
        if self.mending.is_other_tree(state) {
            let why = "high-water 记下的是另一棵树 / the high-water file has another tree";
            self.mended.left(origin, What::Checkpoint, 0..1, why);
            return Ok(());
        }
        let signed = match check::signed(state, self.mending.trust) {
            Ok(signed) => signed,
            Err(why) => match self.checkpoint(state).await? {
                Some(signed) => signed,
                None => {
                    self.mended.left(origin, What::Checkpoint, 0..1, why);
                    return Ok(());
                }
            },
        };
        let tree = signed.checkpoint();
        if self.root_of_entries(tree).await? == Some(tree.root) || self.packages(tree).await? {
            self.tiles(tree).await?;
        }
        Ok(())
    }

    /// Finds the checkpoint of the head that is held, signed by the log, where another one is kept
    /// in its place.
    async fn checkpoint(&mut self, state: &LogState) -> anyhow::Result<Option<SignedCheckpoint>> {
        let notes = [&state.notes.published, &state.notes.witnessed];
        let mut found = notes.map(|note| (None, note.clone())).to_vec();
        let members = self.members().await?;
        for member in members.iter() {
            let heads = member.heads.iter();
            for head in heads.filter(|head| head.origin == state.origin.as_str()) {
                for note in [&head.checkpoint, &head.witnessed] {
                    found.push((Some(&member.region), note.clone()));
                }
            }
        }
        for (region, checkpoint) in found {
            let LogState { origin, head, .. } = state.clone();
            let state = LogState {
                checkpoint,
                ..state.clone()
            };
            let Ok(signed) = check::signed(&state, self.mending.trust) else {
                continue;
            };
            let checkpoint = state.checkpoint;
            let replaced = Advance {
                expected: head,
                head,
                checkpoint,
                tiles: Vec::new(),
            };
            self.store().advance(&origin, replaced).await?;
            self.mended.done(&origin, What::Checkpoint, 0..1, region);
            return Ok(Some(signed));
        }
        Ok(None)
    }

    /// The root that the entries have, if all of them can be read.
    async fn root_of_entries(&self, tree: &Checkpoint) -> Result<Option<Hash>, StoreError> {
        let mut edge = RightEdge::empty();
        for number in 0..packages(tree.size) {
            let held = check::package(self.store(), &tree.origin, number, tree.size).await?;
            let Some(held) = held else {
                return Ok(None);
            };
            edge.append(&held.package.leaves);
        }
        Ok(Some(edge.root()))
    }

    /// Proves every package, by the own tiles or with what members give; says whether all are.
    async fn packages(&mut self, tree: &Checkpoint) -> anyhow::Result<bool> {
        let reader = Reader::new(Arc::clone(&self.mending.store), CACHE);
        let mut all = true;
        for number in 0..packages(tree.size) {
            if self.proven(&reader, tree, number).await?.is_some() {
                continue;
            }
            let first = number * PACKAGE;
            let range = first..first + u64::from(width(number, tree.size));
            let own = own_proof(&reader, tree, number).await?;
            let Some((region, package)) = self.fetch(tree, number, own).await? else {
                let why = "未能证明，也没有成员给出能证明的条目 / not proven, nor did a member give entries that are";
                self.mended.left(&tree.origin, What::Entries, range, why);
                all = false;
                continue;
            };
            let held = check::package(self.store(), &tree.origin, number, tree.size).await?;
            // Otherwise only the tiles were damaged that would have proven it.
            if held.is_none_or(|held| held.package.bundle != package.bundle) {
                self.put(tree, vec![package], Vec::new()).await?;
                let from = Some(&region);
                self.mended.done(&tree.origin, What::Entries, range, from);
            }
        }
        Ok(all)
    }

    /// A package that is held, if the tiles that are held prove it.
    async fn proven(
        &self,
        reader: &Reader,
        tree: &Checkpoint,
        number: u64,
    ) -> Result<Option<Package>, StoreError> {
        let held = check::package(self.store(), &tree.origin, number, tree.size).await?;
        let own = own_proof(reader, tree, number).await?;
        let (Some(held), Some(proof)) = (held, own) else {
            return Ok(None);
        };
        Ok(prove(tree, number, held.package.bundle.entries, proof).ok())
    }

    /// A package from the first member whose entries are proven, by its proof or the own one. The own
    /// one serves where the member is behind this tree.
    async fn fetch(
        &mut self,
        tree: &Checkpoint,
        number: u64,
        own: Option<Vec<Hash>>,
    ) -> anyhow::Result<Option<(String, Package)>> {
        for member in self.members().await?.iter() {
            let size = member.size_of(&tree.origin).min(tree.size);
            if width(number, size) < width(number, tree.size) {
                continue;
            }
            let given = first_package(member.peer.as_ref(), &tree.origin, size, number).await;
            let code = match given {
                Err(error) => error.code().to_owned(),
                Ok(given) => {
                    let entries = given.entries.clone();
                    let by_own = |error| match own.clone() {
                        Some(proof) => prove(tree, number, entries, proof),
                        None => Err(error),
                    };
                    match check_package(tree, number, given).or_else(by_own) {
                        Ok(package) => return Ok(Some((member.region.clone(), package))),
                        Err(error) => error.code().to_owned(),
                    }
                }
            };
            self.mended.refused(&member.region, &code);
        }
        Ok(None)
    }

    /// Puts the tiles in order, all entries being proven.
    async fn tiles(&mut self, tree: &Checkpoint) -> anyhow::Result<()> {
        let (origin, size) = (&tree.origin, tree.size);
        let (mut edge, mut wrong) = (RightEdge::empty(), Vec::new());
        for number in 0..packages(size) {
            let place = number..number + 1;
            let listed = self.store().held_packages(origin, place).await?;
            let held = check::package(self.store(), origin, number, size).await?;
            let held = held.context(UNSTEADY)?;
            let is_listed = held.is_in(&listed);
            for tile in edge.append(&held.package.leaves) {
                let id = tile.0;
                // Narrower ones are on the way to those that are kept.
                if TileId::in_tree(id.level(), id.index(), size) != Some(id) {
                    continue;
                }
                let tile = [tile];
                let is_held = check::holds_tiles(self.store(), origin, &tile).await?;
                if !is_held || (id.level() == 0 && !is_listed) {
                    wrong.extend(tile);
                }
            }
            self.progress.inc(held.package.leaves.len() as u64);
        }
        // A disk may give other bytes than a moment ago.
        anyhow::ensure!(edge.root() == tree.root, UNSTEADY);
        // From the root down and from the right to the left, so that what proves a package is in order.
        wrong.sort_by_key(|(id, _)| Reverse((id.level(), id.index())));
        for (id, hashes) in wrong {
            if id.level() == 0 {
                let reader = Reader::new(Arc::clone(&self.mending.store), CACHE);
                let package = self.proven(&reader, tree, id.index()).await?;
                let package = package.context(UNSTEADY)?;
                self.put(tree, vec![package], Vec::new()).await?;
            } else {
                self.put(tree, Vec::new(), vec![(id, hashes)]).await?;
            }
            let (what, place) = (What::Tiles(id.level()), id.index()..id.index() + 1);
            self.mended.done(origin, what, place, None);
        }
        Ok(())
    }

    async fn put(
        &self,
        tree: &Checkpoint,
        packages: Vec<Package>,
        tiles: Vec<(TileId, Vec<Hash>)>,
    ) -> Result<(), StoreError> {
        let mending = Pieces {
            tree: Head {
                size: tree.size,
                root: tree.root,
            },
            packages,
            tiles,
        };
        self.store().mend(&tree.origin, mending).await
    }

    /// The members that answer; found once.
    async fn members(&mut self) -> anyhow::Result<Arc<[Member]>> {
        if let Some(members) = &self.members {
            return Ok(Arc::clone(members));
        }
        let mut members = Vec::new();
        for (region, peer) in (self.mending.members)(self.mending.trust)? {
            match peer.heads().await {
                Ok(heads) => members.push(Member {
                    region,
                    peer,
                    heads,
                }),
                Err(error) => self.mended.refused(&region, error.code()),
            }
        }
        let members: Arc<[Member]> = members.into();
        self.members = Some(Arc::clone(&members));
        Ok(members)
    }
}

impl Member {
    /// How much of a log it shows.
    fn size_of(&self, origin: &Origin) -> u64 {
        let heads = self
            .heads
            .iter()
            .filter(|head| head.origin == origin.as_str());
        let shown = heads.filter_map(|head| SignedCheckpoint::parse(&head.checkpoint).ok());
        shown
            .map(|shown| shown.checkpoint().size)
            .max()
            .unwrap_or(0)
    }
}

/// Proves entries that did not come with this proof.
fn prove(
    tree: &Checkpoint,
    number: u64,
    entries: Bytes,
    proof: Vec<Hash>,
) -> Result<Package, SyncError> {
    let package = PeerPackage {
        number,
        entries,
        proof,
    };
    check_package(tree, number, package)
}

/// The proof of a package that the tiles give which are held.
async fn own_proof(
    reader: &Reader,
    tree: &Checkpoint,
    number: u64,
) -> Result<Option<Vec<Hash>>, StoreError> {
    let start = number * PACKAGE;
    let end = start + u64::from(width(number, tree.size));
    let plan = merkle::tiles_for_subtree_consistency(start, end, tree.size);
    let tiles = match reader.tiles(&tree.origin, &plan).await {
        Err(StoreError::Corrupt(_)) => return Ok(None),
        tiles => tiles?,
    };
    Ok(merkle::subtree_consistency_proof(start, end, tree.size, &tiles).ok())
}

async fn first_package(
    peer: &dyn Peer,
    origin: &Origin,
    size: u64,
    number: u64,
) -> Result<PeerPackage, PeerError> {
    let mut packages = peer.packages(origin, size, number, 1).await?;
    packages.next().await.unwrap_or(Err(PeerError::Malformed))
}
