//! A full check of a log as a member's store has it, by the rules of RFC 6962 and tlog-tiles.

use std::collections::BTreeSet;

use huren_core::{
    checkpoint::SignedCheckpoint,
    codes::Region,
    merkle::{self, Hash, RightEdge, decode_bundle, leaf_hash, root_of},
    record::{Body, UnverifiedRecord},
    replicate::{packages, read_checkpoint},
};
use huren_store::Store;

use crate::{Federation, member, origin};

/// The leaves of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaves(pub Vec<Vec<u8>>);

impl Leaves {
    /// Their hashes.
    pub fn hashes(&self) -> Vec<Hash> {
        self.0.iter().map(|leaf| leaf_hash(leaf)).collect()
    }

    /// Whether no leaf is there twice, as in every log that a sound node wrote.
    pub fn are_distinct(&self) -> bool {
        self.0.iter().collect::<BTreeSet<_>>().len() == self.0.len()
    }

    /// Those that the node did not write by itself: what the province's own systems submitted.
    pub fn submitted(&self) -> usize {
        let is_of_node =
            |body: &Body| matches!(body, Body::TrustListAdoption { .. } | Body::AuditAnchor(_));
        let is_of_node = |leaf: &&Vec<u8>| {
            UnverifiedRecord::read(leaf).is_ok_and(|record| is_of_node(record.body()))
        };
        self.0.len() - self.0.iter().filter(is_of_node).count()
    }
}

/// Reads the log of `of` out of the store of `at` and checks all of it against the checkpoint
/// that the log signed: every leaf, tile and inclusion proof, and every note.
///
/// # Panics
/// If anything does not fit.
pub async fn audit(federation: &Federation, at: Region, of: Region) -> Leaves {
    let (store, log) = (federation.store(at).as_ref(), &origin(of));
    let state = store.log(log).await.expect("a store").expect("a log");
    let size = state.head.size;
    let leaves = leaves(store, of, size).await;
    let hashes = leaves.hashes();
    assert_eq!(hashes.len() as u64, size);
    assert_eq!(root_of(&hashes), state.head.root);
    let signed = read_checkpoint(&member(of), log, &state.checkpoint).expect("signed");
    assert_eq!(signed.checkpoint().size, size);
    assert_eq!(signed.checkpoint().root, state.head.root);
    for note in [&state.notes.published, &state.notes.witnessed] {
        let Ok(signed) = SignedCheckpoint::parse(note) else {
            assert!(note.is_empty());
            continue;
        };
        let checkpoint = signed.checkpoint();
        let length = usize::try_from(checkpoint.size).expect("a small log");
        assert_eq!(root_of(&hashes[..length]), checkpoint.root);
    }

    let tiles = RightEdge::empty().append(&hashes);
    let ids: Vec<_> = tiles.iter().map(|(id, _)| *id).collect();
    let held = store.tiles(log, &ids).await.expect("a store");
    for (id, expected) in tiles {
        assert_eq!(held[&id][..expected.len()], expected, "{id:?}");
    }
    let reader = federation.engine(at).proofs();
    for (index, hash) in (0..).zip(&hashes) {
        let proof = reader.inclusion(log, index, size).await;
        let proof = proof.expect("a store").expect("a proof");
        merkle::verify_inclusion(index, size, hash, &proof, &state.head.root)
            .expect("a proof that verifies");
    }
    assert_eq!(state.folded, size, "all of it is folded");
    assert_eq!(state.disclosed, size, "all of it is disclosed");
    leaves
}

pub(crate) async fn leaves(store: &dyn Store, of: Region, size: u64) -> Leaves {
    let mut leaves = Vec::new();
    for number in 0..packages(size) {
        let bundle = store.bundle(&origin(of), number).await;
        let bundle = bundle.expect("a store").expect("a bundle");
        let entries = decode_bundle(&bundle.entries).expect("entries");
        assert_eq!(entries.len(), usize::from(bundle.width));
        leaves.extend(entries.into_iter().map(<[u8]>::to_vec));
    }
    leaves.truncate(usize::try_from(size).expect("a small log"));
    Leaves(leaves)
}
