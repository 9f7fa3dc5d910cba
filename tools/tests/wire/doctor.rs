//! A node's doctor, beside a node that is in order and beside some that are not.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use huren_core::codes::Region;
use serde_json::Value;

use crate::support::{
    collector::{Collector, endpoint},
    nodes::{HUREN, Node, Nodes},
};

const RECIPIENT: &str = "age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa";

fn node(node: &Node, command: &str, arguments: &[&str]) -> Output {
    let recipients = format!("[{RECIPIENT:?}]");
    let output = Command::new(HUREN)
        .args(["node", command, "--config"])
        .arg(node.dir.join("config.toml"))
        .args(arguments)
        .env("HUREN_BACKUP__RECIPIENTS", recipients)
        .output();
    output.expect("the program")
}

/// The exit code, and what was found of each check that is not all right.
fn examine(of: &Node, arguments: &[&str]) -> (Option<i32>, Value) {
    let output = node(of, "doctor", &[arguments, &["--json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    (output.status.code(), report)
}

/// How bad the worst is that was found of a check.
fn worst<'a>(report: &'a Value, check: &str) -> &'a str {
    let findings = report["findings"].as_array().expect("findings").iter();
    let of = findings.filter(|found| found["check"] == check);
    let levels = of.map(|found| found["level"].as_str().expect("a level"));
    levels
        .max_by_key(|level| ["ok", "notice", "problem"].iter().position(|l| l == level))
        .expect("a finding")
}

fn content(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("data/huren.db")).expect("the database")
}

#[tokio::test]
async fn a_node_in_order_has_no_problems_and_one_that_is_not_is_told_what_to_do() {
    let mut nodes = Nodes::start(&[Region::SHANGHAI, Region::ZHEJIANG], 1, &[]).await;
    nodes.settle().await;
    let backups = nodes.folder.path().join("backups");
    let backups = backups.to_str().expect("a path");
    let of = nodes.at(Region::ZHEJIANG);
    let made = node(of, "backup", &["--out", backups]);
    assert!(made.status.success(), "{made:?}");

    let (code, report) = examine(of, &["--backups", backups]);
    assert_eq!(
        (code, &report["problems"]),
        (Some(0), &0.into()),
        "{report:#}"
    );
    for check in [
        "configuration",
        "keys",
        "certificates",
        "trust_list",
        "database",
        "high_water",
        "peers",
        "backups",
    ] {
        assert_eq!(worst(&report, check), "ok", "{check}: {report:#}");
    }
    // What this machine has of room and of time is its own affair.
    for check in ["clock", "disk"] {
        assert_ne!(worst(&report, check), "problem", "{check}: {report:#}");
    }

    nodes.kill(Region::SHANGHAI).await;
    nodes.kill(Region::ZHEJIANG).await;
    let of = nodes.at(Region::ZHEJIANG);
    let before = content(&of.dir);
    let key = of.dir.join("keys/log.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("the key");
    let (code, report) = examine(of, &["--backups", of.dir.to_str().expect("a path")]);
    assert_eq!(code, Some(3));
    for check in ["keys", "peers", "backups"] {
        assert_eq!(worst(&report, check), "problem", "{check}: {report:#}");
    }
    for check in ["certificates", "trust_list", "database", "high_water"] {
        assert_eq!(worst(&report, check), "ok", "{check}: {report:#}");
    }
    assert!(before == content(&of.dir), "the database was changed");

    // Certificates of another node, and a database that is older than what was signed.
    for file in ["node.crt", "node.key"] {
        let other = nodes.at(Region::SHANGHAI).dir.join("tls").join(file);
        fs::copy(other, of.dir.join("tls").join(file)).expect("a copy");
    }
    fs::remove_file(of.dir.join("data/huren.db")).expect("no database");
    let (code, report) = examine(of, &[]);
    assert_eq!(code, Some(3));
    // The adopted trust list is in the log at least, so something was signed.
    for check in ["certificates", "database"] {
        assert_eq!(worst(&report, check), "problem", "{check}: {report:#}");
    }

    let text = node(of, "doctor", &[]);
    let told = String::from_utf8(text.stdout).expect("text");
    assert!(
        told.contains("✗ 密钥 keys") && told.contains("chmod 600"),
        "{told}"
    );
    for entry in fs::read_dir(of.dir.join("keys")).expect("keys") {
        let file = fs::read_to_string(entry.expect("a key").path()).expect("a key");
        let secret = file.trim_end().rsplit(' ').next().expect("a secret");
        assert!(!told.contains(secret) && !report.to_string().contains(secret));
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_be_used_is_the_first_thing_to_see_to() {
    let nodes = Nodes::make(&[Region::ZHEJIANG], 0);
    let of = nodes.at(Region::ZHEJIANG);
    // It never ran: that is no problem by itself.
    let (code, report) = examine(of, &[]);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(worst(&report, "database"), "notice");

    let config = of.dir.join("config.toml");
    let written = fs::read_to_string(&config).expect("a configuration");
    fs::write(&config, written.replacen("region", "regoin", 1)).expect("a mistake");
    let (code, report) = examine(of, &[]);
    assert_eq!(code, Some(3));
    assert_eq!(worst(&report, "configuration"), "problem");
}

// The collector answers while the doctor is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_collector_that_takes_no_traces_is_told_of() {
    let nodes = Nodes::make(&[Region::ZHEJIANG], 0);
    let of = nodes.at(Region::ZHEJIANG);
    let (_, report) = examine(of, &[]);
    let checks = report["findings"].as_array().expect("findings").iter();
    assert!(
        checks.clone().all(|found| found["check"] != "traces"),
        "off"
    );

    let collector = Collector::start().await;
    let config = of.dir.join("config.toml");
    let written = fs::read_to_string(&config).expect("a configuration");
    let deliver_to = |address: &str| {
        let traced = written.replacen("endpoint = \"\"", &format!("endpoint = {address}"), 1);
        assert_ne!(traced, written);
        fs::write(&config, traced).expect("an endpoint");
    };
    deliver_to(&collector.endpoint());
    let (code, report) = examine(of, &[]);
    assert_eq!(
        (code, worst(&report, "traces")),
        (Some(0), "ok"),
        "{report:#}"
    );

    // Whoever answers there is no collector.
    let other = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = other.local_addr().expect("an address");
    std::thread::spawn(move || other.incoming().for_each(drop));
    deliver_to(&endpoint(address));
    let (code, report) = examine(of, &[]);
    assert_eq!(
        (code, worst(&report, "traces")),
        (Some(0), "notice"),
        "{report:#}"
    );
}
