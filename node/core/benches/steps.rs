//! What the single steps cost on one core: hashing, proving, signing, checking.
//!
//! `cargo bench -p huren-core`, and a part of a name to run that alone. What a whole node does is
//! measured by `huren bench`.

use std::{collections::HashMap, hint::black_box, sync::Arc};

use divan::{Bencher, counter::ItemsCount};
use huren_core::{
    keys::{Algorithm, RecordSigner, RecordVerifier},
    merkle::{self, Hash, RightEdge, Tile, TileId},
    receipt,
    record::{UnverifiedRecord, sign_anew},
};
use serde_json::Value;

const ORIGIN: &str = "huren.example/log/33";
const ALGORITHMS: [Algorithm; 2] = [Algorithm::Ed25519, Algorithm::Sm2Sm3];

fn main() {
    divan::main();
}

fn vector(text: &str) -> Value {
    serde_json::from_str(text).expect("a vector")
}

/// A certificate's leaf, 279 bytes, with any key's signature.
fn leaf() -> Vec<u8> {
    let records = vector(include_str!("../../../tests/vectors/huren/record-v1.json"));
    let leaf = records["records"][0]["leaf"].as_str().expect("a leaf");
    hex::decode(leaf).expect("hexadecimal")
}

fn signer(algorithm: Algorithm) -> RecordSigner {
    RecordSigner::new(algorithm, &[7; 32]).expect("a key")
}

fn leaf_hashes(count: u64) -> Vec<Hash> {
    let hash = |index: u64| merkle::leaf_hash(&index.to_be_bytes());
    (0..count).map(hash).collect()
}

/// All tiles of a tree, as a node's cache holds them.
fn tiles(size: u64) -> HashMap<TileId, Arc<Tile>> {
    let tiles = RightEdge::empty().append(&leaf_hashes(size));
    let tile = |(id, hashes)| (id, Arc::new(Tile::new(hashes)));
    tiles.into_iter().map(tile).collect()
}

#[divan::bench]
fn leaf_hash(bencher: Bencher<'_, '_>) {
    let leaf = leaf();
    bencher.bench(|| merkle::leaf_hash(black_box(&leaf)));
}

/// A package's root: 256 leaves.
#[divan::bench]
fn root_of_a_package(bencher: Bencher<'_, '_>) {
    let hashes = leaf_hashes(256);
    let bencher = bencher.counter(ItemsCount::new(256_usize));
    bencher.bench(|| merkle::root_of(black_box(&hashes)));
}

/// A batch goes into the tree.
#[divan::bench(args = [1, 256, 4096])]
fn append(bencher: Bencher<'_, '_>, leaves: u64) {
    let hashes = leaf_hashes(leaves);
    let mut edge = RightEdge::empty();
    edge.append(&leaf_hashes(100_000));
    bencher
        .counter(ItemsCount::new(leaves))
        .with_inputs(|| edge.clone())
        .bench_values(|mut edge| edge.append(black_box(&hashes)));
}

#[divan::bench(args = [10_000, 1_000_000])]
fn inclusion_proof(bencher: Bencher<'_, '_>, size: u64) {
    let tiles = tiles(size);
    let mut index = 0;
    bencher.bench_local(|| {
        // A prime, so that all leaves have their turn.
        index = (index + 7_919) % size;
        merkle::inclusion_proof(index, size, &tiles)
    });
}

#[divan::bench(args = [10_000, 1_000_000])]
fn verify_inclusion(bencher: Bencher<'_, '_>, size: u64) {
    let tiles = tiles(size);
    let root = merkle::root(size, &tiles).expect("all tiles");
    let proof = merkle::inclusion_proof(0, size, &tiles).expect("all tiles");
    let leaf = merkle::leaf_hash(&0_u64.to_be_bytes());
    bencher.bench(|| merkle::verify_inclusion(0, size, &leaf, black_box(&proof), &root));
}

#[divan::bench(args = ALGORITHMS)]
fn sign_a_record(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let (leaf, signer) = (leaf(), signer(algorithm));
    bencher.bench(|| sign_anew(black_box(&leaf), ORIGIN, &signer));
}

/// Read and checked, strictly.
#[divan::bench(args = ALGORITHMS)]
fn verify_a_record(bencher: Bencher<'_, '_>, algorithm: Algorithm) {
    let signer = signer(algorithm);
    let leaf = sign_anew(&leaf(), ORIGIN, &signer).expect("a record");
    let key = RecordVerifier::new(algorithm, &signer.public_key()).expect("a key");
    bencher.bench(|| {
        let record = UnverifiedRecord::read(black_box(&leaf)).expect("a record");
        record.verify(ORIGIN, &key).expect("the key's signature")
    });
}

/// A whole receipt, offline, as anybody checks it.
#[divan::bench]
fn verify_a_receipt(bencher: Bencher<'_, '_>) {
    let receipt = vector(include_str!("../../../tests/vectors/huren/receipt-v1.json"));
    let text = |name: &str| receipt[name].as_str().expect("text").to_owned();
    let roots = text("roots").parse().expect("root keys");
    let receipt = text("receipt");
    bencher.bench(|| receipt::verify(black_box(receipt.as_bytes()), &roots).expect("genuine"));
}
