//! A node's database is checked as a whole: what its registers hold is what folding its logs gives.

use std::sync::Arc;

use huren_core::{register::Changes, trust::TrustChain};
use huren_node::fsck::{Damaged, fsck};
use huren_proto::v1::StatusAction;
use huren_store::{Erased, Sqlite, Store};
use huren_tests::{Federation, Machine, change, erasure, origin};

use crate::support::{HOME, empty_store, honest, is_valid_at, issued, submit};

/// A federation whose home keeps its database in a file.
async fn federation(database: &Arc<Sqlite>) -> Federation {
    let given = Arc::clone(database);
    let store = move |region| -> Arc<dyn Store> {
        if region == HOME {
            given.clone()
        } else {
            empty_store(region)
        }
    };
    Federation::start(store, honest).await
}

#[tokio::test]
async fn registers_that_are_not_what_the_logs_give_are_found_and_built_anew() {
    let machine = Machine::of(HOME);
    let database = machine.open().await;
    let mut federation = federation(&database).await;
    issued(&federation, 4).await;
    submit(&federation, HOME, &change(StatusAction::Revoke, 2)).await;
    submit(&federation, HOME, &erasure(3)).await;
    // Beside a node that runs.
    let told = fsck(&machine.config, None, None).await.expect("in order");
    assert!(told.contains("certificates"), "{told}");
    federation.stop(HOME).await;

    // As if the fold had lost what it found.
    let log = origin(HOME);
    let state = database.log(&log).await.expect("a store").expect("a log");
    let size = state.folded;
    database.drop_register(&log).await.expect("a store");
    let nothing = (Changes::default(), Erased::default());
    let folded = database.apply(&log, 0..size, nothing.0, nothing.1);
    folded.await.expect("a store");
    database.close().await;
    let found = fsck(&machine.config, None, None).await;
    let found = found.expect_err("damage");
    assert!(found.is::<Damaged>(), "{found:#}");
    for table in ["certificates", "statuses", "erasures"] {
        assert!(found.to_string().contains(table), "{found:#}");
    }
    let nobody = |_: &TrustChain| -> _ { panic!("nobody is needed") };
    let repaired = fsck(&machine.config, None, Some(&nobody)).await;
    let repaired = repaired.expect("repaired");
    assert!(repaired.contains("certificates"), "{repaired}");

    let database = machine.open().await;
    federation.replace_store(HOME, Arc::clone(&database) as Arc<dyn Store>);
    federation.open(HOME).await.expect("an engine");
    federation.until(HOME, |engine| engine.is_writable()).await;
    federation.until_known(HOME, HOME, size).await;
    is_valid_at(&federation, HOME, (HOME, 1)).await;
    fsck(&machine.config, None, None).await.expect("in order");
}
