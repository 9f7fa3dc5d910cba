//! Receipts: what makes one genuine, and with which reason it is refused.

use huren_core::{
    codes::Region,
    disclosure::Values,
    reason::Reason,
    receipt::{Assertion, Checked, Receipt, ReceiptError, question_digest, verify},
    trust::RootKeys,
    verdict::Verdict,
};
use huren_proto::v1::StatusAction;

use crate::common::{Case, Federation, NOW, NUMBER, correction, hash, values};

fn verified(receipt: &Receipt) -> Result<Checked, ReceiptError> {
    verify(
        receipt.to_json().unwrap().as_bytes(),
        &Federation::new().root_keys(),
    )
}

fn code(receipt: &Receipt) -> Result<(), &'static str> {
    verified(receipt).map(|_| ()).map_err(|error| error.code())
}

const VALID: (Verdict, &[Reason]) = (Verdict::Valid, &[Reason::InForce]);

#[test]
fn a_genuine_receipt_says_what_is_proven_and_what_asserted() {
    let federation = Federation::new();
    let case = Case::new(&federation);
    let receipt = case.receipt(VALID.0, VALID.1);
    let checked = verified(&receipt).unwrap();
    assert_eq!(
        (checked.home.as_str(), checked.index, checked.proven_size),
        ("33", 2, 4)
    );
    assert_eq!(checked.origin, federation.province("33").origin);
    let expected = [
        ("mirror-32".to_owned(), NOW - 30),
        ("witness-31".to_owned(), NOW),
    ];
    assert_eq!(checked.cosignatures, expected);
    assert_eq!(checked.certificate.get("number"), Some(NUMBER));
    assert_eq!(checked.assertion, case.assertion(VALID.0, VALID.1));

    let name = values(&[("name", "张三")]);
    let date = &checked.assertion.as_of_date;
    let question = question_digest(&[0x51; 16], NUMBER, Some(&name), &[], date);
    assert_eq!(checked.assertion.question, question);
    // Who keeps the question to themselves, or the content, still holds a receipt.
    let mut silent = receipt;
    silent.question_salt.clear();
    silent.proven.certificate.disclosed.clear();
    assert!(verified(&silent).unwrap().certificate.is_empty());
}

#[test]
fn a_receipt_stays_genuine_after_a_revocation() {
    let federation = Federation::new();
    let mut case = Case::new(&federation);
    let earlier = case.receipt(VALID.0, VALID.1);
    case.change(StatusAction::Revoke, Vec::new());
    let revoked = (Verdict::Revoked, &[Reason::StatusRevoked][..]);
    let later = case.receipt(revoked.0, revoked.1);
    assert_eq!(
        verified(&earlier).unwrap().assertion.verdict,
        Verdict::Valid
    );
    let checked = verified(&later).unwrap();
    assert_eq!(
        (checked.assertion.verdict, checked.proven_size),
        (Verdict::Revoked, 5)
    );

    // The old answer over the new proofs, and the other way round.
    let check = |receipt: Receipt| assert_eq!(code(&receipt), Err("RECEIPT_CONTRADICTION"));
    check(Receipt {
        asserted: earlier.asserted.clone(),
        ..later.clone()
    });
    check(Receipt {
        asserted: later.asserted.clone(),
        ..earlier
    });
    // The revocation left out.
    let mut dropped = later;
    dropped.proven.statuses.clear();
    check(dropped);
}

#[test]
fn an_answer_cannot_make_more_of_the_proof_than_it_says() {
    let federation = Federation::new();
    let check = |expected, action: Option<StatusAction>, verdict, last_known| {
        let mut case = Case::new(&federation);
        if let Some(action) = action {
            case.change(action, Vec::new());
        }
        let assertion = Assertion {
            last_known,
            ..case.assertion(verdict, &[])
        };
        let answer = &federation.province("32").answer;
        let receipt = case.receipt_of(&case.cosigned(), &assertion, answer);
        let expected = if expected {
            Ok(())
        } else {
            Err("RECEIPT_CONTRADICTION")
        };
        assert_eq!(
            code(&receipt),
            expected,
            "{action:?} {verdict:?} {last_known:?}"
        );
    };
    use Verdict::*;
    let revoke = Some(StatusAction::Revoke);
    for verdict in [Valid, Pending, Expired] {
        check(true, None, verdict, None);
        check(false, revoke, verdict, None);
        check(false, revoke, Unknown, Some(verdict));
    }
    for verdict in [HolderMismatch, Unknown, NotFound] {
        check(true, None, verdict, None);
        check(true, revoke, verdict, None);
    }
    check(true, revoke, Unknown, Some(Revoked));
    check(false, None, Revoked, None);
    check(false, revoke, Void, None);
    check(true, Some(StatusAction::Reissue), Valid, None);
    check(true, Some(StatusAction::Suspend), Suspended, None);
    check(true, Some(StatusAction::Supersede), Superseded, None);
}

#[test]
fn an_expired_certificate_is_not_asserted_valid() {
    let federation = Federation::new();
    let mut case = Case::new(&federation);
    let mut over = correction("4");
    let fields = over[0].values.take().unwrap();
    over[0].values = Some(Values::new(
        fields.iter().chain([("valid_until", "2025-05-31")]),
    ));
    case.change(StatusAction::Correct, over);
    assert_eq!(
        code(&case.receipt(Verdict::Expired, &[Reason::Expired])),
        Ok(())
    );
    assert_eq!(
        code(&case.receipt(VALID.0, VALID.1)),
        Err("RECEIPT_CONTRADICTION")
    );
}

#[test]
fn corrections_are_shown_and_cannot_be_hidden() {
    let federation = Federation::new();
    let (_, receipt) = Case::corrected(&federation);
    assert_eq!(
        verified(&receipt).unwrap().certificate.get("level"),
        Some("4")
    );
    let mut hidden = receipt.clone();
    hidden.proven.statuses[0].disclosed.clear();
    assert!(verified(&hidden).unwrap().certificate.is_empty());
    let mut swapped = receipt;
    swapped.proven.statuses[0].disclosed = swapped.proven.certificate.disclosed.clone();
    assert_eq!(code(&swapped), Err("RECEIPT_DISCLOSURE"));
}

#[test]
fn a_quorum_must_have_cosigned() {
    let federation = Federation::new();
    let case = Case::new(&federation);
    let (size, assertion) = (case.log.size(), case.assertion(VALID.0, VALID.1));
    let own = federation.province("33");
    let shanghai = federation.province("31");
    let undecided = [
        case.log.signed(size),
        case.log
            .cosigned(size, &[(&shanghai.witness, NOW), (&shanghai.mirror, NOW)]),
        case.log
            .cosigned(size, &[(&shanghai.witness, NOW), (&own.mirror, NOW)]),
    ];
    for head in undecided {
        let receipt = case.receipt_of(&head, &assertion, &federation.province("32").answer);
        let error = verified(&receipt).unwrap_err();
        assert_eq!(
            (error.code(), error.is_undecided()),
            ("RECEIPT_NO_QUORUM", true)
        );
    }
    // Without the log's own signature, and cosigned under another log's name.
    let cosigned = case.cosigned();
    let others = cosigned.note().signatures()[1..].to_vec();
    let unsigned = cosigned.with_signatures(others).unwrap();
    let receipt = case.receipt_of(&unsigned, &assertion, &federation.province("32").answer);
    let error = verified(&receipt).unwrap_err();
    assert_eq!(
        (error.code(), error.is_undecided()),
        ("RECEIPT_LOG_SIGNATURE", false)
    );
}

#[test]
fn only_the_right_roots_verify_it() {
    let federation = Federation::new();
    let case = Case::new(&federation);
    let receipt = case.receipt(VALID.0, VALID.1);
    let mut role = federation.root_role();
    role.keys = ["7", "8", "9"]
        .map(|n| Federation::root(n).verifier_key().to_string())
        .into();
    let other = RootKeys::new(&role).unwrap();
    let error = verify(receipt.to_json().unwrap().as_bytes(), &other).unwrap_err();
    assert_eq!(
        (error.code(), error.is_undecided()),
        ("RECEIPT_TRUST", false)
    );
    let mut without = receipt;
    without.proven.trust_lists.clear();
    assert_eq!(code(&without), Err("RECEIPT_TRUST"));
}

#[test]
fn the_answer_is_signed_by_the_member_that_it_names() {
    let federation = Federation::new();
    let case = Case::new(&federation);
    let assertion = case.assertion(VALID.0, VALID.1);
    let jiangsu = federation.province("32");
    let check = |expected, assertion: &Assertion, signer| {
        let receipt = case.receipt_of(&case.cosigned(), assertion, signer);
        assert_eq!(code(&receipt), expected);
    };
    let refused = Err("RECEIPT_ANSWER_SIGNATURE");
    check(Ok(()), &assertion, &jiangsu.answer);
    check(refused, &assertion, &federation.province("31").answer);
    check(refused, &assertion, &jiangsu.log);
    let nobody = Assertion {
        answered_by: "11".to_owned(),
        ..assertion.clone()
    };
    check(refused, &nobody, &jiangsu.answer);
    let contradiction = Err("RECEIPT_CONTRADICTION");
    let other = Assertion {
        trust_list_version: 2,
        ..assertion.clone()
    };
    check(contradiction, &other, &jiangsu.answer);
    let other = Assertion {
        as_of_date: "someday".to_owned(),
        ..assertion.clone()
    };
    check(contradiction, &other, &jiangsu.answer);
    let other = Assertion {
        certificate: case.log.leaf(3).to_hex(),
        ..assertion
    };
    check(contradiction, &other, &jiangsu.answer);
}

#[test]
fn status_leaves_are_those_of_the_certificate_in_order() {
    let federation = Federation::new();
    let province = federation.province("33");
    let writer = province.writer();
    let suspended = |case: &Case<'_>| case.receipt(Verdict::Suspended, &[]);
    // Of the other certificate in the log.
    let mut case = Case::new(&federation);
    let leaf = writer.status(StatusAction::Suspend, case.log.leaf(3), None);
    case.append(leaf, Vec::new());
    assert_eq!(code(&suspended(&case)), Err("RECEIPT_STATUSES"));
    // Not following the one before.
    let mut case = Case::new(&federation);
    case.change(StatusAction::Revoke, Vec::new());
    let leaf = writer.status(StatusAction::Suspend, case.target(), None);
    case.append(leaf, Vec::new());
    assert_eq!(code(&suspended(&case)), Err("RECEIPT_STATUSES"));
    // Not a status change at all.
    let mut case = Case::new(&federation);
    case.append(writer.institution("2"), Vec::new());
    assert_eq!(code(&suspended(&case)), Err("RECEIPT_STATUSES"));
    // The right ones in the wrong order.
    let mut case = Case::new(&federation);
    case.change(StatusAction::Revoke, Vec::new());
    case.change(StatusAction::Reinstate, Vec::new());
    let mut receipt = case.receipt(VALID.0, VALID.1);
    assert_eq!(code(&receipt), Ok(()));
    receipt.proven.statuses.reverse();
    assert_eq!(code(&receipt), Err("RECEIPT_STATUSES"));
}

#[test]
fn records_need_authority_for_their_place() {
    let federation = Federation::new();
    let province = federation.province("33");
    let county = province.county_writer();
    // A county's key may write for its county and change what that wrote.
    let mut case = Case::written_by(&federation, county);
    case.append(
        county.status(StatusAction::Revoke, case.target(), None),
        Vec::new(),
    );
    assert_eq!(code(&case.receipt(Verdict::Revoked, &[])), Ok(()));
    // It may not change another's: the register of no node would take this in.
    let mut case = Case::new(&federation);
    case.append(
        county.status(StatusAction::Revoke, case.target(), None),
        Vec::new(),
    );
    assert_eq!(
        code(&case.receipt(Verdict::Revoked, &[])),
        Err("RECEIPT_RECORD")
    );
    let elsewhere = county.for_region(Region::parse("330205").unwrap());
    let case = Case::written_by(&federation, elsewhere);
    assert_eq!(code(&case.receipt(VALID.0, VALID.1)), Err("RECEIPT_RECORD"));
    // Another member's key.
    let case = Case::written_by(&federation, federation.province("32").writer());
    assert_eq!(code(&case.receipt(VALID.0, VALID.1)), Err("RECEIPT_RECORD"));
}

#[test]
fn what_is_not_a_certificate_gets_no_receipt() {
    let federation = Federation::new();
    let mut case = Case::new(&federation);
    case.certificate = (1, Vec::new());
    assert_eq!(code(&case.receipt(VALID.0, VALID.1)), Err("RECEIPT_RECORD"));
}

#[test]
fn newer_formats_and_records_are_undecided() {
    let federation = Federation::new();
    let mut case = Case::new(&federation);
    let receipt = case.receipt(VALID.0, VALID.1);
    let with_format = |format: &str| {
        let receipt = Receipt {
            format: format.to_owned(),
            ..receipt.clone()
        };
        let error = verified(&receipt).unwrap_err();
        (error.code(), error.is_undecided())
    };
    assert_eq!(with_format("huren/receipt/v2"), ("RECEIPT_NEWER", true));
    assert_eq!(with_format("other"), ("RECEIPT_FORMAT", false));
    let roots = federation.root_keys();
    let newer = br#"{"format": "huren/receipt/v9", "anything": []}"#;
    assert_eq!(verify(newer, &roots), Err(ReceiptError::NewerFormat));
    assert_eq!(verify(b"{}", &roots), Err(ReceiptError::Format));
    assert_eq!(verify(b"no json", &roots), Err(ReceiptError::Format));

    // A change of a kind of action that this version does not know.
    let writer = federation.province("33").writer();
    let known = writer.status(StatusAction::Revoke, case.target(), None);
    let mut signed: huren_proto::v1::SignedRecord = prost::Message::decode(&known[..]).unwrap();
    let mut record: huren_proto::v1::Record = prost::Message::decode(&signed.record[..]).unwrap();
    record.envelope.as_mut().unwrap().schema = 2;
    signed = writer.sign_anything(prost::Message::encode_to_vec(&record));
    let leaf = prost::Message::encode_to_vec(&signed);
    assert_ne!(hash(&leaf), hash(&known));
    case.append(leaf, Vec::new());
    let error = verified(&case.receipt(Verdict::Unknown, &[Reason::SchemaNewer])).unwrap_err();
    assert_eq!(
        (error.code(), error.is_undecided()),
        ("RECEIPT_RECORD_NEWER", true)
    );
}

#[test]
fn questions_differ_in_their_digests() {
    let name = |name: &str| values(&[("name", name)]);
    let id = |kind: &str, number: &str| values(&[("id_kind", kind), ("id_number", number)]);
    let kind = values(&[("id_kind", "passport")]);
    let number = values(&[("id_number", "1")]);
    let digest = |salt, number: &str, name: Option<&Values>, ids: &[Values], date: &str| {
        question_digest(&[salt; 16], number, name, ids, date)
    };
    let date = "2025-06-01";
    let all = [
        digest(1, NUMBER, None, &[], date),
        digest(2, NUMBER, None, &[], date),
        digest(1, "other", None, &[], date),
        digest(1, NUMBER, None, &[], "2025-06-02"),
        digest(1, NUMBER, Some(&name("张三")), &[], date),
        digest(1, NUMBER, None, &[name("张三")], date),
        digest(1, NUMBER, None, &[id("passport", "1")], date),
        digest(1, NUMBER, None, &[kind.clone(), number.clone()], date),
        digest(1, NUMBER, Some(&kind), &[number], date),
        digest(1, NUMBER, Some(&id("passport", "1")), &[], date),
    ];
    for (i, digest) in all.iter().enumerate() {
        assert!(!all[..i].contains(digest), "question {i} was seen before");
    }
}

#[test]
fn refusals_have_codes_and_sentences() {
    let all = [
        ReceiptError::Format,
        ReceiptError::NewerFormat,
        ReceiptError::Trust(huren_core::trust::TrustError::Empty),
        ReceiptError::UnknownLog,
        ReceiptError::Proof(1),
        ReceiptError::LogSignature,
        ReceiptError::NoQuorum,
        ReceiptError::Record("KEY_KIND"),
        ReceiptError::NewerRecord,
        ReceiptError::Disclosure,
        ReceiptError::Statuses,
        ReceiptError::AnswerSignature,
        ReceiptError::Contradiction,
    ];
    for (i, error) in all.iter().enumerate() {
        assert!(all[..i].iter().all(|other| other.code() != error.code()));
        assert!(error.zh().ends_with('。') && error.code().starts_with("RECEIPT_"));
    }
}
