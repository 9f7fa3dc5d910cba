//! A node's keys for its database are changed by command; it is killed in the middle of putting
//! everything under the new ones.

use std::{fs, process::Command};

use huren::peers;
use huren_core::codes::Region;
use huren_proto::v1;

use crate::support::{
    nodes::{HUREN, Node, Nodes, until},
    samples::Sample,
};

const REGIONS: [Region; 2] = [Region::ZHEJIANG, Region::SHANGHAI];
const AT: Region = Region::ZHEJIANG;

const ISSUED: Sample<'_> = Sample {
    number: "S000033010006243000001",
    name: "欧阳凌霄",
    id: "330102198807150415",
};

async fn is_valid(at: &Node) {
    let answer = at.verification().verify(ISSUED.question(ISSUED.name)).await;
    assert_eq!(answer.unwrap().into_inner().verdict(), v1::Verdict::Valid);
}

async fn status(at: &Node) -> v1::GetStatusResponse {
    peers::status(&at.connection()).await.unwrap()
}

fn change(at: &Node, key: &str) {
    let mut command = Command::new(HUREN);
    let command = command.args(["node", "data-key", "change", key, "--config"]);
    let output = command.arg(at.dir.join("config.toml")).output().unwrap();
    assert!(output.status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_the_database_are_changed_by_command() {
    let mut nodes = Nodes::start(&REGIONS, 1, &[]).await;
    let submission = ISSUED.submission();
    let mut issuance = nodes.at(AT).issuance();
    let first = issuance
        .submit(submission.clone())
        .await
        .unwrap()
        .into_inner();
    let table = nodes.at(AT).dir.join("table.csv");
    let (table, folder) = (table.to_str().unwrap(), nodes.at(AT).dir.clone());
    let folder = folder.to_str().unwrap();
    let generate = ["gen", "--region", "33", "--count", "3000", "--out", table];
    let import = ["import", "--region", "33", "--dir", folder, table];
    for arguments in [&generate[..], &import] {
        let output = Command::new(HUREN).args(arguments).output().unwrap();
        assert!(output.status.success());
    }
    nodes.settle().await;

    for key in ["at-rest", "index"] {
        change(nodes.at(AT), key);
    }
    // Killed as soon as it is ready: that many records are not done with by then.
    nodes.restart(AT, &[]).await;
    nodes.restart(AT, &[]).await;
    is_valid(nodes.at(AT)).await;
    until("everything under the new keys", async || {
        let status = status(nodes.at(AT)).await;
        status.data_keys.len() == 4 && status.data_keys.iter().all(|key| key.current == key.needed)
    })
    .await;

    // The earlier keys can go; what they protected is found as before.
    nodes.kill(AT).await;
    let keys = nodes.at(AT).dir.join("keys");
    let kept = nodes.folder.path().join("at-rest.old.key");
    fs::rename(keys.join("at-rest.old.key"), &kept).unwrap();
    fs::remove_file(keys.join("index.old.key")).unwrap();
    nodes.restart(AT, &[]).await;
    assert_eq!(status(nodes.at(AT)).await.data_keys.len(), 2);
    is_valid(nodes.at(AT)).await;
    let again = nodes
        .at(AT)
        .issuance()
        .submit(submission)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((again.duplicate, again.index), (true, first.index));

    // With the earlier key in the place of the one in use there is no start, and the reason is told.
    nodes.kill(AT).await;
    fs::rename(&kept, keys.join("at-rest.key")).unwrap();
    let mut serve = Command::new(HUREN);
    let serve = serve.args(["node", "serve", "--config"]);
    let output = serve
        .arg(nodes.at(AT).dir.join("config.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("DATA_KEY_NEEDED"));
}
