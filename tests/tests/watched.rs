//! Whoever relied on a decision is told when it is another one.

use std::{sync::Arc, time::Duration};

use huren_core::codes::Region;
use huren_node::engine::{Watch, WatchError};
use huren_proto::v1::{self, Kind, StatusAction::*};
use huren_store::Store;
use huren_tests::{
    FaultyStore, Federation, Honest, Lie, REGIONS, certificate, change, question,
    registers::{
        HOME, SHANGHAI, agreement, entry, institution, registers, rules_of_province, settled,
        submit,
    },
};

/// How long something is waited for before a test fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing happens before the members' clock is moved, and by how much.
const STANDSTILL: Duration = Duration::from_millis(20);
const STEP: Duration = Duration::from_millis(500);

fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

async fn federation() -> Federation {
    let federation = Federation::start(|_| huren_tests::store(), honest).await;
    registers(&federation).await;
    settled(&federation).await;
    federation
}

fn asked(client_ref: u64, last: &[u8]) -> v1::WatchDecisionsRequest {
    let question = v1::VerifyRequest {
        client_ref,
        want_receipt: false,
        ..question(1, "张三")
    };
    v1::WatchDecisionsRequest {
        question: Some(v1::DecideRequest {
            question: Some(question),
            asking_region: String::new(),
        }),
        last: last.to_vec(),
    }
}

fn rules(decided: &v1::DecideResponse) -> Vec<&str> {
    let findings = decided.findings.iter();
    let reasons = findings.filter_map(|finding| finding.reason.as_ref());
    reasons.map(|reason| reason.code.as_str()).collect()
}

/// The next decision that is told.
async fn told(federation: &Federation, watch: &mut Watch) -> v1::DecideResponse {
    let changed = watch.changed();
    tokio::pin!(changed);
    let waiting = async {
        loop {
            if let Ok(told) = tokio::time::timeout(STANDSTILL, &mut changed).await {
                return told;
            }
            federation.clock.advance(STEP);
        }
    };
    let told = tokio::time::timeout(PATIENCE, waiting).await;
    told.expect("a change that is told")
}

/// Waits until a decision with these findings is told: what waits for its quorum is told before.
async fn until_told(
    federation: &Federation,
    watch: &mut Watch,
    findings: &[&str],
) -> v1::DecideResponse {
    loop {
        let told = told(federation, watch).await;
        if rules(&told) == findings {
            return told;
        }
    }
}

async fn watching(federation: &Federation) -> (Watch, v1::DecideResponse) {
    let mut watch = Watch::new(Arc::clone(federation.engine(SHANGHAI)));
    let decided = watch.add(asked(7, &[])).await.expect("a decision");
    let decided = decided.expect("it is told at once");
    assert_eq!(decided.client_ref, 7);
    (watch, decided)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_changes_a_decision_is_told() {
    use v1::InstitutionState::{Active, Exited};
    let federation = federation().await;
    let (mut watch, first) = watching(&federation).await;
    assert_eq!(rules(&first), [""; 0]);

    let at_home = async |request, watch: &mut Watch, findings: &[&str]| {
        submit(&federation, HOME, request).await;
        until_told(&federation, watch, findings).await
    };
    let suspended = at_home(change(Suspend, 1), &mut watch, &["STATUS_SUSPENDED"]).await;
    assert_eq!(suspended.outcome(), v1::RecognitionOutcome::Undetermined);
    let again = at_home(change(Reinstate, 1), &mut watch, &[]).await;
    assert_eq!(again.digest, first.digest);

    // Entered now, and in force since before the certificate was issued.
    let exit = institution(Exited, 20_240_101);
    let exited = at_home(exit, &mut watch, &["INST_EXITED"]).await;
    assert_eq!(exited.outcome(), v1::RecognitionOutcome::NotRecognized);
    let milder = rules_of_province(&[("INST_EXITED", v1::RecognitionEffect::Condition)]);
    let milder = entry(SHANGHAI, Kind::RecognitionRules, 20_250_101, &milder);
    let index = submit(&federation, SHANGHAI, milder).await.index;
    let set = until_told(&federation, &mut watch, &["INST_EXITED"]).await;
    let conditional = v1::RecognitionOutcome::RecognizedWithConditions;
    assert_eq!((set.outcome(), set.rules_entry), (conditional, Some(index)));
    at_home(institution(Active, 20_240_101), &mut watch, &[]).await;

    let mut ended = agreement();
    ended.state = v1::AgreementState::Ended.into();
    let ended = entry(SHANGHAI, Kind::Agreement, 20_250_101, &ended);
    submit(&federation, SHANGHAI, ended).await;
    let out = until_told(&federation, &mut watch, &["AGREEMENT_OUT"]).await;
    assert_eq!(out.outcome(), v1::RecognitionOutcome::NotRecognized);
    let both = ["STATUS_REVOKED", "AGREEMENT_OUT"];
    at_home(change(Revoke, 1), &mut watch, &both).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_nothing_is_not_told() {
    let federation = federation().await;
    let (mut watch, _) = watching(&federation).await;
    // Another certificate, and rules that do not bear on this one.
    submit(&federation, HOME, certificate(2)).await;
    submit(&federation, HOME, change(Revoke, 2)).await;
    let strict = rules_of_province(&[("CREDIT_BAD", v1::RecognitionEffect::Not)]);
    let strict = entry(SHANGHAI, Kind::RecognitionRules, 20_250_101, &strict);
    submit(&federation, SHANGHAI, strict).await;
    settled(&federation).await;
    submit(&federation, HOME, change(Suspend, 1)).await;
    let next = told(&federation, &mut watch).await;
    assert_eq!(rules(&next), ["STATUS_SUSPENDED"]);
}

/// As long as nothing moved nothing is decided again, however long it is watched.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_decided_again_while_nothing_moves() {
    let counting = Arc::new(FaultyStore::new(huren_tests::store()));
    let store = {
        let counting = Arc::clone(&counting);
        move |region| -> Arc<dyn Store> {
            match region {
                SHANGHAI => Arc::clone(&counting) as _,
                _ => huren_tests::store(),
            }
        }
    };
    let mut federation = Federation::start(store, honest).await;
    registers(&federation).await;
    settled(&federation).await;
    for region in REGIONS.into_iter().filter(|region| *region != SHANGHAI) {
        federation.stop(region).await;
    }
    let (mut watch, _) = watching(&federation).await;
    assert!(counting.lookups() > 0, "looks are counted");
    let mut look_away = async |rounds: u32| {
        let before = counting.lookups();
        for _ in 0..rounds {
            let told = tokio::time::timeout(STANDSTILL, watch.changed()).await;
            assert!(told.is_err(), "nothing changed");
            federation.clock.advance(2 * STEP);
        }
        counting.lookups() - before
    };
    // What moved last may still bring a look.
    let quiet = async { while look_away(10).await > 0 {} };
    let quiet = tokio::time::timeout(PATIENCE, quiet).await;
    quiet.expect("it comes to rest");
    assert_eq!(look_away(120).await, 0, "for two minutes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_broke_off_is_resumed_and_misses_nothing() {
    let federation = federation().await;
    let (watch, first) = watching(&federation).await;
    drop(watch);
    let resume = async |last: &[u8]| {
        let mut watch = Watch::new(Arc::clone(federation.engine(SHANGHAI)));
        let answer = watch.add(asked(8, last)).await.expect("a decision");
        (watch, answer)
    };
    // Nothing happened.
    let (watch, answer) = resume(&first.digest).await;
    assert_eq!(answer, None);
    drop(watch);
    submit(&federation, HOME, change(Revoke, 1)).await;
    settled(&federation).await;
    let (mut watch, answer) = resume(&first.digest).await;
    let answer = answer.expect("it is told at once");
    assert_eq!(rules(&answer), ["STATUS_REVOKED"]);
    assert_eq!(answer.client_ref, 8);
    let (_, nothing_new) = resume(&answer.digest).await;
    assert_eq!(nothing_new, None);
    submit(&federation, HOME, change(Reinstate, 1)).await;
    until_told(&federation, &mut watch, &[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_alone_changes_decisions() {
    let mut federation = federation().await;
    let mut ends = agreement();
    ends.valid_to = 20_270_120;
    let ends = entry(SHANGHAI, Kind::Agreement, 20_250_101, &ends);
    submit(&federation, SHANGHAI, ends).await;
    settled(&federation).await;
    let mut watch = Watch::new(Arc::clone(federation.engine(SHANGHAI)));
    for (client_ref, days) in [(1, 30), (2, 3)] {
        let mut request = asked(client_ref, &[]);
        let question = request.question.as_mut().and_then(|q| q.question.as_mut());
        question.expect("a question").max_age_seconds = days * 24 * 60 * 60;
        let decided = watch.add(request).await.expect("a decision");
        assert_eq!(rules(&decided.expect("the first")), [""; 0]);
    }
    // Nobody cosigns any more.
    for region in REGIONS.into_iter().filter(|region| *region != SHANGHAI) {
        federation.stop(region).await;
    }
    let day = Duration::from_secs(24 * 60 * 60);
    federation.clock.advance(4 * day);
    let stale = told(&federation, &mut watch).await;
    assert_eq!(
        (stale.client_ref, rules(&stale)),
        (2, vec!["STALE_EVIDENCE"])
    );
    federation.clock.advance(2 * day);
    let out = told(&federation, &mut watch).await;
    assert_eq!((out.client_ref, rules(&out)), (1, vec!["AGREEMENT_OUT"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_watches_a_thousand_and_no_more() {
    let federation = federation().await;
    let mut watch = Watch::new(Arc::clone(federation.engine(SHANGHAI)));
    for client_ref in 0..1_000 {
        watch.add(asked(client_ref, &[])).await.expect("room");
    }
    let refused = watch.add(asked(1_000, &[])).await;
    assert!(matches!(refused, Err(WatchError::Limit)));
    let refused = watch.add(asked(999, &[])).await;
    assert!(matches!(refused, Err(WatchError::RefTaken)));
    submit(&federation, HOME, change(Revoke, 1)).await;
    let mut told_of = std::collections::BTreeSet::new();
    while told_of.len() < 1_000 {
        let told = until_told(&federation, &mut watch, &["STATUS_REVOKED"]).await;
        assert!(told_of.insert(told.client_ref), "told once");
    }
    let mut watch = Watch::new(Arc::clone(federation.engine(SHANGHAI)));
    let mut long = asked(1, &[]);
    let question = long.question.as_mut().and_then(|q| q.question.as_mut());
    question.expect("a question").holder_name = "张".repeat(2_000);
    let refused = watch.add(long).await;
    assert!(matches!(refused, Err(WatchError::TooLong)));
    let mut nothing = asked(1, &[]);
    let question = nothing.question.as_mut().and_then(|q| q.question.as_mut());
    question.expect("a question").number.clear();
    let refused = watch.add(nothing).await;
    assert!(matches!(refused, Err(WatchError::Decide(_))));
    // What was refused is not watched: its name is free.
    assert!(watch.is_empty());
    watch.add(asked(1, &[])).await.expect("a decision");
}
