//! Registers and decisions on recognition, by the tool.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use huren_core::codes::Region;
use huren_proto::v1::{self, submit_request::Body};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout},
};

use crate::support::{
    nodes::{HUREN, Nodes, until},
    samples::{Sample, submission},
};

const ISSUED: Sample<'_> = Sample {
    number: "S000033010006243000001",
    name: "张三",
    id: "11010519491231002X",
};

fn huren(arguments: &[&str]) -> Output {
    let mut command = Command::new(HUREN);
    command.arg("--json").args(arguments);
    command.output().expect("a process")
}

/// What it said, one value on each line.
fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| line.parse().unwrap()).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_are_written_and_listed_and_faulty_ones_refused() {
    let kinds = lines(&huren(&["registry", "kinds"]));
    assert_eq!(kinds.len(), 29);
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let (dir, file) = (text(&node.dir), nodes.folder.path().join("entries.json"));
    let filing = |number: &str| {
        json!({
            "standard": {"code": "ZJ-1", "edition": 2024}, "step": "FILING_STEP_PROVINCE",
            "filing_number": number, "filed_on": 20240101,
            "digest": "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=",
            "state": "FILING_STATE_FILED",
        })
    };
    fs::write(&file, json!([filing("浙备1号"), filing("")]).to_string()).unwrap();
    let submit = || {
        let given = [
            "registry",
            "submit",
            "--kind",
            "standard_filing",
            "--dir",
            dir,
        ];
        let rest = ["--region", "33", "--effective", "20240101", text(&file)];
        huren(&[given.as_slice(), &rest].concat())
    };
    let output = submit();
    let said = lines(&output);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(said[0]["index"].is_u64(), "{said:?}");
    let refused = said[1]["refused"][0].as_str().unwrap();
    assert!(
        refused.starts_with("filing_number: FIELD_MISSING"),
        "{refused}"
    );
    // The same again is the same.
    assert_eq!(lines(&submit())[0]["duplicate"], true);

    let list = |more: &[&str]| {
        let given = [
            "registry",
            "list",
            "--kind",
            "standard_filing",
            "--dir",
            dir,
        ];
        let output = huren(&[given.as_slice(), more].concat());
        assert!(output.status.success(), "{output:?}");
        lines(&output)
    };
    until("the entry to be published", async || !list(&[]).is_empty()).await;
    let all = list(&[]);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["key"], "ZJ-1/2024/province");
    assert_eq!(all[0]["entry"]["filing_number"], "浙备1号");
    assert!(list(&["--as-of", "20231231"]).is_empty());
    assert!(list(&["--prefix", "ZJ-2"]).is_empty());
    // A table of them is the same: one is there already, the other one is new.
    let table = nodes.folder.path().join("entries.csv");
    let csv = "standard.code,standard.edition,step,filing_number,filed_on,digest,state,effective_date\n\
               ZJ-1,2024,FILING_STEP_PROVINCE,浙备1号,20240101,q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=,\
               FILING_STATE_FILED,20240101\n\
               ZJ-2,2024,FILING_STEP_PROVINCE,浙备2号,20240201,q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=,\
               FILING_STATE_FILED,20240201\n";
    fs::write(&table, csv).unwrap();
    let given = [
        "registry",
        "submit",
        "--kind",
        "standard_filing",
        "--dir",
        dir,
    ];
    let output = huren(&[given.as_slice(), &["--region", "33", text(&table)]].concat());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = lines(&output);
    assert_eq!(
        (&said[0]["duplicate"], &said[1]["duplicate"]),
        (&true.into(), &false.into())
    );
    // What is no such entry at all is said before anything is written.
    fs::write(&file, r#"[{"no_such_field": 1}]"#).unwrap();
    let output = submit();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_of_institutions_are_allocated_and_never_given_twice() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let (dir, file) = (text(&node.dir), nodes.folder.path().join("entries.json"));
    let allocate = |more: &[&str]| {
        let given = ["registry", "allocate", "--dir", dir, "--kind", "social"];
        let province: &[&str] = match more.contains(&"--province") {
            true => &[],
            false => &["--province", "33"],
        };
        huren(&[given.as_slice(), province, more].concat())
    };
    let allocated = || lines(&allocate(&["--prefix", "01"]))[0]["code"].clone();
    assert_eq!(allocated(), "S000033010001");
    let entry = |code: &str, uscc: &str, state: &str| {
        json!({
            "code": code, "uscc": uscc, "name": "浙江某某评价有限公司", "home_region": "330106",
            "kind": "INSTITUTION_KIND_SOCIAL", "state": format!("INSTITUTION_STATE_{state}"),
        })
    };
    let dated = |effective_date: u32, entry: Value| json!({"effective_date": effective_date, "entry": entry});
    let (first, second) = ("91350100M000100Y43", "91110000101623741K");
    let entries = json!([
        dated(20_200_101, entry("S000033010007", first, "ACTIVE")),
        dated(20_240_101, entry("S000033010007", first, "EXITED")),
        dated(20_250_101, entry("S000033010007", second, "ACTIVE")),
    ]);
    fs::write(&file, entries.to_string()).unwrap();
    let given = ["registry", "submit", "--kind", "institution", "--dir", dir];
    let output = huren(&[given.as_slice(), &["--region", "33", text(&file)]].concat());
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let said = lines(&output);
    let refused = said[2]["refused"][0].as_str().unwrap();
    assert!(refused.starts_with("INSTITUTION_CODE_TAKEN"), "{refused}");
    // After its exit the code is still that institution's.
    until("the entries to be published", async || {
        allocated() == "S000033010008"
    })
    .await;
    for (wrong, more) in [
        ("city", ["--province", "3301"]),
        ("digits", ["--prefix", "0x"]),
    ] {
        let output = allocate(&more);
        assert_eq!(output.status.code(), Some(1), "{wrong}: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_given_with_its_reasons_and_decided_again_offline() {
    let regions = [Region::ZHEJIANG, Region::SHANGHAI];
    let nodes = Nodes::start(&regions, 1, &[]).await;
    let mut submission = ISSUED.submission();
    submission.set_wait(v1::Wait::Witnessed);
    let home = nodes.at(Region::ZHEJIANG);
    home.issuance().submit(submission).await.unwrap();
    let dir = text(&nodes.at(Region::SHANGHAI).dir).to_owned();
    let file = nodes.folder.path().join("decision.note");
    let decide = |more: &[&str]| {
        let given = [
            "decide",
            "--dir",
            &dir,
            "--purpose",
            "employment",
            "--number",
            ISSUED.number,
        ];
        huren(&[given.as_slice(), &["--name", ISSUED.name], more].concat())
    };
    until("the certificate in Shanghai", async || {
        let said: Value = serde_json::from_slice(&decide(&[]).stdout).unwrap();
        said["answer"]["verdict"] == "valid"
    })
    .await;
    let output = decide(&["--asking", "310118", "--out", text(&file)]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["outcome"], "undetermined");
    let codes = said["findings"].as_array().unwrap().iter();
    let codes: Vec<&str> = codes
        .map(|finding| finding["code"].as_str().unwrap())
        .collect();
    let lacking = [
        "AGREEMENT_ABSENT",
        "DIRECTORY_ABSENT",
        "STD_ABSENT",
        "CATALOGUE_ABSENT",
    ];
    assert_eq!(codes, lacking);
    // That a person's certificates were looked for is written down, by a tag.
    decide(&["--id", ISSUED.id]);
    let audit = ["audit", "list", "--dir", &dir, "--action", "holder_queried"];
    let entries = lines(&huren(&audit));
    assert_eq!(entries.len(), 1, "{entries:?}");
    assert_eq!(entries[0]["purpose"], "employment");
    assert_eq!(entries[0]["count"], 1);
    assert!(!entries[0]["subjects"].as_array().unwrap().is_empty());
    // Another province's region is not for this node to speak for.
    let output = decide(&["--asking", "3301"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("ASKING_REGION"), "{said}");

    let trust = nodes.folder.path().join("trust");
    let (roots, lists) = (trust.join("roots"), trust.join("lists"));
    let replay = |file: &Path| {
        let given = ["decide", "--replay", text(file), "--trust", text(&roots)];
        huren(&[given.as_slice(), &["--lists", text(&lists)]].concat())
    };
    let output = replay(&file);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let note = fs::read_to_string(&file).unwrap();
    let check = |from: &str, to: &str, code: &str| {
        let changed = nodes.folder.path().join("changed.note");
        assert!(note.contains(from), "{from}");
        fs::write(&changed, note.replacen(from, to, 1)).unwrap();
        let output = replay(&changed);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said["failure"]["code"], code);
        // Who does not look at signatures sees at least what does not follow.
        huren(&["decide", "--replay", text(&changed)])
    };
    let signature = "DECISION_SIGNATURE";
    let output = check(
        "\"outcome\": \"undetermined\"",
        "\"outcome\": \"recognized\"",
        signature,
    );
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = check(
        "\"purpose\": \"employment\"",
        "\"purpose\": \"subsidy\"",
        signature,
    );
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    fs::write(&file, "nothing").unwrap();
    assert_eq!(replay(&file).status.code(), Some(2));
}

/// `huren decide --watch`, and what it says.
struct Watcher {
    process: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Watcher {
    fn start(dir: &str, more: &[&str]) -> Self {
        let given = ["--json", "decide", "--watch", "--dir", dir];
        let question = ["--purpose", "employment", "--number", ISSUED.number];
        let mut command = tokio::process::Command::new(HUREN);
        command.args(given).args(question).args(more);
        command.stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("a process");
        let out = process.stdout.take().expect("its output");
        let said = BufReader::new(out).lines();
        Self { process, said }
    }

    /// The next decision that is said of which that holds.
    async fn until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let line = self.said.next_line().await.expect("text");
                let said: Value = line.expect("a line").parse().expect("JSON");
                if holds(&said) {
                    return said;
                }
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        waited.unwrap_or_else(|_| panic!("waited too long for {what}"))
    }

    /// Ctrl-C.
    async fn end(mut self) -> Option<i32> {
        let id = self.process.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status();
        assert!(sent.expect("a process").success());
        self.process.wait().await.expect("an end").code()
    }
}

fn has(said: &Value, code: &str) -> bool {
    let findings = said["findings"].as_array().expect("findings");
    findings.iter().any(|finding| finding["code"] == code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_watches_is_told_and_who_comes_back_has_missed_nothing() {
    let regions = [Region::ZHEJIANG, Region::SHANGHAI];
    let mut nodes = Nodes::start(&regions, 1, &[]).await;
    let mut certificate = ISSUED.submission();
    certificate.set_wait(v1::Wait::Witnessed);
    let mut issuing = nodes.at(Region::ZHEJIANG).issuance();
    issuing.submit(certificate).await.unwrap();
    let status = |action| submission(Body::Status(ISSUED.change(action)));
    let dir = text(&nodes.at(Region::SHANGHAI).dir).to_owned();

    let mut first = Watcher::start(&dir, &[]);
    let valid = |said: &Value| said["answer"]["verdict"] == "valid";
    let before = first.until("the certificate in Shanghai", valid).await;
    assert!(has(&before, "AGREEMENT_ABSENT"), "{before}");
    issuing
        .submit(status(v1::StatusAction::Revoke))
        .await
        .unwrap();
    let revoked = |said: &Value| has(said, "STATUS_REVOKED");
    let told = first.until("the revocation", revoked).await;
    assert_eq!(told["outcome"], "not_recognized");
    assert_eq!(first.end().await, Some(0));

    // Who comes back with what was said before the revocation is told of it, once.
    let digest = before["digest"].as_str().unwrap();
    let mut second = Watcher::start(&dir, &["--last", digest]);
    let again = second.until("the revocation again", |_| true).await;
    assert!(revoked(&again), "{again}");
    assert_eq!(again["digest"], told["digest"]);
    // Each is written down once, and not at each look.
    let audit = [
        "audit",
        "list",
        "--dir",
        &dir,
        "--action",
        "certificates_queried",
    ];
    let watched = |entry: &&Value| {
        let method = entry["method"].as_str().unwrap_or_default();
        method.ends_with("WatchDecisions")
    };
    let entries = lines(&huren(&audit));
    assert_eq!(entries.iter().filter(watched).count(), 2, "{entries:?}");
    // What happens while the node is away is told when it is back, by the same command.
    nodes.kill(Region::SHANGHAI).await;
    issuing
        .submit(status(v1::StatusAction::Reinstate))
        .await
        .unwrap();
    nodes.restart(Region::SHANGHAI, &[]).await;
    let back = |said: &Value| valid(said) && !revoked(said);
    second.until("the reinstatement", back).await;
    assert_eq!(second.end().await, Some(0));
}

#[test]
fn what_is_no_digest_is_not_watched_for() {
    let given = ["decide", "--watch", "--purpose", "employment", "--number"];
    let output = huren(&[given.as_slice(), &["N", "--last", "no digest"]].concat());
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn who_has_the_seed_and_the_list_draws_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list");
    let draw = |codes: &[&str], seed: &str, purpose: &str| {
        fs::write(&list, codes.join("\n")).unwrap();
        let given = ["draw", text(&list), "--seed", seed, "--purpose", purpose];
        huren(&[given.as_slice(), &["--count", "2"]].concat())
    };
    let said = |output: Output| -> Value { serde_json::from_slice(&output.stdout).unwrap() };
    let seed = "ab".repeat(32);
    let first = said(draw(&["A", "B", "C", "D", "E"], &seed, "J-1"));
    assert_eq!(first, said(draw(&["E", "C", "D", "B", "A"], &seed, "J-1")));
    assert_eq!(first["drawn"].as_array().unwrap().len(), 2);
    let purposes =
        (2..20).map(|n| said(draw(&["A", "B", "C", "D", "E"], &seed, &format!("J-{n}"))));
    let drawn: std::collections::BTreeSet<String> =
        purposes.map(|value| value["drawn"].to_string()).collect();
    assert!(drawn.len() > 4, "{drawn:?}");
    assert_eq!(draw(&["A", "A"], &seed, "J-1").status.code(), Some(1));
    assert_eq!(draw(&["A", "B"], "ab", "J-1").status.code(), Some(1));
}
