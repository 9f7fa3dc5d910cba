//! What a page shows, and what it must not.

use super::*;

const NUMBER: &str = "Y000033010001233000123";

fn asked() -> Asked {
    Asked {
        number: NUMBER.to_owned(),
        name: "张小三".to_owned(),
        document: String::new(),
        lang: Language::Zh,
    }
}

fn log(age_seconds: Option<u64>) -> v1::LogExtent {
    v1::LogExtent {
        origin: "huren.zj.example/log/33".to_owned(),
        region: "33".to_owned(),
        size: 5000,
        witnessed_size: 5000,
        age_seconds,
        frozen: false,
    }
}

fn place(language: Language) -> Place {
    Place {
        region: Region::SHANGHAI,
        language,
    }
}

fn here(age_seconds: Option<u64>) -> Here {
    Here {
        place: place(Language::Zh),
        address: "https://sh.huren.example:8443".to_owned(),
        now: "2026-03-01 09:30".to_owned(),
        today: Date::new(2026, 3, 1).unwrap(),
        logs: vec![log(age_seconds)],
    }
}

fn genuine() -> v1::VerifyResponse {
    let field = |(name, value): (&str, &str)| v1::Field {
        name: name.into(),
        value: value.into(),
    };
    let fields = [
        ("number", NUMBER),
        ("level", "4"),
        ("institution_code", "Y000033010001"),
        ("occupation_name", "电工"),
        ("institution_name", "甲<乙>学校"),
        ("issue_date", "2024-05-06"),
    ];
    v1::VerifyResponse {
        verdict: v1::Verdict::Valid.into(),
        as_of_date: 20_260_301,
        as_of: vec![log(Some(30))],
        certificate: fields.map(field).into(),
        answered_by: "33".to_owned(),
        receipt: b"{}".to_vec(),
        ..v1::VerifyResponse::default()
    }
}

fn unconfirmed(verdict: v1::Verdict, last_known: v1::Verdict, reason: &str) -> v1::VerifyResponse {
    let reason = v1::Reason {
        code: reason.into(),
        zh: reason.into(),
        en: reason.into(),
    };
    v1::VerifyResponse {
        verdict: verdict.into(),
        last_known: last_known.into(),
        reasons: vec![reason],
        ..v1::VerifyResponse::default()
    }
}

fn page(response: &v1::VerifyResponse, age_seconds: Option<u64>) -> String {
    answer(&asked(), response, None, &here(age_seconds)).into_string()
}

fn decided(outcome: v1::RecognitionOutcome, code: &str) -> v1::DecideResponse {
    let reason = v1::Reason {
        code: code.into(),
        zh: format!("{code} 之由"),
        en: format!("because of {code}"),
    };
    v1::DecideResponse {
        outcome: outcome.into(),
        level: 3,
        findings: vec![v1::RecognitionFinding {
            reason: Some(reason),
            ..v1::RecognitionFinding::default()
        }],
        ..v1::DecideResponse::default()
    }
}

#[test]
fn whether_it_is_recognised_here_is_said_with_the_reasons() {
    use v1::RecognitionOutcome::{NotRecognized, Recognized, Unspecified};
    let page = |outcome| {
        let decided = decided(outcome, "INST_EXITED");
        answer(&asked(), &genuine(), Some(&decided), &here(Some(30))).into_string()
    };
    let recognised = page(Recognized);
    for shown in ["上海市：予以互认", "INST_EXITED 之由", "按"] {
        assert!(recognised.contains(shown), "{shown}");
    }
    assert!(page(NotRecognized).contains("不予互认"));
    // A conclusion that this page does not know is none.
    assert!(page(Unspecified).contains("上海市：无法判定"));
}

#[test]
fn who_does_not_know_number_and_name_learns_nothing_of_recognition() {
    let response = unconfirmed(
        v1::Verdict::HolderMismatch,
        v1::Verdict::Unspecified,
        "HOLDER_MISMATCH",
    );
    let decided = decided(v1::RecognitionOutcome::NotRecognized, "HOLDER_MISMATCH");
    let shown = answer(&asked(), &response, Some(&decided), &here(Some(30)));
    assert_eq!(shown.into_string(), page(&response, Some(30)));
}

#[test]
fn unknown_numbers_and_wrong_names_give_the_same_bytes() {
    use v1::Verdict::{HolderMismatch, NotFound, Unknown, Unspecified};
    let expected = page(&unconfirmed(NotFound, Unspecified, "NOT_FOUND"), Some(30));
    let check = |response: &v1::VerifyResponse| assert_eq!(page(response, Some(30)), expected);

    check(&unconfirmed(HolderMismatch, Unspecified, "HOLDER_MISMATCH"));
    check(&unconfirmed(Unknown, HolderMismatch, "STALE_EVIDENCE"));
    check(&unconfirmed(Unknown, NotFound, "STALE_EVIDENCE"));
    check(&unconfirmed(Unknown, Unspecified, "ERASED"));
    check(&unconfirmed(Unknown, Unspecified, "DUPLICATE_NO"));
    // What a member that was asked wrongly adds is not shown either.
    check(&v1::VerifyResponse {
        verdict: HolderMismatch.into(),
        ..genuine()
    });
    check(&v1::VerifyResponse {
        verdict: Unknown.into(),
        last_known: HolderMismatch.into(),
        ..genuine()
    });
    // Nor who answered, and on which sizes: only for one of the two another member is asked.
    check(&v1::VerifyResponse {
        answered_by: "33".to_owned(),
        as_of: vec![log(Some(7)), log(None)],
        origin: "huren.zj.example/log/33".to_owned(),
        index: 17,
        receipt: b"{}".to_vec(),
        ..unconfirmed(HolderMismatch, Unspecified, "HOME_ANSWERED")
    });
}

#[test]
fn nothing_found_in_stale_logs_is_said_to_show_nothing() {
    let response = unconfirmed(v1::Verdict::NotFound, v1::Verdict::Unspecified, "NOT_FOUND");
    let check = |age, hints| {
        let page = page(&response, age);
        assert_eq!(page.contains("不能据此断定证书不存在"), hints, "{age:?}");
        assert!(page.contains("5000"), "the sizes are named");
    };
    check(Some(MAX_AGE), false);
    check(Some(MAX_AGE + 1), true);
    check(None, true);
}

#[test]
fn a_confirmed_certificate_is_shown_with_its_holder_masked() {
    let page = page(&genuine(), Some(30));
    for shown in [
        "有效",
        "三级/高级工",
        "电工",
        "张*三",
        "2024-05-06",
        "甲&lt;乙&gt;学校",
        "2026-03-01",
        "浙江省",
        "30 秒",
        "action=\"receipt\"",
        "2026-03-01 09:30",
        "<svg role=\"img\"",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    // Only the forms that ask for the receipt and for the other language carry what was typed.
    assert_eq!(page.matches("张小三").count(), 2);
    assert_eq!(page.matches("value=\"张小三\"").count(), 2);
    assert!(!page.contains("{{"));
}

#[test]
fn everything_is_said_in_the_language_of_the_form() {
    let english = Here {
        place: place(Language::En),
        ..here(Some(30))
    };
    let decided = v1::DecideResponse {
        answer: Some(genuine()),
        ..decided(v1::RecognitionOutcome::Recognized, "TITLE_EQUIVALENT")
    };
    let page = answer(&asked(), &genuine(), Some(&decided), &english).into_string();
    for shown in [
        "<html lang=\"en\">",
        "<h2>valid</h2>",
        "Shanghai: recognised",
        "because of TITLE_EQUIVALENT",
        "senior skilled worker",
        "guides juniors",
        "in good standing on the date of issue",
        "<span lang=\"zh-CN\">电工",
        "By the records as of 2026-03-01",
        "Zhejiang",
        "30 s",
        "aria-label=\"QR code\"",
        "<input type=\"hidden\" name=\"lang\" value=\"zh\">",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    // All Chinese that is left is the certificate's, what was typed, and the way to the Chinese page.
    let is_chinese = |line: &&str| line.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    let known = ["lang=\"zh-CN\"", "value=\"张小三\""];
    let left = page.lines().filter(is_chinese);
    let left: Vec<&str> = left
        .filter(|line| !known.iter().any(|known| line.contains(known)))
        .collect();
    // The style names fonts by their English names.
    assert!(left.is_empty(), "{left:?}");

    let chinese = answer(&asked(), &genuine(), Some(&decided), &here(Some(30))).into_string();
    for shown in [
        "<html lang=\"zh-CN\">",
        "状态正常",
        "能完成较复杂",
        "2026-03-01",
        "value=\"en\"",
    ] {
        assert!(chinese.contains(shown), "{shown}");
    }
    assert!(!chinese.contains("Certificate"));
}

#[test]
fn how_the_institution_stood_is_said_as_the_decision_found_it() {
    let page = |code: &str, looked: Option<v1::VerifyResponse>| {
        let decided = v1::DecideResponse {
            answer: looked,
            ..decided(v1::RecognitionOutcome::NotRecognized, code)
        };
        let page = answer(&asked(), &genuine(), Some(&decided), &here(Some(30))).into_string();
        let (_, row) = page.split_once("评价机构</th>").unwrap();
        row.split_once("</tr>").unwrap().0.to_owned()
    };
    assert!(page("LEVEL_UNMAPPED", Some(genuine())).contains("状态正常"));
    assert!(page("INST_EXITED", Some(genuine())).contains("INST_EXITED 之由"));
    assert!(page("DIRECTORY_ABSENT", Some(genuine())).contains("DIRECTORY_ABSENT 之由"));
    // What nobody looked at is not said.
    for looked in [None, Some(v1::VerifyResponse::default())] {
        assert!(!page("LEVEL_UNMAPPED", looked).contains("状态"));
    }
}

#[test]
fn what_was_last_known_is_shown_as_such() {
    let response = v1::VerifyResponse {
        verdict: v1::Verdict::Unknown.into(),
        last_known: v1::Verdict::Valid.into(),
        ..genuine()
    };
    let page = page(&response, Some(30));
    assert!(page.contains("无法判定"));
    assert!(page.contains("最近一次可确认的状态：有效"));
    assert!(page.contains("verdict unsure"));
}

#[test]
fn what_was_typed_stays_text() {
    let asked = Asked {
        number: "\"><script>".to_owned(),
        name: "{{facts}}[[a|b]]<i>".to_owned(),
        document: String::new(),
        lang: Language::Zh,
    };
    let page = answer(&asked, &genuine(), None, &here(Some(30))).into_string();
    assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;\""));
    assert!(page.contains("value=\"{{facts}}[[a|b]]&lt;i&gt;\""));
    assert!(!page.contains("<script"));
}

#[test]
fn without_a_receipt_none_is_offered() {
    let response = v1::VerifyResponse {
        receipt: Vec::new(),
        ..genuine()
    };
    assert!(!page(&response, Some(30)).contains("action=\"receipt\""));
}
