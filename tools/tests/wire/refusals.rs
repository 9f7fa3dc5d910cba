//! What a node does not take over gRPC, how it says so, and that nothing stays behind.

use huren_core::codes::Region;
use huren_proto::v1::{self, submit_request::Body};
use tonic::{
    Code, Request, Response, Status, client::Grpc, codegen::http::uri::PathAndQuery,
    transport::Channel,
};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use crate::support::{
    nodes::{Nodes, Settings},
    refusal::check,
    samples::{Sample, group, submission},
};

/// The least that the configuration allows is 1 KiB.
const SMALL: Settings<'_> = &[("HUREN_LIMITS__MAX_MESSAGE_BYTES", "16384")];

const ISSUED: Sample<'_> = Sample {
    number: "S000033010006243000001",
    name: "张三",
    id: "11010519491231002X",
};
const OTHER: Sample<'_> = Sample {
    number: "S000033010006243000002",
    ..ISSUED
};

/// A submission as a newer program may send it, with a kind of record that is not known here.
#[derive(Clone, PartialEq, prost::Message)]
struct NewerSubmission {
    #[prost(string, tag = "2")]
    writer_region: String,
    #[prost(bytes = "vec", tag = "15")]
    newer_kind: Vec<u8>,
}

/// Bytes where a message has a text.
#[derive(Clone, PartialEq, prost::Message)]
struct NoText {
    #[prost(bytes = "vec", tag = "2")]
    writer_region: Vec<u8>,
}

async fn zhejiang(settings: Settings<'_>) -> Nodes {
    Nodes::start(&[Region::ZHEJIANG], 0, settings).await
}

async fn raw<M: prost::Message + 'static>(
    channel: Channel,
    method: &'static str,
    message: M,
) -> Result<Response<v1::SubmitResponse>, Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.expect("a connection");
    let codec = ProstCodec::<M, v1::SubmitResponse>::default();
    grpc.unary(
        Request::new(message),
        PathAndQuery::from_static(method),
        codec,
    )
    .await
}

fn with_fact(name: &str, value: &str) -> v1::SubmitRequest {
    let mut request = OTHER.submission();
    let Some(Body::Certificate(certificate)) = &mut request.body else {
        unreachable!("a certificate");
    };
    let mut fields = certificate
        .groups
        .iter_mut()
        .flat_map(|group| &mut group.fields);
    fields
        .find(|field| field.name == name)
        .expect("a field")
        .value = value.into();
    request
}

fn status(change: v1::StatusSubmission) -> v1::SubmitRequest {
    submission(Body::Status(change))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_submissions_say_why_and_leave_nothing_behind() {
    use Code::{AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied};
    let nodes = Nodes::start(&[Region::SHANGHAI, Region::ZHEJIANG], 1, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let mut issuance = node.issuance();
    let placed = issuance
        .submit(ISSUED.submission())
        .await
        .unwrap()
        .into_inner();
    let size = node.size().await;
    assert_eq!(placed.index + 1, size);

    let conflict = Sample {
        number: ISSUED.number,
        name: "李四",
        ..ISSUED
    };
    let revoke = ISSUED.change(v1::StatusAction::Revoke);
    let certificate = |groups| submission(Body::Certificate(v1::CertificateSubmission { groups }));
    let name = || group(v1::Group::HolderName, &[("name", "张三")]);
    let refused = [
        (
            InvalidArgument,
            "ID_CHECK_DIGIT",
            with_fact("id_number", "110105194912310021"),
        ),
        (
            InvalidArgument,
            "NUMBER_GRAMMAR",
            with_fact("number", "S00003301000624300000"),
        ),
        (
            InvalidArgument,
            "DATE_INVALID",
            with_fact("issue_date", "2024-13-45"),
        ),
        (InvalidArgument, "LEVEL_UNKNOWN", with_fact("level", "9")),
        (
            InvalidArgument,
            "GROUP_TWICE",
            certificate(vec![name(), name()]),
        ),
        (
            InvalidArgument,
            "GROUP_UNKNOWN",
            certificate(vec![v1::GroupValues {
                group: 99,
                ..name()
            }]),
        ),
        (
            InvalidArgument,
            "BODY_MISSING",
            v1::SubmitRequest {
                body: None,
                ..OTHER.submission()
            },
        ),
        (
            InvalidArgument,
            "STATUS_ACTION",
            status(v1::StatusSubmission {
                action: 99,
                ..revoke.clone()
            }),
        ),
        (
            InvalidArgument,
            "STATUS_REPLACED",
            status(v1::StatusSubmission {
                action: v1::StatusAction::Correct.into(),
                ..revoke.clone()
            }),
        ),
        (
            InvalidArgument,
            "TARGET_MISSING",
            status(v1::StatusSubmission {
                target: None,
                ..revoke.clone()
            }),
        ),
        (
            InvalidArgument,
            "DATE_INVALID",
            status(v1::StatusSubmission {
                effective_date: 20_240_230,
                ..revoke
            }),
        ),
        (AlreadyExists, "NUMBER_TAKEN", conflict.submission()),
        (
            NotFound,
            "TARGET_UNKNOWN",
            status(OTHER.change(v1::StatusAction::Revoke)),
        ),
        (
            FailedPrecondition,
            "STATUS_UNFIT",
            status(ISSUED.change(v1::StatusAction::Reinstate)),
        ),
        (
            PermissionDenied,
            "CALLER_KIND_OR_REGION",
            v1::SubmitRequest {
                writer_region: "31".into(),
                ..OTHER.submission()
            },
        ),
    ];
    for (code, reason, request) in refused {
        let refusal = check(issuance.submit(request).await, code, reason);
        let violations = refusal
            .get_details_bad_request()
            .map_or(0, |bad| bad.field_violations.len());
        assert_eq!(
            violations > 0,
            code == InvalidArgument,
            "{reason}: the fields at fault"
        );
    }

    assert_eq!(node.size().await, size, "nothing was logged");
    nodes.settle().await;
    let mut verification = node.verification();
    let answer = verification
        .verify(OTHER.question("张三"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.verdict(), v1::Verdict::NotFound);
    let answer = verification
        .verify(conflict.question("李四"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.verdict(), v1::Verdict::HolderMismatch);
    // The log goes on with the next index.
    let next = issuance
        .submit(OTHER.submission())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(next.index, size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_wrong_with_a_submission_is_told_at_once() {
    let nodes = zhejiang(&[]).await;
    let mut request = with_fact("id_number", "110105194912310021");
    let Some(Body::Certificate(certificate)) = &mut request.body else {
        unreachable!("a certificate");
    };
    certificate.groups[0]
        .fields
        .retain(|field| field.name != "institution_name");
    certificate.groups[1].fields[0].value = String::new();
    let answer = nodes.at(Region::ZHEJIANG).issuance().submit(request).await;
    let violations = answer
        .unwrap_err()
        .get_details_bad_request()
        .unwrap()
        .field_violations;
    let fields: Vec<&str> = violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect();
    for field in ["institution_name", "name", "id_number"] {
        assert!(fields.contains(&field), "{field} in {fields:?}");
    }
    for violation in &violations {
        let (code, sentences) = violation.description.split_once(": ").unwrap();
        assert!(
            code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'),
            "{code}"
        );
        assert!(
            !sentences.is_ascii() && sentences.contains(' '),
            "{sentences}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_certificate_however_written_has_one_place() {
    let nodes = zhejiang(&[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let mut issuance = node.issuance();
    let first = issuance
        .submit(ISSUED.submission())
        .await
        .unwrap()
        .into_inner();
    let otherwise_written = Sample {
        number: " Ｓ000033010006243000001",
        name: "　张三 ",
        id: "11010519491231002x",
    };
    for (sample, client_ref) in [(ISSUED, 7), (otherwise_written, 8)] {
        let request = v1::SubmitRequest {
            client_ref,
            ..sample.submission()
        };
        let again = issuance.submit(request).await.unwrap().into_inner();
        let expected = v1::SubmitResponse {
            client_ref,
            duplicate: true,
            ..first.clone()
        };
        assert_eq!(again, expected);
    }
    assert_eq!(node.size().await, first.index + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_cannot_be_taken_are_refused_like_all_others() {
    const SUBMIT: &str = "/huren.v1.IssuanceService/Submit";
    let nodes = zhejiang(SMALL).await;
    let node = nodes.at(Region::ZHEJIANG);
    let size = node.size().await;
    let mut issuance = node.issuance();
    let long = with_fact("name", &"长".repeat(8000));
    check(
        issuance.submit(long).await,
        Code::OutOfRange,
        "MESSAGE_TOO_LARGE",
    );

    let newer = NewerSubmission {
        writer_region: "33".into(),
        newer_kind: vec![1; 40],
    };
    let answer = raw(node.channel(), SUBMIT, newer.clone()).await;
    check(answer, Code::InvalidArgument, "MESSAGE_NOT_WHOLE");
    let no_text = NoText {
        writer_region: vec![0xff; 2],
    };
    let answer = raw(node.channel(), SUBMIT, no_text).await;
    check(answer, Code::InvalidArgument, "MESSAGE_MALFORMED");
    let answer = raw(node.channel(), "/huren.v1.IssuanceService/Withdraw", newer).await;
    check(answer, Code::Unimplemented, "METHOD_UNKNOWN");

    assert_eq!(node.size().await, size, "nothing was logged");
    issuance.submit(ISSUED.submission()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_that_are_none_are_refused() {
    let nodes = zhejiang(&[]).await;
    let mut verification = nodes.at(Region::ZHEJIANG).verification();
    let no_purpose = v1::VerifyRequest {
        purpose: 0,
        ..ISSUED.question("张三")
    };
    let answer = verification.verify(no_purpose.clone()).await;
    check(answer, Code::InvalidArgument, "PURPOSE_MISSING");
    for purpose in [v1::Purpose::PublicPage.into(), 99] {
        let other = v1::VerifyRequest {
            purpose,
            ..no_purpose.clone()
        };
        let answer = verification.verify(other).await;
        check(answer, Code::InvalidArgument, "PURPOSE_MISSING");
    }
    let no_number = v1::VerifyRequest {
        purpose: v1::Purpose::Audit.into(),
        ..Default::default()
    };
    let answer = verification.verify(no_number).await;
    check(answer, Code::InvalidArgument, "NUMBER_MISSING");
    let no_day = v1::VerifyRequest {
        as_of_date: 20_240_230,
        ..ISSUED.question("张三")
    };
    check(
        verification.verify(no_day).await,
        Code::InvalidArgument,
        "DATE_INVALID",
    );
}
