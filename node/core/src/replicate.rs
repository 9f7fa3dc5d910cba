//! Replication by the method of C2SP tlog-mirror, without the network: which checkpoint to
//! adopt, which packages to fetch, whether a package is right, when the head may move.

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    merkle::{self, Hash, decode_bundle},
    trust::Member,
};

/// Entries in a full package.
pub const PACKAGE: u64 = 256;

/// What a checkpoint from a peer is to a replica that holds `held` (size and root of the
/// largest checkpoint of that log it ever adopted, head or pending).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The same tree: only its cosignatures are of interest.
    Same,
    /// Smaller than what is held: of no interest, unless it turns out to contradict it.
    Older,
    /// Larger: adopt it once a consistency proof from the size held verifies.
    NeedsProof {
        /// Size held.
        old: u64,
        /// Its size.
        new: u64,
    },
    /// Larger, and nothing is held yet: the empty tree is consistent with any.
    Adopt,
    /// Another root at the same size, both signed by the log: it contradicts itself.
    Contradiction,
}

/// Compares a checkpoint, whose signature is already verified, with what is held.
pub fn judge(held: (u64, &Hash), seen: &Checkpoint) -> Judgement {
    let (size, root) = held;
    match seen.size.cmp(&size) {
        std::cmp::Ordering::Less => Judgement::Older,
        std::cmp::Ordering::Equal if seen.root == *root => Judgement::Same,
        std::cmp::Ordering::Equal => Judgement::Contradiction,
        std::cmp::Ordering::Greater if size == 0 => Judgement::Adopt,
        std::cmp::Ordering::Greater => Judgement::NeedsProof {
            old: size,
            new: seen.size,
        },
    }
}

/// Reads a checkpoint and verifies the log's own signature under a key that is valid for
/// its size.
///
/// # Errors
/// [`CheckpointRefusal`].
pub fn read_checkpoint(
    member: &Member,
    origin: &Origin,
    note: &[u8],
) -> Result<SignedCheckpoint, CheckpointRefusal> {
    let signed = SignedCheckpoint::parse(note).map_err(|_| CheckpointRefusal::Malformed)?;
    if signed.checkpoint().origin != *origin {
        return Err(CheckpointRefusal::OtherLog);
    }
    let keys = member.log_keys_at(signed.checkpoint().size);
    if keys.iter().any(|key| signed.verify_log(key).is_ok()) {
        Ok(signed)
    } else {
        Err(CheckpointRefusal::Signature)
    }
}

/// Why a checkpoint is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointRefusal {
    /// Not a checkpoint.
    #[error("not a checkpoint")]
    Malformed,
    /// Of another log.
    #[error("the checkpoint is of another log")]
    OtherLog,
    /// Not signed by a key of the log that is valid for its size.
    #[error("the checkpoint is not signed by the log")]
    Signature,
}

impl CheckpointRefusal {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "CHECKPOINT_MALFORMED",
            Self::OtherLog => "CHECKPOINT_OTHER_LOG",
            Self::Signature => "CHECKPOINT_SIGNATURE",
        }
    }
}

/// Proof that a log contradicted itself, for anybody who knows its key: two checkpoints that
/// it signed, and where their sizes differ a consistency proof that verifies to the larger
/// root and yields another smaller root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// The smaller checkpoint (signed note).
    pub smaller: String,
    /// The larger one, or the other one of the same size.
    pub larger: String,
    /// Consistency proof, base64 hashes; empty when the sizes are the same. Where the smaller
    /// tree is one full subtree RFC 9162 leaves its root out of the proof, as the verifier
    /// has it already: here the root that belongs to the larger tree stands in front.
    pub proof: Vec<String>,
}

impl Evidence {
    /// Evidence out of two checkpoints of one size.
    pub fn of_one_size(one: &SignedCheckpoint, other: &SignedCheckpoint) -> Self {
        Self {
            smaller: one.to_string(),
            larger: other.to_string(),
            proof: Vec::new(),
        }
    }

    /// Evidence out of two checkpoints of different sizes, the consistency proof of the larger
    /// tree, and the root which that tree has at the smaller size.
    pub fn of_history(
        smaller: &SignedCheckpoint,
        larger: &SignedCheckpoint,
        root_before: &Hash,
        proof: &[Hash],
    ) -> Self {
        let left_out = smaller
            .checkpoint()
            .size
            .is_power_of_two()
            .then_some(root_before);
        Self {
            smaller: smaller.to_string(),
            larger: larger.to_string(),
            proof: left_out
                .into_iter()
                .chain(proof)
                .map(Hash::to_base64)
                .collect(),
        }
    }

    /// Whether it proves that the log of `member` contradicted itself.
    pub fn proves(&self, member: &Member, origin: &Origin) -> bool {
        let read = |note: &str| read_checkpoint(member, origin, note.as_bytes()).ok();
        let (Some(smaller), Some(larger)) = (read(&self.smaller), read(&self.larger)) else {
            return false;
        };
        let (smaller, larger) = (smaller.checkpoint(), larger.checkpoint());
        if smaller.size == larger.size {
            return smaller.root != larger.root;
        }
        let proof: Option<Vec<Hash>> = self
            .proof
            .iter()
            .map(|line| Hash::from_base64(line).ok())
            .collect();
        let Some(proof) = proof else { return false };
        let (before, proof) = match proof.split_first() {
            Some((root, rest)) if smaller.size.is_power_of_two() => (root, rest),
            _ => (&smaller.root, proof.as_slice()),
        };
        merkle::consistency_roots(smaller.size, larger.size, before, proof)
            .is_ok_and(|(old, new)| new == larger.root && old != smaller.root)
    }
}

/// A package whose entries are proven to be in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenPackage {
    /// Its number: it starts at leaf `256 * number`.
    pub number: u64,
    /// The leaf hashes of its entries.
    pub leaves: Vec<Hash>,
}

/// Why a package is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageRefusal {
    /// Its number lies beyond the tree.
    #[error("the package lies beyond the tree")]
    OutOfRange,
    /// Its entries are cut off, too many or too few.
    #[error("the package's entries are truncated, too many or too few")]
    Entries,
    /// The proof does not connect its entries with the tree.
    #[error("the package's proof does not verify")]
    Proof,
}

impl PackageRefusal {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::OutOfRange => "PACKAGE_OUT_OF_RANGE",
            Self::Entries => "PACKAGE_ENTRIES",
            Self::Proof => "PACKAGE_PROOF",
        }
    }
}

/// Number of packages of a tree.
pub const fn packages(size: u64) -> u64 {
    size.div_ceil(PACKAGE)
}

/// Entries of a package of a tree of `size` leaves; 0 beyond the tree.
pub fn width(number: u64, size: u64) -> u16 {
    let start = number.saturating_mul(PACKAGE);
    u16::try_from(size.saturating_sub(start).min(PACKAGE)).unwrap_or(0)
}

/// Checks a package against the tree of `size` leaves under `root`.
///
/// # Errors
/// [`PackageRefusal`].
pub fn check_package(
    number: u64,
    entries: &[u8],
    proof: &[Hash],
    size: u64,
    root: &Hash,
) -> Result<ProvenPackage, PackageRefusal> {
    let width = width(number, size);
    if width == 0 {
        return Err(PackageRefusal::OutOfRange);
    }
    let entries = decode_bundle(entries).map_err(|_| PackageRefusal::Entries)?;
    if entries.len() != usize::from(width) {
        return Err(PackageRefusal::Entries);
    }
    let leaves: Vec<Hash> = entries.into_iter().map(merkle::leaf_hash).collect();
    let start = number * PACKAGE;
    let end = start + u64::from(width);
    let subtree = merkle::root_of(&leaves);
    merkle::verify_subtree_consistency(start, end, size, &subtree, root, proof)
        .map_err(|_| PackageRefusal::Proof)?;
    Ok(ProvenPackage { number, leaves })
}

/// The root that a tree has at a smaller `size` which is a power of two, out of the tree's
/// first package and the proof that it was checked with: what a consistency proof from such a
/// size leaves out. `None` for any other size or package.
pub fn root_at_power_of_two(size: u64, first: &ProvenPackage, proof: &[Hash]) -> Option<Hash> {
    if first.number != 0 || !size.is_power_of_two() {
        return None;
    }
    let (held, above) = match size.checked_div(PACKAGE) {
        Some(packages @ 1..) => (PACKAGE, packages.ilog2()),
        _ => (size, 0),
    };
    let leaves = first.leaves.get(..usize::try_from(held).ok()?)?;
    // From a full subtree at the left edge the proof climbs by its right neighbours.
    let right = proof.get(..usize::try_from(above).ok()?)?;
    let root = merkle::root_of(leaves);
    Some(
        right
            .iter()
            .fold(root, |left, right| merkle::node_hash(&left, right)),
    )
}

/// The runs of packages that are still to be fetched for a tree of `size` leaves: what is
/// `held` (number and width) with its full width for that tree is left out. Each run is a
/// first number and a count of at most `longest`.
pub fn missing(size: u64, from: u64, held: &[(u64, u16)], longest: u32) -> Vec<(u64, u32)> {
    let complete = |number| {
        held.binary_search_by_key(&number, |(n, _)| *n)
            .is_ok_and(|found| held[found].1 >= width(number, size))
    };
    let mut runs: Vec<(u64, u32)> = Vec::new();
    for number in from..packages(size) {
        if complete(number) {
            continue;
        }
        match runs.last_mut() {
            Some((first, count)) if *first + u64::from(*count) == number && *count < longest => {
                *count += 1;
            }
            _ => runs.push((number, 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::merkle::{RightEdge, leaf_hash, root_of, subtree_consistency_proof};

    #[test]
    fn the_first_package_tells_every_root_that_consistency_proofs_leave_out() {
        let leaves: Vec<Hash> = (0..1100u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        for tree in [3u64, 5, 256, 257, 513, 1025, 1100] {
            let held = &leaves[..usize::try_from(tree).unwrap()];
            let tiles: BTreeMap<_, _> = RightEdge::empty().append(held).into_iter().collect();
            let end = tree.min(PACKAGE);
            let proof = subtree_consistency_proof(0, end, tree, &tiles).unwrap();
            let first = ProvenPackage {
                number: 0,
                leaves: held[..usize::try_from(end).unwrap()].to_vec(),
            };
            for size in 1..tree {
                let root = || root_of(&held[..usize::try_from(size).unwrap()]);
                assert_eq!(
                    root_at_power_of_two(size, &first, &proof),
                    size.is_power_of_two().then(root),
                    "{size} of {tree}"
                );
            }
            let second = ProvenPackage { number: 1, ..first };
            assert_eq!(root_at_power_of_two(1, &second, &proof), None);
        }
    }
}
