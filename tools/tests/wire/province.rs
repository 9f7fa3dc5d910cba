//! A whole invented province is taken by a node as it is, and its certificates are recognised.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use huren_core::codes::Region;
use serde_json::Value;

use crate::support::nodes::{HUREN, Nodes, until};

fn huren(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(HUREN);
    command.current_dir(folder).arg("--json").args(arguments);
    command.output().expect("a process")
}

/// The commands of the README, with the folder of a node.
fn commands(folder: &Path, node: &str) -> Vec<Vec<String>> {
    let readme = fs::read_to_string(folder.join("README.md")).expect("a README");
    let lines = readme
        .lines()
        .filter_map(|line| line.strip_prefix("huren "));
    let words = |line: &str| {
        line.split(' ')
            .map(|word| word.replace("$NODE", node))
            .collect()
    };
    lines.map(words).collect()
}

/// How a node decides about some of the level certificates, by outcome.
fn decided(folder: &Path, node: &str) -> BTreeMap<String, u32> {
    let mut reader = csv::Reader::from_path(folder.join("certificates.csv")).expect("a table");
    let headers = reader.headers().expect("a header").clone();
    let column = |name: &str| headers.iter().position(|h| h == name).expect("a column");
    let (number, name) = (column("证书编号"), column("姓名"));
    let mut outcomes = BTreeMap::new();
    for row in reader.records().take(40) {
        let row = row.expect("a row");
        let given = [
            "decide",
            "--dir",
            node,
            "--purpose",
            "employment",
            "--number",
        ];
        let rest = [&row[number], "--name", &row[name]];
        let output = huren(folder, &[given.as_slice(), &rest].concat());
        let said: Value = serde_json::from_slice(&output.stdout).expect("a decision");
        let outcome = said["outcome"].as_str().expect("an outcome").to_owned();
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_takes_an_invented_province_as_it_is() {
    let regions = [Region::ZHEJIANG, Region::SHANGHAI];
    let nodes = Nodes::start(&regions, 1, &[]).await;
    let home = nodes.at(Region::ZHEJIANG);
    let node = home.dir.to_str().expect("a path");
    let folder = nodes.folder.path().join("province");
    let dir = folder.to_str().expect("a path");
    let given = ["gen", "--province", "33", "--certificates", "300"];
    let made = huren(
        nodes.folder.path(),
        &[given.as_slice(), &["--seed", "4", "--dir", dir]].concat(),
    );
    assert!(made.status.success(), "{made:?}");
    let commands = commands(&folder, node);
    assert!(commands.len() > 12, "{commands:?}");
    for command in commands {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let output = huren(&folder, &command);
        let said = String::from_utf8_lossy(&output.stdout);
        // 3 would say that some were refused.
        assert_eq!(
            output.status.code(),
            Some(0),
            "{command:?}: {said} {output:?}"
        );
    }
    let mut outcomes = BTreeMap::new();
    until("a quorum behind everything", async || {
        outcomes = decided(&folder, node);
        !outcomes.contains_key("undetermined")
    })
    .await;
    assert!(outcomes["recognized"] >= 10, "{outcomes:?}");
    assert!(outcomes["recognized_with_conditions"] >= 1, "{outcomes:?}");
}
