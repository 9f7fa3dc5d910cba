//! Submissions, of Zhejiang unless they say otherwise, and questions about them.

use huren_core::codes::Region;
use huren_proto::v1;

const HOME: Region = Region::ZHEJIANG;

fn institution(province: Region) -> String {
    format!("S0000{province}010006")
}

fn number_in(province: Region, serial: u32) -> String {
    format!("{}243{serial:06}", institution(province))
}

fn target_in(province: Region, serial: u32) -> Option<v1::Target> {
    Some(v1::Target {
        target: Some(v1::target::Target::Number(number_in(province, serial))),
    })
}

fn submission(province: Region, body: v1::submit_request::Body) -> v1::SubmitRequest {
    v1::SubmitRequest {
        writer_region: province.to_string(),
        provenance: v1::Provenance::Issued as i32,
        body: Some(body),
        ..Default::default()
    }
}

/// The groups of a certificate with that serial, of 张三.
pub fn groups(serial: u32) -> Vec<v1::GroupValues> {
    groups_in(HOME, serial)
}

/// The groups of a province's certificate with that serial, of 张三.
pub fn groups_in(province: Region, serial: u32) -> Vec<v1::GroupValues> {
    let group = |group: v1::Group, fields: &[(&str, &str)]| v1::GroupValues {
        group: group as i32,
        fields: fields
            .iter()
            .map(|(name, value)| v1::Field {
                name: (*name).into(),
                value: (*value).into(),
            })
            .collect(),
    };
    let (number, institution) = (number_in(province, serial), institution(province));
    let facts = [
        ("number", number.as_str()),
        ("track", "L"),
        ("occupation_edition", "2022"),
        ("occupation_code", "4-03-02-01"),
        ("occupation_name", "中式烹调师"),
        ("level", "4"),
        ("institution_code", institution.as_str()),
        ("institution_name", "浙江某某评价有限公司"),
        ("issue_date", "2024-03-01"),
    ];
    let id = [
        ("id_kind", "resident_id"),
        ("id_number", "11010519491231002X"),
    ];
    vec![
        group(v1::Group::Certificate, &facts),
        group(v1::Group::HolderName, &[("name", "张三")]),
        group(v1::Group::HolderId, &id),
    ]
}

/// A certificate with that serial, of 张三.
pub fn certificate(serial: u32) -> v1::SubmitRequest {
    certificate_in(HOME, serial)
}

/// A province's certificate with that serial, of 张三.
pub fn certificate_in(province: Region, serial: u32) -> v1::SubmitRequest {
    let groups = groups_in(province, serial);
    let certificate = v1::CertificateSubmission { groups };
    submission(province, v1::submit_request::Body::Certificate(certificate))
}

/// A change of that certificate's status.
pub fn change(action: v1::StatusAction, serial: u32) -> v1::SubmitRequest {
    change_in(HOME, action, serial)
}

/// A change of the status of a province's certificate.
pub fn change_in(province: Region, action: v1::StatusAction, serial: u32) -> v1::SubmitRequest {
    let change = v1::StatusSubmission {
        target: target_in(province, serial),
        action: action as i32,
        reason: v1::StatusReason::Decision as i32,
        effective_date: 20_240_401,
        replaced: Vec::new(),
        reference: String::new(),
    };
    submission(province, v1::submit_request::Body::Status(change))
}

/// An erasure of everything that opens that certificate.
pub fn erasure(serial: u32) -> v1::SubmitRequest {
    erasure_in(HOME, serial)
}

/// An erasure of everything that opens a province's certificate.
pub fn erasure_in(province: Region, serial: u32) -> v1::SubmitRequest {
    let erasure = v1::ErasureSubmission {
        target: target_in(province, serial),
        groups: Vec::new(),
        effective_date: 20_240_401,
    };
    submission(province, v1::submit_request::Body::Erasure(erasure))
}

/// A question about that certificate, answered from what is held alone.
pub fn question(serial: u32, name: &str) -> v1::VerifyRequest {
    question_in(HOME, serial, name)
}

/// A question about that certificate of a province, answered from what is held alone.
pub fn question_in(province: Region, serial: u32, name: &str) -> v1::VerifyRequest {
    v1::VerifyRequest {
        number: number_in(province, serial),
        holder_name: name.into(),
        want_receipt: true,
        local_only: true,
        ..Default::default()
    }
}
