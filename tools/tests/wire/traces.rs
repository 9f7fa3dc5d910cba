//! Traces of running nodes: one verification is one trace, however many processes it needs, and
//! nobody outside decides what is kept.

use std::{fs, net::TcpListener};

use ::http::Response;
use huren::{connect::NodeArgs, local::LocalNode};
use huren_core::codes::Region;
use huren_proto::v1;
use huren_proto::v1::{
    federation_service_client::FederationServiceClient,
    issuance_service_client::IssuanceServiceClient,
    verification_service_client::VerificationServiceClient,
};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use tonic::{Request, metadata::MetadataMap};

use crate::{
    api::Program,
    page::ISSUED,
    support::{
        collector::{Collector, Kept, endpoint},
        http,
        nodes::{Nodes, Pair, until},
    },
};

const SHANGHAI: &str = "huren-node-31";
const ZHEJIANG: &str = "huren-node-33";

/// The trace that a caller says it calls from, and that it keeps it.
const THEIRS: &str = "0af7651916cd43dd8448eb211c80319c";

fn traceparent() -> String {
    format!("00-{THEIRS}-b7ad6b7169203331-01")
}

/// A message from a caller that says so.
fn from_theirs<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let value = traceparent().parse().unwrap();
    request.metadata_mut().insert("traceparent", value);
    request
}

/// Settings of nodes that deliver to an address.
fn traced(endpoint: &str, ratio: &'static str) -> [(&'static str, String); 2] {
    [
        ("HUREN_TRACES__ENDPOINT", endpoint.to_owned()),
        ("HUREN_TRACES__RATIO", ratio.to_owned()),
    ]
}

fn borrowed<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    settings
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect()
}

/// The trace that an answer was made in, and whether it is kept.
fn named(value: &str) -> (String, String, bool) {
    let parts: Vec<&str> = value.split('-').collect();
    let [version, trace, span, flags] = parts[..] else {
        panic!("{value}");
    };
    assert_eq!(version, "00");
    (trace.to_owned(), span.to_owned(), flags == "01")
}

fn of_http<T>(answer: &Response<T>) -> (String, String, bool) {
    named(answer.headers()["traceresponse"].to_str().unwrap())
}

fn of_grpc(metadata: &MetadataMap) -> (String, String, bool) {
    named(metadata.get("traceresponse").unwrap().to_str().unwrap())
}

fn names<'a>(way: &[&'a Kept]) -> Vec<&'a str> {
    way.iter().map(|kept| kept.span.name.as_str()).collect()
}

/// Asks a node's JSON API for a certificate.
async fn ask(program: &Program<'_>, headers: &[(&str, &str)]) -> Response<bytes::Bytes> {
    let question = json!({
        "number": ISSUED.number,
        "holderName": ISSUED.name,
        "purpose": "PURPOSE_EMPLOYMENT",
    });
    let question = question.to_string();
    program.post_with(headers, "/verifications", question).await
}

/// Shanghai is asked for a certificate of Zhejiang that nobody knows, and asks Zhejiang.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_verification_is_one_trace_across_nodes() {
    let collector = Collector::start().await;
    let settings = traced(&collector.endpoint(), "1.0");
    let regions = [Region::SHANGHAI, Region::ZHEJIANG];
    let nodes = Nodes::start(&regions, 1, &borrowed(&settings)).await;
    nodes.settle().await;
    let node = nodes.at(Region::SHANGHAI);
    let program = Program::of(node, &["verifier"]).await;
    let answer = ask(&program, &[("traceparent", &traceparent())]).await;
    let (id, span, is_kept) = of_http(&answer);
    assert!(is_kept);

    const VERIFY: &str = "huren.v1.VerificationService/Verify";
    let first = "POST /api/v1/verifications";
    // Spans end from the last to the first, each process on its own.
    until("the other node's spans", async || {
        let mut spans = collector.spans().into_iter();
        spans.any(|kept| kept.trace() == id && kept.service == ZHEJIANG && kept.span.name == VERIFY)
    })
    .await;
    let trace = collector.trace(&id, &[first]).await;
    let way = trace.way_to("find_by_number", ZHEJIANG);
    let expected = [
        first,
        VERIFY,
        "verify",
        VERIFY,
        VERIFY,
        "verify",
        "look_up",
        "find_by_number",
    ];
    assert_eq!(names(&way), expected);
    let services: Vec<&str> = way.iter().map(|kept| kept.service.as_str()).collect();
    assert_eq!(services, [[SHANGHAI; 4], [ZHEJIANG; 4]].concat());
    let kinds: Vec<SpanKind> = way.iter().map(|kept| kept.span.kind()).collect();
    use SpanKind::{Client, Internal, Server};
    let expected = [
        Server, Internal, Internal, Client, Server, Internal, Internal, Client,
    ];
    assert_eq!(kinds, expected);

    // What the answer names is where it began, and the caller's trace is named and no more.
    let request = way[0];
    assert_eq!(hex::encode(&request.span.span_id), span);
    let links: Vec<String> = request
        .span
        .links
        .iter()
        .map(|l| hex::encode(&l.trace_id))
        .collect();
    assert_eq!(links, [THEIRS]);
    let says = |kept: &Kept, attributes: &[(&str, &str)]| {
        for (key, value) in attributes {
            assert_eq!(kept.attribute(key).as_deref(), Some(*value), "{key}");
        }
    };
    says(
        request,
        &[
            ("http.request.method", "POST"),
            ("http.route", "/api/v1/verifications"),
            ("http.response.status_code", "+200"),
        ],
    );
    let call = [
        ("rpc.system", "grpc"),
        ("rpc.service", "huren.v1.VerificationService"),
        ("rpc.method", "Verify"),
        ("rpc.grpc.status_code", "+0"),
    ];
    for kept in [way[1], way[3], way[4]] {
        says(kept, &call);
    }
    let home = nodes.at(Region::ZHEJIANG).grpc;
    says(
        way[3],
        &[
            ("server.address", &home.ip().to_string()),
            ("server.port", &format!("+{}", home.port())),
        ],
    );
    says(
        way[7],
        &[
            ("db.system.name", "sqlite"),
            ("db.operation.name", "find_by_number"),
        ],
    );

    // The log lines of both have it.
    let request_id = answer.headers()["x-request-id"].to_str().unwrap();
    let log = fs::read_to_string(node.log_file()).unwrap();
    let of_request = format!("request{{id={request_id} trace_id={id}}}");
    assert!(log.contains(&of_request), "{of_request}");
}

/// A round of replication is a trace of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submission_is_one_trace_and_so_is_the_round_that_brings_it_to_others() {
    let collector = Collector::start().await;
    let settings = traced(&collector.endpoint(), "1.0");
    let regions = [Region::SHANGHAI, Region::ZHEJIANG];
    let nodes = Nodes::start(&regions, 1, &borrowed(&settings)).await;
    let submitted = nodes
        .at(Region::ZHEJIANG)
        .issuance()
        .submit(ISSUED.submission())
        .await;
    let (id, _, _) = of_grpc(submitted.unwrap().metadata());
    const SUBMIT: &str = "huren.v1.IssuanceService/Submit";
    let steps = ["prepare", "queue", "append", "checkpoint", SUBMIT];
    let trace = collector.trace(&id, &steps).await;
    for (step, above) in [
        ("prepare", &[SUBMIT, "submit"][..]),
        ("append", &[SUBMIT, "submit", "queue", "commit"]),
        ("checkpoint", &[SUBMIT, "submit", "queue", "commit"]),
    ] {
        assert_eq!(
            names(&trace.way_to(step, ZHEJIANG)),
            [above, &[step]].concat()
        );
    }

    nodes.settle().await;
    const PACKAGES: &str = "huren.v1.FederationService/GetPackages";
    until("the round", async || {
        let spans = collector.spans();
        let asks = |kept: &&Kept| kept.span.name == PACKAGES && kept.service == SHANGHAI;
        let rounds = spans.iter().filter(asks).map(Kept::trace);
        let mut rounds = rounds.filter(|round| {
            let of_round = spans.iter().filter(|kept| kept.trace() == *round);
            let has: Vec<(&str, &str)> = of_round
                .map(|kept| (kept.service.as_str(), kept.span.name.as_str()))
                .collect();
            let here = [
                "replicate",
                "fetch",
                "prove",
                "put_packages",
                "advance",
                "fold",
                "apply",
            ];
            here.iter().all(|name| has.contains(&(SHANGHAI, name)))
                && has.contains(&(ZHEJIANG, PACKAGES))
        });
        rounds.next().is_some()
    })
    .await;
}

/// Two processes of one node: what comes to the one that is not in charge is one trace too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_passed_on_to_the_process_in_charge_stays_in_its_trace() {
    let collector = Collector::start().await;
    let settings = traced(&collector.endpoint(), "1.0");
    let Some(pair) = Pair::start(&borrowed(&settings)).await else {
        return;
    };
    let submit = async |process: &LocalNode| {
        let channel = process.connection().channel().unwrap();
        let submitted = IssuanceServiceClient::new(channel)
            .submit(ISSUED.submission())
            .await;
        of_grpc(submitted.unwrap().metadata()).0
    };
    let id = submit(&pair.beside).await;
    const SUBMIT: &str = "huren.v1.IssuanceService/Submit";
    collector.trace(&id, &["append"]).await;
    until("the spans of both processes", async || {
        let spans = collector.spans().into_iter();
        spans
            .filter(|kept| kept.trace() == id && kept.span.name == SUBMIT)
            .count()
            == 3
    })
    .await;
    let trace = collector.trace(&id, &["append"]).await;
    let way = trace.way_to("append", ZHEJIANG);
    let expected = [
        SUBMIT, SUBMIT, SUBMIT, "submit", "queue", "commit", "append",
    ];
    assert_eq!(names(&way), expected);
    let (other, own) = (&way[1].process, &way[2].process);
    assert!(way[..2].iter().all(|kept| kept.process == *other) && other != own);
    assert!(way[2..].iter().all(|kept| kept.process == *own));
    assert_eq!(
        way[6].attribute("db.system.name").as_deref(),
        Some("postgresql")
    );
}

/// Nothing that begins here is kept, whatever a caller says; what a member keeps is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_decide_what_is_kept_and_strangers_do_not() {
    let collector = Collector::start().await;
    let settings = traced(&collector.endpoint(), "0.0");
    let regions = [Region::SHANGHAI, Region::ZHEJIANG];
    let nodes = Nodes::start(&regions, 0, &borrowed(&settings)).await;
    let node = nodes.at(Region::ZHEJIANG);
    let program = Program::of(node, &["verifier"]).await;
    let answer = ask(&program, &[("traceparent", &traceparent())]).await;
    let by_http = of_http(&answer);
    let question = from_theirs(ISSUED.question(ISSUED.name));
    let mut verification = VerificationServiceClient::new(node.channel());
    let answer = verification.verify(question).await.unwrap();
    let by_grpc = of_grpc(answer.metadata());
    for (trace, _, is_kept) in [by_http, by_grpc] {
        assert!(trace != THEIRS && !is_kept, "{trace}");
    }

    let shanghai = &nodes.at(Region::SHANGHAI).dir;
    let member = NodeArgs {
        cert: Some(shanghai.join("tls/node.crt")),
        key: Some(shanghai.join("tls/node.key")),
        ..node.connection()
    };
    let mut federation = FederationServiceClient::new(member.channel().unwrap());
    let heads = federation
        .get_heads(from_theirs(v1::GetHeadsRequest {}))
        .await;
    let (trace, _, is_kept) = of_grpc(heads.unwrap().metadata());
    assert_eq!((trace.as_str(), is_kept), (THEIRS, true));
    collector
        .trace(THEIRS, &["huren.v1.FederationService/GetHeads"])
        .await;
    // Spans are delivered in the order in which they end: those before it would be there.
    let all = collector.spans();
    assert!(all.iter().all(|kept| kept.trace() == THEIRS), "{all:?}");
}

/// Answers come as ever, what is lost is counted, and it is said once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_costs_spans_and_nothing_else() {
    // Taken, and given up at once: nobody answers there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let settings = traced(&endpoint(address), "1.0");
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &borrowed(&settings)).await;
    let node = nodes.at(Region::ZHEJIANG);
    let program = Program::of(node, &["verifier"]).await;
    let lost = async || {
        let answer = ask(&program, &[]).await;
        assert!(answer.status() == 200 && of_http(&answer).2);
        let metrics = http::get(node.http, "/metrics").await.into_body();
        let metrics = String::from_utf8(metrics.into()).unwrap();
        let lines = metrics.lines();
        let mut counts = lines
            .filter_map(|line| line.strip_prefix("huren_spans_total{outcome=\"not_delivered\"} "));
        counts
            .next()
            .map_or(0, |count| count.parse::<u64>().unwrap())
    };
    until("spans are lost", async || lost().await > 0).await;
    let before = lost().await;
    until("more of them are", async || lost().await > before).await;
    let log = fs::read_to_string(node.log_file()).unwrap();
    assert_eq!(log.matches("traces are not delivered").count(), 1, "{log}");
}
