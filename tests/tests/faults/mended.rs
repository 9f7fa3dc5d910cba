//! Damaged logs are mended while the store fails.

use std::{collections::BTreeMap, sync::Arc};

use huren_core::{
    checkpoint::Origin,
    merkle::{decode_bundle, leaf_hash},
    trust::TrustChain,
};
use huren_node::fsck::Mending;
use huren_store::{Bundle, Package, Store};
use huren_tests::{FaultyStore, Operation, REGIONS, origin};
use indicatif::ProgressBar;

use crate::{HOME, check, rounds, scripts, submit_round, with_faults};

/// Damaged entries of a member are mended, as often as it takes.
pub(crate) async fn logs_are_mended(operation: Operation) {
    for faults in scripts(operation) {
        let (mut federation, faulty) = with_faults(HOME, Vec::new()).await;
        let mut places = BTreeMap::new();
        for round in rounds() {
            submit_round(&federation, &round, &mut places).await;
        }
        let trust = federation.engine(HOME).trust();
        federation.stop(HOME).await;
        for of in REGIONS {
            damage(&faulty, &origin(of)).await;
        }
        faulty.arm(faults);
        let peers = |_: &TrustChain| Ok(federation.peers_of(HOME));
        let mending = Mending {
            store: Arc::clone(&faulty) as Arc<dyn Store>,
            trust: &trust,
            signed: None,
            members: &peers,
        };
        while mending.run(&ProgressBar::hidden()).await.is_err() {}
        let mended = mending.run(&ProgressBar::hidden()).await;
        let mended = mended.expect("a store");
        assert!(mended.is_whole() && mended.to_string().is_empty());
        assert_eq!(faulty.outstanding(), []);
        federation.open(HOME).await.expect("an engine");
        federation.until(HOME, |engine| engine.is_writable()).await;
        check(&federation, &places).await;
    }
}

/// Changes a bit of a log's last entry.
async fn damage(store: &FaultyStore, log: &Origin) {
    let tree = store.log(log).await.expect("a store").expect("a log").head;
    let bundle = store
        .bundle(log, 0)
        .await
        .expect("a store")
        .expect("a bundle");
    let entries = decode_bundle(&bundle.entries).expect("a bundle");
    let leaves = entries.into_iter().map(leaf_hash).collect();
    let mut entries = bundle.entries.to_vec();
    *entries.last_mut().expect("an entry") ^= 1;
    let bundle = Bundle {
        entries: entries.into(),
        ..bundle
    };
    let damaged = huren_store::Mending {
        tree,
        packages: vec![Package { bundle, leaves }],
        tiles: Vec::new(),
    };
    store.mend(log, damaged).await.expect("no fault yet");
}
