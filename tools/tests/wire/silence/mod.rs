//! What a whole run writes and says tells nothing about persons.
//!
//! Four provinces import, refuse, answer, revoke, correct, erase, are killed and start again,
//! logging everything that there is to log. Then every byte that they left behind or sent out
//! is searched for every name, ID number and certificate number that occurred.

mod story;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use huren::privacy::scan::{Leak, Search, Secret, Words};
use huren_core::codes::Region;
use huren_proto::v1;
use prost::Message as _;
use tonic::Status;

use crate::support::{collector::Collector, nodes::Nodes, samples::Sample};

const REGIONS: [Region; 4] = [
    Region::SHANGHAI,
    Region::JIANGSU,
    Region::ZHEJIANG,
    Region::ANHUI,
];

/// Every line of every library, and every trace.
fn everything(endpoint: &str) -> [(&str, &str); 3] {
    [
        ("HUREN_LOG__FILTER", "trace"),
        ("HUREN_TRACES__ENDPOINT", endpoint),
        ("HUREN_TRACES__RATIO", "1.0"),
    ]
}

/// Files that hold personal data by purpose: what a province imports, and the rows of it that
/// were refused. They are the province's own; no node reads them. And what was taken out for a person.
const BY_PURPOSE: [&str; 5] = [
    "certificates.csv",
    "certificates.rejects.csv",
    "statuses.csv",
    "export.json",
    "export.txt",
];

const ISSUED: Sample<'_> = Sample {
    number: "S000033010006243000001",
    name: "欧阳凌霄",
    id: "330102198807150415",
};
const CORRECTED: Sample<'_> = Sample {
    number: "S000033010006243000002",
    name: "阿依努尔·买买提",
    id: "330203197901223024",
};
const ERASED: Sample<'_> = Sample {
    number: "S000033010006243000003",
    name: "诸葛青衫",
    id: "33030219960909661X",
};
/// Never accepted: the number is taken.
const CONFLICTING: Sample<'_> = Sample {
    number: ISSUED.number,
    name: "上官浩渺",
    id: "330106198503030014",
};
/// Never accepted: the check digit is wrong.
const MISTYPED: Sample<'_> = Sample {
    number: "S000033010006243000004",
    name: "司徒明镜",
    id: "330402199006170831",
};
/// Asked for, and known to nobody.
const UNKNOWN: Sample<'_> = Sample {
    number: "S000033010006243000005",
    name: "尉迟听雨",
    id: "330722197411112520",
};

/// The name that the correction brings.
const NEW_NAME: &str = "阿依努尔·麦麦提";

/// What is searched, and which secrets it may hold by purpose.
struct Evidence {
    what: String,
    bytes: Vec<u8>,
    may_hold: &'static [Secret],
}

struct Run {
    nodes: Nodes,
    collector: Collector,
    evidence: Vec<Evidence>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_writes_and_says_tells_nothing_about_persons() {
    let collector = Collector::start().await;
    let nodes = Nodes::start(&REGIONS, 2, &everything(&collector.endpoint())).await;
    let mut run = Run {
        nodes,
        collector,
        evidence: Vec::new(),
    };
    for region in REGIONS {
        run.import(region).await;
    }
    run.issue().await;
    run.refuse().await;
    run.nodes.settle().await;
    run.ask(ISSUED, v1::Verdict::Valid).await;
    run.ask_from_outside().await;
    run.change().await;
    run.nodes.settle().await;
    run.ask(ISSUED, v1::Verdict::Revoked).await;
    run.ask(ERASED, v1::Verdict::Unknown).await;
    run.read_logs().await;
    run.restart().await;
    run.scan().await;
    run.collect_files();
    run.collect_traces();

    let secrets = run.secrets();
    let search = secrets.searches().next().unwrap();
    let sources = run.evidence.len();
    let bytes: usize = run
        .evidence
        .iter()
        .map(|evidence| evidence.bytes.len())
        .sum();
    assert!(
        secrets.len() > 200 && sources > 100 && bytes > 1 << 20,
        "{sources}: {bytes} bytes"
    );
    let leaks: Vec<String> = run
        .evidence
        .iter()
        .flat_map(|of| of.leaks(&search))
        .collect();
    let (count, first) = (
        leaks.len(),
        leaks.iter().take(20).cloned().collect::<Vec<_>>(),
    );
    assert!(leaks.is_empty(), "{count} leaks:\n{}", first.join("\n"));

    // The same search finds them where they belong.
    for region in REGIONS {
        let table = fs::read(run.nodes.at(region).dir.join(BY_PURPOSE[0])).unwrap();
        for kind in [Secret::Name, Secret::Id, Secret::Number] {
            let found = search
                .find(&table)
                .iter()
                .filter(|leak| leak.kind == kind)
                .count();
            assert!(found >= 10, "{kind:?} in the table of {region}: {found}");
        }
    }
}

impl Evidence {
    fn leaks(&self, search: &Search) -> Vec<String> {
        let leaks = search.find(&self.bytes).into_iter();
        let leaks = leaks.filter(|leak| !self.may_hold.contains(&leak.kind));
        leaks
            .map(
                |Leak {
                     kind,
                     row,
                     form,
                     at,
                 }| { format!("{}: byte {at}: {kind:?} {row}, {form}", self.what) },
            )
            .collect()
    }
}

impl Run {
    fn hear(&mut self, what: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.hear_with(what, bytes, &[]);
    }

    fn hear_with(
        &mut self,
        what: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        may_hold: &'static [Secret],
    ) {
        self.evidence.push(Evidence {
            what: what.into(),
            bytes: bytes.into(),
            may_hold,
        });
    }

    /// All that a call said which should have failed.
    fn hear_refusal<T>(&mut self, what: &str, code: &str, answer: Result<T, Status>) {
        let status = answer
            .err()
            .unwrap_or_else(|| panic!("{what}: not refused"));
        assert!(
            status.message().starts_with(code),
            "{what}: {}",
            status.code()
        );
        self.hear(format!("{what}: message"), status.message());
        self.hear(format!("{what}: details"), status.details());
        self.hear(
            format!("{what}: trailers"),
            format!("{:?}", status.metadata()),
        );
        self.hear(format!("{what}: debug"), format!("{status:?}"));
    }

    fn collect_files(&mut self) {
        let mut files = Vec::new();
        list(self.nodes.folder.path(), &mut files);
        for kind in [
            "huren.db",
            "huren.db-wal",
            "node.log",
            "high-water",
            "journal.jsonl",
        ] {
            let of_kind = files.iter().filter(|file| file.ends_with(kind));
            assert_eq!(of_kind.count(), REGIONS.len(), "{kind}");
        }
        for file in files {
            if file.ends_with("node.log") {
                let log = fs::read_to_string(&file).unwrap();
                assert!(
                    log.contains(" TRACE "),
                    "the nodes say all that there is to say"
                );
            }
            if !BY_PURPOSE.iter().any(|name| file.ends_with(name)) {
                let bytes = fs::read(&file).unwrap();
                self.hear(file.display().to_string(), bytes);
            }
        }
    }

    /// What nodes delivered to the collector, every name, attribute and link of it.
    fn collect_traces(&mut self) {
        let names: BTreeSet<String> = (self.collector.spans().into_iter())
            .map(|kept| kept.span.name)
            .collect();
        for name in [
            "POST /verify",
            "huren.v1.IssuanceService/SubmitMany",
            "huren.v1.VerificationService/Verify",
            "find_by_number",
            "append",
            "replicate",
            "GET unmatched",
        ] {
            assert!(names.contains(name), "{name}: {names:?}");
        }
        for delivered in self.collector.delivered() {
            self.hear("traces", delivered.encode_to_vec());
        }
    }

    /// Everything about persons that occurred.
    fn secrets(&self) -> Words {
        let mut secrets = Words::default();
        for Sample { number, name, id } in
            [ISSUED, CORRECTED, ERASED, CONFLICTING, MISTYPED, UNKNOWN]
        {
            secrets.add(Secret::Number, 0, number);
            secrets.add(Secret::Name, 0, name);
            secrets.add(Secret::Id, 0, id);
        }
        secrets.add(Secret::Name, 0, NEW_NAME);
        for node in self.nodes.all() {
            let mut table = csv::Reader::from_path(node.dir.join(BY_PURPOSE[0])).unwrap();
            let headers = table.headers().unwrap().clone();
            let kinds = [
                ("证书编号", Secret::Number),
                ("姓名", Secret::Name),
                ("证件号码", Secret::Id),
            ];
            let kinds = kinds.map(|(column, kind)| {
                (
                    headers.iter().position(|header| header == column).unwrap(),
                    kind,
                )
            });
            for (number, row) in (1..).zip(table.records()) {
                let row = row.unwrap();
                kinds
                    .iter()
                    .for_each(|(column, kind)| secrets.add(*kind, number, &row[*column]));
            }
        }
        secrets
    }
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(&path, files);
        } else {
            files.push(path);
        }
    }
}
