//! Checking proofs: RFC 9162 section 2.1 and draft-ietf-plants-merkle-tree-certs
//! section 4. No proof makes these loop or allocate beyond its own length.

use super::hash::{Hash, node_hash};
use super::range::is_subtree;

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is outside the tree or the subtree.
    #[error("leaf {index} is not in [{start}, {end})")]
    IndexOutOfRange {
        /// The leaf.
        index: u64,
        /// First leaf of the tree or subtree.
        start: u64,
        /// The leaf after the last one.
        end: u64,
    },
    /// The range is empty or not aligned to its size.
    #[error("[{start}, {end}) is not a subtree")]
    NotASubtree {
        /// First leaf.
        start: u64,
        /// The leaf after the last one.
        end: u64,
    },
    /// The subtree, or the older tree, ends after the tree.
    #[error("{end} leaves cannot be part of {size}")]
    BeyondTree {
        /// End of the subtree, or size of the older tree.
        end: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// More or fewer hashes than a proof for these sizes has.
    #[error("a proof for these sizes does not have {0} hashes")]
    WrongLength(usize),
    /// The proof leads to another hash of the subtree or of the older tree.
    #[error("the proof gives {computed} for the older part instead of {expected}")]
    OldMismatch {
        /// What the caller has.
        expected: Hash,
        /// What the proof leads to.
        computed: Hash,
    },
    /// The proof leads to another root.
    #[error("the proof gives the root {computed} instead of {expected}")]
    RootMismatch {
        /// What the caller has.
        expected: Hash,
        /// What the proof leads to.
        computed: Hash,
    },
}

/// Checks that the tree of `size` leaves with this root has the leaf at `index`.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    expect_root(root, root_from_inclusion(index, size, leaf, proof)?)
}

/// The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2).
pub fn root_from_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::IndexOutOfRange {
            index,
            start: 0,
            end: size,
        });
    }
    // A tree of one leaf is a subtree, and the proof of its consistency the proof of
    // its inclusion (draft-ietf-plants-merkle-tree-certs section 4.4.1).
    subtree_consistency_roots(index, index + 1, size, leaf, proof).map(|(_, root)| root)
}

/// Checks that the subtree `[start, end)` with this hash has the leaf at `index`,
/// counted from the start of the whole tree.
pub fn verify_subtree_inclusion(
    index: u64,
    start: u64,
    end: u64,
    leaf: &Hash,
    proof: &[Hash],
    subtree_hash: &Hash,
) -> Result<(), ProofError> {
    if !is_subtree(start, end) {
        return Err(ProofError::NotASubtree { start, end });
    }
    if !(start..end).contains(&index) {
        return Err(ProofError::IndexOutOfRange { index, start, end });
    }
    verify_inclusion(index - start, end - start, leaf, proof, subtree_hash)
}

/// Checks that the tree of `new_size` leaves continues that of `old_size`.
///
/// `old_size` 0 is refused: a proof from the empty tree says nothing. Who accepts a
/// first checkpoint does so without one.
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    verify_subtree_consistency(0, old_size, new_size, old_root, new_root, proof)
}

/// The roots of the older and of the newer tree that a consistency proof leads to.
///
/// A proof that leads to the signed newer root and to another older root than the
/// signed one is evidence of a fork. `old_root` matters only where the older tree is
/// a full subtree of the newer one: its root then starts the proof, and is returned
/// as it came.
pub fn consistency_roots(
    old_size: u64,
    new_size: u64,
    old_root: &Hash,
    proof: &[Hash],
) -> Result<(Hash, Hash), ProofError> {
    subtree_consistency_roots(0, old_size, new_size, old_root, proof)
}

/// Checks that the subtree `[start, end)` with this hash holds the same leaves as the
/// tree of `size` leaves with this root.
pub fn verify_subtree_consistency(
    start: u64,
    end: u64,
    size: u64,
    subtree_hash: &Hash,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    let (subtree, computed) = subtree_consistency_roots(start, end, size, subtree_hash, proof)?;
    if subtree != *subtree_hash {
        return Err(ProofError::OldMismatch {
            expected: *subtree_hash,
            computed: subtree,
        });
    }
    expect_root(root, computed)
}

/// The hash of the subtree and the root of the tree that a subtree consistency proof
/// leads to (draft-ietf-plants-merkle-tree-certs section 4.4.3, without its last
/// comparison). `subtree_hash` is used as in [`consistency_roots`].
pub fn subtree_consistency_roots(
    start: u64,
    end: u64,
    size: u64,
    subtree_hash: &Hash,
    proof: &[Hash],
) -> Result<(Hash, Hash), ProofError> {
    if !is_subtree(start, end) {
        return Err(ProofError::NotASubtree { start, end });
    }
    if end > size {
        return Err(ProofError::BeyondTree { end, size });
    }
    let wrong_length = ProofError::WrongLength(proof.len());
    // Names as in the draft: the paths to the subtree's first and last leaf and to the
    // tree's last leaf, and the hashes on the way.
    let (mut first, mut last, mut tree_last) = (start, end - 1, size - 1);
    // Up to the subtree, if it is a node of the tree, or else to the largest node that
    // ends with it.
    while first != last && (last == tree_last || last & 1 == 1) {
        up(&mut first, &mut last, &mut tree_last);
    }
    let (seed, rest) = if first == last {
        (*subtree_hash, proof)
    } else {
        let (seed, rest) = proof.split_first().ok_or(wrong_length)?;
        (*seed, rest)
    };
    let (mut subtree, mut root) = (seed, seed);
    for hash in rest {
        if tree_last == 0 {
            return Err(wrong_length);
        }
        if last & 1 == 1 || last == tree_last {
            if first < last {
                subtree = node_hash(hash, &subtree);
            }
            root = node_hash(hash, &root);
            // The tree has no node at heights where its edge has no left sibling. The
            // loop ends: `last` is not 0 here, since then `tree_last` would be too.
            while last & 1 == 0 {
                up(&mut first, &mut last, &mut tree_last);
            }
        } else {
            root = node_hash(&root, hash);
        }
        up(&mut first, &mut last, &mut tree_last);
    }
    if tree_last == 0 {
        Ok((subtree, root))
    } else {
        Err(wrong_length)
    }
}

fn up(first: &mut u64, last: &mut u64, tree_last: &mut u64) {
    *first >>= 1;
    *last >>= 1;
    *tree_last >>= 1;
}

fn expect_root(expected: &Hash, computed: Hash) -> Result<(), ProofError> {
    if computed == *expected {
        Ok(())
    } else {
        Err(ProofError::RootMismatch {
            expected: *expected,
            computed,
        })
    }
}
