//! Four members: issue, replicate, verify, prove; and what a lying member achieves: nothing.

use std::sync::Arc;

use huren_core::{codes::Region, receipt, verdict::Verdict};
use huren_node::engine::{AppendError, PeerPackage};
use huren_proto::v1;
use huren_store::{Memory, Store};
use huren_tests::{Federation, Honest, Lie, REGIONS, certificate, question};

fn memory(_: Region) -> Arc<dyn Store> {
    Arc::new(Memory::new())
}

fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

fn change(action: v1::StatusAction, serial: u32) -> v1::SubmitRequest {
    let target = v1::target::Target::Number(format!("S000033010006243{serial:06}"));
    v1::SubmitRequest {
        writer_region: "33".into(),
        body: Some(v1::submit_request::Body::Status(v1::StatusSubmission {
            target: Some(v1::Target {
                target: Some(target),
            }),
            action: action as i32,
            reason: v1::StatusReason::Decision as i32,
            effective_date: 20_240_401,
            replaced: Vec::new(),
        })),
        ..Default::default()
    }
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
    let federation = Federation::start(memory, honest).await;
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
    let federation = Federation::start(memory, honest).await;
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
    let federation = Federation::start(memory, honest).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_is_erased_everywhere() {
    let federation = Federation::start(memory, honest).await;
    let issued = issue(&federation, 1).await;
    for at in REGIONS {
        federation
            .until_known(at, Region::ZHEJIANG, issued + 1)
            .await;
    }
    let target = v1::target::Target::Number("S000033010006243000001".into());
    let erasure = v1::SubmitRequest {
        writer_region: "33".into(),
        body: Some(v1::submit_request::Body::Erasure(v1::ErasureSubmission {
            target: Some(v1::Target {
                target: Some(target),
            }),
            groups: Vec::new(),
            effective_date: 20_240_401,
        })),
        ..Default::default()
    };
    let home = federation.engine(Region::ZHEJIANG);
    let placed = home.submit(&erasure).await.unwrap().unwrap();
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

/// Flips a bit in every package.
struct FlippedBit;

impl Lie for FlippedBit {
    fn package(&self, package: &mut PeerPackage) {
        let mut entries = package.entries.to_vec();
        let middle = entries.len() / 2;
        entries[middle] ^= 1;
        package.entries = entries.into();
    }
}

/// Cuts the last byte off every package.
struct Truncated;

impl Lie for Truncated {
    fn package(&self, package: &mut PeerPackage) {
        package.entries.truncate(package.entries.len() - 1);
    }
}

/// Gives other salts for names, so that true holders would not match.
struct OtherSalts;

impl Lie for OtherSalts {
    fn disclosures(&self, page: &mut v1::GetDisclosuresResponse) {
        for record in &mut page.records {
            for disclosure in &mut record.disclosures {
                if disclosure.group == v1::Group::HolderName as i32 {
                    disclosure.salt[0] ^= 1;
                }
            }
        }
    }
}

/// Holds back the disclosures.
struct Withheld;

impl Lie for Withheld {
    fn disclosures(&self, page: &mut v1::GetDisclosuresResponse) {
        page.records.clear();
    }
}

/// Zhejiang lies to Shanghai about its own log: Shanghai gets it from the others, right.
async fn is_overcome<L: Lie>(lie: fn() -> L) {
    let lies = move |from, to| -> Arc<dyn Lie> {
        if (from, to) == (Region::ZHEJIANG, Region::SHANGHAI) {
            Arc::new(lie())
        } else {
            Arc::new(Honest)
        }
    };
    let federation = Federation::start(memory, lies).await;
    let last = issue(&federation, 1).await;
    federation
        .until_known(Region::SHANGHAI, Region::ZHEJIANG, last + 1)
        .await;
    assert_eq!(
        verdict(&federation, Region::SHANGHAI, 1, "张三").await,
        v1::Verdict::Valid
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_overcome() {
    is_overcome(|| FlippedBit).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_truncated_package_is_overcome() {
    is_overcome(|| Truncated).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_salts_are_overcome() {
    is_overcome(|| OtherSalts).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withheld_disclosures_are_overcome() {
    is_overcome(|| Withheld).await;
}
