//! Who waits until a record is witnessed waits for the quorum, and not for ever.

use std::sync::Arc;

use futures::{FutureExt as _, future::join};
use huren_core::{checkpoint::SignedCheckpoint, codes::Region};
use huren_node::engine::Engine;
use huren_tests::{Federation, origin};

use crate::support::{
    HOME, OTHER, empty_store, honest, is_valid_everywhere, issue, until_known_everywhere,
};

const LATE: [Region; 2] = [Region::JIANGSU, Region::ANHUI];

/// Home issues a certificate while these members are away.
async fn issue_without(away: &[Region]) -> (Federation, u64) {
    let mut federation = Federation::start(empty_store, honest).await;
    for region in away {
        federation.stop(*region).await;
    }
    let placed = issue(&federation, HOME, 1).await;
    (federation, placed.index)
}

/// How many members' cosignatures stand under the newest checkpoint that home has published.
fn cosignatures(engine: &Engine) -> usize {
    let entry = engine.book().entry(&origin(HOME)).expect("its own log");
    let published = SignedCheckpoint::parse(&entry.state.notes.published).expect("a checkpoint");
    published.note().signatures().len() - 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_is_witnessed_when_a_quorum_has_cosigned_it() {
    let (mut federation, index) = issue_without(&LATE).await;
    let engine = Arc::clone(federation.engine(HOME));
    let published = |engine: &Engine| {
        let entry = engine.book().entry(&origin(HOME)).expect("its own log");
        SignedCheckpoint::parse(&entry.state.notes.published).map(|s| s.checkpoint().size)
    };
    federation
        .until(HOME, |engine| {
            published(engine).is_ok_and(|size| size > index) && cosignatures(engine) == 1
        })
        .await;
    let mut waiting = Box::pin(engine.witnessed(index));
    assert!(
        waiting.as_mut().now_or_never().is_none(),
        "one is no quorum"
    );
    assert!(!engine.is_witnessed(index));

    federation.open(LATE[0]).await.expect("an engine");
    let federation = &federation;
    let witnessed = federation.until(HOME, |engine| engine.is_witnessed(index));
    join(waiting, witnessed).await;
    assert_eq!(cosignatures(&engine), 2);
    assert!(federation.entry(HOME, HOME).view.witnessed_size > index);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_quorum_the_wait_ends_and_the_record_is_durable() {
    let away = [OTHER, LATE[0], LATE[1]];
    let (mut federation, index) = issue_without(&away).await;
    let engine = Arc::clone(federation.engine(HOME));
    let clock = Arc::clone(&federation.clock);
    let time = async {
        clock.until_sleeping(Engine::WITNESS_PATIENCE).await;
        clock.advance(Engine::WITNESS_PATIENCE);
    };
    join(engine.witnessed(index), time).await;
    assert!(!engine.is_witnessed(index));
    drop(engine);

    federation.restart(HOME).await;
    federation.until(HOME, Engine::is_writable).await;
    let again = issue(&federation, HOME, 1).await;
    assert_eq!((again.index, again.duplicate), (index, true));
    for region in away {
        federation.open(region).await.expect("an engine");
    }
    until_known_everywhere(&federation, HOME, again).await;
    federation.engine(HOME).witnessed(index).await;
    assert!(federation.engine(HOME).is_witnessed(index));
    is_valid_everywhere(&federation, (HOME, 1)).await;
}
