//! `add-checkpoint`: every status code with its body, and the monitoring prefix.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use futures::future::join_all;
use huren_core::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    codes::Region,
    merkle::{Hash, empty_root},
    witness::{AddCheckpoint, MAX_REQUEST_LEN},
};
use huren_node::engine::WitnessError;
use huren_store::{Sqlite, SqliteOptions};
use huren_tests::{
    Fault, FaultyStore, History, Operation, Outcome, log_signer, mirror, origin, outside_signer,
    witness,
};

use tokio_util::task::TaskTracker;

use crate::support::{AT, LIMITS, Node, history, outside, root};

/// The size lines of 409.
#[track_caller]
fn conflicts(answer: &crate::support::Answer, size: u64) {
    assert_eq!(answer.status, StatusCode::CONFLICT, "{answer:?}");
    assert_eq!(answer.header(header::CONTENT_TYPE), "text/x.tlog.size");
    assert_eq!(answer.text(), format!("{size}\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_cosigned_step_by_step() {
    let node = Node::start().await;
    let log = history(300, 300, "");
    node.monitored(&outside()).await.refuses(404, "NOT_FOUND");
    conflicts(&node.add(log.add_checkpoint(3, 7).to_string()).await, 0);

    let mut known = 0;
    for size in [7, 7, 8, 256, 300, 300] {
        let request = log.add_checkpoint(known, size);
        let answer = node.add(request.to_string()).await;
        let line = answer.cosigns(&request.checkpoint, &witness(AT));
        known = size;

        // Concatenated they make a note that verifies as a whole.
        let note = format!("{}{line}\n", request.checkpoint);
        let shown = node.monitored(&outside()).await;
        assert_eq!(shown.text(), note);
        let kept = SignedCheckpoint::parse(shown.body).expect("a checkpoint");
        let keys = [
            outside_signer().verifier_key().clone(),
            witness(AT).verifier_key().clone(),
        ];
        assert_eq!(kept.note().verify(&keys).expect("two signers").len(), 2);
    }
    conflicts(&node.add(log.add_checkpoint(0, 9).to_string()).await, 300);

    let node = node.restart().await;
    conflicts(
        &node.add(log.add_checkpoint(256, 300).to_string()).await,
        300,
    );
    let shown = node.monitored(&outside()).await;
    let kept = SignedCheckpoint::parse(shown.body).expect("a checkpoint");
    assert_eq!(root(&kept), root(&log.checkpoint(300)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_refusal_has_its_status_and_its_body() {
    let node = Node::start().await;
    let (log, other) = (history(20, 20, ""), history(20, 4, "other"));
    let good = log.add_checkpoint(9, 20);
    let first = node.add(log.add_checkpoint(0, 9).to_string()).await;
    first.cosigns(&log.checkpoint(9), &witness(AT));

    let (_, rest) = good
        .to_string()
        .split_once('\n')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("lines");
    for body in [
        String::new(),
        "old 9\n".to_owned(),
        format!("old 09\n{rest}"),
        format!("old 9\n{}\n{}", "AAAA\n".repeat(2), log.checkpoint(20)),
        format!(
            "old 9\n{}\n{}",
            format!("{}\n", empty_root().to_base64()).repeat(64),
            log.checkpoint(20)
        ),
        format!("{good}\n"),
    ] {
        node.add(body).await.refuses(400, "WITNESS_MALFORMED");
    }
    node.add(vec![0xff; 9])
        .await
        .refuses(400, "WITNESS_MALFORMED");
    let oversize = vec![b'x'; MAX_REQUEST_LEN + 1];
    node.add(oversize).await.refuses(413, "WITNESS_OVERSIZE");

    let sign = |name: &str, size, root, seed| {
        let signer =
            huren_core::note::NoteSigner::from_seed(name.parse().expect("a name"), &[seed; 32]);
        let checkpoint = Checkpoint::new(name.parse().expect("an origin"), size, root);
        SignedCheckpoint::sign(checkpoint, &signer).expect("a checkpoint")
    };
    let submit = |old_size, checkpoint: SignedCheckpoint| {
        AddCheckpoint {
            old_size,
            proof: Vec::new(),
            checkpoint,
        }
        .to_string()
    };
    let unknown = sign("unknown.test/log", 9, empty_root(), 1);
    node.add(submit(0, unknown))
        .await
        .refuses(404, "WITNESS_LOG_UNKNOWN");
    // A node is no witness of its own log.
    let own = Checkpoint::new(origin(AT), 0, empty_root());
    let own = SignedCheckpoint::sign(own, &log_signer(AT)).expect("a checkpoint");
    node.add(submit(0, own))
        .await
        .refuses(404, "WITNESS_LOG_UNKNOWN");

    let name = outside_signer().name().to_string();
    let by_nobody = sign(&name, 9, log.checkpoint(9).checkpoint().root, 77);
    node.add(submit(9, by_nobody))
        .await
        .refuses(403, "WITNESS_SIGNATURE");
    let wrong = good.to_string().replace("\n20\n", "\n19\n");
    node.add(wrong).await.refuses(403, "WITNESS_SIGNATURE");

    let backwards = AddCheckpoint {
        old_size: 21,
        ..good.clone()
    };
    node.add(backwards.to_string())
        .await
        .refuses(400, "WITNESS_OLD_SIZE");
    conflicts(&node.add(log.add_checkpoint(8, 20).to_string()).await, 9);

    let not_empty = SignedCheckpoint::sign(
        Checkpoint::new(outside(), 0, log.checkpoint(1).checkpoint().root),
        &outside_signer(),
    );
    let fresh = Node::start().await;
    let answer = fresh.add(submit(0, not_empty.expect("a checkpoint"))).await;
    answer.refuses(422, "WITNESS_EMPTY_ROOT");
    let needless = AddCheckpoint {
        proof: vec![empty_root()],
        ..log.add_checkpoint(0, 9)
    };
    fresh
        .add(needless.to_string())
        .await
        .refuses(422, "WITNESS_PROOF");

    let unproven = AddCheckpoint {
        proof: Vec::new(),
        ..good.clone()
    };
    node.add(unproven.to_string())
        .await
        .refuses(422, "WITNESS_PROOF");
    // What was refused changed nothing.
    let answer = node.add(good.to_string()).await;
    answer.cosigns(&good.checkpoint, &witness(AT));
    let forked = other.add_checkpoint(20, 20).to_string();
    node.add(forked).await.refuses(422, "WITNESS_OTHER_ROOT");
    // The fork was proven: from now on nothing of that log is cosigned.
    let again = log.add_checkpoint(20, 20).to_string();
    node.add(again).await.refuses(403, "LOG_FROZEN");

    for path in [
        "/witness/add-checkpoint",
        "/mirror/add-checkpoint",
        "/mirror/add-entries",
    ] {
        assert_eq!(node.get(path).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    for path in ["/witness/sign-subtree", "/mirror/sign-subtree"] {
        let request = Request::post(path).body(Body::empty()).expect("a request");
        assert_eq!(node.send(request).await.status, StatusCode::NOT_FOUND);
    }
    for hash in ["0".repeat(64), "x".to_owned()] {
        let answer = node.get(&format!("/witness/{hash}/checkpoint")).await;
        answer.refuses(404, "NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_log_is_cosigned_too() {
    let node = Node::start().await;
    let log = history(9, 9, "");
    for _ in 0..2 {
        let request = log.add_checkpoint(0, 0);
        let answer = node.add(request.to_string()).await;
        answer.cosigns(&request.checkpoint, &witness(AT));
    }
    let request = log.add_checkpoint(0, 9);
    let answer = node.add(request.to_string()).await;
    answer.cosigns(&request.checkpoint, &witness(AT));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mirror_s_prefix_does_the_same() {
    let node = Node::start().await;
    let request = history(9, 9, "").add_checkpoint(0, 9);
    let posted = Request::post("/mirror/add-checkpoint").body(request.to_string().into());
    let answer = node.send(posted.expect("a request")).await;
    // By the witness's key: the mirror signs nothing before it holds the leaves.
    answer.cosigns(&request.checkpoint, &witness(AT));
    assert_ne!(witness(AT).name(), mirror(AT).name());
    let hash = huren_node::http::tiles::origin_hash(&outside());
    let shown = node.get(&format!("/mirror/{hash}/checkpoint")).await;
    assert_eq!(shown.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_has_its_rate_and_is_told_when_to_come_again() {
    let limits = crate::support::SubmitLimits {
        per_minute: 3,
        ..LIMITS
    };
    let node = Node::with(huren_tests::store(), limits).await;
    let log = history(9, 9, "");
    for known in [0, 9, 9] {
        let answer = node.add(log.add_checkpoint(known, 9).to_string()).await;
        answer.cosigns(&log.checkpoint(9), &witness(AT));
    }
    let answer = node.add("").await;
    answer.refuses(429, "RATE_LIMITED");
    assert_eq!(answer.header(header::RETRY_AFTER), "20");
    // Reading costs nothing.
    assert_eq!(node.monitored(&outside()).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_is_not_cosigned() {
    for outcome in [Outcome::NotPersisted, Outcome::Persisted, Outcome::Full] {
        let store = Arc::new(FaultyStore::new(huren_tests::store()));
        let node = Node::with(store.clone(), LIMITS).await;
        let (log, other) = (history(9, 9, ""), history(9, 4, "other"));
        store.arm(vec![Fault {
            operation: Operation::PutCosigned,
            call: 1,
            outcome,
        }]);
        let answer = node.add(log.add_checkpoint(0, 9).to_string()).await;
        answer.refuses(503, "UNAVAILABLE");
        assert_eq!(answer.header(header::RETRY_AFTER), "5");
        assert_eq!(store.outstanding(), []);
        let was_kept = outcome == Outcome::Persisted;
        // The other history has its chance only where nothing was kept.
        let answer = node.add(other.add_checkpoint(0, 9).to_string()).await;
        if was_kept {
            conflicts(&answer, 9);
            let again = node.add(log.add_checkpoint(9, 9).to_string()).await;
            again.cosigns(&log.checkpoint(9), &witness(AT));
        } else {
            answer.cosigns(&other.checkpoint(9), &witness(AT));
        }
    }
}

/// Many at once, of two histories that part behind so many leaves: whatever gets a cosignature
/// is of one history.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_once_are_never_both_cosigned_for_two_histories() {
    let folder = tempfile::tempdir().expect("a folder");
    for fork in [0, 1, 3, 5] {
        let path = folder.path().join(format!("{fork}.db"));
        let store = Sqlite::open(path, SqliteOptions::default()).await;
        let node = Node::with(Arc::new(store.expect("a database")), LIMITS).await;
        contend(&node, &[history(24, fork, "a"), history(24, fork, "b")]).await;
    }
}

async fn contend(node: &Node, sides: &[History; 2]) {
    let (store, tasks) = (node.federation.store(AT), TaskTracker::new());
    let mut signed: Vec<(u64, Hash)> = Vec::new();
    let mut known = 0;
    for _ in 0..6 {
        let requests = (known + 1..=known + 3).flat_map(|size| {
            let [a, b] = [0, 1].map(|side: usize| sides[side].add_checkpoint(known, size));
            [a.clone(), b.clone(), b, a]
        });
        let asked = requests.map(|request| {
            let engine = Arc::clone(node.federation.engine(AT));
            tasks.spawn(async move {
                let answer = engine.add_checkpoint(&request).await;
                (root(&request.checkpoint), answer)
            })
        });
        for done in join_all(asked).await {
            match done.expect("no panic") {
                (tree, Ok(_)) => signed.push(tree),
                (_, Err(WitnessError::Refused(_) | WitnessError::Frozen)) => {}
                (_, Err(error)) => panic!("{error}"),
            }
        }
        let log = store.log(&outside()).await.expect("a store");
        if log.is_some_and(|log| log.frozen.is_some()) {
            break;
        }
        let kept = store.cosigned(&outside()).await.expect("a store");
        let before = std::mem::replace(&mut known, kept.last().expect("one").head.size);
        assert!(known > before, "of many that are right one is cosigned");
    }
    let is_of = |side: &History| {
        let fits = |(size, there): &(u64, _)| root(&side.checkpoint(*size)) == (*size, *there);
        signed.iter().all(fits)
    };
    assert!(sides.iter().any(is_of), "{signed:?}");
    assert!(!signed.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_member_s_own_keys_are_distinct() {
    let keys = [Region::SHANGHAI, Region::ZHEJIANG].map(|region| {
        [witness(region), mirror(region)].map(|cosigner| cosigner.verifier_key().to_string())
    });
    let all: std::collections::BTreeSet<_> = keys.iter().flatten().collect();
    assert_eq!(all.len(), 4);
}
