//! Receipts, and the answers in them.

use huren_core::{
    note::{Note, NoteSigner},
    receipt::{Assertion, Checked, Receipt, verify},
    verdict::Verdict,
};

use crate::{known::RECEIPT, text};

/// A receipt that is accepted says what the genuine one says, or less.
pub fn receipt(bytes: &[u8]) {
    let good = &*RECEIPT;
    let Ok(checked) = verify(bytes, &good.roots) else {
        return;
    };
    agrees(&checked);
    assert_eq!(checked.assertion, good.checked.assertion);
    let read: Receipt = serde_json::from_slice(bytes).expect("it was read");
    let written = read.to_json().expect("JSON");
    assert_eq!(verify(written.as_bytes(), &good.roots), Ok(checked));
}

/// An answer of a member that lies, in the words of these bytes and signed by its own key, makes
/// no more of a certificate than its log proves.
pub fn assertion(bytes: &[u8]) {
    let Some(text) = text(bytes) else {
        return;
    };
    let good = &*RECEIPT;
    let Ok(mut note) = Note::new(format!("{}\n{text}\n", Assertion::HEADER)) else {
        return;
    };
    let region = &good.checked.assertion.answered_by;
    note.add(answer_key(region).sign(note.text()))
        .expect("room");
    let receipt = Receipt {
        asserted: note.to_string(),
        ..good.receipt.clone()
    };
    let json = receipt.to_json().expect("JSON");
    let Ok(checked) = verify(json.as_bytes(), &good.roots) else {
        return;
    };
    agrees(&checked);
    let (says, said) = (&checked.assertion, &good.checked.assertion);
    assert_eq!(says.answered_by, said.answered_by);
    assert_eq!(says.certificate, said.certificate);
    assert_eq!(says.statuses, said.statuses);
    assert_eq!(says.trust_list_version, said.trust_list_version);
    // The certificate was corrected and is in force: no other status can be claimed.
    let claimed = match says.verdict {
        Verdict::Unknown => says.last_known,
        verdict => Some(verdict),
    };
    let needs_status = [
        Verdict::Revoked,
        Verdict::Void,
        Verdict::Suspended,
        Verdict::Superseded,
    ];
    assert!(claimed.is_none_or(|claim| !needs_status.contains(&claim)));
}

/// What is proven is the genuine receipt's.
fn agrees(checked: &Checked) {
    let good = &RECEIPT.checked;
    assert_eq!(checked.home, good.home);
    assert_eq!(checked.origin, good.origin);
    assert_eq!(checked.index, good.index);
    assert_eq!(checked.proven_size, good.proven_size);
    // Who passes a receipt on may leave out what it discloses, and who asks for a day before
    // the correction is told what was corrected later.
    let issued = &RECEIPT.receipt.proven.certificate.disclosed;
    let mut issued = issued.iter().filter_map(|opening| opening.values.as_ref());
    let is_known = checked.certificate.is_empty() || checked.certificate == good.certificate;
    assert!(is_known || issued.any(|values| *values == checked.certificate));
    let is_genuine = |cosignature| good.cosignatures.contains(cosignature);
    assert!(checked.cosignatures.iter().all(is_genuine));
    assert!(checked.cosignatures.len() >= 2, "the quorum");
}

/// The answer key of a member in the vectors, whose seed is its name.
pub(crate) fn answer_key(region: &str) -> NoteSigner {
    let mut seed = [b'.'; 32];
    let name = format!("huren-test/answer/{region}");
    seed[..name.len()].copy_from_slice(name.as_bytes());
    let name = format!("huren.example/answer/{region}").parse();
    NoteSigner::from_seed(name.expect("a name"), &seed)
}
