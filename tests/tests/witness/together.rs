//! Witness and mirror of one log in one node: never two histories between them.

use std::time::Duration;

use axum::http::{StatusCode, header};
use huren_core::{checkpoint::SignedCheckpoint, codes::Region, evidence::Evidence};
use huren_node::engine::{AppendError, Engine};
use huren_tests::{Federation, History, REGIONS, audit, certificate, member, origin, witness};

use crate::support::{AT, Node, root};

/// Whose log it is.
const HOME: Region = Region::ZHEJIANG;

async fn grow(federation: &Federation, serial: u32) -> u64 {
    let placed = federation.engine(HOME).submit(&certificate(serial)).await;
    placed.expect("sound").expect("a place").index + 1
}

fn is_frozen(engine: &Engine) -> bool {
    let entry = engine.book().entry(&origin(HOME));
    entry.is_some_and(|entry| entry.view.frozen)
}

/// The evidence on which a member's log is frozen, as somebody else judges it.
async fn proves(node: &Node) -> bool {
    let state = node.federation.store(AT).log(&origin(HOME)).await;
    let frozen = state.expect("a store").expect("a log").frozen;
    let evidence: Evidence = serde_json::from_slice(&frozen.expect("evidence")).expect("JSON");
    evidence.proves(&member(HOME), &origin(HOME))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_s_log_is_witnessed_from_where_its_mirror_stands() {
    let node = Node::start().await;
    let size = grow(&node.federation, 1).await;
    node.federation.until_known(AT, HOME, size).await;
    let truth = audit(&node.federation, AT, HOME).await;
    let log = History::new(HOME, truth.0);

    // The mirror is ahead of the witness, which was never asked: it builds on that.
    let answer = node.add(log.add_checkpoint(0, 1).to_string()).await;
    assert_eq!(
        (answer.status, answer.text()),
        (StatusCode::CONFLICT, &*format!("{size}\n"))
    );
    assert_eq!(answer.header(header::CONTENT_TYPE), "text/x.tlog.size");
    let shown = node.monitored(&origin(HOME)).await;
    let shown = SignedCheckpoint::parse(shown.body).expect("a checkpoint");
    assert_eq!(root(&shown), root(&log.checkpoint(size)));
    let answer = node.add(log.add_checkpoint(size, size).to_string()).await;
    answer.cosigns(&log.checkpoint(size), &witness(AT));

    // It goes on, whichever of the two hears of it first.
    let size = grow(&node.federation, 2).await;
    node.federation.until_known(AT, HOME, size).await;
    let truth = audit(&node.federation, AT, HOME).await;
    let log = History::new(HOME, truth.0);
    let answer = node.add(log.add_checkpoint(size, size).to_string()).await;
    answer.cosigns(&log.checkpoint(size), &witness(AT));
}

/// What the home signed for nobody but the witness, behind `size` true leaves.
async fn other_history(node: &Node, size: u64) -> History {
    let truth = audit(&node.federation, AT, HOME).await;
    let mut leaves = truth.0;
    assert_eq!(leaves.len() as u64, size);
    leaves.extend((0..5).map(|n| vec![n]));
    History::new(HOME, leaves)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_does_not_follow_where_the_witness_saw_another_history() {
    for beyond in [1, 2] {
        let node = Node::start().await;
        let size = grow(&node.federation, 1).await;
        node.federation.until_known(AT, HOME, size).await;
        let other = other_history(&node, size).await;
        let request = other.add_checkpoint(size, size + beyond);
        let known = node.add(request.to_string()).await;
        known.cosigns(&request.checkpoint, &witness(AT));

        // Then the log goes on as everybody else knows it, up to the size that was cosigned
        // and beyond.
        for serial in 2..=4 {
            let request = certificate(serial);
            let submitted = node.federation.engine(HOME).submit(&request).await;
            // It may have heard already that it contradicted itself.
            if let Err(error) = submitted.expect("sound") {
                assert_eq!(error, AppendError::Frozen);
            }
        }
        node.federation.until(AT, is_frozen).await;
        assert!(proves(&node).await);
        let held = node.federation.entry(AT, HOME).state.head;
        assert!(held.size < size + beyond, "the mirror signed nothing of it");
        let others = REGIONS.into_iter().filter(|at| ![AT, HOME].contains(at));
        for at in others {
            // Nobody lied to them: they hear of it.
            node.federation.until(at, is_frozen).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_witness_does_not_follow_where_the_mirror_holds_another_history() {
    let node = Node::start().await;
    let size = grow(&node.federation, 1).await;
    node.federation.until_known(AT, HOME, size).await;
    let other = other_history(&node, size).await;
    let longer = grow(&node.federation, 2).await;
    node.federation.until_known(AT, HOME, longer).await;
    // From what both histories have in common.
    let answer = node
        .add(other.add_checkpoint(size, longer).to_string())
        .await;
    assert_eq!(
        (answer.status, answer.text()),
        (StatusCode::CONFLICT, &*format!("{longer}\n"))
    );
    // That request had shown what the log signed, though its old size was wrong.
    assert!(is_frozen(node.federation.engine(AT)));
    assert!(proves(&node).await);
    let answer = node
        .add(other.add_checkpoint(longer, longer + 1).to_string())
        .await;
    answer.refuses(403, "LOG_FROZEN");
}

/// The witness saw more than the mirror, of one history: the mirror comes after, also by
/// smaller steps, which members prove.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mirror_comes_after_its_witness() {
    let node = Node::start().await;
    let size = grow(&node.federation, 1).await;
    node.federation.until_known(AT, HOME, size).await;
    let mut sizes = Vec::new();
    for serial in 2..=4 {
        let size = grow(&node.federation, serial).await;
        let truth = audit(&node.federation, HOME, HOME).await;
        let log = History::new(HOME, truth.0);
        let held = loop {
            let from = node.federation.entry(AT, HOME).state.head.size;
            let answer = node.add(log.add_checkpoint(from, size).to_string()).await;
            if answer.status == StatusCode::OK {
                answer.cosigns(&log.checkpoint(size), &witness(AT));
                break size;
            }
            assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
            let latest: u64 = answer.text().trim().parse().expect("a size");
            if latest == size {
                break size;
            }
            // The members' clock stands still while nobody waits, and the mirror with it.
            node.federation.clock.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
        };
        sizes.push(held);
    }
    let last = sizes.into_iter().max().expect("a size");
    node.federation.until_known(AT, HOME, last).await;
    assert!(!is_frozen(node.federation.engine(AT)));
}
