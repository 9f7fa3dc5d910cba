//! A log as an auditor sees it: fetched over public HTTP, and nothing of it believed.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, Result, ensure};
use huren::{
    connect,
    local::{LocalNode, wait_for},
};
use huren_core::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    merkle::{self, Hash, TileId, decode_bundle, entries_path},
    note::VerifierKey,
};
use huren_node::http::tiles::origin_hash;

/// Leaves in a full bundle.
const BUNDLE: u64 = 256;

/// Where a log is published, and who signs it.
#[derive(Clone)]
pub(crate) struct Public {
    url: String,
    key: VerifierKey,
}

impl Public {
    /// A node's own log.
    pub(crate) fn own(node: &LocalNode) -> Result<Self> {
        let path = node.origin.split_once('/').map_or("", |(_, path)| path);
        Self::at(format!("http://{}/{path}", node.http), node)
    }

    /// The copy of `home`'s log at `replica`.
    pub(crate) fn mirror(home: &LocalNode, replica: &LocalNode) -> Result<Self> {
        let hash = origin_hash(&home.origin.parse()?);
        Self::at(format!("http://{}/mirror/{hash}", replica.http), home)
    }

    fn at(url: String, home: &LocalNode) -> Result<Self> {
        let member = home.member()?;
        let key = member.log_keys.first().context("a log key")?.key.parse()?;
        Ok(Self { url, key })
    }

    /// The checkpoint, with its signature verified; `None` if there is none, or no node.
    pub(crate) async fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        let url = format!("{}/checkpoint", self.url);
        let Ok(Some(note)) = connect::get(&url, None).await else {
            return Ok(None);
        };
        let signed = SignedCheckpoint::parse(&note)?;
        signed.verify_log(&self.key)?;
        Ok(Some(signed.checkpoint().clone()))
    }

    /// A bundle's leaf hashes in a tree of `size` leaves.
    async fn leaves(&self, bundle: u64, size: u64) -> Result<Vec<Hash>> {
        let id = TileId::in_tree(0, bundle, size).context("beyond the log")?;
        let url = format!("{}/{}", self.url, entries_path(bundle, id.width()));
        let found = connect::get(&url, None).await?;
        let found = found.with_context(|| format!("there is no {url}"))?;
        let entries = decode_bundle(&found)?;
        ensure!(entries.len() == usize::from(id.width()), "width of {url}");
        Ok(entries.into_iter().map(merkle::leaf_hash).collect())
    }
}

/// What was seen of a log up to now, from its beginning.
pub(crate) struct Audit {
    public: Public,
    leaves: Vec<Hash>,
    /// Every head that was ever seen or signed.
    heads: BTreeMap<u64, Hash>,
    /// Those of them that were not compared with the leaves yet.
    unchecked: BTreeMap<u64, Hash>,
    /// The largest size that was public.
    public_size: u64,
}

impl Audit {
    pub(crate) const fn new(public: Public) -> Self {
        Self {
            public,
            leaves: Vec::new(),
            heads: BTreeMap::new(),
            unchecked: BTreeMap::new(),
            public_size: 0,
        }
    }

    /// Notes a head: no size ever has two roots.
    pub(crate) fn saw(&mut self, size: u64, root: Hash) -> Result<()> {
        let first = *self.heads.entry(size).or_insert(root);
        ensure!(first == root, "two roots for size {size}");
        self.unchecked.insert(size, root);
        Ok(())
    }

    /// The public size now. It never becomes smaller.
    pub(crate) async fn public_size(&mut self) -> Result<u64> {
        let Some(found) = self.public.checkpoint().await? else {
            return Ok(self.public_size);
        };
        self.saw(found.size, found.root)?;
        ensure!(
            found.size >= self.public_size,
            "the public log went back from {} to {}",
            self.public_size,
            found.size
        );
        self.public_size = found.size;
        Ok(found.size)
    }

    /// Waits until at least `size` leaves are public, fetches those that are new, and compares
    /// the tree over all of them with every head seen so far.
    pub(crate) async fn up_to(&mut self, size: u64) -> Result<()> {
        let what = format!("{size} leaves at {}", self.public.url);
        let public = wait_for(&what, async || {
            let public = self.public_size().await?;
            Ok((public >= size).then_some(public))
        })
        .await?;
        let mut bundle = self.size() / BUNDLE;
        while bundle * BUNDLE < public {
            let found = self.public.leaves(bundle, public).await?;
            let first = usize::try_from(bundle * BUNDLE)?;
            // The beginning of an open bundle was seen before, and must not have changed.
            let seen = self.leaves.len() - first;
            ensure!(
                found.get(..seen) == Some(&self.leaves[first..]),
                "leaves of bundle {bundle} have changed"
            );
            self.leaves.extend_from_slice(&found[seen..]);
            bundle += 1;
        }
        let later = self.unchecked.split_off(&(public + 1));
        for (size, root) in std::mem::replace(&mut self.unchecked, later) {
            self.compare(size, root)?;
        }
        Ok(())
    }

    /// Fetches everything again, and compares it with every head that was ever seen.
    pub(crate) async fn start_over(&mut self) -> Result<()> {
        let before = std::mem::take(&mut self.leaves);
        self.unchecked = self.heads.clone();
        self.up_to(before.len() as u64).await?;
        ensure!(self.leaves.starts_with(&before), "old leaves have changed");
        ensure!(self.unchecked.is_empty(), "a head beyond the public log");
        let distinct: HashSet<&[u8; 32]> = self.leaves.iter().map(Hash::as_bytes).collect();
        ensure!(
            distinct.len() == self.leaves.len(),
            "a leaf is in the log twice"
        );
        Ok(())
    }

    fn compare(&self, size: u64, root: Hash) -> Result<()> {
        let leaves = self.leaves.get(..usize::try_from(size)?);
        let leaves = leaves.with_context(|| format!("no leaves for size {size}"))?;
        ensure!(
            merkle::root_of(leaves) == root,
            "the leaves do not hash to the signed root of size {size}"
        );
        Ok(())
    }

    /// Leaves fetched so far.
    pub(crate) const fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// A leaf's hash.
    pub(crate) fn leaf(&self, index: u64) -> Option<&Hash> {
        self.leaves.get(usize::try_from(index).ok()?)
    }

    /// Sees that what was fetched is the beginning of another log, with the same heads.
    pub(crate) fn begins(&self, whole: &Self) -> Result<()> {
        ensure!(
            whole.leaves.starts_with(&self.leaves),
            "the two logs differ"
        );
        self.heads
            .iter()
            .try_for_each(|(size, root)| whole.compare(*size, *root))
    }
}
