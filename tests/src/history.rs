//! A log that a test writes by itself and signs with a member's key: what a hostile province
//! could show.

use std::{collections::BTreeMap, sync::Arc};

use huren_core::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    codes::Region,
    merkle::{
        Hash, RightEdge, TileId, consistency_proof, encode_bundle, leaf_hash, root_of,
        subtree_consistency_proof,
    },
    note::NoteSigner,
    replicate::{PACKAGE, packages, width},
    witness::AddCheckpoint,
};
use huren_node::engine::PeerPackage;
use huren_store::{Append, Bundle, Head};

use crate::log_signer;

/// A log of a member or of somebody else, of any leaves.
#[derive(Clone)]
pub struct History {
    signer: Arc<NoteSigner>,
    leaves: Vec<Vec<u8>>,
    hashes: Vec<Hash>,
    /// Of every size that the log ever had.
    tiles: BTreeMap<TileId, Vec<Hash>>,
}

impl History {
    /// A member's log of these leaves.
    pub fn new(of: Region, leaves: Vec<Vec<u8>>) -> Self {
        Self::signed_by(log_signer(of), leaves)
    }

    /// A log of these leaves; the signer's name is its origin.
    pub fn signed_by(signer: NoteSigner, leaves: Vec<Vec<u8>>) -> Self {
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let mut edge = RightEdge::empty();
        let tiles = hashes
            .iter()
            .flat_map(|hash| edge.append(&[*hash]))
            .collect();
        Self {
            signer: Arc::new(signer),
            leaves,
            hashes,
            tiles,
        }
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.hashes.len() as u64
    }

    /// The hash of a leaf.
    pub fn leaf(&self, index: u64) -> Hash {
        self.hashes[position(index)]
    }

    /// The checkpoint of the first `size` leaves, signed by the log.
    pub fn checkpoint(&self, size: u64) -> SignedCheckpoint {
        let root = root_of(&self.hashes[..position(size)]);
        let origin = self.signer.name().as_str().parse().expect("an origin");
        let checkpoint = Checkpoint::new(origin, size, root);
        SignedCheckpoint::sign(checkpoint, &self.signer).expect("a checkpoint")
    }

    /// The consistency proof between two sizes.
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        consistency_proof(old, new, &self.tiles).ok()
    }

    /// The request to cosign the checkpoint of `new` leaves behind that of `old`.
    pub fn add_checkpoint(&self, old: u64, new: u64) -> AddCheckpoint {
        AddCheckpoint {
            old_size: old,
            proof: match old {
                0 => Vec::new(),
                old => self.consistency(old, new).expect("a proof"),
            },
            checkpoint: self.checkpoint(new),
        }
    }

    /// A package of the tree of `size` leaves.
    pub fn package(&self, number: u64, size: u64) -> PeerPackage {
        let start = number * PACKAGE;
        let end = start + u64::from(width(number, size));
        PeerPackage {
            number,
            entries: self.bundle(number, size).entries,
            proof: subtree_consistency_proof(start, end, size, &self.tiles).expect("a proof"),
        }
    }

    fn bundle(&self, number: u64, size: u64) -> Bundle {
        let width = width(number, size);
        let first = position(number * PACKAGE);
        let leaves = &self.leaves[first..first + usize::from(width)];
        let entries = encode_bundle(leaves.iter().map(Vec::as_slice)).expect("a bundle");
        Bundle {
            number,
            width,
            entries: entries.into(),
        }
    }

    /// The append that puts what lies behind its first `held` leaves into a store that has
    /// those, with nothing in the register.
    pub fn append(&self, held: u64) -> Append {
        let (before, behind) = self.hashes.split_at(position(held));
        let mut edge = RightEdge::empty();
        edge.append(before);
        let expected = Head {
            size: edge.size(),
            root: edge.root(),
        };
        let tiles = edge.append(behind);
        Append {
            expected,
            head: Head {
                size: edge.size(),
                root: edge.root(),
            },
            checkpoint: self.checkpoint(self.size()).to_string().into_bytes(),
            bundles: (held / PACKAGE..packages(self.size()))
                .map(|number| self.bundle(number, self.size()))
                .collect(),
            tiles,
            changes: Default::default(),
            erased: huren_store::Erased::default(),
            disclosures: Vec::new(),
            submissions: Vec::new(),
        }
    }
}

fn position(index: u64) -> usize {
    usize::try_from(index).expect("a small log")
}
