//! Imports into a node.

use std::collections::{BTreeMap, BTreeSet};

use huren_proto::v1::submit_request::Body;

use tonic::transport::Endpoint;

use super::node::{Node, Trouble, target_number};
use super::*;
use crate::connect::Bearer;

async fn import(args: &ImportArgs, client: &IssuanceServiceClient<Calls>) -> Report {
    run(client.clone(), args, &ProgressBar::hidden()).await
}

#[tokio::test]
async fn every_row_is_booked_once_and_a_second_run_adds_nothing() {
    let files = Files::generate(1_500, "8%", Encoding::Gb18030);
    let (node, client, _tasks) = Node::start(Trouble::default()).await;
    let journal = files.path("journal.jsonl");
    let path = files.path("certificates.csv");
    let args = ImportArgs {
        journal: Some(journal.clone()),
        ..args(&path)
    };

    let first = import(&args, &client).await;
    assert_eq!(first.failure, None);
    assert_eq!(
        first.rejected_by_code["NUMBER_TAKEN"],
        files.found_by_node()
    );
    let faulty = files.summary.faulty.values().sum::<u64>();
    assert_eq!((first.read, first.rejected), (1_500, faulty));
    assert_eq!((first.accepted, first.duplicates), (1_500 - faulty, 0));
    assert_eq!(first.accepted, node.log().len() as u64);
    assert_eq!(first.exit_code(), 3);

    let second = import(&args, &client).await;
    assert_eq!((second.accepted, second.duplicates), (0, first.accepted));
    assert_eq!(node.log().len() as u64, first.accepted);

    let rejects = std::fs::read(second.rejects_file.unwrap()).unwrap();
    let (text, _) = encoding_rs::GB18030.decode_without_bom_handling(&rejects);
    assert_eq!(
        text.matches("NUMBER_TAKEN,证书编号已被使用").count() as u64,
        files.found_by_node()
    );

    let journal = std::fs::read_to_string(journal).unwrap();
    let entries: Vec<serde_json::Value> = journal
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(entries.len() as u64, 2 * first.accepted);
    let indices: BTreeSet<u64> = entries
        .iter()
        .map(|e| e["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indices.len() as u64, first.accepted);
    assert_eq!(entries[0]["leaf_hash"].as_str().map(str::len), Some(64));
}

#[tokio::test]
async fn a_busy_and_breaking_node_gets_every_row_once() {
    let files = Files::generate(1_200, "0%", Encoding::Utf8);
    let trouble = Trouble {
        busy_every: Some(7),
        breaks_every: Some(211),
        refuses: false,
    };
    let (node, client, _tasks) = Node::start(trouble).await;
    let path = files.path("certificates.csv");
    // Which request is put off depends on timing: enough attempts that no row's patience ends.
    let args = ImportArgs {
        retry: Retry {
            attempts: 50,
            ..args(&path).retry
        },
        ..args(&path)
    };
    let report = import(&args, &client).await;
    assert_eq!(report.failure, None);
    assert_eq!(report.rejected, 0);
    // Rows that were recorded just before a break come back as duplicates.
    assert_eq!(report.accepted + report.duplicates, 1_200);
    assert_eq!(node.log().len(), 1_200);
    assert!(report.retries > 100 && report.reconnects >= 5, "{report}");
    assert!(node.requests() > 1_200);
}

#[tokio::test]
async fn a_row_that_is_put_off_for_ever_is_rejected() {
    let files = Files::generate(30, "0%", Encoding::Utf8);
    let trouble = Trouble {
        busy_every: Some(1),
        ..Trouble::default()
    };
    let (node, client, _tasks) = Node::start(trouble).await;
    let report = import(&args(&files.path("certificates.csv")), &client).await;
    assert_eq!(
        report.rejected_by_code,
        BTreeMap::from([("BUSY".to_owned(), 30)])
    );
    assert_eq!((report.failure, node.requests()), (None, 30 * 6));
}

#[tokio::test]
async fn changes_of_one_certificate_keep_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("statuses.csv");
    let mut table = "证书编号,变更类型,生效日期\n".to_owned();
    for round in 1..=9 {
        for serial in 1..=20 {
            let action = if round % 2 == 1 { "暂停" } else { "恢复" };
            table += &format!("S0000330100062430{serial:05},{action},2024-0{round}-01\n");
        }
    }
    std::fs::write(&path, table).unwrap();
    let trouble = Trouble {
        busy_every: Some(3),
        breaks_every: Some(50),
        refuses: false,
    };
    let (node, client, _tasks) = Node::start(trouble).await;
    let args = ImportArgs {
        backfilled: true,
        region: Region::parse("3301").unwrap(),
        retry: Retry {
            attempts: 50,
            ..args(&path).retry
        },
        ..args(&path)
    };
    let report = import(&args, &client).await;
    assert_eq!(
        (report.failure, report.accepted + report.duplicates),
        (None, 180)
    );
    let mut dates: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for request in node.log() {
        assert_eq!(request.provenance(), v1::Provenance::Backfilled);
        assert_eq!(
            (request.writer_region.as_str(), request.wait()),
            ("3301", v1::Wait::Durable)
        );
        let number = target_number(&request).unwrap().to_owned();
        let Some(Body::Status(status)) = request.body else {
            panic!("not a change of status")
        };
        dates.entry(number).or_default().push(status.effective_date);
    }
    assert_eq!(dates.len(), 20);
    assert!(
        dates
            .values()
            .all(|dates| dates.len() == 9 && dates.is_sorted())
    );
}

#[tokio::test]
async fn institutions_arrive_in_canonical_form() {
    let files = Files::generate(100, "0%", Encoding::Utf8Bom);
    let (node, client, _tasks) = Node::start(Trouble::default()).await;
    let report = import(&args(&files.path("institutions.csv")), &client).await;
    assert_eq!((report.failure, report.accepted), (None, 20));
    for request in node.log() {
        let Some(Body::Institution(submission)) = request.body else {
            panic!("not an entry")
        };
        assert_eq!(submission.effective_date, 20_190_101);
        let entry = submission.institution.unwrap();
        let again = huren_core::submission::institution(&entry, Region::ZHEJIANG);
        assert_eq!(again.as_ref(), Ok(&entry));
        assert!(!entry.scopes.is_empty() && !entry.site_regions.is_empty());
    }
}

#[tokio::test]
async fn what_fails_says_so() {
    let files = Files::generate(40, "0%", Encoding::Utf8);
    let path = files.path("certificates.csv");
    let trouble = Trouble {
        refuses: true,
        ..Trouble::default()
    };
    let (_node, client, tasks) = Node::start(trouble).await;
    let report = import(&args(&path), &client).await;
    assert!(
        report
            .failure
            .as_ref()
            .is_some_and(|f| f.contains("PermissionDenied")),
        "{report}"
    );
    assert_eq!((report.exit_code(), report.reconnects), (1, 0));
    drop(tasks);

    let nobody = Endpoint::from_static("http://127.0.0.1:1").connect_lazy();
    let nobody = Calls::new(nobody, Bearer::default());
    let report = import(&args(&path), &IssuanceServiceClient::new(nobody)).await;
    assert_eq!((report.exit_code(), report.reconnects), (1, 5));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["kind"], "certificates");
    assert_eq!(json["accepted"], 0);
}
