//! A federation in which one member lies to another.

use std::sync::Arc;

use huren_core::codes::Region;
use huren_node::engine::Engine;
use huren_proto::v1;
use huren_store::Store;
use huren_tests::{Federation, Honest, Lie, REGIONS, audit, certificate, origin, question};

/// Whose log it is about, and who lies.
pub(crate) const LIAR: Region = Region::ZHEJIANG;
/// Who is lied to.
pub(crate) const VICTIM: Region = Region::SHANGHAI;
/// Who is told the truth.
pub(crate) const OTHERS: [Region; 2] = [Region::JIANGSU, Region::ANHUI];

pub(crate) fn empty_store(_: Region) -> Arc<dyn Store> {
    huren_tests::store()
}

/// A federation in which the liar lies to the victim, and to nobody else.
pub(crate) async fn federation(lie: impl Lie) -> Federation {
    let lie: Arc<dyn Lie> = Arc::new(lie);
    let lies = move |from, to| -> Arc<dyn Lie> {
        if (from, to) == (LIAR, VICTIM) {
            Arc::clone(&lie)
        } else {
            Arc::new(Honest)
        }
    };
    Federation::start(empty_store, lies).await
}

/// Waits until the victim hears what is lied: who starts earlier may come upon a member that is not
/// there yet, and waits a while.
pub(crate) async fn until_heard(federation: &Federation) {
    let is_heard = async |engine: &Engine| {
        let status = engine.status().await.expect("a status");
        let is_liars = |log: &&v1::LogStatus| {
            let extent = log.extent.as_ref();
            extent.is_some_and(|extent| extent.region == LIAR.to_string())
        };
        let log = status.logs.iter().find(is_liars);
        log.is_some_and(|log| log.reachable) || engine.refusals(&LIAR.to_string()).count > 0
    };
    federation.until_found(VICTIM, is_heard).await;
}

/// Issues certificates until the log has `size` leaves.
pub(crate) async fn issue(federation: &Federation, size: u64) {
    let mut held = federation.entry(LIAR, LIAR).state.head.size;
    while held < size {
        let request = certificate(u32::try_from(held).expect("a small log"));
        let placed = federation.engine(LIAR).submit(&request).await;
        held = placed.expect("sound").expect("a place").index + 1;
    }
}

/// The same; every member knows them then.
pub(crate) async fn grow(federation: &Federation, size: u64) {
    issue(federation, size).await;
    for at in REGIONS {
        federation.until_known(at, LIAR, size).await;
    }
}

pub(crate) async fn answer(federation: &Federation, at: Region, serial: u32) -> v1::VerifyResponse {
    let question = question(serial, "张三");
    let answer = federation.engine(at).verify(question).await;
    answer.expect("an answer")
}

pub(crate) fn is_frozen(engine: &Engine) -> bool {
    let entry = engine.book().entry(&origin(LIAR));
    entry.is_some_and(|entry| entry.view.frozen)
}

/// The victim has the liar's log from the others, right, and nothing is frozen. What it was
/// told was refused for that reason, or for none where nothing wrong was said.
pub(crate) async fn is_overcome(federation: &Federation, size: u64, code: &str) {
    let truth = audit(federation, LIAR, LIAR).await;
    assert_eq!(truth.0.len() as u64, size);
    assert_eq!(audit(federation, VICTIM, LIAR).await, truth);
    for at in REGIONS {
        assert!(!is_frozen(federation.engine(at)), "{at}");
    }
    let answer = answer(federation, VICTIM, u32::try_from(size - 1).expect("small")).await;
    assert_eq!(answer.verdict(), v1::Verdict::Valid);

    let refusals = federation.engine(VICTIM).refusals(&LIAR.to_string());
    assert_eq!(refusals.last, code);
    assert_eq!(refusals.count > 0, !code.is_empty());
    let status = federation.engine(VICTIM).status().await.expect("a status");
    for member in status.members {
        // Nobody else is blamed.
        let expected = if member.region == LIAR.to_string() {
            code
        } else {
            ""
        };
        assert_eq!(member.last_refusal, expected, "{}", member.region);
    }
}

/// A lie that others make up for, refused for that reason.
pub(crate) async fn overcomes(lie: impl Lie, code: &str) {
    let federation = federation(lie).await;
    if !code.is_empty() {
        until_heard(&federation).await;
    }
    for size in [2, 4, 7] {
        grow(&federation, size).await;
    }
    // Others may have been faster so far.
    let mut size = 7;
    let is_told = || federation.engine(VICTIM).refusals(&LIAR.to_string()).count > 0;
    while !code.is_empty() && !is_told() && size < 99 {
        size += 1;
        grow(&federation, size).await;
    }
    is_overcome(&federation, size, code).await;
}
