//! Every key of a running node gives way to its next one, by the commands of an operator: the
//! process is never stopped, and a list that one node is given reaches the other.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use huren::peers;
use huren_core::{codes::Region, receipt};
use huren_node::{
    engine::{Clock as _, SystemClock},
    tls::Authority,
};
use huren_proto::v1;

use crate::support::{
    nodes::{HUREN, Node, Nodes, until},
    samples::Sample,
};

const ROLES: [&str; 5] = ["log", "record", "answer", "mirror", "witness"];
const HELD: &str = "--trust trust/roots --lists lists";

fn sample(number: &str) -> Sample<'_> {
    Sample {
        number,
        name: "张三",
        id: "11010519491231002X",
    }
}

/// A command that succeeds, in the federation's folder.
fn done(folder: &Path, line: &str) {
    let mut command = Command::new(HUREN);
    command.current_dir(folder).args(line.split_whitespace());
    let output = command.output().expect("a process");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {stderr}");
}

/// The ceremony of the next list, which is then given to one running node.
fn ceremony(folder: &Path, version: u64, edits: &str, at: &str) {
    done(
        folder,
        &format!("trust propose {HELD} --out draft-{version} {edits}"),
    );
    let mut signatures = String::new();
    for root in 1..=2 {
        let out = format!("draft-{version}.{root}");
        done(
            folder,
            &format!("trust sign draft-{version} {HELD} --key trust/root-{root}.key --out {out}"),
        );
        signatures += &format!(" --signature {out}");
    }
    let next = format!("next-{version}");
    done(
        folder,
        &format!("trust assemble draft-{version} {HELD}{signatures} --out {next}"),
    );
    done(folder, &format!("trust install {next} --dir {at}"));
    let lists = folder.join("lists");
    let longer = fs::read_to_string(folder.join(at).join("trust/lists")).expect("lists");
    fs::write(lists, longer).expect("lists");
}

/// Waits until every node has taken a list, and every log adopted it.
async fn followed(nodes: &Nodes, version: u64) {
    for node in nodes.all() {
        node.hang_up().await.expect("a running node");
    }
    for at in nodes.all() {
        until("the list is followed", async || {
            let status = peers::status(&at.connection()).await.expect("a status");
            let clean = status.logs.iter().all(|log| log.quarantined == 0);
            assert!(clean, "nothing genuine is quarantined");
            let adopted = status.logs.iter().all(|log| {
                let extent = log.extent.clone().unwrap_or_default();
                extent.size >= version && extent.size == extent.witnessed_size
            });
            status.trust_list_version == version && adopted
        })
        .await;
    }
}

async fn issue(node: &Node, number: &str) {
    let submission = sample(number).submission();
    node.issuance().submit(submission).await.expect("a place");
}

/// What a node says of a certificate, with a receipt.
async fn valid(node: &Node, number: &str) -> Vec<u8> {
    let question = sample(number).question("张三");
    let answer = node.verification().verify(question).await;
    let answer = answer.expect("an answer").into_inner();
    assert_eq!(answer.verdict(), v1::Verdict::Valid, "{:?}", answer.reasons);
    answer.receipt
}

/// A certificate of another authority, as the node's next one.
fn next_certificate(folder: &Path) -> (String, String) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(SystemClock.now());
    let authority = Authority::new("next", now).expect("an authority");
    let address = [[127, 0, 0, 1].into()];
    let issued = authority.node("next node", &[], &address, now);
    let issued = issued.expect("a certificate");
    for (name, pem) in [
        ("next.crt", issued.certificate_pem()),
        ("next-ca.crt", authority.own().certificate_pem()),
    ] {
        fs::write(folder.join(name), pem).expect("a file");
    }
    (
        issued.certificate_pem().to_owned(),
        issued.key_pem().to_owned(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_key_of_a_running_node_gives_way_to_its_next_one() {
    let (shanghai, zhejiang) = (Region::SHANGHAI, Region::ZHEJIANG);
    let nodes = Nodes::start(&[shanghai, zhejiang], 1, &[]).await;
    let folder = nodes.folder.path();
    fs::copy(folder.join("trust/lists"), folder.join("lists")).expect("lists");
    let (first, second, third) = (
        "S000033010006243000001",
        "S000033010006243000002",
        "S000033010006243000003",
    );
    issue(nodes.at(zhejiang), first).await;
    nodes.settle().await;
    let before = valid(nodes.at(shanghai), first).await;

    // All at once; the certificate's authority changes too.
    let mut edits = String::new();
    for role in ROLES {
        let line = format!("node key next --config node-33/config.toml --role {role}");
        done(folder, &format!("{line} --out next-{role}.json"));
        edits += &format!(" --replace-key {role}=next-{role}.json");
    }
    let (certificate, key) = next_certificate(folder);
    done(
        folder,
        "node key next --config node-33/config.toml --role tls --certificate next.crt \
         --ca next-ca.crt --out next-tls.json",
    );
    edits += " --replace-key tls=next-tls.json";
    ceremony(folder, 2, &edits, "node-33");
    followed(&nodes, 2).await;
    issue(nodes.at(zhejiang), second).await;
    nodes.settle().await;

    // The new certificate takes the place of the old one, whose key leaves the list.
    let member = nodes.at(zhejiang).member().expect("a description");
    let tls = folder.join("node-33/tls");
    fs::write(tls.join("node.key"), key).expect("a key");
    fs::write(tls.join("node.crt"), certificate).expect("a certificate");
    // Its own operator's programs know the new authority as well.
    let ca = tls.join("ca.crt");
    let both = fs::read_to_string(&ca).expect("an authority")
        + &fs::read_to_string(folder.join("next-ca.crt")).expect("an authority");
    fs::write(&ca, both).expect("an authority");
    ceremony(
        folder,
        3,
        &format!("--remove-tls-key {}", member.tls_keys[0]),
        "node-31",
    );
    followed(&nodes, 3).await;
    issue(nodes.at(zhejiang), third).await;
    nodes.settle().await;
    for number in [first, second, third] {
        for at in nodes.all() {
            let receipt = valid(at, number).await;
            receipt::verify(&receipt, &nodes.roots()).expect("a genuine receipt");
        }
    }

    // A receipt of before holds by itself, and by the lists of now.
    fs::write(folder.join("receipt"), before).expect("a receipt");
    done(folder, "receipt verify receipt --trust trust/roots");
    done(
        folder,
        "receipt verify receipt --trust trust/roots --lists lists",
    );
    // The next keys take the place of the others; the node starts with them.
    for role in ROLES {
        let file = |end: &str| folder.join(format!("node-33/keys/{role}{end}"));
        fs::rename(file(".next.key"), file(".key")).expect("a key");
    }
    let mut nodes = nodes;
    nodes.restart(zhejiang, &[]).await;
    valid(nodes.at(zhejiang), first).await;
}
