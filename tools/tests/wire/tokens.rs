//! Tokens: what they give, and everything that is done with them that they do not give.

use huren::connect::Calls;
use huren_core::codes::Region;
use huren_proto::v1::{
    self, federation_service_client::FederationServiceClient,
    issuance_service_client::IssuanceServiceClient, operator_service_client::OperatorServiceClient,
    recognition_service_client::RecognitionServiceClient, submit_request::Body,
    verification_service_client::VerificationServiceClient,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{
    callers::calls_with,
    nodes::{Node, Nodes, Settings},
    refusal::check,
    samples::{Sample, submission},
};

const ISSUED: Sample<'_> = Sample {
    number: "S000033010006243000001",
    name: "张三",
    id: "11010519491231002X",
};

async fn zhejiang(settings: Settings<'_>) -> Nodes {
    Nodes::start(&[Region::ZHEJIANG], 0, settings).await
}

/// A token that the node's operator makes.
pub(crate) async fn token(
    node: &Node,
    roles: &[&str],
    regions: &[&str],
) -> v1::CreateTokenResponse {
    let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    let order = v1::CreateTokenRequest {
        name: "窗口".into(),
        roles: list(roles),
        regions: list(regions),
        kinds: vec!["certificate".into()],
        valid_seconds: 600,
    };
    let mut operator = OperatorServiceClient::new(node.channel());
    operator.create_token(order).await.unwrap().into_inner()
}

fn verification(node: &Node, token: &str) -> VerificationServiceClient<Calls> {
    VerificationServiceClient::new(calls_with(node, Some(token)))
}

fn for_region(region: &str) -> v1::VerifyRequest {
    v1::VerifyRequest {
        on_behalf_of: region.into(),
        ..ISSUED.question("张三")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verifier_s_token_asks_for_its_regions_and_does_nothing_else() {
    let nodes = zhejiang(&[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    node.issuance().submit(ISSUED.submission()).await.unwrap();
    let token = token(node, &["verifier"], &["3302"]).await.token;
    let denied = Code::PermissionDenied;
    let mut asking = verification(node, &token);
    for region in ["", "3302", "330206"] {
        let answer = asking.verify(for_region(region)).await.unwrap();
        // Nobody else is there to cosign it.
        assert_eq!(answer.into_inner().verdict(), v1::Verdict::Pending);
    }
    for region in ["33", "3301", "31", "nowhere"] {
        let answer = asking.verify(for_region(region)).await;
        check(answer, denied, "CALLER_REGION");
    }
    let no_purpose = v1::VerifyRequest {
        purpose: 0,
        ..ISSUED.question("张三")
    };
    let answer = asking.verify(no_purpose).await;
    check(answer, Code::InvalidArgument, "PURPOSE_MISSING");

    let calls = || calls_with(node, Some(&token));
    let mut issuing = IssuanceServiceClient::new(calls());
    let answer = issuing.submit(ISSUED.submission()).await;
    check(answer, denied, "CALLER_NOT_ISSUER");
    let mut operator = OperatorServiceClient::new(calls());
    let answer = operator.get_status(v1::GetStatusRequest {}).await;
    check(answer, denied, "CALLER_NOT_AUDITOR");
    let answer = operator.list_audit(v1::ListAuditRequest::default()).await;
    check(answer, denied, "CALLER_NOT_AUDITOR");
    let answer = operator
        .create_token(v1::CreateTokenRequest::default())
        .await;
    check(answer, denied, "CALLER_NOT_OPERATOR");
    let mut federation = FederationServiceClient::new(calls());
    let answer = federation.get_heads(v1::GetHeadsRequest {}).await;
    check(answer, denied, "CALLER_NOT_MEMBER");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_s_token_writes_its_kinds_for_its_regions() {
    let nodes = zhejiang(&[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let token = token(node, &["issuer"], &["3302"]).await.token;
    let mut issuing = IssuanceServiceClient::new(calls_with(node, Some(&token)));
    let denied = Code::PermissionDenied;
    let answer = issuing.submit(ISSUED.submission()).await;
    check(answer, denied, "CALLER_KIND_OR_REGION");
    let of_county = |request: v1::SubmitRequest| v1::SubmitRequest {
        writer_region: "330206".into(),
        ..request
    };
    issuing
        .submit(of_county(ISSUED.submission()))
        .await
        .unwrap();
    let revoke = submission(Body::Status(ISSUED.change(v1::StatusAction::Revoke)));
    let answer = issuing.submit(of_county(revoke)).await;
    check(answer, denied, "CALLER_KIND_OR_REGION");
    let mut asking = verification(node, &token);
    let answer = asking.verify(ISSUED.question("张三")).await;
    check(answer, denied, "CALLER_NOT_VERIFIER");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auditors_read_and_operators_act_for_the_whole_province_only() {
    let nodes = zhejiang(&[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let denied = Code::PermissionDenied;
    let client = |token: &str| OperatorServiceClient::new(calls_with(node, Some(token)));
    let auditor = token(node, &["auditor"], &["33"]).await;
    let mut auditing = client(&auditor.token);
    auditing.get_status(v1::GetStatusRequest {}).await.unwrap();
    let all = v1::ListAuditRequest::default();
    auditing.list_audit(all.clone()).await.unwrap();
    let listed = auditing
        .list_tokens(v1::ListTokensRequest {})
        .await
        .unwrap();
    let listed = listed.into_inner().tokens;
    assert_eq!(listed, [auditor.info.clone().unwrap()]);
    let secret = auditor.token.rsplit('_').next().unwrap();
    assert!(!format!("{listed:?}").contains(secret));
    let id = listed[0].id.clone();
    let revoke = v1::RevokeTokenRequest { id };
    let answer = auditing.revoke_token(revoke).await;
    check(answer, denied, "CALLER_NOT_OPERATOR");

    let city = token(node, &["auditor", "operator"], &["3302"]).await.token;
    let mut of_city = client(&city);
    check(of_city.list_audit(all).await, denied, "CALLER_REGION");
    let answer = of_city
        .create_token(v1::CreateTokenRequest::default())
        .await;
    check(answer, denied, "CALLER_REGION");

    let operator = token(node, &["operator"], &[]).await.token;
    let mut operating = client(&operator);
    let orders = [
        ("name", v1::CreateTokenRequest::default()),
        (
            "roles",
            v1::CreateTokenRequest {
                name: "a".into(),
                roles: vec!["member".into()],
                ..Default::default()
            },
        ),
        (
            "valid_seconds",
            v1::CreateTokenRequest {
                name: "a".into(),
                roles: vec!["verifier".into()],
                valid_seconds: 59,
                ..Default::default()
            },
        ),
        (
            "regions",
            v1::CreateTokenRequest {
                name: "a".into(),
                roles: vec!["issuer".into()],
                valid_seconds: 60,
                ..Default::default()
            },
        ),
    ];
    for (field, order) in orders {
        let answer = operating.create_token(order).await;
        let status = check(answer, Code::InvalidArgument, "TOKEN_ORDER");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, field);
    }
    let unknown = v1::RevokeTokenRequest { id: "0".repeat(16) };
    let answer = operating.revoke_token(unknown).await;
    check(answer, Code::NotFound, "TOKEN_UNKNOWN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_counts_no_more_not_even_for_an_open_stream() {
    let mut nodes = zhejiang(&[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let made = token(node, &["verifier"], &[]).await;
    let (questions, stream) = mpsc::channel(1);
    let mut asking = verification(node, &made.token);
    let question = || v1::VerifyManyRequest {
        question: Some(ISSUED.question("张三")),
    };
    questions.send(question()).await.unwrap();
    let answers = asking.verify_many(ReceiverStream::new(stream)).await;
    let mut answers = answers.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());

    let id = made.info.unwrap().id;
    let mut operator = OperatorServiceClient::new(node.channel());
    for _ in 0..2 {
        let order = v1::RevokeTokenRequest { id: id.clone() };
        let revoked = operator.revoke_token(order).await.unwrap().into_inner();
        assert!(revoked.info.unwrap().revoked.is_some());
    }
    questions.send(question()).await.unwrap();
    let ended = answers.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
    let reason = ended.get_details_error_info().unwrap().reason;
    assert_eq!(reason, "TOKEN_REVOKED");
    let answer = asking.verify(ISSUED.question("张三")).await;
    check(answer, Code::Unauthenticated, "TOKEN_REVOKED");

    // Tokens outlive the process, and so does the end of one.
    let other = token(node, &["verifier"], &[]).await.token;
    nodes.restart(Region::ZHEJIANG, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let answer = verification(node, &made.token)
        .verify(ISSUED.question("张三"))
        .await;
    check(answer, Code::Unauthenticated, "TOKEN_REVOKED");
    let mut asking = verification(node, &other);
    asking.verify(ISSUED.question("张三")).await.unwrap();
}

/// Who watches says nothing, and is not told any more either.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_ends_a_watch_at_which_nothing_happens() {
    let nodes = zhejiang(&[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let made = token(node, &["verifier"], &[]).await;
    let mut watching = RecognitionServiceClient::new(calls_with(node, Some(&made.token)));
    let (questions, stream) = mpsc::channel(4);
    let request = |client_ref, purpose: v1::Purpose| v1::WatchDecisionsRequest {
        question: Some(v1::DecideRequest {
            question: Some(v1::VerifyRequest {
                client_ref,
                purpose: purpose.into(),
                ..ISSUED.question("张三")
            }),
            asking_region: String::new(),
        }),
        last: Vec::new(),
    };
    let answers = watching.watch_decisions(ReceiverStream::new(stream)).await;
    let mut answers = answers.unwrap().into_inner();
    // One that states no purpose is not watched, and harms no other.
    for (client_ref, purpose) in [(1, v1::Purpose::Unspecified), (2, v1::Purpose::Employment)] {
        questions.send(request(client_ref, purpose)).await.unwrap();
    }
    let refused = answers.message().await.unwrap().unwrap();
    let reason = refused.answer.unwrap().findings[0].reason.clone().unwrap();
    assert_eq!(
        (refused.refused, reason.code.as_str()),
        (true, "PURPOSE_MISSING")
    );
    let told = answers.message().await.unwrap().unwrap();
    assert_eq!((told.refused, told.answer.unwrap().client_ref), (false, 2));
    let mut operator = OperatorServiceClient::new(node.channel());
    let id = made.info.unwrap().id;
    let order = v1::RevokeTokenRequest { id };
    operator.revoke_token(order).await.unwrap();
    let ended = answers.message().await.unwrap_err();
    assert_eq!(ended.code(), Code::Unauthenticated);
    let reason = ended.get_details_error_info().unwrap().reason;
    assert_eq!(reason, "TOKEN_REVOKED");
    let answers = watching.watch_decisions(tokio_stream::iter([])).await;
    check(answers, Code::Unauthenticated, "TOKEN_REVOKED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_guesses_is_told_nothing_and_soon_has_to_wait() {
    let few = [("HUREN_LIMITS__UNKNOWN_CALLS_PER_MINUTE", "8")];
    let nodes = zhejiang(&few).await;
    let node = nodes.at(Region::ZHEJIANG);
    let made = token(node, &["verifier"], &[]).await;
    let (head, secret) = made.token.rsplit_once('_').unwrap();
    let other_id = format!("hrt_{}_{secret}", "0".repeat(16));
    let other_secret = format!("{head}_{}", "0".repeat(64));
    let ask = async |token: Option<&str>| {
        let mut asking = VerificationServiceClient::new(calls_with(node, token));
        asking.verify(ISSUED.question("张三")).await
    };
    let unauthenticated = Code::Unauthenticated;
    let unknown = check(ask(Some(&other_id)).await, unauthenticated, "TOKEN_UNKNOWN");
    for wrong in [other_secret.as_str(), "password", ""] {
        let same = check(ask(Some(wrong)).await, unauthenticated, "TOKEN_UNKNOWN");
        assert_eq!(same.message(), unknown.message());
    }
    check(ask(None).await, unauthenticated, "CALLER_UNKNOWN");
    let mut refused = 0;
    let limited = loop {
        let status = ask(Some(&other_secret)).await.unwrap_err();
        if status.code() == Code::ResourceExhausted {
            break status;
        }
        refused += 1;
        assert!(refused < 20, "it is never too often");
    };
    let info = limited.get_details_error_info().unwrap();
    assert_eq!(info.reason, "RATE_LIMITED");
    let wait = limited
        .get_details_retry_info()
        .unwrap()
        .retry_delay
        .unwrap();
    assert!((1..=60).contains(&wait.as_secs()), "{wait:?}");
    // Whom the node knows does not wait for those whom it does not know.
    ask(Some(&made.token)).await.unwrap();
    node.verification()
        .verify(ISSUED.question("张三"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_caller_has_an_allowance_of_its_own() {
    let few = [("HUREN_LIMITS__CALLS_PER_SECOND", "20")];
    let nodes = zhejiang(&few).await;
    let node = nodes.at(Region::ZHEJIANG);
    let busy = token(node, &["verifier"], &[]).await.token;
    let quiet = token(node, &["verifier"], &[]).await.token;
    let asking = verification(node, &busy);
    let many = (0..200).map(|_| {
        let mut asking = asking.clone();
        async move { asking.verify(ISSUED.question("张三")).await }
    });
    let answers = futures::future::join_all(many).await;
    let refused: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!(!refused.is_empty(), "200 calls at once are more than 20");
    for status in refused {
        assert_eq!(
            status.get_details_error_info().unwrap().reason,
            "RATE_LIMITED"
        );
        assert!(status.get_details_retry_info().is_some());
    }
    let mut asking = verification(node, &quiet);
    asking.verify(ISSUED.question("张三")).await.unwrap();

    // A stream is slowed down, and every question of it is answered.
    let question = |client_ref| v1::VerifyManyRequest {
        question: Some(v1::VerifyRequest {
            client_ref,
            ..ISSUED.question("张三")
        }),
    };
    let stream = tokio_stream::iter((0..45).map(question));
    let mut answers = asking.verify_many(stream).await.unwrap().into_inner();
    let mut answered = 0;
    while answers.message().await.unwrap().is_some() {
        answered += 1;
    }
    assert_eq!(answered, 45);
}
