//! The JSON API of a running node: what it answers to programs, and that it refuses as gRPC does.

use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    path::PathBuf,
    process::Command,
};

use ::http::{Request, Response, StatusCode, header};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http_body_util::{BodyExt as _, Full};
use huren_core::{codes::Region, receipt, verdict::Verdict};
use huren_proto::v1::{self, operator_service_client::OperatorServiceClient};
use serde_json::{Value, json};

use crate::{
    page::{ISSUED, issued},
    support::{
        http,
        nodes::{Node, Nodes},
        samples::submission,
    },
    tokens::token,
};

/// Set to anything, it makes the lack of the fuzzer a failure.
const REQUIRED: &str = "REQUIRE_SCHEMATHESIS";

/// What the fuzzer looks for.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance,\
                      unsupported_method,ignored_auth";

/// A caller of the API of one node.
pub(crate) struct Program<'a> {
    pub(crate) node: &'a Node,
    pub(crate) token: String,
}

impl<'a> Program<'a> {
    pub(crate) async fn of(node: &'a Node, roles: &[&str]) -> Self {
        let token = token(node, roles, &[]).await.token;
        Self { node, token }
    }

    fn request(&self, method: &str, path: &str) -> ::http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
    }

    pub(crate) async fn get(&self, path: &str) -> Response<Bytes> {
        let request = self.request("GET", path).body(Full::default()).unwrap();
        http::send(self.node.http, request).await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value) -> Response<Bytes> {
        self.post_under(None, path, body.to_string()).await
    }

    async fn post_under(&self, key: Option<&str>, path: &str, body: String) -> Response<Bytes> {
        let key = key.map(|key| ("idempotency-key", key));
        self.post_with(key.as_slice(), path, body).await
    }

    pub(crate) async fn post_with(
        &self,
        headers: &[(&str, &str)],
        path: &str,
        body: String,
    ) -> Response<Bytes> {
        let mut request = self
            .request("POST", path)
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::from(body)).unwrap();
        http::send(self.node.http, request).await.unwrap()
    }
}

fn json_of(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

fn granted(answer: &Response<Bytes>) -> Value {
    let value = json_of(answer);
    assert_eq!(answer.status(), StatusCode::OK, "{value}");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    value
}

/// Checks that it is a problem of that status and code, and returns it.
fn refused(answer: &Response<Bytes>, status: u16, code: &str) -> Value {
    let problem = json_of(answer);
    assert_eq!(answer.status(), status, "{problem}");
    let media = &answer.headers()[header::CONTENT_TYPE];
    assert_eq!(media, "application/problem+json");
    assert_eq!(problem["code"], code);
    assert_eq!(problem["status"], status);
    problem
}

fn question(name: &str) -> Value {
    json!({
        "number": ISSUED.number,
        "holderName": name,
        "purpose": "PURPOSE_EMPLOYMENT",
        "wantReceipt": true,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_verified_and_its_receipt_holds() {
    let nodes = issued().await;
    let program = Program::of(nodes.at(Region::SHANGHAI), &["verifier"]).await;
    let answer = granted(&program.post("/verifications", &question(ISSUED.name)).await);
    assert_eq!(answer["verdict"], "VERDICT_VALID");
    assert_eq!(answer["answeredBy"], "31");
    let receipt = BASE64_STANDARD.decode(answer["receipt"].as_str().unwrap());
    let checked = receipt::verify(&receipt.unwrap(), &nodes.roots()).unwrap();
    assert_eq!(checked.assertion.verdict, Verdict::Valid);
    // Sizes are strings, as they may be larger than what JavaScript can count.
    assert!(answer["asOf"][0]["size"].is_string(), "{answer}");

    let decision = json!({ "question": question(ISSUED.name) });
    let decided = granted(&program.post("/decisions", &decision).await);
    assert!(
        decided["findings"]
            .as_array()
            .is_some_and(|f| !f.is_empty())
    );

    // Each of a batch is answered by itself, matched by its reference.
    let mut other = question("尉迟听雨");
    other["clientRef"] = json!("2");
    let batch =
        json!({ "messages": [{ "question": question(ISSUED.name) }, { "question": other }, {}] });
    let answers = granted(&program.post("/verifications/batch", &batch).await);
    let mut verdicts: Vec<(&str, &str)> = answers["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| &message["answer"])
        .map(|answer| {
            let told = [&answer["clientRef"], &answer["verdict"]];
            let [reference, verdict] = told.map(|value| value.as_str().unwrap());
            (reference, verdict)
        })
        .collect();
    verdicts.sort_unstable();
    let expected = [
        ("0", "VERDICT_UNKNOWN"), // It does not say for what it is asked.
        ("0", "VERDICT_VALID"),
        ("2", "VERDICT_HOLDER_MISMATCH"),
    ];
    assert_eq!(verdicts, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_says_why_as_grpc_does() {
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI);
    let verifier = Program::of(node, &["verifier"]).await;
    let stranger = Program {
        node,
        token: "hrt_0000".into(),
    };
    let asked = question(ISSUED.name);
    let answer = stranger.post("/verifications", &asked).await;
    refused(&answer, 401, "TOKEN_UNKNOWN");
    assert_eq!(answer.headers()[header::WWW_AUTHENTICATE], "Bearer");
    // Who is nobody is told nothing about what is wrong with the request.
    let answer = stranger
        .post_under(None, "/verifications", "{".into())
        .await;
    refused(&answer, 401, "TOKEN_UNKNOWN");
    refused(&verifier.get("/status").await, 403, "CALLER_NOT_AUDITOR");
    let no_purpose = json!({ "number": ISSUED.number });
    let problem = refused(
        &verifier.post("/verifications", &no_purpose).await,
        400,
        "PURPOSE_MISSING",
    );
    assert_eq!(problem["errors"][0]["field"], "purpose");
    let wrong = json!({ "number": ISSUED.number, "holderName": [ISSUED.name] });
    let answer = verifier.post("/verifications", &wrong).await;
    let problem = refused(&answer, 400, "MESSAGE_MALFORMED");
    assert_eq!(problem["errors"][0]["field"], "holderName");
    assert!(!problem.to_string().contains(ISSUED.name));
    let long = json!({ "number": "1".repeat(5 << 20) });
    let answer = verifier.post("/verifications", &long).await;
    refused(&answer, 413, "MESSAGE_TOO_LARGE");
    let form = verifier
        .request("POST", "/verifications")
        .header(header::CONTENT_TYPE, "text/plain")
        .body(Full::from("{}"))
        .unwrap();
    let answer = http::send(node.http, form).await.unwrap();
    refused(&answer, 415, "CONTENT_TYPE");
    refused(&verifier.get("/nothing").await, 404, "PATH_UNKNOWN");
    let answer = verifier.get("/verifications").await;
    refused(&answer, 405, "METHOD_NOT_ALLOWED");
    assert_eq!(answer.headers()[header::ALLOW], "POST");
    refused(
        &verifier.get("/entries?kind=KIND_NONE").await,
        400,
        "MESSAGE_MALFORMED",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_submitted_or_made_twice() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let order = v1::CreateTokenRequest {
        name: "接口".into(),
        roles: ["issuer", "operator", "auditor"].map(str::to_owned).into(),
        regions: vec!["33".into()],
        kinds: vec!["*".into()],
        valid_seconds: 600,
    };
    let mut operator = OperatorServiceClient::new(node.channel());
    let made = operator.create_token(order).await.unwrap().into_inner();
    let program = Program {
        node,
        token: made.token,
    };
    let standard = |title: &str| {
        json!({
            "writerRegion": "33",
            "entry": {
                "kind": "KIND_STANDARD",
                "effectiveDate": 20_240_101,
                "body": {
                    "code": "4-03-02-01", "edition": 2018, "kind": "STANDARD_KIND_NATIONAL",
                    "title": title, "occupationEdition": 2022, "occupation": "4-03-02-01",
                    "levelFrom": 2, "levelTo": 6, "documentNumber": "人社厅发〔2018〕145号",
                    "state": "STANDARD_STATE_ISSUED",
                },
            },
        })
    };
    let submit = async |key, title| {
        let body = standard(title).to_string();
        program.post_under(Some(key), "/submissions", body).await
    };
    let first = granted(&submit("a", "中式烹调师").await);
    let again = granted(&submit("a", "中式烹调师").await);
    assert_eq!(
        (&first["duplicate"], &again["duplicate"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(first["index"], again["index"]);
    refused(&submit("a", "烹调师").await, 422, "IDEMPOTENCY_KEY_REUSED");

    // What was submitted as JSON is listed as JSON.
    let listed = granted(&program.get("/entries?kind=KIND_STANDARD").await);
    let entry = &listed["entries"][0];
    assert_eq!(entry["body"]["title"], "中式烹调师");

    let order = json!({
        "name": "窗口", "roles": ["verifier"], "validSeconds": "600",
    });
    let create = async |key| {
        let body = order.to_string();
        program.post_under(Some(key), "/tokens", body).await
    };
    let made = granted(&create("t").await);
    refused(&create("t").await, 409, "DONE_BEFORE");
    let id = &made["info"]["id"];
    let revoked = granted(&program.post("/tokens/revoke", &json!({ "id": id })).await);
    assert!(revoked["info"]["revoked"].is_string());
    let tokens = granted(&program.get("/tokens").await);
    assert_eq!(tokens["tokens"].as_array().unwrap().len(), 2);

    // All of it is in the audit trail, under the token's name.
    let trail = json!({ "action": "AUDIT_ACTION_TOKEN_CREATED" });
    let trail = granted(&program.post("/audit/search", &trail).await);
    assert_eq!(trail["links"].as_array().unwrap().len(), 2);
}

/// Whoever asks about an answer names it, and the node's log names it too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_a_name_that_the_log_knows() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let auditor = Program::of(node, &["auditor"]).await;
    let named = |answer: &Response<Bytes>| {
        let id = answer.headers()["x-request-id"].to_str().unwrap();
        assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()));
        id.to_owned()
    };
    let (first, second) = (auditor.get("/status").await, auditor.get("/nothing").await);
    let ids = [named(&first), named(&second)];
    assert_ne!(ids[0], ids[1]);
    let log = fs::read_to_string(node.log_file()).unwrap();
    for id in ids {
        assert!(log.contains(&format!("id={id}")), "{log}");
    }
    // Over gRPC as well, refused or not.
    let mut operator = OperatorServiceClient::new(node.channel());
    let granted = operator.get_status(v1::GetStatusRequest {}).await.unwrap();
    assert_eq!(granted.metadata().get("x-request-id").unwrap().len(), 16);
    let mut asking = node.verification();
    let refused = asking.verify(v1::VerifyRequest::default()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.metadata().get("x-request-id").unwrap().len(), 16);
}

/// What other people's software finds out about a certificate without asking about it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_lists_tell_what_was_revoked_and_by_whose_key() {
    let nodes = issued().await;
    let home = nodes.at(Region::ZHEJIANG);
    let mut asking = home.verification();
    let answer = asking.verify(ISSUED.question(ISSUED.name)).await;
    let index = answer.unwrap().into_inner().index;
    let list = async |path: &str| http::get(home.http, &format!("/log/33/status/{path}")).await;
    let before = list("revocation/0").await;
    assert_eq!(before.headers()[header::CONTENT_TYPE], "application/vc+jwt");
    assert!(!is_set(&before, index));

    let revocation = ISSUED.change(v1::StatusAction::Revoke);
    let revocation = submission(v1::submit_request::Body::Status(revocation));
    home.issuance().submit(revocation).await.unwrap();
    // What is not published yet is in no list.
    nodes.settle().await;
    let after = list("revocation/0").await;
    assert!(is_set(&after, index));
    assert!(!is_set(&list("suspension/0").await, index));

    // Its issuer is the key that the trust list names for answers.
    let issuer = payload(&after)["issuer"].as_str().unwrap().to_owned();
    let jwk = BASE64_URL_SAFE_NO_PAD.decode(issuer.strip_prefix("did:jwk:").unwrap());
    let jwk: Value = serde_json::from_slice(&jwk.unwrap()).unwrap();
    let key = BASE64_URL_SAFE_NO_PAD
        .decode(jwk["x"].as_str().unwrap())
        .unwrap();
    let answered = asking.verify(ISSUED.question(ISSUED.name)).await;
    let receipt = answered.unwrap().into_inner().receipt;
    let checked = receipt::verify(&receipt, &nodes.roots()).unwrap();
    assert_eq!(checked.assertion.verdict, Verdict::Revoked);
    let receipt: Value = serde_json::from_slice(&receipt).unwrap();
    assert!(
        names_key(&receipt, &key),
        "the trust lists of a receipt name the key"
    );

    for none in ["revocation/1", "revocation/00", "revocation/x", "message/0"] {
        assert_eq!(list(none).await.status(), StatusCode::NOT_FOUND, "{none}");
    }
}

/// The credential of a list.
fn payload(answer: &Response<Bytes>) -> Value {
    let token = std::str::from_utf8(answer.body()).unwrap();
    let payload = token.split('.').nth(1).unwrap();
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// Whether the bit of a leaf is set.
fn is_set(answer: &Response<Bytes>, index: u64) -> bool {
    let credential = payload(answer);
    let encoded = &credential["credentialSubject"]["encodedList"];
    let encoded = encoded.as_str().unwrap().strip_prefix('u').unwrap();
    let compressed = BASE64_URL_SAFE_NO_PAD.decode(encoded).unwrap();
    let mut bits = Vec::new();
    let mut reading = GzDecoder::new(compressed.as_slice());
    reading.read_to_end(&mut bits).unwrap();
    bits[usize::try_from(index / 8).unwrap()] & (0x80 >> (index % 8)) != 0
}

/// Whether an answer key of some member in a receipt's trust lists is this one: a verifier key
/// ends in its type and the key itself (C2SP signed-note).
fn names_key(receipt: &Value, key: &[u8]) -> bool {
    let encoded = BASE64_STANDARD.encode([&[1], key].concat());
    receipt.to_string().contains(&encoded)
}

/// Who may not ask any more is told nothing more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_is_told_as_it_changes_to_whoever_may_see_it() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let verifier = Program::of(node, &["verifier"]).await;
    for watched in ["/status/watch", "/imports/watch"] {
        refused(&verifier.get(watched).await, 403, "CALLER_NOT_AUDITOR");
    }

    let made = token(node, &["auditor"], &[]).await;
    let program = Program {
        node,
        token: made.token,
    };
    let request = program.request("GET", "/status/watch");
    let request = request.body(Full::default()).unwrap();
    let answer = http::open(node.http, request).await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut body = answer.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"data: {"));
    let mut operator = OperatorServiceClient::new(node.channel());
    let id = made.info.unwrap().id;
    let revoke = operator.revoke_token(v1::RevokeTokenRequest { id });
    revoke.await.unwrap();
    let rest = body.collect().await.unwrap().to_bytes();
    let rest = std::str::from_utf8(&rest).unwrap();
    let (_, end) = rest.split_once("event: problem").unwrap();
    assert!(end.contains("TOKEN_REVOKED"), "{end}");
}

/// The fuzzer; `None` where it is not installed, which is said on the standard error.
///
/// # Panics
/// If it is missing and [`REQUIRED`].
fn schemathesis() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .map(|folder| folder.join("schemathesis"))
        .find(|place| place.is_file());
    if found.is_none() {
        let what = "schemathesis is not installed: the JSON API is NOT fuzzed (`pip install \
                    schemathesis` to have it fuzzed)";
        assert!(env::var_os(REQUIRED).is_none(), "{what}");
        let _ = writeln!(io::stderr(), "{what}");
    }
    found
}

/// Made from the description alone: no request brings an error of the node's own, and every
/// answer is one that the description has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fuzzer_finds_no_answer_that_is_not_described() {
    let Some(fuzzer) = schemathesis() else {
        return;
    };
    let nodes = issued().await;
    let node = nodes.at(Region::ZHEJIANG);
    let roles = ["issuer", "verifier", "statistician", "auditor", "operator"];
    let described = Program::of(node, &["verifier"]).await;
    let described = granted(&described.get("/openapi.json").await);
    let file = nodes.folder.path().join("openapi.json");
    fs::write(&file, described.to_string()).unwrap();
    // It learns the ids of tokens, and revokes the one that it came with.
    for which in ["--exclude-operation-id", "--include-operation-id"] {
        let made = token(node, &roles, &["33"]).await;
        let fuzzed = tokio::process::Command::from(Command::new(&fuzzer))
            .current_dir(nodes.folder.path())
            .arg("run")
            .arg(&file)
            .args([which, "revokeToken"])
            // They do not end by themselves.
            .args(["--exclude-path", "/status/watch"])
            .args(["--exclude-path", "/imports/watch"])
            .args(["--url", &format!("http://{}/api/v1", node.http)])
            .args(["--header", &format!("Authorization: Bearer {}", made.token)])
            .args([
                "--phases",
                "examples,coverage,fuzzing",
                "--max-examples",
                "30",
            ])
            .args(["--seed", "1", "--no-color", "--generation-database", "none"])
            .args(["--checks", CHECKS, "--warnings", "off"])
            .output()
            .await
            .unwrap();
        let said = String::from_utf8_lossy(&fuzzed.stdout);
        assert!(fuzzed.status.success(), "{said}");
    }
    // Nothing that was sent stopped the node.
    let after = Program::of(node, &["auditor"]).await;
    granted(&after.get("/status").await);
}
