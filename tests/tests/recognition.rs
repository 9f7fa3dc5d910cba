//! What one province writes into its registers decides what another recognises.

use std::sync::Arc;

use huren_core::{
    codes::Region,
    recognition::{DecisionError, Outcome, Rule, Statement},
};
use huren_node::engine::{Engine, ListError};
use huren_proto::v1::{self, Kind, RecognitionOutcome};
use huren_store::{Sqlite, SqliteOptions, Store};
use huren_tests::{
    Federation, Honest, Lie, REGIONS, change, origin, question,
    registers::{
        HOME, SHANGHAI, agreement, entry, institution, registers, rules_of_province, settled,
        standard, submit,
    },
};

const ANHUI: Region = REGIONS[3];

fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

async fn federation() -> Federation {
    Federation::start(|_| huren_tests::store(), honest).await
}

async fn decide(federation: &Federation, at: Region) -> v1::DecideResponse {
    let asked = v1::DecideRequest {
        question: Some(v1::VerifyRequest {
            purpose: v1::Purpose::Employment.into(),
            ..question(1, "张三")
        }),
        asking_region: String::new(),
    };
    let decided = federation.engine(at).decide(asked).await;
    decided.expect("a decision")
}

fn rules(decided: &v1::DecideResponse) -> Vec<&str> {
    let findings = decided.findings.iter();
    let reasons = findings.filter_map(|finding| finding.reason.as_ref());
    reasons.map(|reason| reason.code.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_recognised_where_an_agreement_says_so() {
    let federation = federation().await;
    registers(&federation).await;
    settled(&federation).await;

    let decided = decide(&federation, SHANGHAI).await;
    assert_eq!(rules(&decided), [""; 0]);
    assert_eq!(decided.outcome(), RecognitionOutcome::Recognized);
    assert_eq!(
        (decided.level, decided.agreement.as_str()),
        (4, "SFQ-2021-46")
    );
    // Anhui has entered no agreement: that is not known to be a 'no'.
    let decided = decide(&federation, ANHUI).await;
    assert_eq!(rules(&decided), ["AGREEMENT_ABSENT"]);
    assert_eq!(decided.outcome(), RecognitionOutcome::Undetermined);
    // At home none is needed.
    let decided = decide(&federation, HOME).await;
    assert_eq!(decided.outcome(), RecognitionOutcome::Recognized);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn later_records_change_later_decisions() {
    let federation = federation().await;
    registers(&federation).await;
    settled(&federation).await;
    let before = decide(&federation, SHANGHAI).await;
    assert_eq!(before.outcome(), RecognitionOutcome::Recognized);

    // An exit that a decision dates back to before the certificate was issued.
    let exit = institution(v1::InstitutionState::Exited, 20_240_101);
    submit(&federation, HOME, exit).await;
    settled(&federation).await;
    let decided = decide(&federation, SHANGHAI).await;
    assert_eq!(rules(&decided), ["INST_EXITED"]);
    assert_eq!(decided.outcome(), RecognitionOutcome::NotRecognized);

    submit(&federation, HOME, change(v1::StatusAction::Suspend, 1)).await;
    settled(&federation).await;
    let decided = decide(&federation, SHANGHAI).await;
    assert_eq!(rules(&decided), ["STATUS_SUSPENDED", "INST_EXITED"]);
    assert_eq!(decided.outcome(), RecognitionOutcome::NotRecognized);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_province_sets_what_a_rule_does_there_and_nowhere_else() {
    let federation = federation().await;
    registers(&federation).await;
    let exit = institution(v1::InstitutionState::Exited, 20_240_101);
    submit(&federation, HOME, exit).await;
    let milder = rules_of_province(&[("INST_EXITED", v1::RecognitionEffect::Condition)]);
    let milder = entry(SHANGHAI, Kind::RecognitionRules, 20_250_101, &milder);
    let index = submit(&federation, SHANGHAI, milder).await.index;
    settled(&federation).await;

    let decided = decide(&federation, SHANGHAI).await;
    assert_eq!(rules(&decided), ["INST_EXITED"]);
    assert_eq!(
        decided.outcome(),
        RecognitionOutcome::RecognizedWithConditions
    );
    assert_eq!(decided.rules_entry, Some(index));
    assert_eq!(decided.findings[0].effect(), v1::FindingEffect::Condition);
    // It travels with the decision, which follows from nothing else.
    let file = String::from_utf8(decided.decision).expect("text");
    let (_, statement) = Statement::read(&file).expect("a statement");
    statement.replay().expect("the same decision");
    let mut without = statement;
    without
        .evidence
        .retain(|entry| entry.kind != Kind::RecognitionRules as u32);
    let Err(DecisionError::Other(again)) = without.replay() else {
        panic!("another decision");
    };
    assert_eq!(again.outcome, Outcome::NotRecognized);

    // At home, and on a day before it: the table.
    let at_home = decide(&federation, HOME).await;
    assert_eq!(at_home.outcome(), RecognitionOutcome::NotRecognized);
    assert_eq!(at_home.rules_entry, None);
    let before = v1::DecideRequest {
        question: Some(v1::VerifyRequest {
            as_of_date: 20_241_231,
            ..question(1, "张三")
        }),
        asking_region: String::new(),
    };
    let before = federation.engine(SHANGHAI).decide(before).await;
    let before = before.expect("a decision");
    assert_eq!(before.outcome(), RecognitionOutcome::NotRecognized);
    assert_eq!(before.rules_entry, None);

    // What is not for a province to set is refused, and leaves nothing.
    let size = federation.entry(SHANGHAI, SHANGHAI).state.head.size;
    for (rule, code) in [
        ("STATUS_REVOKED", "RULE_GENUINENESS"),
        ("AGREEMENT_ABSENT", "RULE_LACK"),
        ("NO_SUCH_RULE", "VALUE_UNKNOWN"),
    ] {
        let set = rules_of_province(&[(rule, v1::RecognitionEffect::None)]);
        let set = entry(SHANGHAI, Kind::RecognitionRules, 20_250_101, &set);
        let refused = federation.engine(SHANGHAI).submit(&set).await;
        assert_eq!(refused.expect_err("a refusal").0[0].code, code);
    }
    assert_eq!(federation.entry(SHANGHAI, SHANGHAI).state.head.size, size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_decided_again_from_its_file() {
    let federation = federation().await;
    registers(&federation).await;
    settled(&federation).await;
    let decided = decide(&federation, SHANGHAI).await;
    let file = String::from_utf8(decided.decision).expect("text");
    let (_, statement) = Statement::read(&file).expect("a statement");
    assert_eq!(statement.decision.outcome, Outcome::Recognized);
    statement.replay().expect("the same decision");
    // Institution, its first entry, standard, catalogue, agreement.
    assert_eq!(statement.evidence.len(), 4);

    let mut without = statement.clone();
    without
        .evidence
        .retain(|entry| entry.kind != Kind::Agreement as u32);
    let Err(DecisionError::Other(again)) = without.replay() else {
        panic!("another decision");
    };
    assert_eq!(again.findings[0].rule, Rule::AgreementAbsent);
    let mut other = statement;
    other.decision.rules = "0".into();
    assert!(matches!(other.replay(), Err(DecisionError::Rules(_))));
    assert!(Statement::read(&file.replacen("huren/decision", "huren/answer", 1)).is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_certificate_of_the_same_is_found_by_the_holder_s_tag() {
    let federation = federation().await;
    registers(&federation).await;
    settled(&federation).await;
    let ask = async |id: &str| {
        let asked = v1::DecideRequest {
            question: Some(v1::VerifyRequest {
                holder_id: id.into(),
                ..question(1, "张三")
            }),
            asking_region: String::new(),
        };
        let decided = federation.engine(SHANGHAI).decide(asked).await;
        decided.expect("a decision")
    };
    let id = "11010519491231002X";
    assert_eq!(rules(&ask(id).await), [""; 0]);
    // The same occupation and level, in another province.
    let other = huren_tests::certificate_in(ANHUI, 7);
    submit(&federation, ANHUI, other).await;
    settled(&federation).await;
    let decided = ask(id).await;
    assert_eq!(rules(&decided), ["DUPLICATE_HOLDING"]);
    assert_eq!(decided.findings[0].about["others"], "1");
    // Who does not know the document learns nothing of others; nor does it count once revoked.
    assert_eq!(rules(&ask("").await), [""; 0]);
    assert_eq!(rules(&ask("440524188001010014").await), ["HOLDER_MISMATCH"]);
    assert_eq!(
        rules(&ask("110105194912310021").await),
        ["HOLDER_MISMATCH", "ID_CHECK"]
    );
    let revoked = huren_tests::change_in(ANHUI, v1::StatusAction::Revoke, 7);
    submit(&federation, ANHUI, revoked).await;
    settled(&federation).await;
    assert_eq!(rules(&ask(id).await), [""; 0]);
}

async fn listed(engine: &Engine, asked: v1::ListEntriesRequest) -> Vec<(String, u64)> {
    let listed = engine.list_entries(&asked).await.expect("a list");
    let entries = listed.entries.into_iter();
    entries.map(|entry| (entry.origin, entry.index)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registers_are_listed_as_of_any_day_and_everywhere_alike() {
    let federation = federation().await;
    registers(&federation).await;
    let exit = institution(v1::InstitutionState::Exited, 20_240_101);
    let exit = submit(&federation, HOME, exit).await.index;
    settled(&federation).await;
    let of = |as_of_date, history| v1::ListEntriesRequest {
        kind: Kind::Institution.into(),
        as_of_date,
        history,
        ..Default::default()
    };
    let home = origin(HOME).to_string();
    let first = federation
        .engine(HOME)
        .list_entries(&of(20_200_101, false))
        .await;
    let first = first.expect("a list").entries[0].index;
    for at in REGIONS {
        let engine = federation.engine(at);
        assert_eq!(listed(engine, of(20_191_231, false)).await, []);
        assert_eq!(
            listed(engine, of(20_231_231, false)).await,
            [(home.clone(), first)]
        );
        assert_eq!(
            listed(engine, of(20_240_101, false)).await,
            [(home.clone(), exit)]
        );
        assert_eq!(listed(engine, of(0, false)).await, [(home.clone(), exit)]);
        let both = [(home.clone(), first), (home.clone(), exit)];
        assert_eq!(listed(engine, of(0, true)).await, both);
    }
    let engine = federation.engine(SHANGHAI);
    let refused = |change: fn(&mut v1::ListEntriesRequest)| {
        let mut asked = of(0, false);
        change(&mut asked);
        async move { engine.list_entries(&asked).await.expect_err("a refusal") }
    };
    assert!(matches!(refused(|r| r.kind = 1).await, ListError::Kind));
    assert!(matches!(
        refused(|r| r.as_of_date = 1).await,
        ListError::Date
    ));
    assert!(matches!(
        refused(|r| r.page_size = 501).await,
        ListError::PageSize
    ));
    let token = refused(|r| r.page_token = "x".into()).await;
    assert!(matches!(token, ListError::PageToken));
    // Page by page.
    let mut second = agreement();
    second.code = "G60".into();
    submit(
        &federation,
        SHANGHAI,
        entry(SHANGHAI, Kind::Agreement, 20_210_601, &second),
    )
    .await;
    settled(&federation).await;
    let mut asked = v1::ListEntriesRequest {
        kind: Kind::Agreement.into(),
        page_size: 1,
        ..Default::default()
    };
    let mut keys = Vec::new();
    loop {
        let page = engine.list_entries(&asked).await.expect("a page");
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        if page.next_page_token.is_empty() {
            break;
        }
        asked.page_token = page.next_page_token;
    }
    assert_eq!(keys, ["G60", "SFQ-2021-46"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_may_not_write_is_refused_and_leaves_nothing() {
    let federation = federation().await;
    let engine = federation.engine(HOME);
    let size = federation.entry(HOME, HOME).state.head.size;
    let county = Region::parse("330106").expect("a county");
    let refused = async |request: v1::SubmitRequest| {
        let refused = engine.submit(&request).await.expect_err("a refusal");
        refused.0[0].code
    };
    let standard = standard();
    assert_eq!(
        refused(entry(county, Kind::Standard, 20_181_226, &standard)).await,
        "WRITER_LEVEL"
    );
    assert_eq!(
        refused(entry(HOME, Kind::Certificate, 20_181_226, &standard)).await,
        "VALUE_UNKNOWN"
    );
    let mut no_title = standard.clone();
    no_title.title.clear();
    assert_eq!(
        refused(entry(HOME, Kind::Standard, 20_181_226, &no_title)).await,
        "FIELD_MISSING"
    );
    assert_eq!(federation.entry(HOME, HOME).state.head.size, size);
    // The same twice is one.
    let first = submit(
        &federation,
        HOME,
        entry(HOME, Kind::Standard, 20_181_226, &standard),
    )
    .await;
    let again = submit(
        &federation,
        HOME,
        entry(HOME, Kind::Standard, 20_181_226, &standard),
    )
    .await;
    assert_eq!((again.index, again.duplicate), (first.index, true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_register_that_is_dropped_comes_back_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    let mut stores = Vec::new();
    for region in REGIONS {
        let file = path.join(format!("{region}.db"));
        let store = Sqlite::open(&file, SqliteOptions::default())
            .await
            .expect("a database");
        stores.push((region, Arc::new(store) as Arc<dyn Store>));
    }
    let of = |at: Region| {
        let mut stores = stores.iter();
        let store = stores.find(|(region, _)| *region == at).expect("a store");
        Arc::clone(&store.1)
    };
    let mut federation = Federation::start(of, honest).await;
    registers(&federation).await;
    settled(&federation).await;
    let before = decide(&federation, SHANGHAI).await;
    let kinds = [
        Kind::Institution,
        Kind::Standard,
        Kind::QualificationCatalogue,
    ];
    let rows = async |store: &Arc<dyn Store>| {
        let mut rows = Vec::new();
        for kind in kinds {
            let page = store.directory_page(kind as u32, "", "", 100).await;
            rows.extend(page.expect("a store"));
        }
        rows
    };
    let store = of(SHANGHAI);
    let held = rows(&store).await;
    assert_eq!(held.len(), 3);
    federation.stop(SHANGHAI).await;
    store.drop_register(&origin(HOME)).await.expect("a store");
    assert_eq!(rows(&store).await, []);
    federation.open(SHANGHAI).await.expect("an engine");
    settled(&federation).await;
    assert_eq!(rows(&store).await, held);
    let after = decide(&federation, SHANGHAI).await;
    assert_eq!(
        (after.outcome, rules(&after)),
        (before.outcome, rules(&before))
    );
}
