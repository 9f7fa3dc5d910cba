//! The audit trail of a running node, as an auditor reads it with the tool.

use std::{
    collections::BTreeSet,
    process::{Command, Output},
    sync::Arc,
};

use huren_core::codes::Region;
use huren_node::tls::{ClientTls, Identity, SpkiSha256, channel, load_certificates};
use huren_proto::v1::{
    self, operator_service_client::OperatorServiceClient,
    verification_service_client::VerificationServiceClient,
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::support::{
    callers::{Callers, calls_with},
    http,
    nodes::{HUREN, Node, Nodes, until},
    samples::Sample,
};

const ISSUED: Sample<'_> = Sample {
    number: "S000033010006243000001",
    name: "欧阳凌霄",
    id: "330102198807150415",
};

/// A command about a node's audit trail.
fn audit(node: &Node, arguments: &[&str]) -> Output {
    let mut command = Command::new(HUREN);
    command.args(["--json", "audit"]).args(arguments);
    command.arg("--dir").arg(&node.dir);
    command.output().expect("a process")
}

fn listed(node: &Node, arguments: &[&str]) -> Vec<Value> {
    let output = audit(node, &[&["list", "--oldest"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines.lines();
    lines.map(|line| line.parse().unwrap()).collect()
}

fn verified(node: &Node, arguments: &[&str]) -> Value {
    let output = audit(node, &[&["verify"], arguments].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_did_what_is_written_down_and_about_whom_as_a_tag() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    node.issuance().submit(ISSUED.submission()).await.unwrap();
    let mut asking = node.verification();
    for _ in 0..3 {
        asking.verify(ISSUED.question(ISSUED.name)).await.unwrap();
    }
    let form = [("number", ISSUED.number), ("name", ISSUED.name)];
    http::post(node.http, "/verify", &form).await;
    let mut nobody = VerificationServiceClient::new(calls_with(node, None));
    for _ in 0..5 {
        nobody
            .verify(ISSUED.question(ISSUED.name))
            .await
            .unwrap_err();
    }
    node.issuance().submit(ISSUED.erasure()).await.unwrap();

    let all = listed(node, &[]);
    let of = |action: &str| -> Vec<&Value> {
        let of = all.iter().filter(|entry| entry["action"] == action);
        of.collect()
    };
    assert_eq!(of("configuration_changed")[0]["actor"], "machine");
    assert_eq!(of("node_started")[0]["actor"], "node");
    let queried = of("certificates_queried");
    let asked_by = |actor: &str| -> Vec<&Value> {
        let by = queried.iter().filter(|entry| entry["actor"] == actor);
        by.copied().collect()
    };
    let by_caller = asked_by("caller:issuer");
    let count: u64 = by_caller
        .iter()
        .filter_map(|entry| entry["count"].as_u64())
        .sum();
    assert_eq!(count, 3);
    assert_eq!(by_caller[0]["purpose"], "employment");
    assert_eq!(by_caller[0]["outcome"], "DONE");
    assert_eq!(asked_by("page")[0]["purpose"], "public_page");
    let subject = &by_caller[0]["subjects"][0];
    assert_eq!(subject, &asked_by("page")[0]["subjects"][0]);
    // The order to erase, and the keys that the node came with.
    assert_eq!(of("person_erased")[0]["actor"], "caller:issuer");
    assert_eq!(&of("person_erased")[0]["subjects"][0], subject);
    let keys = of("key_rotated").into_iter();
    let roles = keys.filter_map(|entry| entry["key"].as_str()?.split(':').next());
    let roles: BTreeSet<&str> = roles.collect();
    for role in ["log", "record", "answer", "mirror", "at-rest", "index"] {
        assert!(roles.contains(role), "{role} in {roles:?}");
    }
    let refused = of("call_refused");
    let count: u64 = refused
        .iter()
        .filter_map(|entry| entry["count"].as_u64())
        .sum();
    assert_eq!(count, 5);
    assert_eq!(refused[0]["outcome"], "CALLER_UNKNOWN");
    assert_eq!(refused[0]["method"], "/huren.v1.VerificationService/Verify");

    // Found by what they say.
    let about = listed(
        node,
        &[
            "--number",
            ISSUED.number,
            "--action",
            "certificates_queried",
        ],
    );
    let count: u64 = about
        .iter()
        .filter_map(|entry| entry["count"].as_u64())
        .sum();
    assert_eq!(count, 4);
    assert!(
        listed(
            node,
            &["--number", "S000033010006243000002", "--actor", "page"]
        )
        .is_empty()
    );
    assert_eq!(listed(node, &["--actor", "unknown"]).len(), refused.len());
    // That it was read is there too.
    let read = listed(node, &["--action", "audit_read"]);
    assert!(!read.is_empty() && read[0]["actor"] == "caller:issuer");

    let said = format!("{all:?}");
    for secret in [ISSUED.number, ISSUED.name, ISSUED.id] {
        assert!(!said.contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trail_is_anchored_in_the_public_log_and_holds_against_it() {
    let often = [("HUREN_AUDIT__ANCHOR_SECONDS", "1")];
    let mut nodes = Nodes::start(&[Region::ZHEJIANG], 0, &often).await;
    let node = nodes.at(Region::ZHEJIANG);
    let anchored = |node: &Node| verified(node, &[])["anchored"].as_u64().unwrap();
    until("an anchor", async || anchored(node) > 0).await;
    let first = anchored(node);
    // What was done since is there after a kill, and anchored later.
    let mut operator = OperatorServiceClient::new(node.channel());
    let order = v1::CreateTokenRequest {
        name: "a".into(),
        roles: vec!["auditor".into()],
        valid_seconds: 60,
        ..Default::default()
    };
    operator.create_token(order).await.unwrap();
    nodes.restart(Region::ZHEJIANG, &often).await;
    let node = nodes.at(Region::ZHEJIANG);
    assert_eq!(listed(node, &["--action", "token_created"]).len(), 1);
    until("a later anchor", async || anchored(node) > first).await;
    let (named, found) = (verified(node, &[]), verified(node, &["--scan"]));
    for value in [&named, &found] {
        assert_eq!(value["holds"], true);
        assert!(value["anchors"].as_u64() >= Some(2), "{value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_renewed_under_an_open_stream() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let (questions, stream) = mpsc::channel(1);
    let question = || v1::VerifyManyRequest {
        question: Some(ISSUED.question(ISSUED.name)),
    };
    questions.send(question()).await.unwrap();
    let stream = ReceiverStream::new(stream);
    let answers = node.verification().verify_many(stream).await;
    let mut answers = answers.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());

    let renewed = Callers::unknown().renew(node);
    node.hang_up().await.unwrap();
    until("the new certificate", async || {
        presents(node, renewed).await
    })
    .await;
    questions.send(question()).await.unwrap();
    let answer = answers.message().await.unwrap();
    assert!(answer.is_some(), "the stream goes on");
    drop(questions);
    assert_eq!(answers.message().await.unwrap(), None);
    let changed = listed(node, &["--action", "certificates_changed"]);
    assert_eq!(changed[0]["digest"], renewed.to_string());
}

/// Whether a node presents the certificate of that key to who connects now.
async fn presents(node: &Node, key: SpkiSha256) -> bool {
    let file = |name: &str| node.dir.join(name);
    let (certificate, secret) = (file("clients/issuer.crt"), file("clients/issuer.key"));
    let identity = Identity::load(&certificate, &secret).unwrap();
    let roots = load_certificates(&file("tls/ca.crt")).unwrap();
    let tls = ClientTls::new(&identity, &roots, Some(vec![key])).unwrap();
    let channel = channel(&format!("https://{}", node.grpc), Arc::new(tls)).unwrap();
    let mut operator = OperatorServiceClient::new(channel);
    operator.get_status(v1::GetStatusRequest {}).await.is_ok()
}
