//! Exit codes of commands that judge nothing, and output that nobody reads to its end.

use std::process::{Command, Stdio};

use clap::CommandFactory as _;
use huren::cli::Cli;

const PROGRAM: &str = env!("CARGO_BIN_EXE_huren");

#[test]
fn what_cannot_be_read_or_asked_is_not_judged() {
    let missing = tempfile::tempdir().unwrap();
    let missing = missing.path().join("nothing");
    let missing = missing.to_str().unwrap();
    for arguments in [
        vec!["receipt", "verify", missing, "--trust", missing],
        vec![
            "verify",
            "--dir",
            missing,
            "--purpose",
            "employment",
            "--number",
            "S000033010006243000001",
        ],
    ] {
        let output = Command::new(PROGRAM).args(&arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
}

#[test]
fn a_reader_may_stop_reading() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["gen", "--region", "33", "--count", "2000", "--out"])
        .arg(folder.path().join("certificates.csv"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !said.contains("panicked"),
        "{said}"
    );
}

#[test]
fn the_doctor_reads_every_table_and_names_what_is_to_be_verified() {
    let doctor = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).arg("doctor").args(arguments).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let said: serde_json::Value = doctor(&["--json"]).parse().unwrap();
    let files = said["files"].as_array().unwrap();
    let file = |name: &str| files.iter().find(|file| file["file"] == name).unwrap();
    assert_eq!(file("levels.csv")["placeholders"][0]["about"], "学徒工 X");
    assert!(file("recognition.json")["version"].is_string());
    assert_eq!(file("regions.csv")["placeholders"], serde_json::json!([]));
    let each = files
        .iter()
        .map(|f| f["placeholders"].as_array().unwrap().len());
    assert_eq!(said["placeholders"], each.sum::<usize>());
    let text = doctor(&[]);
    for word in [
        "occupations.csv",
        "待核实 placeholder: special opaque",
        "来源 source",
    ] {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn every_command_that_is_shown_has_its_page_and_is_completed() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = Command::new(PROGRAM).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["man", folder.path().to_str().unwrap()]);
    let script = run(&["completions", "bash"]);
    let shown = Cli::command();
    let shown = shown.get_subcommands().filter(|one| !one.is_hide_set());
    for command in shown {
        let name = command.get_name();
        let page = folder.path().join(format!("huren-{name}.1"));
        assert!(page.exists(), "{name}");
        assert!(script.contains(&format!("huren,{name})")), "{name}");
    }
    // The node's commands have pages of their own, of another program.
    assert!(!folder.path().join("huren-node.1").exists());
}
