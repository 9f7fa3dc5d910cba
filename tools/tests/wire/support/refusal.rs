//! What every refusal has.

use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

/// Holds a refusal against what every refusal has: a gRPC code, a stable reason, a sentence in
/// either language, and what to change where it is the caller who has to.
#[track_caller]
pub(crate) fn check<T>(answer: Result<Response<T>, Status>, code: Code, reason: &str) -> Status {
    let status = answer
        .err()
        .unwrap_or_else(|| panic!("{reason}: not refused"));
    let info = status
        .get_details_error_info()
        .unwrap_or_else(|| panic!("{reason}: {status:?}"));
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        (reason, "huren.v1")
    );
    assert_eq!(status.code(), code, "{reason}");
    let sentences = status
        .message()
        .strip_prefix(reason)
        .expect("the reason first");
    let is_han = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    assert!(
        sentences.chars().filter(|c| is_han(*c)).count() > 4,
        "{reason}: {sentences}"
    );
    let english = sentences.split_whitespace().filter(|word| word.is_ascii());
    assert!(english.count() > 3, "{reason}: {sentences}");
    status
}
