//! What the drills share.

use std::sync::Arc;

use huren_core::{
    codes::Region,
    receipt,
    trust::{Edit, Role, TrustList},
    verdict::Verdict,
};
use huren_node::engine::Placed;
use huren_proto::v1;
use huren_store::Store;
use huren_tests::{
    Federation, Honest, Lie, REGIONS, certificate_in, next_member, origin, question_in,
};

pub(crate) const HOME: Region = Region::ZHEJIANG;
pub(crate) const OTHER: Region = Region::SHANGHAI;

pub(crate) fn empty_store(_: Region) -> Arc<dyn Store> {
    huren_tests::store()
}

pub(crate) fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

/// Names home's next key of a role in a list, from a size on where the role has one.
pub(crate) fn replace_key(list: &mut TrustList, role: Role, until_index: Option<u64>) {
    let edit = Edit::ReplaceKey {
        role,
        from: Box::new(next_member(HOME)),
        until_index,
    };
    list.edit(edit).expect("a new key");
}

/// Has a province's node put something into its log. What is refused because the node is busy
/// following a list is submitted again.
pub(crate) async fn submit(
    federation: &Federation,
    of: Region,
    request: &v1::SubmitRequest,
) -> Placed {
    loop {
        let answer = federation.engine(of).submit(request).await;
        match answer.expect("a sound submission") {
            Ok(placed) => return placed,
            Err(error) if error.is_retryable() => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) async fn issue(federation: &Federation, of: Region, serial: u32) -> Placed {
    submit(federation, of, &certificate_in(of, serial)).await
}

pub(crate) async fn until_known_everywhere(federation: &Federation, of: Region, placed: Placed) {
    for at in REGIONS {
        federation.until_known(at, of, placed.index + 1).await;
    }
}

pub(crate) async fn answer(
    federation: &Federation,
    at: Region,
    (of, serial): (Region, u32),
) -> v1::VerifyResponse {
    let question = question_in(of, serial, "张三");
    federation
        .engine(at)
        .verify(question)
        .await
        .expect("an answer")
}

/// Every member gives this verdict with this reason; the receipt of a valid one holds.
pub(crate) async fn check(
    federation: &Federation,
    certificate: (Region, u32),
    (verdict, reason): (v1::Verdict, &str),
) {
    for at in REGIONS {
        let answer = answer(federation, at, certificate).await;
        let reasons: Vec<_> = answer.reasons.iter().map(|r| r.code.as_str()).collect();
        assert_eq!(
            answer.verdict(),
            verdict,
            "{certificate:?} at {at}: {reasons:?}"
        );
        assert!(
            reasons.contains(&reason),
            "{certificate:?} at {at}: {reasons:?}"
        );
        if verdict == v1::Verdict::Valid {
            let checked = receipt::verify(&answer.receipt, &federation.roots).expect("a receipt");
            assert_eq!(checked.assertion.verdict, Verdict::Valid);
        }
    }
}

pub(crate) const VALID: (v1::Verdict, &str) = (v1::Verdict::Valid, "IN_FORCE");
pub(crate) const QUARANTINED: (v1::Verdict, &str) = (v1::Verdict::NotFound, "QUARANTINED");

/// Every member has come to the same register of a log.
pub(crate) async fn registers_agree(federation: &Federation, of: Region) {
    let mut first = None;
    for at in REGIONS {
        let store = federation.store(at);
        let log = origin(of);
        let register = (
            store.quarantined(&log, 0, 1000).await.expect("a store"),
            store.adoptions(&log).await.expect("a store"),
        );
        assert_eq!(*first.get_or_insert(register.clone()), register, "at {at}");
    }
}

pub(crate) fn size(federation: &Federation, of: Region) -> u64 {
    federation.entry(of, of).state.head.size
}
