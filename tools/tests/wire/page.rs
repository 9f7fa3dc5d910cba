//! The employers' page of a running node: what somebody learns who knows number and name, and
//! what somebody learns who does not.

use ::http::{HeaderName, Response, StatusCode, header};
use bytes::Bytes;
use huren_core::{codes::Region, receipt, verdict::Verdict};
use huren_proto::v1;

use crate::support::{
    http,
    nodes::{Node, Nodes},
    samples::{Sample, submission},
};

pub(crate) const ISSUED: Sample<'_> = Sample {
    number: "S000033010006243000001",
    name: "欧阳凌霄",
    id: "330102198807150415",
};
const ERASED: Sample<'_> = Sample {
    number: "S000033010006243000002",
    name: "诸葛青衫",
    id: "33030219960909661X",
};
const UNKNOWN: Sample<'_> = Sample {
    number: "S000033010006243000009",
    name: "尉迟听雨",
    id: "330722197411112520",
};

/// Zhejiang issues, and everybody asks in Shanghai.
pub(crate) async fn issued() -> Nodes {
    let nodes = Nodes::start(&[Region::SHANGHAI, Region::ZHEJIANG], 1, &[]).await;
    let mut issuance = nodes.at(Region::ZHEJIANG).issuance();
    for sample in [ISSUED, ERASED] {
        issuance.submit(sample.submission()).await.unwrap();
    }
    issuance.submit(ERASED.erasure()).await.unwrap();
    nodes.settle().await;
    nodes
}

pub(crate) async fn ask(node: &Node, path: &str, number: &str, name: &str) -> Response<Bytes> {
    http::post(node.http, path, &[("number", number), ("name", name)]).await
}

pub(crate) fn text(answer: &Response<Bytes>) -> String {
    String::from_utf8(answer.body().to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_knows_number_and_name_gets_the_verdict_and_a_receipt_to_keep() {
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI);
    let form = http::get(node.http, "/").await;
    assert_eq!(form.status(), StatusCode::OK);
    assert!(text(&form).contains("<form method=\"post\" action=\"verify\""));
    // The form reads codes with the camera, and nobody else does.
    for (path, camera) in [
        ("/", "camera=(self)"),
        ("/batch", "camera=()"),
        ("/console", "camera=()"),
        ("/check", "camera=()"),
    ] {
        let page = http::get(node.http, path).await;
        let allowed = page.headers()["permissions-policy"].to_str().unwrap();
        assert_eq!(allowed, format!("{camera}, microphone=(), geolocation=()"));
    }
    let english = text(&http::get(node.http, "/?lang=en").await);
    assert!(english.contains("<html lang=\"en\">") && english.contains("Certificate number"));

    let page = ask(node, "/verify", ISSUED.number, ISSUED.name).await;
    assert_eq!(page.status(), StatusCode::OK);
    assert_eq!(page.headers()[header::CACHE_CONTROL], "no-store");
    let allowed = page.headers()["permissions-policy"].to_str().unwrap();
    assert!(allowed.starts_with("camera=(),"), "{allowed}");
    let page = text(&page);
    for shown in [
        "verdict good",
        "有效",
        ISSUED.number,
        "欧**霄",
        "中式烹调师",
        "2024-03-01",
        // Without an agreement between the two nothing is recognised.
        "上海市：",
        "互认协议",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(!page.contains(ISSUED.id));

    let file = ask(node, "/receipt", ISSUED.number, ISSUED.name).await;
    assert_eq!(file.headers()[header::CONTENT_TYPE], "application/json");
    let disposition = file.headers()[header::CONTENT_DISPOSITION]
        .to_str()
        .unwrap();
    assert!(disposition.starts_with("attachment"), "{disposition}");
    let receipt = text(&file);
    assert!(!receipt.contains(ISSUED.name) && !receipt.contains(ISSUED.id));

    // So does who knows the number of the identity document, which is not shown again.
    let by_id = text(&ask(node, "/verify", ISSUED.number, ISSUED.id).await);
    assert!(by_id.contains("verdict good") && by_id.contains("证件号码相符"));
    let shown = by_id.replace(&format!("name=\"name\" value=\"{}\"", ISSUED.id), "");
    assert!(!shown.contains(ISSUED.id) && !shown.contains(ISSUED.name));

    // It holds without any node, and still says 'valid as of then' after the revocation.
    let roots = nodes.roots();
    let revocation = ISSUED.change(v1::StatusAction::Revoke);
    let revocation = submission(v1::submit_request::Body::Status(revocation));
    nodes
        .at(Region::ZHEJIANG)
        .issuance()
        .submit(revocation)
        .await
        .unwrap();
    nodes.settle().await;
    let page = text(&ask(node, "/verify", ISSUED.number, ISSUED.name).await);
    assert!(page.contains("verdict bad") && page.contains("撤销"));
    let after = ask(node, "/receipt", ISSUED.number, ISSUED.name).await;
    drop(nodes);
    let checked = receipt::verify(receipt.as_bytes(), &roots).unwrap();
    assert_eq!(
        (checked.home.as_str(), checked.assertion.verdict),
        ("33", Verdict::Valid)
    );
    assert_eq!(checked.assertion.answered_by, "31");
    assert!(!checked.cosignatures.is_empty());
    let checked = receipt::verify(after.body(), &roots).unwrap();
    assert_eq!(checked.assertion.verdict, Verdict::Revoked);
}

/// Same status, same headers, same page: whether a number exists cannot be found out by trying,
/// nor whom it belongs to, nor that it was erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_know_both_learns_nothing() {
    let nodes = issued().await;
    let node = nodes.at(Region::SHANGHAI);
    let questions = [
        (UNKNOWN.number, UNKNOWN.name),
        (UNKNOWN.number, ISSUED.name),
        (ISSUED.number, UNKNOWN.name),
        (ISSUED.number, "欧阳凌"),
        (ISSUED.number, UNKNOWN.id),
        (UNKNOWN.number, ISSUED.id),
        (ERASED.number, ERASED.name),
        (ERASED.number, ISSUED.name),
    ];
    for (path, status) in [
        ("/verify", StatusCode::OK),
        ("/receipt", StatusCode::NOT_FOUND),
    ] {
        let mut seen = Vec::new();
        for (number, holder) in questions {
            let answer = ask(node, path, number, holder).await;
            assert_eq!(answer.status(), status);
            // The page is as long as the ages on it, the day goes on, and each answer has a name;
            // all else is the same.
            let name = HeaderName::from_static("x-request-id");
            let varying = [header::DATE, header::CONTENT_LENGTH, name];
            let told = answer.headers().iter().map(|(name, value)| {
                let value = (!varying.contains(name)).then(|| value.clone());
                (name.clone(), value)
            });
            let told: Vec<_> = told.collect();
            let page = text(&answer);
            // What was typed is there to be asked in the other language, and nowhere else.
            let page = page.replace(&format!("value=\"{number}\""), "");
            let page = page.replace(&format!("value=\"{holder}\""), "");
            for sample in [ISSUED, ERASED, UNKNOWN] {
                assert!(!page.contains(sample.number) && !page.contains(sample.name));
            }
            // The page says how old the evidence is, in seconds.
            let page: String = page.chars().filter(|c| !c.is_ascii_digit()).collect();
            seen.push((told, page));
        }
        assert!(seen[0].1.contains("未能核到编号与持证人同时相符的证书"));
        for (question, answer) in seen.iter().enumerate() {
            assert!(
                *answer == seen[0],
                "{path}: question {question} has another answer"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_too_often_has_to_wait() {
    let rate = [("HUREN_LIMITS__PAGE_RATE_PER_MINUTE", "3")];
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &rate).await;
    let node = nodes.at(Region::ZHEJIANG);
    let mut asked = 0;
    let refused = loop {
        let answer = ask(node, "/verify", UNKNOWN.number, UNKNOWN.name).await;
        if answer.status() != StatusCode::OK {
            break answer;
        }
        asked += 1;
        assert!(asked < 10, "it is never too often");
    };
    // One more than allowed may come in while the clock goes on.
    assert!((3..=4).contains(&asked), "{asked} questions were answered");
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let wait: u64 = refused.headers()[header::RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=20).contains(&wait), "{wait} s");
    assert_eq!(refused.headers()[header::CACHE_CONTROL], "no-store");
    assert!(text(&refused).contains("查询过于频繁"));
    let form = [
        ("number", UNKNOWN.number),
        ("name", UNKNOWN.name),
        ("lang", "en"),
    ];
    let english = http::post(node.http, "/verify", &form).await;
    assert!(text(&english).contains("Too many questions"));
    // Receipts come out of the same allowance; what carries no question is not limited.
    let receipt = ask(node, "/receipt", UNKNOWN.number, UNKNOWN.name).await;
    assert_eq!(receipt.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(http::get(node.http, "/").await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_a_proxy_asks_for_has_an_allowance_of_their_own() {
    let settings = [
        ("HUREN_LIMITS__PAGE_RATE_PER_MINUTE", "3"),
        ("HUREN_HTTP__PROXIES", r#"["127.0.0.1"]"#),
    ];
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &settings).await;
    let node = nodes.at(Region::ZHEJIANG);
    let asked_for = async |client: &str| {
        let form = [("number", UNKNOWN.number), ("name", UNKNOWN.name)];
        let mut request = http::filled("/verify", &form);
        let client = client.parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", client);
        http::send(node.http, request).await.unwrap().status()
    };
    let mut asked = 0;
    while asked_for("198.51.100.7").await == StatusCode::OK {
        asked += 1;
        assert!(asked < 10, "it is never too often");
    }
    assert_eq!(asked_for("198.51.100.8").await, StatusCode::OK);
    // What a caller had written there before is not believed.
    let pretended = asked_for("198.51.100.9, 198.51.100.7").await;
    assert_eq!(pretended, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forms_that_are_not_the_page_s_get_a_page_too() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let long = "长".repeat(2000);
    for form in [
        &[][..],
        &[("number", UNKNOWN.number)],
        &[("name", UNKNOWN.name)],
        &[("number", &long), ("name", UNKNOWN.name)],
        &[("number", UNKNOWN.number), ("name", &long[..300])],
    ] {
        let answer = http::post(node.http, "/verify", form).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(text(&answer).contains("<a href=\"./\">"), "a way back");
    }
    let again = http::get(node.http, "/verify").await;
    assert_eq!(again.status(), StatusCode::SEE_OTHER);
    assert_eq!(again.headers()[header::LOCATION], "./");
}
