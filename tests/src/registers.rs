//! What two provinces enter into their registers about the harness's certificates: enough for a
//! decision that everything speaks for.

use huren_core::codes::Region;
use huren_node::engine::Placed;
use huren_proto::v1::{self, Kind, submit_request::Body};
use prost::Message;

use crate::{Federation, REGIONS, certificate};

/// Whose certificates they are.
pub const HOME: Region = Region::ZHEJIANG;
/// Where an agreement says that they are recognised.
pub const SHANGHAI: Region = REGIONS[0];
/// As in the certificates of the harness.
const CODE: &str = "S000033010006";

/// A submission of a region that was issued now.
pub fn request(region: Region, body: Body) -> v1::SubmitRequest {
    v1::SubmitRequest {
        writer_region: region.to_string(),
        provenance: v1::Provenance::Issued as i32,
        body: Some(body),
        ..Default::default()
    }
}

/// An entry of a register.
pub fn entry(region: Region, kind: Kind, from: u32, message: &impl Message) -> v1::SubmitRequest {
    request(
        region,
        Body::Entry(v1::EntrySubmission {
            kind: kind.into(),
            body: message.encode_to_vec(),
            effective_date: from,
        }),
    )
}

/// An entry of the institution that the certificates of the harness name.
pub fn institution(state: v1::InstitutionState, from: u32) -> v1::SubmitRequest {
    let scope = v1::InstitutionScope {
        edition: 2022,
        occupation: "4-03-02-01".into(),
        level_from: 2,
        level_to: 5,
        valid_from: 20_200_101,
        valid_to: 0,
    };
    let institution = v1::Institution {
        code: CODE.into(),
        name: "浙江某某评价有限公司".into(),
        kind: v1::InstitutionKind::Social as i32,
        home_region: "330106".into(),
        scopes: vec![scope],
        state: state.into(),
        ..Default::default()
    };
    request(
        HOME,
        Body::Institution(v1::InstitutionSubmission {
            institution: Some(institution),
            effective_date: from,
        }),
    )
}

/// The national standard of their occupation.
pub fn standard() -> v1::Standard {
    v1::Standard {
        code: "4-03-02-01".into(),
        edition: 2018,
        kind: v1::StandardKind::National.into(),
        title: "中式烹调师国家职业技能标准".into(),
        occupation_edition: 2022,
        occupation: "4-03-02-01".into(),
        level_from: 2,
        level_to: 6,
        document_number: "人社厅发〔2018〕145号".into(),
        state: v1::StandardState::Issued.into(),
        ..Default::default()
    }
}

/// A catalogue that leaves their occupation out.
pub fn catalogue() -> v1::QualificationCatalogue {
    v1::QualificationCatalogue {
        edition: 20_211_123,
        part: 1,
        parts: 1,
        title: "国家职业资格目录（2021年版）".into(),
        document_number: "人社部发〔2021〕91号".into(),
        occupation_edition: 2022,
        lines: vec![v1::QualificationLine {
            number: 60,
            name: "焊工".into(),
            category: v1::QualificationCategory::Skilled.into(),
            access: v1::QualificationAccess::Required.into(),
            department: "人力资源社会保障部".into(),
            occupations: vec!["6-18-02-04".into()],
        }],
    }
}

/// An agreement of all but Anhui.
pub fn agreement() -> v1::Agreement {
    v1::Agreement {
        code: "SFQ-2021-46".into(),
        title: "示范区技能人才协同评价实施方案".into(),
        document_number: "示范区执委会发〔2021〕46号".into(),
        parties: vec!["31".into(), "32".into(), "33".into()],
        tracks: vec![v1::Track::Level.into()],
        level_from: 2,
        level_to: 6,
        valid_from: 20_210_601,
        state: v1::AgreementState::InForce.into(),
        ..Default::default()
    }
}

/// What a province lets rules do.
pub fn rules_of_province(lines: &[(&str, v1::RecognitionEffect)]) -> v1::RecognitionRules {
    let lines = lines.iter().map(|(rule, effect)| v1::RuleEffect {
        rule: (*rule).into(),
        effect: (*effect).into(),
    });
    v1::RecognitionRules {
        effects: lines.collect(),
        document_number: "沪人社规〔2025〕1号".into(),
    }
}

/// Writes into a province's log.
///
/// # Panics
/// If it is refused.
pub async fn submit(federation: &Federation, at: Region, request: v1::SubmitRequest) -> Placed {
    let submitted = federation.engine(at).submit(&request).await;
    submitted.expect("in order").expect("in the log")
}

/// What Zhejiang writes about its institution, and Shanghai about the agreement.
pub async fn registers(federation: &Federation) {
    let active = v1::InstitutionState::Active;
    for request in [
        institution(active, 20_200_101),
        entry(HOME, Kind::Standard, 20_181_226, &standard()),
        entry(HOME, Kind::QualificationCatalogue, 20_211_123, &catalogue()),
        certificate(1),
    ] {
        submit(federation, HOME, request).await;
    }
    let agreement = entry(SHANGHAI, Kind::Agreement, 20_210_601, &agreement());
    submit(federation, SHANGHAI, agreement).await;
}

/// Everybody has everything, cosigned.
pub async fn settled(federation: &Federation) {
    for of in REGIONS {
        let size = federation.entry(of, of).state.head.size;
        for at in REGIONS {
            federation.until_known(at, of, size).await;
        }
    }
}
