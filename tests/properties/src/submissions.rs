//! What provinces hand in.

use huren_core::{
    codes::Region,
    registry,
    submission::{self, Invalid},
};
use huren_proto::v1::{self, submit_request::Body};
use prost::Message as _;

/// What is accepted is kept in a form that is accepted again as it is; what is refused is
/// refused with codes.
pub fn submission(bytes: &[u8]) {
    let Ok(request) = v1::SubmitRequest::decode(bytes) else {
        return;
    };
    match request.body {
        Some(Body::Certificate(certificate)) => groups(&certificate.groups),
        Some(Body::Status(change)) => groups(&change.replaced),
        Some(Body::Institution(institution)) => {
            let entry = institution.institution.unwrap_or_default();
            if let Some(checked) = accepted(submission::institution(&entry, HOME)) {
                assert_eq!(submission::institution(&checked, HOME), Ok(checked));
            }
        }
        // A key that nobody holds: then nothing is accepted, and why is said.
        Some(Body::Signed(signed)) => {
            let origin = "huren.example/log/33".parse().expect("an origin");
            let unknown = submission::signed(&signed, &origin, HOME, None);
            assert!(accepted(unknown).is_none());
        }
        Some(Body::Entry(entry)) => {
            let kind = entry.kind();
            let checked = accepted(registry::submit(kind, &entry.body, &HOME, HOME));
            if let Some(body) = checked {
                assert_eq!(registry::submit(kind, &body, &HOME, HOME), Ok(body.clone()));
                let read = registry::read(kind, &body).expect("in order");
                assert_eq!(read.expect("of this version").body, body);
            }
        }
        Some(Body::Erasure(_)) | None => {}
    }
}

const HOME: Region = Region::ZHEJIANG;

fn groups(groups: &[v1::GroupValues]) {
    let Some(groups) = accepted(submission::from_proto(groups)) else {
        return;
    };
    if let Some(checked) = accepted(submission::certificate(&groups, HOME)) {
        let again = accepted(submission::certificate(&checked.groups, HOME));
        let again = again.expect("its own form");
        assert_eq!(again.groups, checked.groups);
        assert_eq!(again.number.expose(), checked.number.expose());
    }
    if let Some(checked) = accepted(submission::replaced(&groups, HOME)) {
        assert_eq!(submission::replaced(&checked, HOME), Ok(checked));
    }
}

/// What was accepted. What was not has reasons, each with a code and sentences.
fn accepted<T>(result: Result<T, Vec<Invalid>>) -> Option<T> {
    let refusals = match result {
        Ok(accepted) => return Some(accepted),
        Err(refusals) => refusals,
    };
    assert!(!refusals.is_empty());
    for refusal in refusals {
        let is_code = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_';
        assert!(!refusal.code.is_empty() && refusal.code.bytes().all(is_code));
        assert!(!refusal.zh.is_empty() && !refusal.en.is_empty());
    }
    None
}
