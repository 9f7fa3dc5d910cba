//! Who may call what: certificates give the rights of their entries and no others.

use huren::connect::NodeArgs;
use huren_core::codes::Region;
use huren_proto::v1::{
    self, federation_service_client::FederationServiceClient,
    issuance_service_client::IssuanceServiceClient, operator_service_client::OperatorServiceClient,
    submit_request::Body, verification_service_client::VerificationServiceClient,
};
use tonic::{Code, transport::Channel};
use tonic_types::StatusExt as _;

use crate::support::{
    callers::{Callers, calls_with, channel_as},
    nodes::{Node, Nodes},
    refusal::check,
    samples::{Sample, submission},
};

const ISSUED: Sample<'_> = Sample {
    number: "S000033010006243000001",
    name: "张三",
    id: "11010519491231002X",
};
const OTHER: Sample<'_> = Sample {
    number: "S000033010006243000002",
    ..ISSUED
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_gives_the_rights_of_its_entry_and_no_others() {
    let mut nodes = Nodes::make(&[Region::ZHEJIANG], 0);
    let callers = Callers::known_to(nodes.at(Region::ZHEJIANG));
    let node = nodes.at(Region::ZHEJIANG);
    let county = "roles = [\"issuer\"]\nkinds = [\"certificate\"]\nregions = [\"3302\"]";
    let county = callers.registered(node, "county", county);
    let reader = callers.registered(node, "reader", "roles = [\"verifier\"]");
    nodes.launch(&[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let size = node.size().await;

    let denied = Code::PermissionDenied;
    let mut issuance = IssuanceServiceClient::new(channel_as(node, &county));
    check(
        issuance.submit(ISSUED.submission()).await,
        denied,
        "CALLER_KIND_OR_REGION",
    );
    let in_county = |request: v1::SubmitRequest| v1::SubmitRequest {
        writer_region: "330206".into(),
        ..request
    };
    let revoke = submission(Body::Status(ISSUED.change(v1::StatusAction::Revoke)));
    for other_kind in [revoke, ISSUED.erasure()] {
        let answer = issuance.submit(in_county(other_kind)).await;
        check(answer, denied, "CALLER_KIND_OR_REGION");
    }
    assert_eq!(node.size().await, size);
    issuance
        .submit(in_county(ISSUED.submission()))
        .await
        .unwrap();

    for (identity, issues, verifies) in [
        (&county, true, false),
        (&reader, false, true),
        (&callers.stranger(), false, false),
    ] {
        let channel = channel_as(node, identity);
        let mut issuance = IssuanceServiceClient::new(channel.clone());
        let mut verification = VerificationServiceClient::new(channel.clone());
        if !issues {
            check(
                issuance.submit(OTHER.submission()).await,
                denied,
                "CALLER_NOT_ISSUER",
            );
            let none = tokio_stream::empty::<v1::SubmitManyRequest>();
            check(
                issuance.submit_many(none).await,
                denied,
                "CALLER_NOT_ISSUER",
            );
        }
        let answer = verification.verify(ISSUED.question("张三")).await;
        if verifies {
            assert_eq!(answer.unwrap().into_inner().answered_by, "33");
        } else {
            check(answer, denied, "CALLER_NOT_VERIFIER");
            let none = tokio_stream::empty::<v1::VerifyManyRequest>();
            check(
                verification.verify_many(none).await,
                denied,
                "CALLER_NOT_VERIFIER",
            );
        }
        let mut operator = OperatorServiceClient::new(channel.clone());
        let answer = operator.get_status(v1::GetStatusRequest {}).await;
        check(answer, denied, "CALLER_NOT_AUDITOR");
        let order = v1::CreateTokenRequest::default();
        let answer = operator.create_token(order).await;
        check(answer, denied, "CALLER_NOT_OPERATOR");
        let mut federation = FederationServiceClient::new(channel);
        let answer = federation.get_heads(v1::GetHeadsRequest {}).await;
        check(answer, denied, "CALLER_NOT_MEMBER");
    }
    assert_eq!(node.size().await, size + 1);
}

/// Disclosures are for members: not even the province's own issuer gets them. And a member
/// writes nobody's log but its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_exchange_what_others_do_not_see_and_write_nothing() {
    let nodes = Nodes::start(&[Region::SHANGHAI, Region::ZHEJIANG], 1, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    node.issuance().submit(ISSUED.submission()).await.unwrap();
    nodes.settle().await;
    let asked = v1::GetDisclosuresRequest {
        origin: node.origin.clone(),
        first_index: 0,
        end_index: node.size().await,
    };
    let mut issuer = FederationServiceClient::new(node.channel());
    let answer = issuer.get_disclosures(asked.clone()).await;
    check(answer, Code::PermissionDenied, "CALLER_NOT_MEMBER");

    let as_shanghai = member(node, nodes.at(Region::SHANGHAI));
    let mut shanghai = FederationServiceClient::new(as_shanghai.clone());
    let mut pages = shanghai.get_disclosures(asked).await.unwrap().into_inner();
    let page = pages.message().await.unwrap().unwrap();
    let disclosed: Vec<_> = page
        .records
        .iter()
        .flat_map(|record| &record.disclosures)
        .collect();
    assert!(disclosed.len() >= 3);
    for disclosure in disclosed {
        let is_personal = matches!(
            disclosure.group(),
            v1::Group::HolderName | v1::Group::HolderId
        );
        assert_eq!(
            disclosure.fields.is_empty(),
            is_personal,
            "{:?}",
            disclosure.group()
        );
    }
    let mut issuance = IssuanceServiceClient::new(as_shanghai);
    let answer = issuance.submit(OTHER.submission()).await;
    check(answer, Code::PermissionDenied, "CALLER_NOT_ISSUER");
}

fn member(at: &Node, from: &Node) -> Channel {
    let caller = NodeArgs {
        cert: Some(from.dir.join("tls/node.crt")),
        key: Some(from.dir.join("tls/node.key")),
        ..at.connection()
    };
    caller.channel().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_certificate_or_token_nobody_is_heard() {
    let nodes = Nodes::start(&[Region::ZHEJIANG], 0, &[]).await;
    let node = nodes.at(Region::ZHEJIANG);
    let mut nobody = VerificationServiceClient::new(calls_with(node, None));
    let answer = nobody.verify(ISSUED.question("张三")).await;
    check(answer, Code::Unauthenticated, "CALLER_UNKNOWN");

    let foreign = channel_as(node, &Callers::unknown().stranger());
    let answer = VerificationServiceClient::new(foreign)
        .verify(ISSUED.question("张三"))
        .await;
    let status = answer.unwrap_err();
    assert!(
        status.get_details_error_info().is_none(),
        "no service has seen the call"
    );
    // Others are served all the same.
    node.issuance().submit(ISSUED.submission()).await.unwrap();
}
