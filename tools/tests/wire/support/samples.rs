//! Submissions and questions to make tests of.

use huren_proto::v1::{self, submit_request::Body};

/// A certificate to be issued.
#[derive(Clone, Copy)]
pub(crate) struct Sample<'a> {
    /// Its number.
    pub(crate) number: &'a str,
    /// Its holder's name.
    pub(crate) name: &'a str,
    /// Its holder's resident ID number.
    pub(crate) id: &'a str,
}

impl Sample<'_> {
    /// Its submission to Zhejiang's log.
    pub(crate) fn submission(&self) -> v1::SubmitRequest {
        let groups = vec![
            group(v1::Group::Certificate, &facts(self.number)),
            group(v1::Group::HolderName, &[("name", self.name)]),
            group(
                v1::Group::HolderId,
                &[("id_kind", "resident_id"), ("id_number", self.id)],
            ),
        ];
        submission(Body::Certificate(v1::CertificateSubmission { groups }))
    }

    /// A question about it, by somebody who knows that name.
    pub(crate) fn question(&self, name: &str) -> v1::VerifyRequest {
        v1::VerifyRequest {
            number: self.number.to_owned(),
            holder_name: name.to_owned(),
            want_receipt: true,
            purpose: v1::Purpose::Employment.into(),
            ..Default::default()
        }
    }

    /// A change of its status.
    pub(crate) fn change(&self, action: v1::StatusAction) -> v1::StatusSubmission {
        v1::StatusSubmission {
            target: Some(self.target()),
            action: action.into(),
            reason: v1::StatusReason::Decision.into(),
            effective_date: 20_240_401,
            replaced: Vec::new(),
            reference: String::new(),
        }
    }

    /// The erasure of all that opens it.
    pub(crate) fn erasure(&self) -> v1::SubmitRequest {
        submission(Body::Erasure(v1::ErasureSubmission {
            target: Some(self.target()),
            groups: Vec::new(),
            effective_date: 20_240_401,
        }))
    }

    fn target(&self) -> v1::Target {
        let number = v1::target::Target::Number(self.number.to_owned());
        v1::Target {
            target: Some(number),
        }
    }
}

/// A submission for Zhejiang.
pub(crate) fn submission(body: Body) -> v1::SubmitRequest {
    v1::SubmitRequest {
        writer_region: "33".into(),
        provenance: v1::Provenance::Issued.into(),
        body: Some(body),
        ..Default::default()
    }
}

/// A group of values.
pub(crate) fn group(group: v1::Group, fields: &[(&str, &str)]) -> v1::GroupValues {
    let field = |(name, value): &(&str, &str)| v1::Field {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    v1::GroupValues {
        group: group.into(),
        fields: fields.iter().map(field).collect(),
    }
}

fn facts(number: &str) -> [(&'static str, &str); 9] {
    [
        ("number", number),
        ("track", "L"),
        ("occupation_edition", "2022"),
        ("occupation_code", "4-03-02-01"),
        ("occupation_name", "中式烹调师"),
        ("level", "4"),
        ("institution_code", "S000033010006"),
        ("institution_name", "浙江某某评价有限公司"),
        ("issue_date", "2024-03-01"),
    ]
}
