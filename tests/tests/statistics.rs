//! Certificates and persons are counted everywhere alike, whatever comes in which order.

use std::{collections::BTreeMap, sync::Arc};

use huren_core::{
    codes::{Level, Region},
    statistics::{Basis, Dimension, IssueDay, Month, Query, Table},
};
use huren_node::engine::Engine;
use huren_proto::v1::{self, submit_request::Body};
use huren_store::{Sqlite, SqliteOptions, Store};
use huren_tests::{
    Federation, Honest, Lie, REGIONS, certificate_in, change_in, erasure_in, next_signing_keys,
};

const HOME: Region = Region::ZHEJIANG;
const SHANGHAI: Region = Region::SHANGHAI;

fn honest(_: Region, _: Region) -> Arc<dyn Lie> {
    Arc::new(Honest)
}

/// A certificate of the person with that passport, who works in that region.
fn issued(of: Region, serial: u32, level: &str, passport: &str, work: &str) -> v1::SubmitRequest {
    let mut request = certificate_in(of, serial);
    let Some(Body::Certificate(certificate)) = &mut request.body else {
        unreachable!("a certificate");
    };
    let field = |name: &str, value: &str| v1::Field {
        name: name.into(),
        value: value.into(),
    };
    // The number says the level too.
    let ordinal = level.parse().expect("an ordinal");
    let digit = Level::from_ordinal(ordinal).expect("a level").code_char();
    let digit = digit.to_string();
    for group in &mut certificate.groups {
        for own in &mut group.fields {
            match own.name.as_str() {
                "id_kind" => own.value = "passport".into(),
                "id_number" => own.value = passport.into(),
                "level" => own.value = level.into(),
                "number" => own.value.replace_range(15..16, &digit),
                _ => {}
            }
        }
    }
    certificate.groups.push(v1::GroupValues {
        group: v1::Group::Statistics as i32,
        fields: vec![
            field("work_region", work),
            field("activity_region", "330106"),
        ],
    });
    request
}

async fn submit(federation: &Federation, of: Region, request: &v1::SubmitRequest) {
    loop {
        let answer = federation.engine(of).submit(request).await;
        match answer.expect("a sound submission") {
            Ok(_) => return,
            Err(error) if error.is_retryable() => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn cells(engine: &Engine) -> BTreeMap<String, Vec<u8>> {
    let cells = engine.store().cells_page("", "", u32::MAX).await;
    let cells = cells.expect("a store").into_iter();
    cells.map(|cell| (cell.key, cell.sums)).collect()
}

/// Every member has counted everything, and alike.
async fn all_alike(federation: &Federation) -> BTreeMap<String, Vec<u8>> {
    let mut first = None;
    for at in REGIONS {
        federation.until_counted(at).await;
        let cells = cells(federation.engine(at)).await;
        assert_eq!(*first.get_or_insert(cells.clone()), cells, "at {at}");
    }
    first.expect("members")
}

fn month(number: u32) -> Month {
    Month::from_number(number).expect("a month")
}

async fn by_work(federation: &Federation, by: &[Dimension]) -> Table {
    let query = Query {
        by: by.iter().copied().collect(),
        ..Query::all(Basis::Work, month(202_401), month(202_612))
    };
    let table = federation.engine(SHANGHAI).statistics(&query).await;
    table.expect("an answer")
}

fn persons(table: &Table) -> Vec<(&str, u64, u64)> {
    let rows = table.rows.iter();
    rows.map(|row| {
        let region = row.region.as_deref().expect("a region");
        (region, row.certificates, row.persons)
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_is_counted_anew_everywhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("huren.sqlite");
    let sqlite = Sqlite::open(path, SqliteOptions::default()).await;
    let sqlite: Arc<dyn Store> = Arc::new(sqlite.expect("a database"));
    let store = move |region| -> Arc<dyn Store> {
        match region {
            SHANGHAI => Arc::clone(&sqlite),
            _ => huren_tests::store(),
        }
    };
    let federation = Federation::start(store, honest).await;
    // One person with certificates of two provinces; another one with one that will go.
    submit(
        &federation,
        HOME,
        &issued(HOME, 1, "4", "E10000001", "330106"),
    )
    .await;
    submit(
        &federation,
        HOME,
        &issued(HOME, 2, "4", "E10000002", "330203"),
    )
    .await;
    submit(
        &federation,
        SHANGHAI,
        &issued(SHANGHAI, 1, "3", "E10000001", "310104"),
    )
    .await;
    all_alike(&federation).await;
    let table = by_work(&federation, &[Dimension::City]).await;
    // The lower ordinal is the lower level: the person counts where the higher one is.
    let expected = [("310100", 1, 0), ("330100", 1, 1), ("330200", 1, 1)];
    assert_eq!(persons(&table), expected);
    assert_eq!((table.total.certificates, table.total.persons), (3, 2));

    let revoke = v1::StatusAction::Revoke;
    submit(&federation, HOME, &change_in(HOME, revoke, 1)).await;
    all_alike(&federation).await;
    let table = by_work(&federation, &[Dimension::Province]).await;
    assert_eq!(persons(&table), [("310000", 1, 1), ("330000", 1, 1)]);

    let before = cells(federation.engine(HOME)).await;
    submit(&federation, HOME, &erasure_in(HOME, 2)).await;
    // What is erased is in no sum any more, at once.
    let engine = federation.engine(HOME);
    assert_ne!(cells(engine).await, before);
    all_alike(&federation).await;
    let table = by_work(&federation, &[Dimension::Province]).await;
    let last: Vec<_> = persons(&table)
        .into_iter()
        .filter(|row| row.1 > 0)
        .collect();
    assert_eq!(last, [("310000", 1, 1)]);
    assert_eq!((table.total.certificates, table.total.persons), (1, 1));
}

/// Whose document is erased is nobody, and the certificate goes on counting; a correction counts
/// as if it had always been so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_erased_or_corrected_in_part_is_counted_by_what_is_left() {
    let federation = Federation::start(|_| huren_tests::store(), honest).await;
    for (serial, work) in [(1, "330106"), (2, "330203")] {
        let passport = format!("E1000000{serial}");
        let request = issued(HOME, serial, "4", &passport, work);
        submit(&federation, HOME, &request).await;
    }
    all_alike(&federation).await;

    let mut erasure = erasure_in(HOME, 1);
    let Some(Body::Erasure(of_document)) = &mut erasure.body else {
        unreachable!("an erasure");
    };
    of_document.groups = vec![v1::Group::HolderId.into()];
    submit(&federation, HOME, &erasure).await;
    all_alike(&federation).await;
    let table = by_work(&federation, &[Dimension::City]).await;
    assert_eq!(persons(&table), [("330100", 1, 0), ("330200", 1, 1)]);

    let mut correction = change_in(HOME, v1::StatusAction::Correct, 2);
    let Some(Body::Status(change)) = &mut correction.body else {
        unreachable!("a change");
    };
    change.replaced = vec![v1::GroupValues {
        group: v1::Group::Statistics as i32,
        fields: vec![v1::Field {
            name: "work_region".into(),
            value: "310104".into(),
        }],
    }];
    submit(&federation, HOME, &correction).await;
    all_alike(&federation).await;
    let table = by_work(&federation, &[Dimension::City]).await;
    assert_eq!(persons(&table), [("310100", 1, 1), ("330100", 1, 0)]);
    assert_eq!((table.total.certificates, table.total.persons), (2, 1));

    // Nobody's certificate that is erased for good is in no figure any more.
    submit(&federation, HOME, &erasure_in(HOME, 1)).await;
    all_alike(&federation).await;
    let table = by_work(&federation, &[Dimension::City]).await;
    assert_eq!(persons(&table), [("310100", 1, 1)]);
}

/// A key that is closed takes what it signed out of the sums, and who joins late comes to the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_folded_again_is_counted_again() {
    let mut federation = Federation::start(|_| huren_tests::store(), honest).await;
    for serial in 1..=3 {
        let passport = format!("E1000000{serial}");
        let request = issued(HOME, serial, "4", &passport, "330106");
        submit(&federation, HOME, &request).await;
    }
    let three = all_alike(&federation).await;
    federation.stop(Region::ANHUI).await;
    let size = federation.entry(HOME, HOME).state.head.size;
    federation
        .engine(HOME)
        .set_signing_keys(next_signing_keys(HOME));
    let note = federation.next_list(HOME, |list| {
        let edit = huren_core::trust::Edit::ReplaceKey {
            role: huren_core::trust::Role::Record,
            from: Box::new(huren_tests::next_member(HOME)),
            until_index: Some(size - 1),
        };
        list.edit(edit).expect("a new key");
    });
    federation.install(HOME, &note).await;
    federation.open(Region::ANHUI).await.expect("an engine");
    federation.until_adopted(2).await;
    let two = all_alike(&federation).await;
    assert_ne!(two, three);
    let table = by_work(&federation, &[Dimension::County]).await;
    assert_eq!(persons(&table), [("330106", 2, 2)]);
    let again = issued(HOME, 3, "4", "E10000003", "330106");
    submit(&federation, HOME, &again).await;
    // The sums are the same as before; the leaf is another one.
    let sums = |mut cells: BTreeMap<String, Vec<u8>>| {
        cells.retain(|key, _| IssueDay::from_key(key).is_none());
        cells
    };
    let again = all_alike(&federation).await;
    assert_ne!(again, three);
    assert_eq!(sums(again), sums(three));
}
