//! What a log serves: bundles, paths and proofs.

use std::{collections::BTreeMap, sync::LazyLock};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::{
    merkle::{
        Hash, RightEdge, TILE_WIDTH, TileId, TilePath, consistency_proof, decode_bundle,
        encode_bundle, inclusion_proof, leaf_hash, root_of, subtree_consistency_proof,
        verify_consistency, verify_inclusion, verify_subtree_consistency, verify_subtree_inclusion,
    },
    tlog_proof::TlogProof,
};

use crate::{known::RECEIPT, text};

/// A bundle of entries has one spelling.
pub fn entry_bundle(bytes: &[u8]) {
    let Ok(entries) = decode_bundle(bytes) else {
        return;
    };
    assert!((1..=usize::from(TILE_WIDTH)).contains(&entries.len()));
    assert_eq!(encode_bundle(entries).as_deref(), Ok(bytes));
}

/// A path names one resource, and a resource has one path.
pub fn tile_path(bytes: &[u8]) {
    if let Some(path) = text(bytes).and_then(|text| text.parse::<TilePath>().ok()) {
        assert_eq!(path.to_string().as_bytes(), bytes);
    }
}

/// A proof has one spelling, and nothing is proven but what the log holds at that place.
pub fn tlog_proof(bytes: &[u8]) {
    let Ok(proof) = TlogProof::parse(bytes) else {
        return;
    };
    assert_eq!(proof.to_string().as_bytes(), bytes);
    let good = &*RECEIPT;
    let policy = good.chain.newest().list.policy(&good.checked.origin);
    let leaf = BASE64_STANDARD.decode(&good.receipt.proven.certificate.leaf);
    let (policy, leaf) = (policy.expect("a policy"), leaf.expect("a leaf"));
    if proof.verify(&leaf_hash(&leaf), &policy).is_ok() {
        assert_eq!(proof.index, good.checked.index);
        assert_eq!(proof.hashes, good.proof.hashes);
        let head = proof.checkpoint.checkpoint();
        assert_eq!(head, good.proof.checkpoint.checkpoint());
    }
}

/// The most leaves of the tree about which proofs are made.
const LEAVES: u8 = 70;

/// That tree: hashes of its leaves, and the tiles of every size that it had.
static TREE: LazyLock<(Vec<Hash>, BTreeMap<TileId, Vec<Hash>>)> = LazyLock::new(|| {
    let leaves: Vec<Hash> = (0..LEAVES).map(|n| leaf_hash(&[n])).collect();
    let mut edge = RightEdge::empty();
    let tiles = leaves.iter().flat_map(|leaf| edge.append(&[*leaf]));
    (leaves.clone(), tiles.collect())
});

/// Of all proofs about a tree only the true one verifies. The first bytes choose size, places
/// and kind; the others damage the true proof.
pub fn merkle_proof(bytes: &[u8]) {
    let Some((&[kind, size, start, end], damage)) = bytes.split_first_chunk() else {
        return;
    };
    let (leaves, tiles) = &*TREE;
    let size = u64::from(size % LEAVES) + 1;
    let start = u64::from(start) % size;
    let end = start + 1 + u64::from(end) % (size - start);
    let hashes = |start: u64, end: u64| {
        let range = usize::try_from(start).ok()..usize::try_from(end).ok();
        &leaves[range.start.unwrap_or_default()..range.end.unwrap_or_default()]
    };
    let root = root_of(hashes(0, size));
    let leaf = hashes(start, start + 1)[0];
    let part = root_of(hashes(start, end));
    let (truth, says): (_, Box<dyn Fn(&[Hash]) -> bool>) = match kind % 4 {
        0 => (
            inclusion_proof(start, size, tiles),
            Box::new(|proof| verify_inclusion(start, size, &leaf, proof, &root).is_ok()),
        ),
        1 => (
            consistency_proof(end, size, tiles),
            Box::new(|proof| {
                let old = root_of(hashes(0, end));
                verify_consistency(end, size, &old, &root, proof).is_ok()
            }),
        ),
        2 => (
            subtree_consistency_proof(start, end, size, tiles),
            Box::new(|proof| {
                verify_subtree_consistency(start, end, size, &part, &root, proof).is_ok()
            }),
        ),
        _ => return anywhere(damage),
    };
    let Ok(truth) = truth else {
        // Not every range is a subtree; then nothing verifies.
        return assert!(!says(&[]));
    };
    assert!(says(&truth));
    let damaged = damaged(&truth, damage);
    assert_eq!(says(&damaged), damaged == truth);
}

/// Changes, takes away, repeats and adds hashes.
fn damaged(proof: &[Hash], damage: &[u8]) -> Vec<Hash> {
    let mut proof = proof.to_vec();
    for step in damage.as_chunks::<3>().0.iter().take(8) {
        let [what, place, value] = *step;
        let at = usize::from(place) % (proof.len() + 1);
        match what % 4 {
            0 => proof.insert(at, Hash([value; 32])),
            1 if at < proof.len() => drop(proof.remove(at)),
            2 if at < proof.len() => proof[at].0[usize::from(value % 32)] ^= value,
            3 if at < proof.len() => proof.insert(at, proof[at]),
            _ => {}
        }
    }
    proof
}

/// Any numbers and any hashes: trees that nobody ever built.
fn anywhere(bytes: &[u8]) {
    let (numbers, rest) = bytes.as_chunks::<8>();
    let Some((&[start, end, size], rest_numbers)) = numbers.split_first_chunk() else {
        return;
    };
    let [start, end, size] = [start, end, size].map(u64::from_be_bytes);
    let proof: Vec<Hash> = rest_numbers
        .iter()
        .map(|number| leaf_hash(number))
        .chain([leaf_hash(rest)])
        .collect();
    let (part, root) = (leaf_hash(b"part"), leaf_hash(b"root"));
    assert!(verify_inclusion(start, size, &part, &proof, &root).is_err());
    assert!(verify_consistency(start, size, &part, &root, &proof).is_err());
    assert!(verify_subtree_consistency(start, end, size, &part, &root, &proof).is_err());
    assert!(verify_subtree_inclusion(size, start, end, &part, &proof, &root).is_err());
}
