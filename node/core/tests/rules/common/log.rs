//! A log in memory: leaves, tiles and checkpoints of any of its sizes.

use std::collections::BTreeMap;

use huren_core::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    cosign::Cosigner,
    merkle::{
        Hash, RightEdge, TileId, consistency_proof, encode_bundle, inclusion_proof, leaf_hash,
        root_of, subtree_consistency_proof,
    },
    replicate::PACKAGE,
    tlog_proof::TlogProof,
};

use super::Province;

pub(crate) struct Log<'a> {
    pub(crate) province: &'a Province,
    pub(crate) leaves: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
    edge: RightEdge,
    /// Tiles of every size that the log ever had.
    tiles: BTreeMap<TileId, Vec<Hash>>,
}

impl<'a> Log<'a> {
    pub(crate) fn new(province: &'a Province) -> Self {
        let (leaves, hashes) = (Vec::new(), Vec::new());
        Self {
            province,
            leaves,
            hashes,
            edge: RightEdge::empty(),
            tiles: BTreeMap::new(),
        }
    }

    /// A log of `size` leaves that are no records.
    pub(crate) fn of_junk(province: &'a Province, size: u64, salt: &str) -> Self {
        let mut log = Self::new(province);
        for n in 0..size {
            log.append(format!("{salt}{n}").into_bytes());
        }
        log
    }

    /// Appends a leaf and gives its index.
    pub(crate) fn append(&mut self, leaf: Vec<u8>) -> u64 {
        let hash = leaf_hash(&leaf);
        self.tiles.extend(self.edge.append(&[hash]));
        self.hashes.push(hash);
        self.leaves.push(leaf);
        self.size() - 1
    }

    pub(crate) fn size(&self) -> u64 {
        self.edge.size()
    }

    pub(crate) fn leaf(&self, index: u64) -> Hash {
        self.hashes[usize::try_from(index).unwrap()]
    }

    pub(crate) fn root(&self, size: u64) -> Hash {
        root_of(&self.hashes[..usize::try_from(size).unwrap()])
    }

    pub(crate) fn checkpoint(&self, size: u64) -> Checkpoint {
        Checkpoint::new(self.province.origin.clone(), size, self.root(size))
    }

    /// The checkpoint of a size under the log's own signature.
    pub(crate) fn signed(&self, size: u64) -> SignedCheckpoint {
        SignedCheckpoint::sign(self.checkpoint(size), &self.province.log).unwrap()
    }

    /// The checkpoint of a size, cosigned by these at these times.
    pub(crate) fn cosigned(&self, size: u64, by: &[(&Cosigner, u64)]) -> SignedCheckpoint {
        let mut signed = self.signed(size);
        for (cosigner, time) in by {
            signed
                .add(cosigner.cosign(&self.checkpoint(size), *time).unwrap())
                .unwrap();
        }
        signed
    }

    pub(crate) fn proof(&self, index: u64, checkpoint: &SignedCheckpoint) -> TlogProof {
        let size = checkpoint.checkpoint().size;
        let hashes = inclusion_proof(index, size, &self.tiles).unwrap();
        TlogProof {
            extra: None,
            index,
            hashes,
            checkpoint: checkpoint.clone(),
        }
    }

    pub(crate) fn consistency(&self, old: u64, new: u64) -> Vec<Hash> {
        consistency_proof(old, new, &self.tiles).unwrap()
    }

    /// The entries of a package and their proof, for the tree of `size` leaves.
    pub(crate) fn package(&self, number: u64, size: u64) -> (Vec<u8>, Vec<Hash>) {
        let (start, end) = (number * PACKAGE, size.min((number + 1) * PACKAGE));
        let range = usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
        let entries = encode_bundle(self.leaves[range].iter().map(Vec::as_slice)).unwrap();
        (
            entries,
            subtree_consistency_proof(start, end, size, &self.tiles).unwrap(),
        )
    }
}
