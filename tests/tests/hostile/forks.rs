//! Lies that prove themselves: another history of a log, signed with its key.

use std::sync::Arc;

use huren_core::{codes::Region, evidence::Evidence};
use huren_node::engine::AppendError;
use huren_proto::v1;
use huren_tests::{
    Federation, Fork, Honest, Leaves, Lie, REGIONS, Shown, audit, certificate, certificate_in,
    member, mirror, origin,
};

use crate::support::{
    LIAR, OTHERS, VICTIM, answer, empty_store, federation, grow, is_frozen, issue,
};

/// The liar shows something of another history to the victim alone, when its log has `size`
/// leaves. Everybody learns of it: nobody goes on with that log, its own province neither, and
/// all other logs go on.
async fn freezes(size: u64, lie: impl FnOnce(&Leaves) -> Shown) {
    let fork = Fork::default();
    let mut federation = federation(fork.clone()).await;
    grow(&federation, size).await;
    let truth = audit(&federation, LIAR, LIAR).await;
    assert_eq!(truth.0.len() as u64, size);
    fork.show(lie(&truth));

    for at in REGIONS {
        federation.until(at, is_frozen).await;
        let evidence = federation.entry(at, LIAR).state.frozen.clone();
        let parsed = Evidence::from_json(&evidence.expect("evidence")).expect("it reads back");
        assert!(parsed.proves(&member(LIAR), &origin(LIAR)), "at {at}");
    }
    let evidence = federation.entry(VICTIM, LIAR).state.frozen.clone();
    federation.restart(VICTIM).await;
    assert_eq!(federation.entry(VICTIM, LIAR).state.frozen, evidence);
    for at in [VICTIM, OTHERS[1]] {
        assert_eq!(audit(&federation, at, LIAR).await, truth);
        let frozen = answer(&federation, at, 1).await;
        assert_eq!(frozen.verdict(), v1::Verdict::Unknown);
        assert_eq!(frozen.last_known(), v1::Verdict::Valid);
        assert!(frozen.reasons.iter().any(|r| r.code == "LOG_FROZEN"));
    }
    let refused = federation.engine(LIAR).submit(&certificate(999)).await;
    assert_eq!(refused.expect("sound"), Err(AppendError::Frozen));
    assert!(federation.engine(LIAR).is_frozen());
    assert_eq!(federation.entry(LIAR, LIAR).state.head.size, size);

    // One log alone is frozen.
    let other = OTHERS[0];
    let request = certificate_in(other, 1);
    let placed = federation.engine(other).submit(&request).await;
    let placed = placed.expect("sound").expect("a place");
    for at in REGIONS {
        federation.until_known(at, other, placed.size).await;
        for of in REGIONS.into_iter().filter(|of| *of != LIAR) {
            assert!(!federation.entry(at, of).view.frozen, "{of} at {at}");
        }
    }
}

/// A head of `shown` leaves whose history differs from the true one at leaf `differs`.
fn head(differs: usize, shown: u64) -> impl FnOnce(&Leaves) -> Shown {
    move |truth| {
        let history = Shown::instead_of(LIAR, truth, differs);
        Shown {
            of: LIAR,
            checkpoint: Some(history.checkpoint(shown)),
            history,
            witnessed: None,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_longer_fork_freezes() {
    freezes(5, head(5, 7)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_longer_fork_of_a_full_tree_freezes() {
    freezes(4, head(4, 7)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_root_of_the_same_size_freezes() {
    freezes(5, head(5, 5)).await;
}

/// A rollback that went on otherwise: shorter than what was signed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_fork_freezes() {
    freezes(7, head(3, 5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_fork_of_a_full_tree_freezes() {
    freezes(7, head(3, 4)).await;
}

/// Two members are said to have cosigned another history, under a true head.
async fn collusion_freezes(at: u64) {
    freezes(7, |truth| {
        let history = Shown::instead_of(LIAR, truth, 3);
        let mut witnessed = history.checkpoint(at);
        for colluder in OTHERS {
            let checkpoint = witnessed.checkpoint().clone();
            let cosignature = mirror(colluder).cosign(&checkpoint, 1_700_000_000);
            witnessed.add(cosignature.expect("a time")).expect("room");
        }
        Shown {
            of: LIAR,
            history,
            checkpoint: None,
            witnessed: Some(witnessed),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cosigned_fork_freezes() {
    collusion_freezes(6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cosigned_fork_of_a_full_tree_freezes() {
    collusion_freezes(4).await;
}

/// Forks that go on from what two members hold, each shown to one of them only: neither can
/// tell by itself.
async fn equivocates(shown: [(Region, u64); 2]) {
    let forks = shown.map(|(to, _)| (to, Fork::default()));
    let lies = forks.clone();
    let lie = move |from, to| -> Arc<dyn Lie> {
        let fork = lies
            .iter()
            .find(|(victim, _)| (from, to) == (LIAR, *victim));
        match fork {
            Some((_, fork)) => Arc::new(fork.clone()),
            None => Arc::new(Honest),
        }
    };
    let federation = Federation::start(empty_store, lie).await;
    grow(&federation, 5).await;
    let truth = audit(&federation, LIAR, LIAR).await;
    for ((to, fork), (_, size)) in forks.into_iter().zip(shown) {
        let mut leaves = truth.0.clone();
        leaves.extend((0..4).map(|n| format!("{to} {n}").into_bytes()));
        let history = huren_tests::History::new(LIAR, leaves);
        fork.show(Shown {
            of: LIAR,
            checkpoint: Some(history.checkpoint(size)),
            history,
            witnessed: None,
        });
    }
    for at in REGIONS {
        federation.until(at, is_frozen).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_forks_to_different_members_are_found_by_what_they_tell_each_other() {
    equivocates([(VICTIM, 7), (OTHERS[0], 7)]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_are_forks_of_different_sizes() {
    equivocates([(VICTIM, 6), (OTHERS[0], 9)]).await;
}

/// Shown to one member, consistent with what it holds; its own province and the others go on
/// without it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_that_one_member_followed_is_found_when_the_log_goes_on() {
    let fork = Fork::default();
    let federation = federation(fork.clone()).await;
    grow(&federation, 5).await;
    let truth = audit(&federation, LIAR, LIAR).await;
    fork.show(head(6, 8)(&truth));
    federation
        .until(VICTIM, |engine| {
            let entry = engine.book().entry(&origin(LIAR));
            entry.is_some_and(|entry| entry.state.head.size == 8)
        })
        .await;
    issue(&federation, 6).await;
    for at in REGIONS {
        federation.until(at, is_frozen).await;
    }
    // What was proven before stays readable, on both sides.
    for at in [VICTIM, OTHERS[0]] {
        let frozen = answer(&federation, at, 1).await;
        assert_eq!(frozen.verdict(), v1::Verdict::Unknown);
        assert_eq!(frozen.last_known(), v1::Verdict::Valid);
    }
}
