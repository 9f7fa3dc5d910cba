//! Four members: issue, replicate, verify, prove, erase.

use std::sync::Arc;

use huren_core::{codes::Region, receipt, verdict::Verdict};
use huren_node::engine::AppendError;
use huren_proto::v1;
use huren_store::Store;
use huren_tests::{Federation, Honest, Lie, REGIONS, certificate, change, erasure, question};

fn empty_store(_: Region) -> Arc<dyn Store> {
    huren_tests::store()
}

fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

async fn issue(federation: &Federation, serial: u32) -> u64 {
    let engine = federation.engine(Region::ZHEJIANG);
    let placed = engine.submit(&certificate(serial)).await;
    placed.expect("a sound submission").expect("a place").index
}

async fn verdict(federation: &Federation, at: Region, serial: u32, name: &str) -> v1::Verdict {
    let answer = federation.engine(at).verify(question(serial, name)).await;
    answer.expect("an answer").verdict()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issued_in_one_province_proven_in_another() {
    let federation = Federation::start(empty_store, honest).await;
    let mut last = 0;
    for serial in 1..=300 {
        last = issue(&federation, serial).await;
    }
    for at in REGIONS {
        federation.until_known(at, Region::ZHEJIANG, last + 1).await;
        let answer = federation
            .engine(at)
            .verify(question(7, "张三"))
            .await
            .unwrap();
        assert_eq!(answer.verdict(), v1::Verdict::Valid);
        assert_eq!(answer.answered_by, at.to_string());
        let checked = receipt::verify(&answer.receipt, &federation.roots).unwrap();
        assert_eq!(checked.home, "33");
        assert!(checked.cosignatures.len() >= 2);
        assert_eq!(checked.assertion.verdict, Verdict::Valid);
        assert_eq!(
            verdict(&federation, at, 7, "李四").await,
            v1::Verdict::HolderMismatch
        );
        assert_eq!(
            verdict(&federation, at, 999, "张三").await,
            v1::Verdict::NotFound
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_again_gives_the_first_index_and_other_content_is_refused() {
    let federation = Federation::start(empty_store, honest).await;
    let engine = federation.engine(Region::ZHEJIANG);
    let first = issue(&federation, 1).await;
    let again = engine.submit(&certificate(1)).await.unwrap().unwrap();
    assert_eq!((again.index, again.duplicate), (first, true));

    let mut other = certificate(1);
    let Some(v1::submit_request::Body::Certificate(body)) = &mut other.body else {
        unreachable!("a certificate");
    };
    body.groups[1].fields[0].value = "李四".into();
    let refused = engine.submit(&other).await.unwrap();
    assert_eq!(refused, Err(AppendError::NumberTaken));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_and_its_end_reach_every_member() {
    let federation = Federation::start(empty_store, honest).await;
    issue(&federation, 1).await;
    let home = federation.engine(Region::ZHEJIANG);
    let steps = [
        (v1::StatusAction::Revoke, v1::Verdict::Revoked),
        (v1::StatusAction::Reinstate, v1::Verdict::Valid),
    ];
    for (action, expected) in steps {
        let placed = home.submit(&change(action, 1)).await.unwrap().unwrap();
        for at in REGIONS {
            federation
                .until_known(at, Region::ZHEJIANG, placed.index + 1)
                .await;
            assert_eq!(verdict(&federation, at, 1, "张三").await, expected);
        }
    }
    let twice = home
        .submit(&change(v1::StatusAction::Reinstate, 1))
        .await
        .unwrap();
    assert!(
        twice.unwrap().duplicate,
        "the same change again is the same record"
    );
}

/// Two acts of one day for one reason: only their case numbers tell the second from a repetition
/// of the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_change_under_another_reference_is_another_change() {
    let federation = Federation::start(empty_store, honest).await;
    issue(&federation, 1).await;
    let home = federation.engine(Region::ZHEJIANG);
    let submit = async |action, reference: &str| {
        let mut change = change(action, 1);
        let Some(v1::submit_request::Body::Status(body)) = &mut change.body else {
            unreachable!("a change of status");
        };
        body.reference = reference.into();
        home.submit(&change).await.unwrap().unwrap()
    };
    use v1::StatusAction::{Reinstate, Suspend};
    let first = submit(Suspend, "2024-17").await;
    let reinstated = submit(Reinstate, "").await;
    let again = submit(Suspend, "2024-17").await;
    assert_eq!((again.index, again.duplicate), (first.index, true));
    let here = Region::ZHEJIANG;
    federation
        .until_known(here, here, reinstated.index + 1)
        .await;
    assert_eq!(
        verdict(&federation, here, 1, "张三").await,
        v1::Verdict::Valid
    );

    let second = submit(Suspend, "2024-18").await;
    assert!(!second.duplicate);
    let size = second.index + 1;
    federation.until_known(here, here, size).await;
    let suspended = v1::Verdict::Suspended;
    assert_eq!(verdict(&federation, here, 1, "张三").await, suspended);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_is_erased_everywhere() {
    let federation = Federation::start(empty_store, honest).await;
    let issued = issue(&federation, 1).await;
    for at in REGIONS {
        federation
            .until_known(at, Region::ZHEJIANG, issued + 1)
            .await;
    }
    let home = federation.engine(Region::ZHEJIANG);
    let placed = home.submit(&erasure(1)).await.unwrap().unwrap();
    for at in REGIONS {
        federation
            .until_known(at, Region::ZHEJIANG, placed.index + 1)
            .await;
        let answer = federation
            .engine(at)
            .verify(question(1, "张三"))
            .await
            .unwrap();
        assert_eq!(answer.verdict(), v1::Verdict::Unknown);
        assert!(answer.reasons.iter().any(|reason| reason.code == "ERASED"));
        assert!(answer.certificate.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_names_its_certificate_by_leaf_as_well() {
    let federation = Federation::start(empty_store, honest).await;
    let engine = federation.engine(Region::ZHEJIANG);
    let leaf = engine.submit(&certificate(1)).await.unwrap().unwrap().leaf;
    let by_leaf = |action| {
        let mut change = change(action, 1);
        let Some(v1::submit_request::Body::Status(body)) = &mut change.body else {
            unreachable!("a change of status");
        };
        let target = v1::target::Target::LeafHash(leaf.0.to_vec());
        body.target = Some(v1::Target {
            target: Some(target),
        });
        change
    };
    for (action, expected) in [
        (v1::StatusAction::Revoke, v1::Verdict::Revoked),
        (v1::StatusAction::Reinstate, v1::Verdict::Valid),
    ] {
        let placed = engine.submit(&by_leaf(action)).await.unwrap().unwrap();
        let size = placed.index + 1;
        let home = Region::ZHEJIANG;
        federation.until_known(home, home, size).await;
        assert_eq!(verdict(&federation, home, 1, "张三").await, expected);
    }
    let again = by_leaf(v1::StatusAction::Supersede);
    assert!(engine.submit(&again).await.unwrap().is_ok());
    let unfit = engine.submit(&change(v1::StatusAction::Suspend, 1)).await;
    assert_eq!(unfit.unwrap(), Err(AppendError::StatusUnfit));
}
