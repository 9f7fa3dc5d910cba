//! What happens in the run: as much as possible of what nodes do with personal data.

use std::process::Stdio;

use huren::{connect::NodeArgs, privacy::scan::Secret};
use huren_core::codes::Region;
use huren_node::http::tiles::origin_hash;
use huren_proto::v1::{
    self, federation_service_client::FederationServiceClient, submit_request::Body,
};
use prost::Message as _;
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{
    BY_PURPOSE, CONFLICTING, CORRECTED, ERASED, ISSUED, MISTYPED, NEW_NAME, REGIONS, Run, UNKNOWN,
    everything,
};
use crate::support::{
    http,
    nodes::{HUREN, Node},
    samples::{Sample, group, submission},
};

impl Run {
    fn zhejiang(&self) -> &Node {
        self.nodes.at(Region::ZHEJIANG)
    }

    async fn tool(&mut self, what: &str, arguments: &[&str], exit: i32) {
        self.tool_told(what, arguments, "", exit).await;
    }

    /// The same with something on its standard input.
    async fn tool_told(&mut self, what: &str, arguments: &[&str], told: &str, exit: i32) {
        let mut tool = Command::new(HUREN);
        let tool = tool.args(arguments).stdin(Stdio::piped());
        let tool = tool.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut tool = tool.spawn().unwrap();
        let mut input = tool.stdin.take().unwrap();
        input.write_all(told.as_bytes()).await.unwrap();
        drop(input);
        let output = tool.wait_with_output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(exit), "{what}");
        self.hear(format!("{what}: stdout"), output.stdout);
        self.hear(format!("{what}: stderr"), said);
    }

    /// Invents a province's certificates, some of them faulty, and imports them.
    pub(super) async fn import(&mut self, region: Region) {
        let dir = self.nodes.at(region).dir.clone();
        let file = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        let (code, table, statuses) =
            (region.to_string(), file(BY_PURPOSE[0]), file(BY_PURPOSE[2]));
        let generate = [
            "gen",
            "--region",
            &code,
            "--seed",
            &code,
            "--count",
            "40",
            "--faulty",
            "20%",
            "--out",
            &table,
            "--statuses",
            "5",
            "--statuses-out",
            &statuses,
        ];
        self.tool(&format!("gen {region}"), &generate, 0).await;
        let (journal, folder) = (file("journal.jsonl"), dir.to_str().unwrap().to_owned());
        for (table, exit) in [(&table, 3), (&statuses, 0)] {
            let import = [
                "--json",
                "import",
                "--region",
                &code,
                "--dir",
                &folder,
                "--journal",
                &journal,
                table,
            ];
            self.tool(&format!("import {region}"), &import, exit).await;
        }
        self.tool(&format!("peers {region}"), &["peers", "--dir", &folder], 0)
            .await;
    }

    pub(super) async fn issue(&mut self) {
        let mut issuance = self.zhejiang().issuance();
        for sample in [ISSUED, CORRECTED, ERASED, ISSUED] {
            let placed = issuance
                .submit(sample.submission())
                .await
                .unwrap()
                .into_inner();
            self.hear("an accepted submission", placed.encode_to_vec());
        }
    }

    /// Everything that can be wrong with a submission, as far as it carries personal data.
    pub(super) async fn refuse(&mut self) {
        let certificate =
            |groups| submission(Body::Certificate(v1::CertificateSubmission { groups }));
        let strange_field = [(ISSUED.name, ISSUED.id), ("number", MISTYPED.number)];
        let strange = certificate(vec![
            group(v1::Group::Certificate, &strange_field),
            group(
                v1::Group::HolderName,
                &[("name", &MISTYPED.name.repeat(60))],
            ),
            group(
                v1::Group::HolderId,
                &[("id_kind", MISTYPED.name), ("id_number", MISTYPED.id)],
            ),
            group(v1::Group::Scores, &[("theory", MISTYPED.id)]),
        ]);
        let twice = group(v1::Group::HolderName, &[("name", MISTYPED.name)]);
        let elsewhere = v1::SubmitRequest {
            writer_region: MISTYPED.name.to_owned(),
            ..MISTYPED.submission()
        };
        let unknown = UNKNOWN.change(v1::StatusAction::Revoke);
        let refused = [
            ("a wrong check digit", "ID_", MISTYPED.submission()),
            ("a taken number", "NUMBER_TAKEN", CONFLICTING.submission()),
            ("strange fields", "", strange),
            (
                "a group twice",
                "GROUP_TWICE",
                certificate(vec![twice.clone(), twice]),
            ),
            ("a name for a region", "CALLER_KIND_OR_REGION", elsewhere),
            (
                "a change of what is not there",
                "TARGET_UNKNOWN",
                submission(Body::Status(unknown)),
            ),
        ];
        let mut issuance = self.zhejiang().issuance();
        for (what, code, request) in &refused {
            let answer = issuance.submit(request.clone()).await;
            self.hear_refusal(what, code, answer);
        }
        let stream = refused.map(|(_, _, request)| v1::SubmitManyRequest {
            submission: Some(request),
            progress: None,
        });
        let stream = tokio_stream::iter(stream);
        let mut answers = issuance.submit_many(stream).await.unwrap().into_inner();
        while let Some(answer) = answers.message().await.unwrap() {
            use v1::submit_many_response::Result::Rejected;
            assert!(matches!(answer.result, Some(Rejected(_))));
            self.hear("a rejection in a stream", answer.encode_to_vec());
        }
        self.refuse_a_member().await;
    }

    /// A member may ask for logs, but not for persons.
    async fn refuse_a_member(&mut self) {
        let shanghai = self.nodes.at(Region::SHANGHAI).dir.clone();
        let member = NodeArgs {
            cert: Some(shanghai.join("tls/node.crt")),
            key: Some(shanghai.join("tls/node.key")),
            ..self.zhejiang().connection()
        };
        let mut client = FederationServiceClient::new(member.channel().unwrap());
        let lines = format!("{}\n{}", ISSUED.name, ISSUED.number);
        for (origin, code) in [(lines, "ORIGIN"), (ISSUED.name.into(), "LOG_NOT_HELD")] {
            let asked = v1::GetPackagesRequest {
                origin,
                tree_size: 1,
                first_package: 0,
                count: 1,
            };
            let answer = client.get_packages(asked).await;
            self.hear_refusal("a log that is none", code, answer);
        }
    }

    /// Every node is asked by somebody who knows the holder, and by others.
    pub(super) async fn ask(&mut self, sample: Sample<'static>, expected: v1::Verdict) {
        for region in REGIONS {
            let mut client = self.nodes.at(region).verification();
            let mut known = sample.question(sample.name);
            known.holder_id = sample.id.to_owned();
            let mut answer = client.verify(known).await.unwrap().into_inner();
            assert_eq!(answer.verdict(), expected, "{region}");
            let receipt = std::mem::take(&mut answer.receipt);
            assert_eq!(receipt.is_empty(), expected == v1::Verdict::Unknown);
            // Whoever knows number and holder is told what the certificate says, and takes
            // away a proof of it; neither name nor ID number is repeated.
            self.hear_with("an answer", answer.encode_to_vec(), &[Secret::Number]);
            self.hear_with("a receipt", receipt, &[Secret::Number]);

            let mut other_id = sample.question("");
            other_id.holder_id = UNKNOWN.id.to_owned();
            let wrong = [
                sample.question(UNKNOWN.name),
                other_id,
                UNKNOWN.question(UNKNOWN.name),
            ];
            for question in wrong {
                let answer = client.verify(question).await.unwrap().into_inner();
                assert!(answer.certificate.is_empty() && answer.receipt.is_empty());
                self.hear("an answer to somebody else", answer.encode_to_vec());
            }
            let long = Sample {
                number: &sample.id.repeat(5),
                ..sample
            };
            let answer = client.verify(long.question(sample.name)).await;
            self.hear_refusal("a number that is too long", "NUMBER_MISSING", answer);
        }
    }

    /// The page, and addresses into which people put what does not belong there.
    pub(super) async fn ask_from_outside(&mut self) {
        let node = self.nodes.at(Region::SHANGHAI).http;
        let right = [("number", ISSUED.number), ("name", ISSUED.name)];
        // The pages for this form repeat the number, and the name where the form for the
        // receipt asks for it again: they are not searched, their receipt is.
        let answer = http::post(node, "/verify", &right).await;
        assert!(String::from_utf8_lossy(answer.body()).contains("verdict good"));
        let receipt = http::post(node, "/receipt", &right).await;
        assert_eq!(receipt.status(), 200);
        self.hear("head of a receipt", format!("{:?}", receipt.headers()));
        self.hear_with("a page's receipt", receipt.into_body(), &[Secret::Number]);

        let wrong = [("number", ISSUED.number), ("name", UNKNOWN.name)];
        let long = [("number", ISSUED.number), ("name", &ISSUED.name.repeat(20))];
        for form in [&wrong[..], &long, &wrong[..1], &wrong[1..]] {
            for path in ["/verify", "/receipt"] {
                let answer = http::post(node, path, form).await;
                self.hear("head of a page", format!("{:?}", answer.headers()));
                // The button to the other language gives back what was asked, and nothing else does.
                let mut page = String::from_utf8_lossy(answer.body()).into_owned();
                for (field, asked) in form {
                    page = page.replace(&format!("name=\"{field}\" value=\"{asked}\""), "");
                }
                self.hear(format!("{path} for somebody else"), page);
            }
        }
        let name = http::percent_encoded(ISSUED.name);
        let log = self
            .nodes
            .at(Region::SHANGHAI)
            .origin
            .split_once('/')
            .unwrap()
            .1
            .to_owned();
        for path in [
            format!("/verify?number={}&name={name}", ISSUED.number),
            format!("/{}", ISSUED.number),
            format!("/{log}/tile/0/{}", ISSUED.id),
            format!("/mirror/{name}/checkpoint"),
        ] {
            let answer = http::get(node, &path).await;
            self.hear("head of an answer", format!("{:?}", answer.headers()));
            self.hear("an answer to a wrong address", answer.into_body());
        }
    }

    pub(super) async fn change(&mut self) {
        let correction = v1::StatusSubmission {
            replaced: vec![group(v1::Group::HolderName, &[("name", NEW_NAME)])],
            reference: String::new(),
            ..CORRECTED.change(v1::StatusAction::Correct)
        };
        let revocation = ISSUED.change(v1::StatusAction::Revoke);
        let changes = [
            submission(Body::Status(correction)),
            submission(Body::Status(revocation.clone())),
        ];
        let mut issuance = self.zhejiang().issuance();
        for change in changes {
            let placed = issuance.submit(change).await.unwrap().into_inner();
            self.hear("an accepted change", placed.encode_to_vec());
        }
        let folder = self.zhejiang().dir.clone();
        let proof = folder.join("erasure.json");
        let erase = [
            "privacy",
            "erase",
            "--dir",
            folder.to_str().unwrap(),
            "--number-file",
            "-",
            "--reason",
            "HOLDER_REQUEST",
            "--yes",
            "--out",
            proof.to_str().unwrap(),
        ];
        self.tool_told("erase", &erase, ERASED.number, 0).await;
        let export = |out: &'static str| {
            let out = folder.join(out);
            let more = [
                "--purpose",
                "HOLDER_REQUEST",
                "--reference",
                "2024-7",
                "--id-file",
                "-",
            ];
            let begin = ["privacy", "export", "--dir"].map(str::to_owned);
            let end = [
                folder.display().to_string(),
                "--out".into(),
                out.display().to_string(),
            ];
            begin
                .into_iter()
                .chain(end)
                .chain(more.map(str::to_owned))
                .collect::<Vec<_>>()
        };
        for (out, id, exit) in [
            ("one", CORRECTED.id, 0),
            ("two", UNKNOWN.id, 0),
            ("three", "", 1),
        ] {
            let export = export(out);
            let export: Vec<&str> = export.iter().map(String::as_str).collect();
            self.tool_told("export", &export, id, exit).await;
        }
        let again = v1::StatusSubmission {
            effective_date: 20_240_402,
            ..revocation
        };
        let answer = issuance.submit(submission(Body::Status(again))).await;
        self.hear_refusal("a change that does not apply", "STATUS_UNFIT", answer);
    }

    /// What every node serves to everybody.
    pub(super) async fn read_logs(&mut self) {
        let mut served = Vec::new();
        for at in self.nodes.all() {
            for path in ["/", "/livez", "/readyz", "/metrics"] {
                served.push((at.http, path.to_owned()));
            }
            for of in self.nodes.all() {
                let base = if at.origin == of.origin {
                    format!("/{}", of.origin.split_once('/').unwrap().1)
                } else {
                    format!("/mirror/{}", origin_hash(&of.origin.parse().unwrap()))
                };
                let size = at.extent_of(&of.origin).await.0;
                assert!(
                    (30..256).contains(&size),
                    "{size} leaves: all of them in one bundle"
                );
                for path in [
                    "checkpoint".into(),
                    format!("tile/0/000.p/{size}"),
                    format!("tile/entries/000.p/{size}"),
                ] {
                    served.push((at.http, format!("{base}/{path}")));
                }
            }
        }
        for (node, path) in served {
            let answer = http::get(node, &path).await;
            assert_eq!(answer.status(), 200, "{path}");
            self.hear(path, answer.into_body());
        }
    }

    /// The operator's own search says the same, and finds what is there without showing it.
    pub(super) async fn scan(&mut self) {
        let mut silent = vec!["privacy".to_owned(), "scan".into(), "--words".into()];
        let file = |node: &Node, name: &str| node.dir.join(name).to_str().unwrap().to_owned();
        let nodes: Vec<&Node> = self.nodes.all().collect();
        silent.extend(nodes.iter().map(|node| file(node, BY_PURPOSE[0])));
        let mut telling = silent.clone();
        silent.push("--".into());
        telling.push("--".into());
        for name in ["data", "node.log", "high-water", "journal.jsonl"] {
            silent.extend(nodes.iter().map(|node| file(node, name)));
        }
        silent.push(file(self.zhejiang(), "erasure.json"));
        telling.extend(nodes.iter().map(|node| file(node, BY_PURPOSE[1])));
        for (arguments, exit) in [(silent, 0), (telling, 1)] {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            self.tool("scan", &arguments, exit).await;
        }
    }

    /// A start after a sudden end reads everything again; then all end suddenly, so that
    /// nothing is tidied up.
    pub(super) async fn restart(&mut self) {
        let endpoint = self.collector.endpoint();
        let settings = everything(&endpoint);
        self.nodes.restart(Region::ZHEJIANG, &settings).await;
        self.nodes.settle().await;
        for region in REGIONS {
            self.nodes.kill(region).await;
        }
    }
}
