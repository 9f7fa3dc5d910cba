//! Submissions of Zhejiang, and questions about them.

use huren_proto::v1;

fn number(serial: u32) -> String {
    format!("S000033010006243{serial:06}")
}

fn target(serial: u32) -> Option<v1::Target> {
    Some(v1::Target {
        target: Some(v1::target::Target::Number(number(serial))),
    })
}

fn submission(body: v1::submit_request::Body) -> v1::SubmitRequest {
    v1::SubmitRequest {
        writer_region: "33".into(),
        provenance: v1::Provenance::Issued as i32,
        body: Some(body),
        ..Default::default()
    }
}

/// The groups of a certificate with that serial, of 张三.
pub fn groups(serial: u32) -> Vec<v1::GroupValues> {
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
    let number = number(serial);
    let facts = [
        ("number", number.as_str()),
        ("track", "L"),
        ("occupation_edition", "2022"),
        ("occupation_code", "4-03-02-01"),
        ("occupation_name", "中式烹调师"),
        ("level", "4"),
        ("institution_code", "S000033010006"),
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
    submission(v1::submit_request::Body::Certificate(
        v1::CertificateSubmission {
            groups: groups(serial),
        },
    ))
}

/// A change of that certificate's status.
pub fn change(action: v1::StatusAction, serial: u32) -> v1::SubmitRequest {
    submission(v1::submit_request::Body::Status(v1::StatusSubmission {
        target: target(serial),
        action: action as i32,
        reason: v1::StatusReason::Decision as i32,
        effective_date: 20_240_401,
        replaced: Vec::new(),
    }))
}

/// An erasure of everything that opens that certificate.
pub fn erasure(serial: u32) -> v1::SubmitRequest {
    submission(v1::submit_request::Body::Erasure(v1::ErasureSubmission {
        target: target(serial),
        groups: Vec::new(),
        effective_date: 20_240_401,
    }))
}

/// A question about that certificate, answered from what is held alone.
pub fn question(serial: u32, name: &str) -> v1::VerifyRequest {
    v1::VerifyRequest {
        number: number(serial),
        holder_name: name.into(),
        want_receipt: true,
        local_only: true,
        ..Default::default()
    }
}
