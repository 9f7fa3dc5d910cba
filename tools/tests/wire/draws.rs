//! A draw as departments make it, and as an auditor checks it out of the public log.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use huren_core::codes::Region;
use serde_json::{Value, json};

use crate::support::nodes::{HUREN, Node, Nodes, until};

const INSTITUTIONS: [&str; 3] = ["S000033010006", "S000033010007", "S000033010008"];
const INSPECTORS: [&str; 4] = ["DD-0001", "DD-0002", "DD-0003", "DD-0004"];

struct Department<'a> {
    node: &'a Node,
    folder: PathBuf,
}

impl Department<'_> {
    fn huren(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(HUREN);
        command.current_dir(&self.folder).arg("--json");
        command.args(arguments).output().expect("a process")
    }

    fn said(output: &Output) -> Vec<Value> {
        let text = String::from_utf8_lossy(&output.stdout);
        let values = serde_json::Deserializer::from_str(&text).into_iter();
        values.map(|value| value.expect("JSON")).collect()
    }

    fn url(&self) -> String {
        let (_, path) = self.node.origin.split_once('/').expect("an origin");
        format!("http://{}/{path}", self.node.http)
    }

    /// Enters something, and gives its index.
    async fn enter(&self, kind: &str, entry: &Value) -> u64 {
        fs::write(self.folder.join("entry.json"), entry.to_string()).expect("a file");
        let dir = self.node.dir.to_str().expect("a path");
        let given = ["registry", "submit", "--dir", dir, "--kind", kind];
        let rest = ["--region", "33", "--effective", "20260101", "entry.json"];
        let output = self.huren(&[given.as_slice(), &rest].concat());
        assert!(output.status.success(), "{output:?}");
        let index = Self::said(&output)[0]["index"].as_u64().expect("an index");
        until("the entry under a checkpoint", async || {
            self.checkpoint()["size"].as_u64() > Some(index)
        })
        .await;
        index
    }

    fn checkpoint(&self) -> Value {
        let output = self.huren(&["log", "checkpoint", "--url", &self.url()]);
        assert!(output.status.success(), "{output:?}");
        Self::said(&output).remove(0)
    }

    fn draw(&self, list: &str, purpose: &str, count: &str) -> Value {
        let given = ["draw", list, "--checkpoint", "checkpoint"];
        let rest = ["--purpose", purpose, "--count", count];
        let output = self.huren(&[given.as_slice(), &rest].concat());
        assert!(output.status.success(), "{output:?}");
        Self::said(&output).remove(0)
    }

    /// The exit code, and the codes of all faults.
    fn check(&self, index: u64, notices: &str, inspectors: &str) -> (i32, Vec<String>) {
        let (url, index) = (self.url(), index.to_string());
        let given = ["registry", "check-draw", "--url", &url, "--index", &index];
        let rest = [
            "--notices",
            notices,
            "--institutions",
            "institutions",
            "--inspectors",
            inspectors,
        ];
        let output = self.huren(&[given.as_slice(), &rest].concat());
        let said = Self::said(&output);
        let faults = said.iter().flat_map(|draw| draw["faults"].as_array());
        let codes = faults.flatten().filter_map(|fault| fault["code"].as_str());
        let codes = codes.map(str::to_owned).collect();
        (output.status.code().expect("a code"), codes)
    }
}

fn list(folder: &Path, name: &str, codes: &[&str]) {
    fs::write(folder.join(name), codes.join("\n")).expect("a file");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draw_is_announced_made_and_checked() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let department = Department {
        node: nodes.at(Region::ZHEJIANG),
        folder: nodes.folder.path().to_owned(),
    };
    list(&department.folder, "institutions", &INSTITUTIONS);
    list(&department.folder, "inspectors", &INSPECTORS);
    list(&department.folder, "others", &INSPECTORS[..3]);

    // Digests of the lists, as any draw tells them.
    let note = department.checkpoint()["note"].clone();
    let file = department.folder.join("checkpoint");
    fs::write(&file, note.as_str().expect("a note")).expect("a file");
    let digest = |list: &str| department.draw(list, "?", "1")["candidates_base64"].clone();
    let (institutions, inspectors) = (digest("institutions"), digest("inspectors"));
    let notice = |subject: &str, candidates: &Value, of: usize, count: u32| {
        json!({
            "subject": format!("DRAW_SUBJECT_{subject}"), "region": "33", "number": "JC-1",
            "candidates": candidates, "candidate_count": of, "count": count,
        })
    };
    let first = notice("INSTITUTIONS", &institutions, 3, 1);
    let first = department.enter("draw_notice", &first).await;
    let second = notice("INSPECTORS", &inspectors, 4, 2);
    let second = department.enter("draw_notice", &second).await;

    let seed = department.checkpoint();
    fs::write(&file, seed["note"].as_str().expect("a note")).expect("a file");
    let inspection = |number: &str, seed: &Value| {
        let purpose = |what: &str| format!("inspection/{what}/33/{number}");
        let institution = department.draw("institutions", &purpose("institutions"), "1");
        let inspectors_drawn = department.draw("inspectors", &purpose("inspectors"), "2");
        json!({
            "number": number, "region": "33", "institution": institution["drawn"][0],
            "mode": "INSPECTION_MODE_ON_SITE", "basis": "INSPECTION_BASIS_RANDOM",
            "seed": {"origin": seed["origin"], "size": seed["size"], "root": seed["root"]},
            "institutions": institutions, "inspectors": inspectors,
            "experts": inspectors_drawn["drawn"], "state": "INSPECTION_STATE_PLANNED",
        })
    };
    let entry = inspection("JC-1", &seed);
    let index = department.enter("inspection", &entry).await;
    let notices = format!("{first},{second}");
    assert_eq!(department.check(index, &notices, "inspectors"), (0, vec![]));

    // Other lists, a missing notice, a draw that nobody announced, a seed of no checkpoint.
    let codes = |faults: &[&str]| faults.iter().map(|code| (*code).to_owned()).collect();
    let (code, faults) = department.check(index, &notices, "others");
    assert_eq!((code, faults[0].as_str()), (1, "DRAW_CANDIDATES"));
    let half = department.check(index, &first.to_string(), "inspectors");
    assert_eq!(half, (1, codes(&["DRAW_NOT_ANNOUNCED"])));
    let silent = inspection("JC-2", &seed);
    let silent = department.enter("inspection", &silent).await;
    let silent = department.check(silent, &notices, "inspectors");
    assert_eq!(silent, (1, codes(&["DRAW_NOT_ANNOUNCED"; 2])));
    let mut chosen = entry.clone();
    chosen["seed"]["root"] = json!(institutions);
    let chosen = department.enter("inspection", &chosen).await;
    let (code, faults) = department.check(chosen, &notices, "inspectors");
    assert_eq!(code, 1);
    assert!(faults.contains(&"DRAW_SEED_OTHER".into()), "{faults:?}");
    // No draw at all, and no such entry.
    for index in [first, 9_999] {
        assert_eq!(department.check(index, &notices, "inspectors").0, 2);
    }
}
