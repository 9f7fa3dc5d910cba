//! Receipts of certificates that an institution signed: the entry that names its key is proven too.

use huren_core::{
    codes::Region,
    reason::Reason,
    receipt::{Receipt, ReceiptError, verify},
    verdict::Verdict,
};
use huren_proto::v1::{
    InstitutionState::{Active, Suspended},
    StatusAction,
};
use serde_json::{Value, json};

use crate::{
    common::{
        Case, Federation, INSTITUTION, Log, Writer, evidence::with_field, institution_writer,
    },
    institutions::{OTHER, adoption},
};

fn genuine(case: &Case<'_>) -> Receipt {
    case.receipt(Verdict::Valid, &[Reason::InForce])
}

fn verified(case: &Case<'_>, receipt: &Receipt) -> Result<(), ReceiptError> {
    let json = receipt.to_json().unwrap();
    verify(json.as_bytes(), &case.federation.root_keys()).map(|_| ())
}

#[test]
fn a_receipt_proves_the_entry_too() {
    let federation = Federation::new();
    let mut case = Case::institutional(&federation);
    assert_eq!(verified(&case, &genuine(&case)), Ok(()));
    case.change(StatusAction::Suspend, Vec::new());
    let receipt = case.receipt(Verdict::Suspended, &[Reason::StatusSuspended]);
    assert_eq!(verified(&case, &receipt), Ok(()));
}

#[test]
fn a_receipt_without_the_right_entry_is_refused() {
    let federation = Federation::new();
    let case = Case::institutional(&federation);
    let (receipt, head) = (genuine(&case), case.cosigned());
    let at = |index: u64| case.proven(&(index, Vec::new()), &head);
    let check = |change: &dyn Fn(&mut Receipt), expected: ReceiptError| {
        let mut changed = receipt.clone();
        change(&mut changed);
        assert_eq!(verified(&case, &changed), Err(expected));
    };
    check(
        &|r| r.proven.institution = None,
        ReceiptError::Record("KEY_UNKNOWN"),
    );
    // The entry of another institution, what is no entry, and the certificate itself.
    check(
        &|r| r.proven.institution = Some(at(2)),
        ReceiptError::Record("KEY_UNKNOWN"),
    );
    check(
        &|r| r.proven.institution = Some(at(0)),
        ReceiptError::Record("not an institution's entry"),
    );
    check(
        &|r| r.proven.institution = Some(r.proven.certificate.clone()),
        ReceiptError::Record("KEY_UNKNOWN"),
    );
    check(
        &|r| r.proven.institution.as_mut().unwrap().proof = r.proven.certificate.proof.clone(),
        ReceiptError::Proof(3),
    );
    // Who leaves out what the certificate says leaves out whose it is.
    check(
        &|r| r.proven.certificate.disclosed.clear(),
        ReceiptError::Record("KEY_INSTITUTION"),
    );
    // The answering node names the entry itself.
    let answer = &federation.province("32").answer;
    for named in [None, Some("00".repeat(32))] {
        let assertion = huren_core::receipt::Assertion {
            institution: named,
            ..case.assertion(Verdict::Valid, &[Reason::InForce])
        };
        let other = case.receipt_of(&head, &assertion, answer);
        assert_eq!(verified(&case, &other), Err(ReceiptError::Contradiction));
    }
    // An entry that nothing rests on has no place in a receipt.
    let mut plain = Case::new(&federation);
    plain.entry = Some(1);
    assert_eq!(
        verified(&plain, &genuine(&plain)),
        Err(ReceiptError::Contradiction)
    );
}

/// The certificate before its entry, under a key that was suspended, of another institution,
/// for another region.
#[test]
fn receipts_judge_as_the_fold_does() {
    let federation = Federation::new();
    let province = federation.province("33");
    let writer = institution_writer(province);
    let check = |state, code: &str, by: Writer<'_>, for_region, is_first: bool, expected| {
        let mut case = Case::institutional(&federation);
        let given = by.entry(INSTITUTION, state, &[&writer.signer()]);
        let open = with_field("institution_code", code, 0);
        let issued = writer.for_region(for_region).certificate(&open);
        let mut log = Log::new(province);
        log.append(adoption(province, &case.chain));
        let (entry, index) = if is_first {
            let index = log.append(issued);
            (log.append(given), index)
        } else {
            (log.append(given), log.append(issued))
        };
        (case.log, case.entry, case.certificate) = (log, Some(entry), (index, open));
        assert_eq!(verified(&case, &genuine(&case)), expected);
    };
    let record = |code| Err(ReceiptError::Record(code));
    let (home, zhejiang) = (province.writer(), Region::ZHEJIANG);
    check(Active, INSTITUTION, home, zhejiang, false, Ok(()));
    check(
        Active,
        INSTITUTION,
        home,
        zhejiang,
        true,
        record("KEY_UNKNOWN"),
    );
    let state = record("KEY_INSTITUTION_STATE");
    check(Suspended, INSTITUTION, home, zhejiang, false, state);
    let other = record("KEY_INSTITUTION");
    check(Active, OTHER, home, zhejiang, false, other);
    let county = province.county_writer();
    check(
        Active,
        INSTITUTION,
        county,
        zhejiang,
        false,
        record("KEY_KIND"),
    );
    let home = home.for_region(county.region);
    check(
        Active,
        INSTITUTION,
        home,
        zhejiang,
        false,
        record("KEY_REGION"),
    );
    check(Active, INSTITUTION, home, county.region, false, Ok(()));
}

/// Every place of the JSON where something may be changed.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                places(field, &format!("{path}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                places(item, &format!("{path}/{at}"), found);
            }
        }
        _ => found.push(path.to_owned()),
    }
}

#[test]
fn nothing_of_the_entry_can_be_changed() {
    let federation = Federation::new();
    let case = Case::institutional(&federation);
    let value = serde_json::to_value(genuine(&case)).unwrap();
    let mut found = Vec::new();
    places(
        &value["proven"]["institution"],
        "/proven/institution",
        &mut found,
    );
    assert_eq!(found.len(), 2);
    for path in found {
        let text = value.pointer(&path).unwrap().as_str().unwrap();
        for at in (0..text.len()).step_by(7) {
            let mut bytes = text.as_bytes().to_vec();
            if !bytes[at].is_ascii_alphanumeric() {
                continue;
            }
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let mut changed = value.clone();
            *changed.pointer_mut(&path).unwrap() = json!(String::from_utf8(bytes).unwrap());
            let roots = federation.root_keys();
            let accepted = verify(changed.to_string().as_bytes(), &roots).is_ok();
            assert!(!accepted, "{path} at {at}");
        }
    }
}
