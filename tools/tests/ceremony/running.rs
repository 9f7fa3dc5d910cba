//! A list is installed at one of two running nodes: both follow it, and so do their keys.

use std::path::Path;

use huren::{local, peers};
use huren_core::codes::Region;

use crate::support::{HUREN, Table};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_nodes_follow_what_one_of_them_is_given() {
    let table = Table::new();
    let regions = [Region::SHANGHAI, Region::ZHEJIANG];
    let mut nodes = local::federate(table.folder.path(), &regions, 1).expect("a federation");
    for node in &mut nodes {
        let settings = [
            ("HUREN_REPLICATION__POLL_SECONDS", "1"),
            ("HUREN_REPLICATION__HOLD_PUBLISH_MS", "200"),
        ];
        node.start(Path::new(HUREN), &settings).expect("a process");
    }
    for node in &mut nodes {
        node.ready().await.expect("a node that is ready");
    }
    let held = "--trust trust/roots --lists trust/lists";
    let mut replace = String::new();
    for role in ["log", "record", "answer", "mirror", "witness"] {
        table.done(&format!(
            "node key next --config node-33/config.toml --role {role} --out next-{role}.json"
        ));
        replace += &format!(" --replace-key {role}=next-{role}.json");
    }
    table.done(&format!(
        "trust propose {held}{replace} --until-index 1 --out draft"
    ));
    for number in [1, 2] {
        table.done(&format!(
            "trust sign draft {held} --key trust/root-{number}.key --out sig-{number}"
        ));
    }
    table.done(&format!(
        "trust assemble draft {held} --signature sig-1 --signature sig-2 --out list-2"
    ));
    table.done("trust install list-2 --dir node-33");
    nodes[1].hang_up().await.expect("a running node");
    for at in &nodes {
        let connection = at.connection();
        local::wait_for("the list is followed", async || {
            let status = peers::status(&connection).await?;
            // Each log has adopted both versions, and the other node has cosigned that; the
            // second adoption of Zhejiang's is signed with the new keys.
            let adopted = status.logs.iter().all(|log| {
                let extent = log.extent.clone().unwrap_or_default();
                extent.size == 2 && extent.witnessed_size == 2 && log.quarantined == 0
            });
            Ok((status.trust_list_version == 2 && adopted).then_some(()))
        })
        .await
        .expect("the list is followed");
    }
    // The next keys take the place of the others, and the node starts with them.
    for role in ["log", "record", "answer", "mirror", "witness"] {
        let key = |name: &str| table.path(&format!("node-33/keys/{role}{name}.key"));
        std::fs::rename(key(""), key(".retired")).expect("a key");
        std::fs::rename(key(".next"), key("")).expect("a key");
    }
    nodes[1].kill().await.expect("an end");
    nodes[1].start(Path::new(HUREN), &[]).expect("a process");
    nodes[1].ready().await.expect("a node that is ready");
    let status = peers::status(&nodes[1].connection())
        .await
        .expect("a status");
    assert_eq!(status.trust_list_version, 2);
}
