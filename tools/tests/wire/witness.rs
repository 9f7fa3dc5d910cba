//! The witness of a real process, asked over HTTP, and the policies that say what it counts.

use huren_core::{
    checkpoint::SignedCheckpoint, codes::Region, cosign::verify_cosignature, note::NoteSignature,
    policy::Policy, trust::Member, witness::AddCheckpoint,
};
use huren_node::http::tiles::origin_hash;

use crate::support::{
    http,
    nodes::{Node, Nodes, Settings},
};

const ENABLED: Settings<'static> = &[("HUREN_WITNESS__ENABLED", "true")];

fn member(node: &Node) -> Member {
    let file = node.dir.join(huren_node::init::MEMBER);
    let text = std::fs::read_to_string(file).expect("a member's file");
    serde_json::from_str(&text).expect("a member")
}

/// The path of a node's own log.
fn own(node: &Node) -> String {
    format!("/{}", node.origin.split_once('/').expect("a path").1)
}

fn mirrored(of: &Node) -> String {
    format!(
        "/mirror/{}",
        origin_hash(&of.origin.parse().expect("an origin"))
    )
}

async fn text(node: &Node, path: &str) -> (u16, String) {
    let answer = http::get(node.http, path).await;
    let text = String::from_utf8(answer.body().to_vec()).expect("UTF-8");
    (answer.status().as_u16(), text)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_cosigned_and_its_witness_forgets_nothing() {
    let mut nodes = Nodes::start(&[Region::SHANGHAI, Region::ZHEJIANG], 1, ENABLED).await;
    nodes.settle().await;
    let checkpoint = {
        let zhejiang = nodes.at(Region::ZHEJIANG);
        let (status, note) = text(zhejiang, &format!("{}/checkpoint", own(zhejiang))).await;
        assert_eq!(status, 200);
        SignedCheckpoint::parse(note).expect("a checkpoint")
    };
    let size = checkpoint.checkpoint().size;
    let ask = |old_size| {
        let request = AddCheckpoint {
            old_size,
            proof: Vec::new(),
            checkpoint: checkpoint.clone(),
        };
        request.to_string()
    };
    let key = member(nodes.at(Region::SHANGHAI)).witness_key;
    let key = key.parse().expect("a key");
    for _ in 0..2 {
        let witness = nodes.at(Region::SHANGHAI).http;
        // It mirrors the log, and therefore knows its size already.
        let answer = http::post_bytes(witness, "/witness/add-checkpoint", ask(0)).await;
        assert_eq!(answer.status(), 409);
        assert_eq!(answer.headers()["content-type"], "text/x.tlog.size");
        assert_eq!(*answer.body(), format!("{size}\n"));
        let answer = http::post_bytes(witness, "/witness/add-checkpoint", ask(size)).await;
        assert_eq!(answer.status(), 200);
        let line = std::str::from_utf8(answer.body())
            .expect("UTF-8")
            .trim_end();
        let cosignature: NoteSignature = line.parse().expect("a line");
        verify_cosignature(checkpoint.note().text(), &cosignature, &key).expect("a cosignature");

        let hash = origin_hash(&checkpoint.checkpoint().origin);
        let shown = http::get(witness, &format!("/witness/{hash}/checkpoint")).await;
        let shown = SignedCheckpoint::parse(shown.body()).expect("a checkpoint");
        assert!(shown.note().signatures().contains(&cosignature));
        nodes.restart(Region::SHANGHAI, ENABLED).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_served_who_was_not_let_in() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG).http;
    for path in [
        "/witness/add-checkpoint",
        "/mirror/add-checkpoint",
        "/mirror/add-entries",
    ] {
        assert_eq!(
            http::post_bytes(node, path, "old 0\n\n").await.status(),
            404
        );
    }
    let nowhere = format!("/witness/{}/checkpoint", "0".repeat(64));
    assert_eq!(http::get(node, &nowhere).await.status(), 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_of_a_log_is_the_same_wherever_it_is_served() {
    let nodes = Nodes::start(&[Region::SHANGHAI, Region::ZHEJIANG], 1, &[]).await;
    nodes.settle().await;
    let [shanghai, zhejiang] = [Region::SHANGHAI, Region::ZHEJIANG].map(|r| nodes.at(r));
    let (status, there) = text(zhejiang, &format!("{}/policy", own(zhejiang))).await;
    assert_eq!(status, 200);
    let here = text(shanghai, &format!("{}/policy", mirrored(zhejiang))).await;
    assert_eq!(here, (200, there.clone()));
    let policy = Policy::parse(&there).expect("a policy");
    assert_eq!(policy.logs()[0].key().name().as_str(), zhejiang.origin);
    let (_, note) = text(shanghai, &format!("{}/checkpoint", mirrored(zhejiang))).await;
    let checkpoint = SignedCheckpoint::parse(note).expect("a checkpoint");
    policy.evaluate(&checkpoint).expect("cosigned by a quorum");
    for path in [
        format!("{}/policy", mirrored(shanghai)),
        format!("/mirror/{}/policy", "0".repeat(64)),
    ] {
        assert_eq!(text(shanghai, &path).await.0, 404, "{path}");
    }

    let url = format!("http://{}{}", zhejiang.http, own(zhejiang));
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_huren"))
        .args(["log", "policy", "--url", &url])
        .output()
        .expect("a program");
    assert!(output.status.success(), "{output:?}");
    let printed = Policy::parse(&output.stdout).expect("a policy file");
    assert_eq!(printed, policy);
}
