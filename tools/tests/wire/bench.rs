//! The benchmark as a program: it measures what its table of figures names, and reads its reports.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_huren");

/// What a node without PostgreSQL beside it is measured by, but for what is written at a pace, by one
/// member or by four, which takes longer than a test may.
const MEASURED: &str = "alerts bootstrap counting decide decide_many decide_only decide_verify disk \
    empty empty_p50 fold fold_insert import insert memory_home memory_replica proof receipt recovery \
    sign steps table verify verify_many verify_p50 verify_p99 verify_receipt verify_strict";

/// What stands beside it where PostgreSQL is installed.
const BESIDE: &str = "pg_copy pg_initial pg_live pg_row";

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(PROGRAM).arg("bench").args(arguments).output();
    let output = output.expect("the program");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(
        output.status.code() != Some(1),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.code(), text)
}

#[test]
fn a_run_measures_every_figure_and_its_report_reads_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    let file = path.to_str().expect("a path");
    let scenarios = "verify,batch-verify,proof,recovery,fold,decisions,postgres";
    run(&[
        "--records",
        "1000",
        "--questions",
        "200",
        "--scenario",
        scenarios,
        "--out",
        file,
        "--json",
    ]);
    let report = read(&path);
    let figures = report["sizes"][0]["figures"].as_object().expect("figures");
    let measured: BTreeSet<&str> = figures.keys().map(String::as_str).collect();
    let mut expected: BTreeSet<&str> = MEASURED.split_whitespace().collect();
    if huren_postgres_server::binaries().is_some() {
        expected.extend(BESIDE.split_whitespace());
    }
    assert_eq!(measured, expected);
    for (id, samples) in figures {
        let sample = samples[0].as_f64().expect("a number");
        assert!(
            sample > 0.0 && samples.as_array().map(Vec::len) == Some(1),
            "{id}: {samples}"
        );
    }

    let (same, text) = run(&["compare", file, file]);
    assert!(same == Some(0) && text.contains("= "), "{text}");
    let slower = folder.path().join("slower.json");
    let mut changed = report.clone();
    changed["sizes"][0]["figures"]["import"] = serde_json::json!([1.0]);
    std::fs::write(&slower, changed.to_string()).expect("a file");
    let (worse, text) = run(&["compare", file, slower.to_str().expect("a path")]);
    assert!(worse == Some(3) && text.contains('✗'), "{text}");

    let (_, table) = run(&["table", file]);
    assert!(table.contains("| 导入"), "{table}");
    let (_, chart) = run(&["chart", file]);
    assert!(
        chart.starts_with("<svg") && chart.contains("class=\"own\""),
        "{chart}"
    );
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("the report");
    serde_json::from_str(&text).expect("JSON")
}
