//! Certificates for the ministry and for sector departments.

use std::{fs, process::Command};

use huren_core::codes::Region;
use huren_proto::v1::{self, operator_service_client::OperatorServiceClient, submit_request::Body};
use serde_json::Value;
use tonic::Code;

use crate::support::{
    nodes::{HUREN, Nodes, until},
    refusal::check,
    samples::Sample,
};

fn issued(number: &'static str) -> v1::SubmitRequest {
    let sample = Sample {
        number,
        name: "张三",
        id: "11010519491231002X",
    };
    sample.submission()
}

fn revoked(number: &str) -> v1::SubmitRequest {
    let status = v1::StatusSubmission {
        target: Some(v1::Target {
            target: Some(v1::target::Target::Number(number.into())),
        }),
        action: v1::StatusAction::Revoke.into(),
        reason: v1::StatusReason::Decision.into(),
        effective_date: 20_240_601,
        ..Default::default()
    };
    v1::SubmitRequest {
        writer_region: "33".into(),
        provenance: v1::Provenance::Issued.into(),
        body: Some(Body::Status(status)),
        ..Default::default()
    }
}

fn erased(number: &str) -> v1::SubmitRequest {
    let erasure = v1::ErasureSubmission {
        target: Some(v1::Target {
            target: Some(v1::target::Target::Number(number.into())),
        }),
        groups: Vec::new(),
        effective_date: 20_260_103,
    };
    v1::SubmitRequest {
        writer_region: "33".into(),
        provenance: v1::Provenance::Issued.into(),
        body: Some(Body::Erasure(erasure)),
        ..Default::default()
    }
}

const FIRST: &str = "S000033010006243000001";
const SECOND: &str = "S000033010006243000002";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_range_gives_the_same_bytes() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    for number in [FIRST, SECOND] {
        node.issuance().submit(issued(number)).await.unwrap();
    }
    let until_index = node.size().await;
    let dir = node.dir.to_str().expect("a path");
    let run = |out: &str, until_index: u64, more: &[&str]| {
        let until_index = until_index.to_string();
        let given = ["--json", "registry", "share", "--dir", dir, "--from", "0"];
        let rest = [
            "--number",
            "SB-2026-1",
            "--until",
            &until_index,
            "--out",
            out,
        ];
        let mut command = Command::new(HUREN);
        command.current_dir(nodes.folder.path());
        let words = [given.as_slice(), &rest, more].concat();
        command.args(words).output().expect("a process")
    };
    let read = |name: &str| fs::read_to_string(nodes.folder.path().join(name)).expect("a file");
    until("the certificates to be published", async || {
        run("first.csv", until_index, &[]).status.success()
    })
    .await;
    let lines = read("first.csv");
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("index,leaf_hash,last_action,number,track"));
    assert!(lines[1].contains(FIRST) && lines[1].contains(",张三,"));
    assert!(lines[1].ends_with(",11010519491231002X"), "{}", lines[1]);
    // What comes later changes nothing of it.
    node.issuance().submit(revoked(FIRST)).await.unwrap();
    let later = node.size().await;
    until("the change to be published", async || {
        run("later.csv", later, &[]).status.success()
    })
    .await;
    assert!(run("again.csv", until_index, &[]).status.success());
    assert_eq!(read("again.csv"), read("first.csv"));
    assert!(read("later.csv").contains(",revoke,"));

    // The entry that it writes is one that the register takes, and the answer adds up.
    let entry: Value = serde_json::from_str(&read("first.csv.entry.json")).expect("JSON");
    assert_eq!(entry["certificates"], 2);
    let submit = |kind: &str, file: &str| {
        let given = ["registry", "submit", "--dir", dir, "--kind", kind];
        let rest = ["--region", "33", "--effective", "20260101", file];
        let mut command = Command::new(HUREN);
        command.current_dir(nodes.folder.path());
        let output = command.args([given.as_slice(), &rest].concat()).output();
        output.expect("a process").status.code()
    };
    assert_eq!(submit("upstream_batch", "first.csv.entry.json"), Some(0));
    for (accepted, expected) in [(1, Some(3)), (2, Some(0))] {
        let mut answered = entry.clone();
        answered["state"] = "BATCH_STATE_ACKNOWLEDGED".into();
        answered["sent_on"] = 20_260_102.into();
        answered["acknowledgement"] = "HZ-1".into();
        answered["accepted"] = accepted.into();
        let file = nodes.folder.path().join("answered.json");
        fs::write(file, answered.to_string()).expect("a file");
        assert_eq!(submit("upstream_batch", "answered.json"), expected);
    }

    // A sector sees its occupations alone, and nobody's name.
    let sector = |occupation: &'static str| {
        [
            "--department",
            "某行业主管部门",
            "--occupations",
            occupation,
            "--issued-from",
            "20240101",
            "--issued-to",
            "20241231",
            "--shared-on",
            "20260101",
            "--masked",
        ]
    };
    let clear = sector("2022:4-03-02-01");
    let clear = run("clear.csv", until_index, &clear[..clear.len() - 1]);
    assert_eq!(clear.status.code(), Some(1), "{clear:?}");
    assert!(!nodes.folder.path().join("clear.csv").exists());
    let none = run("none.csv", until_index, &sector("2022:6-18-02-04"));
    assert!(none.status.success(), "{none:?}");
    assert_eq!(read("none.csv").lines().count(), 1);
    let some = run("some.csv", until_index, &sector("2022:4-03-02-01"));
    assert!(some.status.success(), "{some:?}");
    // Of what is erased the leaf alone is told, which anybody can read; the rest is as it was.
    node.issuance().submit(erased(FIRST)).await.unwrap();
    assert!(run("erased.csv", until_index, &[]).status.success());
    let (before, after) = (read("first.csv"), read("erased.csv"));
    let of = |text: &str, row: usize| text.lines().nth(row).unwrap_or_default().to_owned();
    let leaf: Vec<String> = of(&before, 1)
        .split(',')
        .take(2)
        .map(str::to_owned)
        .collect();
    assert!(of(&after, 1).starts_with(&leaf.join(",")), "{after}");
    for value in [FIRST, "张三", "11010519491231002X"] {
        assert!(!of(&after, 1).contains(value), "{after}");
    }
    assert_eq!(of(&after, 2), of(&before, 2));
    let shared = read("some.csv");
    assert!(shared.contains(",张*,") && shared.contains(",**************002X"));
    assert!(!shared.contains("张三") && !shared.contains("19491231"));
    assert_eq!(submit("sector_share", "some.csv.entry.json"), Some(0));

    // Beyond the log, without a reason, and for nobody but operators.
    assert_eq!(run("beyond.csv", 9_999, &[]).status.code(), Some(1));
    let asked = |change: fn(&mut v1::ShareCertificatesRequest)| {
        let mut asked = v1::ShareCertificatesRequest {
            until_index,
            groups: vec![v1::Group::Certificate.into()],
            reference: "SB-2026-1".into(),
            ..Default::default()
        };
        change(&mut asked);
        asked
    };
    let mut operator = OperatorServiceClient::new(node.channel());
    type Change = fn(&mut v1::ShareCertificatesRequest);
    let bad: [(&str, Change); 5] = [
        ("SHARE_RANGE", |asked| asked.until_index = 0),
        ("GROUP_UNKNOWN", |asked| asked.groups.clear()),
        ("GROUP_UNKNOWN", |asked| asked.groups.push(9)),
        ("DATE_INVALID", |asked| asked.issued_from = 20_240_230),
        ("REFERENCE_MISSING", |asked| asked.reference = " ".into()),
    ];
    for (code, change) in bad {
        let refused = operator.share_certificates(asked(change)).await;
        check(refused, Code::InvalidArgument, code);
    }
    let audit = ["--json", "audit", "list", "--dir", dir];
    let more = ["--action", "certificates_shared"];
    let mut command = Command::new(HUREN);
    let output = command.args([audit.as_slice(), &more].concat()).output();
    let output = output.expect("a process").stdout;
    let entries = String::from_utf8(output).expect("text");
    assert_eq!(entries.lines().count(), 6, "{entries}");
}
