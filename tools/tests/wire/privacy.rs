//! An erasure by command: followed to every member, proven, and gone on with when one was away.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use huren::privacy::scan::{Secret, Words};
use huren_core::codes::Region;
use huren_proto::v1;
use serde_json::Value;

use crate::support::{
    nodes::{HUREN, Nodes},
    samples::{Sample, group, submission},
};

const REGIONS: [Region; 3] = [Region::ZHEJIANG, Region::SHANGHAI, Region::JIANGSU];
const AWAY: Region = Region::JIANGSU;

const ERASED: Sample<'_> = Sample {
    number: "S000033010006243000001",
    name: "欧阳凌霄",
    id: "330102198807150415",
};
const OTHER: Sample<'_> = Sample {
    number: "S000033010006243000002",
    ..ERASED
};

/// Runs the command with the number on its standard input.
fn erase(folder: &Path, out: &Path, number: &str, more: &[&str]) -> Output {
    let mut command = Command::new(HUREN);
    command.args(["--json", "privacy", "erase", "--yes", "--dir"]);
    command.arg(folder).arg("--out").arg(out);
    command.args(["--reason", "HOLDER_REQUEST"]).args(more);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let told = child.stdin.take().unwrap().write_all(number.as_bytes());
    // Who goes on by index reads no number.
    let _ = told;
    child.wait_with_output().unwrap()
}

fn verify(proof: &Path, roots: &Path) -> (Option<i32>, Value) {
    let mut command = Command::new(HUREN);
    let command = command
        .args(["--json", "privacy", "verify-proof"])
        .arg(proof);
    let output = command.arg("--trust").arg(roots).output().unwrap();
    let said = serde_json::from_slice(&output.stdout).unwrap();
    (output.status.code(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_is_followed_to_every_member_and_proven() {
    let mut nodes = Nodes::start(&REGIONS, 1, &[]).await;
    for sample in [ERASED, OTHER] {
        let mut issuance = nodes.at(Region::ZHEJIANG).issuance();
        issuance.submit(sample.submission()).await.unwrap();
    }
    nodes.settle().await;
    let home = nodes.at(Region::ZHEJIANG).dir.clone();
    let trust = nodes.folder.path().join("trust");
    let proof = nodes.folder.path().join("proof.json");

    // With one member away it is proven, and says who is missing.
    nodes.kill(AWAY).await;
    let number = ["--number-file", "-", "--wait", "20"];
    let output = erase(&home, &proof, ERASED.number, &number);
    assert_eq!(output.status.code(), Some(3));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&said["cosigned"], &said["complete"]),
        (&true.into(), &false.into())
    );
    let index = said["index"].as_u64().unwrap();
    let (code, checked) = verify(&proof, &trust.join("roots"));
    assert_eq!(code, Some(3));
    assert_eq!(
        checked["outstanding"],
        serde_json::json!([AWAY.to_string()])
    );

    // The file of one erasure is not written over by another's, which is not submitted either.
    let size = nodes.at(Region::ZHEJIANG).size().await;
    let refused = erase(&home, &proof, OTHER.number, &number);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(nodes.at(Region::ZHEJIANG).size().await, size);

    // Once it is back the command goes on and comes to its end, with nothing logged anew.
    nodes.restart(AWAY, &[]).await;
    let on = ["--index", &index.to_string()];
    let output = erase(&home, &proof, "", &on);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(nodes.at(Region::ZHEJIANG).size().await, size);
    let (code, checked) = verify(&proof, &trust.join("roots"));
    assert_eq!((code, &checked["genuine"]), (Some(0), &true.into()));
    assert_eq!(checked["proven"]["index"], index);
    assert_eq!(checked["asserted"]["reason"], "HOLDER_REQUEST");

    // It tells nothing about the person, and nothing in it can be changed.
    let text = fs::read_to_string(&proof).unwrap();
    let mut words = Words::default();
    words.add(Secret::Name, 1, ERASED.name);
    words.add(Secret::Id, 1, ERASED.id);
    words.add(Secret::Number, 1, ERASED.number);
    for search in words.searches() {
        assert_eq!(search.find(text.as_bytes()), []);
    }
    let forged = nodes.folder.path().join("forged.json");
    for (from, to) in [
        ("HOLDER_REQUEST", "LEGAL_ORDER"),
        ("\"region\\\": \\\"31", "\"region\\\": \\\"34"),
    ] {
        assert!(text.contains(from));
        fs::write(&forged, text.replace(from, to)).unwrap();
        assert_eq!(verify(&forged, &trust.join("roots")).0, Some(1));
    }
    let mut other: Value = serde_json::from_str(&text).unwrap();
    other["proven"]["certificate"] = other["proven"]["erasure"].clone();
    fs::write(&forged, other.to_string()).unwrap();
    assert_eq!(verify(&forged, &trust.join("roots")).0, Some(1));

    // What is no erasure has no proof.
    let none = nodes.folder.path().join("none.json");
    let output = erase(&home, &none, "", &["--index", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ERASURE_NOT_FOUND"));
    assert!(!none.exists());
}

/// Runs an export for a document and gives the two files.
fn export(folder: &Path, out: &Path, id: &str) -> (Value, String) {
    let mut command = Command::new(HUREN);
    command.args(["privacy", "export", "--id-file", "-", "--dir"]);
    command.arg(folder).arg("--out").arg(out);
    command.args(["--purpose", "HOLDER_REQUEST", "--reference", "2024-7"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(id.as_bytes()).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    let json = fs::read(out.join("export.json")).unwrap();
    let text = fs::read_to_string(out.join("export.txt")).unwrap();
    (serde_json::from_slice(&json).unwrap(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_given_everything_that_is_held() {
    let nodes = Nodes::start(&REGIONS[..2], 1, &[]).await;
    let stranger = Sample {
        number: "S000033010006243000003",
        name: "诸葛青衫",
        id: "33030219960909661X",
    };
    let mut issuance = nodes.at(Region::ZHEJIANG).issuance();
    for sample in [ERASED, OTHER, stranger] {
        issuance.submit(sample.submission()).await.unwrap();
    }
    let corrected = v1::StatusSubmission {
        replaced: vec![group(v1::Group::HolderName, &[("name", "欧阳凌云")])],
        ..OTHER.change(v1::StatusAction::Correct)
    };
    let correction = submission(v1::submit_request::Body::Status(corrected));
    issuance.submit(correction).await.unwrap();
    let revocation = v1::submit_request::Body::Status(ERASED.change(v1::StatusAction::Revoke));
    issuance.submit(submission(revocation)).await.unwrap();
    nodes.settle().await;

    // At home in clear, with what changed it, and nothing of anybody else.
    let folder = nodes.folder.path();
    let home = nodes.at(Region::ZHEJIANG).dir.clone();
    let (json, text) = export(&home, &folder.join("home"), ERASED.id);
    let all = json.to_string();
    assert_eq!(json["记录"].as_array().unwrap().len(), 4);
    for held in [
        ERASED.number,
        ERASED.name,
        ERASED.id,
        OTHER.number,
        "欧阳凌云",
    ] {
        assert!(all.contains(held) && text.contains(held));
    }
    assert!(all.contains("STATUS_ACTION_REVOKE"));
    for other in [stranger.number, stranger.name, stranger.id] {
        assert!(!all.contains(other) && !text.contains(other));
    }
    // At another member its salts alone, of name and ID number.
    let other = nodes.at(Region::SHANGHAI).dir.clone();
    let (json, text) = export(&other, &folder.join("other"), ERASED.id);
    assert_eq!(json["记录"].as_array().unwrap().len(), 4);
    assert!(text.contains(ERASED.number) && text.contains("只有盐"));
    assert!(!text.contains(ERASED.name) && !text.contains(ERASED.id));
    // About whom nothing is held, nothing is said.
    let (json, text) = export(&home, &folder.join("nobody"), "330722197411112520");
    assert_eq!(json["记录"], serde_json::json!([]));
    assert!(text.contains("没有找到记录"));
}
