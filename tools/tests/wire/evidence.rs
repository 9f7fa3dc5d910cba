//! Two nodes wrote one log: the others freeze it, an operator takes the evidence to whoever
//! has the root keys, and nothing lets the log go on before the federation has decided.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use huren::{connect, peers};
use huren_core::codes::Region;
use huren_proto::v1::{self, operator_service_client::OperatorServiceClient};
use serde_json::Value;
use tonic::Code;

use crate::support::{
    nodes::{HUREN, Node, Nodes, until},
    refusal::check,
    samples::Sample,
};

const HOME: Region = Region::ZHEJIANG;
const REPLICA: Region = Region::SHANGHAI;

const ONE: Sample<'_> = Sample {
    number: "S000033010006243000001",
    name: "张三",
    id: "11010519491231002X",
};
const OTHER: Sample<'_> = Sample {
    number: "S000033010006243000002",
    ..ONE
};

/// What of a node's folder a second node would have that somebody made a copy of.
const COPIED: [&str; 4] = [
    "high-water",
    "data/huren.db",
    "data/huren.db-wal",
    "data/huren.db-shm",
];

fn copy(from: &Path, to: &Path) {
    for file in COPIED {
        let (from, to) = (from.join(file), to.join(file));
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&to);
        if from.exists() {
            fs::copy(from, to).unwrap();
        }
    }
}

async fn is_frozen(at: &Node, origin: &str) -> bool {
    let status = peers::status(&at.connection()).await.unwrap();
    let mut extents = status.logs.into_iter().filter_map(|log| log.extent);
    extents.any(|extent| extent.origin == origin && extent.frozen)
}

fn huren(arguments: &[&str]) -> Output {
    Command::new(HUREN).args(arguments).output().unwrap()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_of_one_log_are_found_and_proven() {
    let mut nodes = Nodes::start(&[REPLICA, HOME], 1, &[]).await;
    nodes.settle().await;
    nodes.kill(HOME).await;
    let kept = tempfile::tempdir().unwrap();
    copy(&nodes.at(HOME).dir, kept.path());
    nodes.restart(HOME, &[]).await;
    nodes
        .at(HOME)
        .issuance()
        .submit(ONE.submission())
        .await
        .unwrap();
    nodes.settle().await;

    // The copy writes the same log, while nobody listens.
    nodes.kill(HOME).await;
    nodes.kill(REPLICA).await;
    copy(kept.path(), &nodes.at(HOME).dir);
    nodes.restart(HOME, &[]).await;
    nodes
        .at(HOME)
        .issuance()
        .submit(OTHER.submission())
        .await
        .unwrap();
    nodes.restart(REPLICA, &[]).await;
    let (home, replica) = (nodes.at(HOME), nodes.at(REPLICA));
    for at in [replica, home] {
        until("the log is frozen", async || {
            is_frozen(at, &home.origin).await
        })
        .await;
    }
    // A frozen log of its own keeps a node from its work, another's does not.
    let ready = async |node: &Node| {
        let url = format!("http://{}/readyz", node.http);
        connect::get(&url, None)
            .await
            .is_ok_and(|found| found.is_some())
    };
    assert!(!ready(home).await && ready(replica).await);
    let refused = home.issuance().submit(ONE.submission()).await;
    check(refused, Code::FailedPrecondition, "LOG_FROZEN");
    let answer = replica.verification().verify(ONE.question("张三")).await;
    let answer = answer.unwrap().into_inner();
    assert_eq!(answer.verdict(), v1::Verdict::Unknown);
    assert_eq!(answer.last_known(), v1::Verdict::Valid);

    // What an operator and an auditor do with it.
    let dir = replica.dir.to_str().unwrap();
    let listed = huren(&["evidence", "list", "--dir", dir, "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed[0]["origin"], home.origin.as_str());
    assert_eq!(listed[0]["frozen"], true);
    let shown = String::from_utf8(huren(&["peers", "--dir", dir]).stdout).unwrap();
    assert!(
        shown.contains("已冻结 frozen") && shown.contains("evidence show"),
        "{shown}"
    );

    let file = kept.path().join("evidence.json");
    let file = file.to_str().unwrap();
    let origin = home.origin.as_str();
    let show = [
        "evidence", "show", "--dir", dir, "--origin", origin, "--out", file,
    ];
    assert_eq!(code(&huren(&show)), Some(0));
    let roots = nodes.folder.path().join("trust/roots");
    let roots = roots.to_str().unwrap();
    let verify = |file: &str| huren(&["evidence", "verify", file, "--trust", roots]);
    let verified = verify(file);
    assert_eq!(code(&verified), Some(0));
    let said = String::from_utf8(verified.stdout).unwrap();
    assert!(said.contains("自相矛盾") && said.contains(origin), "{said}");

    let genuine = fs::read_to_string(file).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(genuine.contains(from));
        fs::write(file, genuine.replacen(from, to, 1)).unwrap();
        let json = huren(&["evidence", "verify", file, "--trust", roots, "--json"]);
        let said: Value = serde_json::from_slice(&json.stdout).unwrap();
        (
            code(&json),
            said["code"].as_str().unwrap().to_owned(),
            said["proves"].clone(),
        )
    };
    let newer = changed("huren/evidence/v1", "huren/evidence/v9");
    assert_eq!(newer, (Some(2), "EVIDENCE_NEWER".to_owned(), Value::Null));
    let forged = changed("\\n2\\n", "\\n3\\n");
    assert_eq!((forged.0, forged.2), (Some(1), Value::Bool(false)));
    assert_eq!(code(&verify("/nowhere")), Some(2));

    // The federation has not decided.
    let reason = ["--reason", "TWO_WRITERS"];
    let release = ["evidence", "release", "--dir", dir, "--origin", origin];
    let released = huren(&[&release[..], &reason[..]].concat());
    assert_eq!(code(&released), Some(1));
    let said = String::from_utf8(released.stderr).unwrap();
    assert!(said.contains("RELEASE_UNDECIDED"), "{said}");
    let mut operator = OperatorServiceClient::new(replica.channel());
    let because = v1::ReleaseLogRequest {
        origin: origin.to_owned(),
        reason: "BECAUSE".to_owned(),
    };
    check(
        operator.release_log(because).await,
        Code::InvalidArgument,
        "RELEASE_REASON",
    );
    assert!(is_frozen(replica, origin).await);
}
