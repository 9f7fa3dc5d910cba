//! What the tests of promises share.

use std::sync::Arc;

use huren_core::{codes::Region, receipt, verdict::Verdict};
use huren_node::engine::Placed;
use huren_proto::v1;
use huren_store::Store;
use huren_tests::{
    Federation, Honest, Leaf, Lie, REGIONS, audit, certificate_in, origin, question_in,
};

/// Whose log it is about.
pub(crate) const HOME: Region = Region::ZHEJIANG;
/// Another province that issues certificates.
pub(crate) const OTHER: Region = Region::SHANGHAI;

pub(crate) fn empty_store(_: Region) -> Arc<dyn Store> {
    huren_tests::store()
}

pub(crate) fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

/// Has a province's node put something into its log.
pub(crate) async fn submit(
    federation: &Federation,
    of: Region,
    request: &v1::SubmitRequest,
) -> Placed {
    let placed = federation.engine(of).submit(request).await;
    placed.expect("a sound submission").expect("a place")
}

/// Has a province issue the certificate of that serial.
pub(crate) async fn issue(federation: &Federation, of: Region, serial: u32) -> Placed {
    submit(federation, of, &certificate_in(of, serial)).await
}

/// Waits until every member knows a log up to a place.
pub(crate) async fn until_known_everywhere(federation: &Federation, of: Region, placed: Placed) {
    for at in REGIONS {
        federation.until_known(at, of, placed.index + 1).await;
    }
}

/// A federation in which provinces have issued certificates 1 .. of home's and one elsewhere.
pub(crate) async fn issued(federation: &Federation, certificates: u32) {
    let elsewhere = issue(federation, OTHER, 1).await;
    for serial in 1..=certificates {
        issue(federation, HOME, serial).await;
    }
    let home = federation.entry(HOME, HOME).state.head.size;
    for at in REGIONS {
        federation.until_known(at, HOME, home).await;
        federation.until_known(at, OTHER, elsewhere.index + 1).await;
    }
}

/// What a member says from what it holds of the certificate of that province and serial.
pub(crate) async fn answer(
    federation: &Federation,
    at: Region,
    (of, serial): (Region, u32),
) -> v1::VerifyResponse {
    let question = question_in(of, serial, "张三");
    let answer = federation.engine(at).verify(question).await;
    answer.expect("an answer")
}

/// Whether a reason is among those of an answer.
pub(crate) fn says(answer: &v1::VerifyResponse, code: &str) -> bool {
    answer.reasons.iter().any(|reason| reason.code == code)
}

/// A member finds the certificate valid, and proves it.
pub(crate) async fn is_valid_at(federation: &Federation, at: Region, certificate: (Region, u32)) {
    let answer = answer(federation, at, certificate).await;
    assert_eq!(
        answer.verdict(),
        v1::Verdict::Valid,
        "{certificate:?} at {at}: {:?}",
        answer.reasons
    );
    let checked = receipt::verify(&answer.receipt, &federation.roots).expect("a receipt");
    assert_eq!(checked.assertion.verdict, Verdict::Valid);
}

/// Every member does.
pub(crate) async fn is_valid_everywhere(federation: &Federation, certificate: (Region, u32)) {
    for at in REGIONS {
        is_valid_at(federation, at, certificate).await;
    }
}

/// No member finds the certificate; each says that something like it is quarantined.
pub(crate) async fn is_quarantined_everywhere(federation: &Federation, certificate: (Region, u32)) {
    for at in REGIONS {
        let answer = answer(federation, at, certificate).await;
        assert_eq!(answer.verdict(), v1::Verdict::NotFound, "{certificate:?}");
        assert!(says(&answer, "QUARANTINED"), "{:?}", answer.reasons);
        assert!(answer.certificate.is_empty() && answer.receipt.is_empty());
    }
}

/// Every member keeps and proves these leaves, which stand in the log from index `first` on,
/// and has quarantined them and nothing else, each for its reason.
pub(crate) async fn are_kept_and_quarantined(
    federation: &Federation,
    first: u64,
    leaves: &[(Leaf, &str)],
) {
    let expected: Vec<(u64, &str)> = (first..)
        .zip(leaves.iter().map(|(_, code)| *code))
        .collect();
    let from = usize::try_from(first).expect("a small log");
    for at in REGIONS {
        let held = audit(federation, at, HOME).await;
        let held = &held.0[from..from + leaves.len()];
        assert!(held.iter().eq(leaves.iter().map(|(leaf, _)| &leaf.bytes)));

        let (count, rows) = federation
            .store(at)
            .quarantined(&origin(HOME), 0, 100)
            .await
            .expect("a store");
        let rows: Vec<_> = rows
            .iter()
            .map(|row| (row.index, row.code.as_str()))
            .collect();
        assert_eq!(rows, expected, "at {at}");
        assert_eq!(count, leaves.len() as u64);

        let status = federation.engine(at).status().await.expect("a status");
        for log in status.logs {
            let extent = log.extent.expect("an extent");
            let expected = if extent.origin == origin(HOME).as_str() {
                count
            } else {
                0
            };
            assert_eq!(log.quarantined, expected, "{} at {at}", extent.origin);
        }
    }
}
