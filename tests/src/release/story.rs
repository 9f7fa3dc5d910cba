//! What happens before members ask, and what they ask.

use huren_core::{checkpoint::Origin, codes::Region};
use huren_proto::v1;
use prost::Message;

use super::{As, size};
use crate::{
    Federation, REGIONS, certificate, change, erasure, origin, question,
    registers::{self, settled, submit},
};

/// As whom, which call, with what.
pub type Question = (As, String, Vec<u8>);

/// Who is asked.
pub const HOME: Region = Region::ZHEJIANG;
/// The member that asks.
pub(super) const READER: Region = REGIONS[0];
/// Size of the home member's log in the middle of the story.
const MIDDLE: u64 = 5;

/// Registers, certificates, changes of each kind and an erasure, known to everybody.
pub async fn play(federation: &Federation) {
    use v1::StatusAction::{Reinstate, Revoke, Suspend};
    registers::registers(federation).await;
    settled(federation).await;
    for request in [
        certificate(2),
        certificate(3),
        certificate(4),
        certificate(5),
        change(Suspend, 2),
        change(Revoke, 3),
        erasure(4),
        change(Suspend, 5),
        change(Reinstate, 2),
    ] {
        submit(federation, HOME, request).await;
    }
    settled(federation).await;
    federation.until_counted(HOME).await;
}

/// The calls of members among each other, and those of programs.
pub fn questions(federation: &Federation) -> Vec<Question> {
    let mut calls = between_members(federation);
    calls.extend(of_programs());
    calls
}

fn call(by: As, method: &str, request: &impl Message) -> Question {
    (by, format!("/huren.v1.{method}"), request.encode_to_vec())
}

fn between_members(federation: &Federation) -> Vec<Question> {
    fn ask(method: &str, request: &impl Message) -> Question {
        call(As::Member, &format!("FederationService/{method}"), request)
    }
    let mut calls = vec![
        ask("GetHeads", &v1::GetHeadsRequest {}),
        ask("WatchHeads", &v1::WatchHeadsRequest {}),
        ask(
            "GetTrustLists",
            &v1::GetTrustListsRequest { first_version: 1 },
        ),
    ];
    let sizes = REGIONS.map(|of| {
        let origin = origin(of);
        let size = size(federation.engine(HOME), &origin);
        (origin, size)
    });
    let elsewhere: Origin = "elsewhere.test/log".parse().expect("an origin");
    for (origin, tree_size) in sizes.iter().chain([&(elsewhere, MIDDLE)]) {
        let origin = origin.to_string();
        let (old_size, new_size) = (tree_size.min(&MIDDLE) - 1, *tree_size);
        calls.extend([
            ask(
                "GetPackages",
                &v1::GetPackagesRequest {
                    origin: origin.clone(),
                    tree_size: *tree_size,
                    first_package: 0,
                    count: 1,
                },
            ),
            ask(
                "GetConsistency",
                &v1::GetConsistencyRequest {
                    origin: origin.clone(),
                    old_size,
                    new_size,
                },
            ),
            ask(
                "GetDisclosures",
                &v1::GetDisclosuresRequest {
                    origin,
                    first_index: 0,
                    end_index: *tree_size,
                },
            ),
        ]);
    }
    let verify = |serial| {
        call(
            As::Member,
            "VerificationService/Verify",
            &question(serial, "张三"),
        )
    };
    calls.extend((1..=6).map(verify));
    calls
}

fn of_programs() -> Vec<Question> {
    fn ask(method: &str, request: &impl Message) -> Question {
        call(As::Program, method, request)
    }
    let page = |page_size| v1::ListEntriesRequest {
        kind: v1::Kind::Standard.into(),
        page_size,
        ..Default::default()
    };
    let employment = v1::VerifyRequest {
        purpose: v1::Purpose::Employment.into(),
        ..question(1, "张三")
    };
    let decide = v1::DecideRequest {
        question: Some(employment.clone()),
        ..Default::default()
    };
    vec![
        ask(
            "VerificationService/VerifyMany",
            &v1::VerifyManyRequest {
                question: Some(employment.clone()),
            },
        ),
        ask("VerificationService/Verify", &v1::VerifyRequest::default()),
        ask("RecognitionService/Decide", &decide),
        ask("RegistryService/ListEntries", &page(10)),
        ask("RegistryService/ListEntries", &page(1_000_000)),
        ask(
            "StatisticsService/GetStatistics",
            &v1::GetStatisticsRequest {
                basis: v1::StatisticsBasis::Activity.into(),
                region: HOME.to_string(),
                exact: true,
                ..Default::default()
            },
        ),
        ask("OperatorService/GetStatus", &v1::GetStatusRequest {}),
        ask("IssuanceService/Submit", &certificate(1)),
        ask("IssuanceService/Submit", &certificate(6)),
        ask("IssuanceService/Submit", &v1::SubmitRequest::default()),
        ask(
            "IssuanceService/SubmitMany",
            &v1::SubmitManyRequest {
                submission: Some(certificate(7)),
                progress: None,
            },
        ),
    ]
}
