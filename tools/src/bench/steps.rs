//! What replicating a record costs, step by step, each alone on one core: their sum is what a
//! bootstrap of both nodes on this machine cannot be faster than.

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use huren_core::{
    disclosure::{self, Opening},
    merkle::{Hash, decode_bundle, leaf_hash},
    record::{Body, UnverifiedRecord},
    register::CheckedLeaf,
    replicate::{PACKAGE, check_package},
};
use huren_node::{
    engine::Reader,
    keys::{Purpose, load_ring},
    startup::load_trust,
};

use super::stage::{HOME, Stage};

/// Packages that the steps are measured with.
const PACKAGES: u64 = 64;

/// Records a second of all steps together on all cores, where the database engine alone takes
/// `insert` a second.
pub(super) async fn alone(stage: &Stage, insert: f64) -> Result<f64> {
    let config = stage.config(HOME)?;
    let (at_rest, index) = (
        load_ring(&config.keys_dir, Purpose::AtRest)?,
        load_ring(&config.keys_dir, Purpose::Index)?,
    );
    let opened = stage.store(HOME).await?;
    let store = opened.store();
    let origin = stage.origin()?;
    let chain = load_trust(&config, &store.trust_lists().await?)?;
    let state = store.log(&origin).await?.context("the log is missing")?;
    let reader = Reader::new(Arc::clone(&store), config.limits.cache_bytes);
    let end = PACKAGES.min(state.head.size / PACKAGE);
    let (mut spent, mut records) = (Duration::ZERO, 0_u32);
    for number in 0..end {
        let package = reader.package(&origin, number, state.head.size).await?;
        let (entries, proof) = package.context("a package is missing")?;
        let range = number * PACKAGE..(number + 1) * PACKAGE;
        let rows = store.disclosures(&origin, range.clone()).await?;
        let begin = Instant::now();
        // Whoever gives disclosures opens them; whoever takes them hashes and proves the leaves,
        // checks their signatures, checks what opens them and seals it.
        black_box(
            check_package(number, &entries, &proof, state.head.size, &state.head.root).is_ok(),
        );
        let leaves = decode_bundle(&entries).ok().context("a bundle")?;
        for leaf in &leaves {
            black_box(CheckedLeaf::check(&chain, &origin, leaf));
        }
        for row in rows {
            let Some(leaf) = usize::try_from(row.index - range.start)
                .ok()
                .and_then(|at| leaves.get(at))
            else {
                continue;
            };
            let hash: Hash = leaf_hash(leaf);
            let openings = at_rest
                .unseal((&origin, &hash), &row.sealed)
                .ok()
                .context("sealed")?;
            let given: Vec<Opening> = openings.iter().filter_map(Opening::for_members).collect();
            let record = UnverifiedRecord::read(leaf).ok().context("a record")?;
            if let Body::Certificate(digests) = record.body() {
                black_box(disclosure::check(&given, digests).is_ok());
            }
            for number in given
                .iter()
                .filter_map(|opening| opening.values.as_ref()?.get("number"))
            {
                black_box(disclosure::number_tag(index.current(), number));
            }
            black_box(at_rest.seal([7; 24], (&origin, &hash), &given).is_ok());
            records += 1;
        }
        spent += begin.elapsed();
    }
    opened.close().await;
    let one = spent.as_secs_f64() / f64::from(records.max(1)) + 1.0 / insert;
    let cores = std::thread::available_parallelism()?.get();
    Ok(cores as f64 / one)
}
