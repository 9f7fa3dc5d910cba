//! What a node serves to everybody: its health, and every log that it holds in the format of
//! C2SP `tlog-tiles`, as somebody else's monitor reads it.

use std::{collections::BTreeSet, net::SocketAddr, process::Command};

use huren_core::{
    checkpoint::SignedCheckpoint,
    codes::Region,
    merkle::{Hash, decode_bundle, leaf_hash, root_of},
    trust::Member,
};
use huren_node::http::tiles::origin_hash;
use huren_proto::v1;
use tonic::{Code, Request};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::support::{
    http,
    nodes::{HUREN, Node, Nodes, until},
    samples::Sample,
};

/// A full tile and a partial one, with the log's first record, the trust list's adoption.
const CERTIFICATES: u64 = 260;

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// Where a log is served by a node.
fn base(at: &Node, of: &Node) -> String {
    if at.origin == of.origin {
        format!("/{}", of.origin.split_once('/').unwrap().1)
    } else {
        format!("/mirror/{}", origin_hash(&of.origin.parse().unwrap()))
    }
}

fn cache_control<T>(answer: &::http::Response<T>) -> &str {
    answer.headers()["cache-control"].to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_and_mirrored_logs_are_read_back_from_their_tiles() {
    let nodes = Nodes::start(&[Region::SHANGHAI, Region::ZHEJIANG], 1, &[]).await;
    let zhejiang = nodes.at(Region::ZHEJIANG);
    let numbers: Vec<String> = (1..=CERTIFICATES)
        .map(|serial| format!("S000033010006243{serial:06}"))
        .collect();
    let requests = numbers.iter().map(|number| v1::SubmitManyRequest {
        submission: Some(
            Sample {
                number,
                name: "张三",
                id: "11010519491231002X",
            }
            .submission(),
        ),
        progress: None,
    });
    let requests = tokio_stream::iter(requests.collect::<Vec<_>>());
    let mut answers = zhejiang
        .issuance()
        .submit_many(requests)
        .await
        .unwrap()
        .into_inner();
    let mut leaves = BTreeSet::new();
    while let Some(answer) = answers.message().await.unwrap() {
        use v1::submit_many_response::Result::Accepted;
        let Some(Accepted(placed)) = answer.result else {
            panic!("{answer:?}");
        };
        leaves.insert((placed.index, placed.leaf_hash));
    }
    nodes.settle().await;
    for at in nodes.all() {
        let served = read(at.http, &base(at, zhejiang), zhejiang).await;
        for (index, leaf) in &leaves {
            let position = usize::try_from(*index).unwrap();
            assert_eq!(served[position].as_bytes(), leaf.as_slice(), "leaf {index}");
        }
        refuse_what_is_not_there(at.http, &base(at, zhejiang)).await;
    }
}

/// Reads a whole log as a monitor does: the leaf hashes, proven to the signed root.
async fn read(node: SocketAddr, base: &str, of: &Node) -> Vec<Hash> {
    let answer = http::get(node, &format!("{base}/checkpoint")).await;
    assert_eq!(
        (answer.status().as_u16(), cache_control(&answer)),
        (200, "no-store")
    );
    let signed = SignedCheckpoint::parse(answer.body()).unwrap();
    let checkpoint = signed.checkpoint();
    assert_eq!(checkpoint.origin.as_str(), of.origin);
    assert_eq!(checkpoint.size, CERTIFICATES + 1);
    let member = std::fs::read_to_string(of.dir.join(huren_node::init::MEMBER)).unwrap();
    let member: Member = serde_json::from_str(&member).unwrap();
    let note = String::from_utf8(answer.body().to_vec()).unwrap();
    let signers: Vec<&str> = note
        .lines()
        .filter_map(|line| line.strip_prefix("— "))
        .collect();
    let log = member.log_keys[0].key.parse().unwrap();
    assert!(signed.verify_log(&log).is_ok(), "signed by the log");
    assert!(
        signers.len() >= 2,
        "cosigned by the other member: {signers:?}"
    );

    let partial = CERTIFICATES + 1 - 256;
    let mut leaves = Vec::new();
    for (tile, width) in [
        ("000".to_owned(), 256),
        (format!("001.p/{partial}"), partial),
    ] {
        let hashes = fetch(node, &format!("{base}/tile/0/{tile}")).await;
        assert_eq!(hashes.len() as u64, width * 32, "{tile}");
        let entries = fetch(node, &format!("{base}/tile/entries/{tile}")).await;
        let entries = decode_bundle(&entries).unwrap();
        assert_eq!(entries.len() as u64, width, "{tile}");
        let of_entries = entries.iter().map(|entry| leaf_hash(entry));
        let of_tile = hashes
            .chunks(32)
            .map(|hash| Hash::from_slice(hash).unwrap());
        assert!(
            of_entries.eq(of_tile.clone()),
            "entries and hashes of {tile}"
        );
        leaves.extend(of_tile);
    }
    let above = fetch(node, &format!("{base}/tile/1/000.p/1")).await;
    assert_eq!(above, root_of(&leaves[..256]).as_bytes());
    assert_eq!(root_of(&leaves), checkpoint.root);
    leaves
}

async fn fetch(node: SocketAddr, path: &str) -> Vec<u8> {
    let answer = http::get(node, path).await;
    assert_eq!(
        (answer.status().as_u16(), cache_control(&answer)),
        (200, IMMUTABLE),
        "{path}"
    );
    answer.into_body().to_vec()
}

async fn refuse_what_is_not_there(node: SocketAddr, base: &str) {
    let unknown = "0".repeat(64);
    for path in [
        format!("{base}/tile/0/001"),
        format!("{base}/tile/0/001.p/200"),
        format!("{base}/tile/0/002.p/1"),
        format!("{base}/tile/entries/002.p/1"),
        format!("{base}/tile/2/000.p/1"),
        format!("{base}/tile/0/0"),
        format!("{base}/tile/0/..%2F..%2Fkeys/log.key"),
        format!("{base}/tile/-1/000"),
        format!("/mirror/{unknown}/checkpoint"),
        format!("/mirror/{unknown}/tile/0/000"),
    ] {
        let answer = http::get(node, &path).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert_eq!(
            cache_control(&answer),
            "no-store",
            "{path}: it may come to be"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_is_told_to_people_and_to_prometheus() {
    let mut nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let (address, dir) = (node.http, node.dir.clone());
    until("the state in the metrics", async || {
        let metrics = http::get(address, "/metrics").await;
        let metrics = String::from_utf8(metrics.into_body().to_vec()).unwrap();
        [
            "huren_ready 1",
            "huren_build_info{version=",
            "huren_log_held_leaves{origin=\"huren.zj.example/log/33\"} 1",
            "huren_log_known_leaves{origin=\"huren.zj.example/log/33\"} 1",
            "huren_log_quarantined_leaves{origin=\"huren.zj.example/log/33\"} 0",
        ]
        .iter()
        .all(|expected| metrics.contains(expected))
    })
    .await;
    let ready = || {
        let mut command = Command::new(HUREN);
        command.args(["ready", "--dir"]).arg(&dir);
        command.output().unwrap()
    };
    let said = ready();
    assert!(said.status.success(), "{said:?}");
    assert_eq!(String::from_utf8(said.stdout).unwrap(), "就绪 ready\n");
    nodes.kill(Region::ZHEJIANG).await;
    assert_eq!(ready().status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_metrics_and_reflection_answer() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    assert_eq!(http::get(node.http, "/livez").await.status(), 200);
    let ready = http::get(node.http, "/readyz").await;
    let said: serde_json::Value = serde_json::from_slice(ready.body()).unwrap();
    assert_eq!(said, serde_json::json!({"ready": true, "obstacles": []}));

    let mut issuance = node.issuance();
    let nothing = v1::SubmitRequest {
        writer_region: "33".into(),
        ..Default::default()
    };
    issuance.submit(nothing).await.unwrap_err();
    let metrics = http::get(node.http, "/metrics").await;
    let metrics = String::from_utf8(metrics.into_body().to_vec()).unwrap();
    for expected in [
        "huren_log_size 1",
        "huren_refusals_total{code=\"BODY_MISSING\"} 1",
        "huren_http_requests_total{route=\"/readyz\",status=\"200\"}",
    ] {
        assert!(metrics.contains(expected), "{expected} in\n{metrics}");
    }

    let mut health = HealthClient::new(node.channel());
    for service in [
        "",
        "huren.v1.VerificationService",
        "huren.v1.FederationService",
    ] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status, 1, "{service} serves");
    }
    let request = HealthCheckRequest {
        service: "huren.v1.OtherService".into(),
    };
    let unknown = health.check(request).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    let services = reflect(node, MessageRequest::ListServices(String::new())).await;
    let MessageResponse::ListServicesResponse(services) = services else {
        panic!("{services:?}");
    };
    let names: BTreeSet<String> = services.service.into_iter().map(|of| of.name).collect();
    for service in ["Federation", "Issuance", "Operator", "Verification"] {
        let name = format!("huren.v1.{service}Service");
        assert!(names.contains(&name), "{name} in {names:?}");
        let file = reflect(node, MessageRequest::FileContainingSymbol(name)).await;
        assert!(matches!(file, MessageResponse::FileDescriptorResponse(_)));
    }
}

async fn reflect(node: &Node, asked: MessageRequest) -> MessageResponse {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(asked),
    };
    let stream = Request::new(tokio_stream::iter([request]));
    let mut client = ServerReflectionClient::new(node.channel());
    let mut answers = client
        .server_reflection_info(stream)
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    answer.message_response.unwrap()
}
