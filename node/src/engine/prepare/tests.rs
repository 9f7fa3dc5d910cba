//! What a submission is refused for before it is queued.

use huren_core::{codes::Region, disclosure::SecretKey, keys::RecordSigner};
use huren_proto::v1::{self, submit_request::Body};

use super::{WriterKeys, prepare};
use crate::engine::SystemRandom;

/// Code and field of every fault of a submission to the log of Zhejiang; none if it is in order.
fn faults(request: &v1::SubmitRequest) -> Vec<(&'static str, &'static str)> {
    let signer = RecordSigner::from_seed(&[1; 32]);
    let keys = WriterKeys {
        index: SecretKey::new([2; 32]).into(),
        holder: SecretKey::new([3; 32]),
        at_rest: SecretKey::new([4; 32]).into(),
    };
    let origin = "huren.test/log/33".parse().unwrap();
    let prepared = prepare(
        request,
        Region::ZHEJIANG,
        &origin,
        (&keys, &signer),
        None,
        &SystemRandom,
    );
    match prepared {
        Ok(_) => Vec::new(),
        Err(refused) => refused.0.iter().map(|f| (f.code, f.field)).collect(),
    }
}

fn submission(body: Body) -> v1::SubmitRequest {
    v1::SubmitRequest {
        writer_region: "33".into(),
        provenance: v1::Provenance::Issued as i32,
        body: Some(body),
        ..Default::default()
    }
}

/// A correction of the holder's name, which gives the field as often as `names` has values.
fn correction(names: &[&str]) -> v1::SubmitRequest {
    let field = |value: &&str| v1::Field {
        name: "name".into(),
        value: (*value).into(),
    };
    submission(Body::Status(v1::StatusSubmission {
        target: Some(v1::Target {
            target: Some(v1::target::Target::LeafHash(vec![7; 32])),
        }),
        action: v1::StatusAction::Correct as i32,
        reason: v1::StatusReason::ClericalError as i32,
        effective_date: 20_240_401,
        replaced: vec![v1::GroupValues {
            group: v1::Group::HolderName as i32,
            fields: names.iter().map(field).collect(),
        }],
        reference: String::new(),
    }))
}

#[test]
fn a_field_that_is_given_twice_is_not_the_last_of_the_two() {
    assert_eq!(faults(&correction(&["张三"])), []);
    let twice = faults(&correction(&["张三", "李四"]));
    assert_eq!(twice, [("FIELD_TWICE", "holder_name")]);
}

#[test]
fn a_number_that_is_not_known_is_not_taken_for_another() {
    let unknown = |change: fn(&mut v1::SubmitRequest, &mut v1::StatusSubmission)| {
        let mut request = correction(&["张三"]);
        let Some(Body::Status(mut status)) = request.body.take() else {
            unreachable!("a correction is a change of status");
        };
        change(&mut request, &mut status);
        request.body = Some(Body::Status(status));
        faults(&request)
    };
    assert_eq!(
        unknown(|request, _| request.provenance = 99),
        [("PROVENANCE_UNKNOWN", "provenance")]
    );
    assert_eq!(
        unknown(|request, _| request.wait = 99),
        [("WAIT_UNKNOWN", "wait")]
    );
    assert_eq!(
        unknown(|_, status| status.reason = 99),
        [("STATUS_REASON_UNKNOWN", "reason")]
    );
    let action = [("STATUS_ACTION", "action")];
    assert_eq!(unknown(|_, status| status.action = 0), action);
    assert_eq!(unknown(|_, status| status.action = 99), action);
    assert_eq!(
        unknown(|_, status| status.reference = "号".repeat(65)),
        [("REFERENCE_TOO_LONG", "reference")]
    );
    assert_eq!(unknown(|_, status| status.reference = "号".repeat(64)), []);
    // What may be left out may be left out.
    let left_out = unknown(|request, status| {
        (request.provenance, request.wait, status.reason) = (0, 0, 0);
    });
    assert_eq!(left_out, []);
}
