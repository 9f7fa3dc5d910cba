//! What answers are made of, as it travels.

use huren_core::{
    reason::Reason,
    verdict::{LogView, Verdict},
};
use huren_proto::v1;

/// A log's extent as it travels.
pub(super) fn extent(log: &LogView, now: u64) -> v1::LogExtent {
    v1::LogExtent {
        origin: log.origin.to_string(),
        region: log.region.to_string(),
        size: log.size,
        witnessed_size: log.witnessed_size,
        age_seconds: log.age(now),
        frozen: log.frozen,
    }
}

/// A reason with its sentences.
pub(super) fn reason(reason: Reason) -> v1::Reason {
    v1::Reason {
        code: reason.code().into(),
        zh: reason.zh().into(),
        en: reason.en().into(),
    }
}

/// Verdicts by the numbers that stand for them.
const VERDICTS: [(Verdict, v1::Verdict); 10] = [
    (Verdict::Valid, v1::Verdict::Valid),
    (Verdict::Revoked, v1::Verdict::Revoked),
    (Verdict::Void, v1::Verdict::Void),
    (Verdict::Suspended, v1::Verdict::Suspended),
    (Verdict::Superseded, v1::Verdict::Superseded),
    (Verdict::Expired, v1::Verdict::Expired),
    (Verdict::HolderMismatch, v1::Verdict::HolderMismatch),
    (Verdict::Pending, v1::Verdict::Pending),
    (Verdict::Unknown, v1::Verdict::Unknown),
    (Verdict::NotFound, v1::Verdict::NotFound),
];

/// The number of a verdict.
pub(super) fn verdict_number(verdict: Verdict) -> i32 {
    let mut verdicts = VERDICTS.iter();
    verdicts
        .find(|(own, _)| *own == verdict)
        .map_or(0, |(_, number)| (*number).into())
}

/// The verdict of an answer; `None` for one that this program does not know.
pub(super) fn verdict_of(number: v1::Verdict) -> Option<Verdict> {
    let mut verdicts = VERDICTS.iter();
    verdicts
        .find(|(_, own)| *own == number)
        .map(|(verdict, _)| *verdict)
}

/// A time as receipts and reports show it.
pub(super) fn rfc3339(seconds: u64) -> String {
    jiff::Timestamp::from_second(seconds.cast_signed())
        .map(|time| time.to_string())
        .unwrap_or_default()
}
