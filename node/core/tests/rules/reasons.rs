//! Codes and sentences of reasons and verdicts.

use huren_core::{reason::Reason, verdict::Verdict};

#[test]
fn reasons_and_verdicts_have_codes_and_sentences() {
    let upper_snake =
        |code: &str| !code.is_empty() && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let chinese = |text: &str| text.chars().any(|c| ('一'..='龥').contains(&c));
    for (i, reason) in Reason::ALL.iter().enumerate() {
        assert!(upper_snake(reason.code()), "{}", reason.code());
        assert!(
            Reason::ALL[..i]
                .iter()
                .all(|other| other.code() != reason.code())
        );
        assert!(Reason::ALL[..i].iter().all(|other| other < reason));
        assert!(
            chinese(reason.zh()) && reason.zh().ends_with('。'),
            "{}",
            reason.code()
        );
        assert!(
            reason.en().ends_with('.') && reason.en().is_ascii(),
            "{}",
            reason.code()
        );
        assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
    }
    use Verdict::*;
    let all = [
        Valid,
        Revoked,
        Void,
        Suspended,
        Superseded,
        Expired,
        HolderMismatch,
        Pending,
        Unknown,
        NotFound,
    ];
    for verdict in all {
        assert!(chinese(verdict.zh()) && !verdict.en().is_empty());
    }
}
