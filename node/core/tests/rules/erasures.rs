//! Proofs of erasures: what they say, and what is none.

use huren_core::{
    disclosure::Group,
    receipt::{
        ReceiptError,
        erasure::{
            ErasureAssertion, ErasureProof, ErasureReason, MemberErased, ProvenErasure, verify,
        },
    },
};
use serde_json::Value;

use crate::{
    common::{Case, Federation, NUMBER, openings},
    receipt_tampering::{scalars, tampered},
};

const TIME: &str = "2025-06-01T00:00:00Z";

struct Erased<'a> {
    case: Case<'a>,
    /// Index of the erasure.
    index: u64,
}

impl<'a> Erased<'a> {
    /// The name and the ID of a certificate were erased.
    fn new(federation: &'a Federation) -> Self {
        let mut case = Case::new(federation);
        let groups = [Group::HolderName, Group::HolderId];
        let writer = case.log.province.writer();
        let index = case.log.append(writer.erasure(case.target(), &groups));
        Self { case, index }
    }

    fn assertion(&self) -> ErasureAssertion {
        let member = |region: &str, time: Option<&str>| MemberErased {
            region: region.to_owned(),
            time: time.map(str::to_owned),
        };
        ErasureAssertion {
            answered_by: "33".to_owned(),
            time: TIME.to_owned(),
            erasure: self.case.log.leaf(self.index).to_hex(),
            reason: ErasureReason::HolderRequest.code().to_owned(),
            members: vec![
                member("31", Some(TIME)),
                member("32", None),
                member("34", Some(TIME)),
            ],
            trust_list_version: 1,
        }
    }

    fn proof(&self, assertion: &ErasureAssertion) -> ErasureProof {
        let (case, head) = (&self.case, self.case.cosigned());
        let at = |index| case.proven(&(index, Vec::new()), &head);
        let signer = &case.federation.province(&assertion.answered_by).answer;
        ErasureProof {
            format: ErasureProof::FORMAT.to_owned(),
            proven: ProvenErasure {
                erasure: at(self.index),
                certificate: at(case.certificate.0),
                trust_lists: case.chain.lists().iter().map(|list| list.note()).collect(),
            },
            asserted: assertion.sign(signer).unwrap(),
        }
    }

    fn check(&self, proof: &ErasureProof) -> Result<(), ReceiptError> {
        let json = proof.to_json().unwrap();
        let roots = self.case.federation.root_keys();
        verify(json.as_bytes(), &roots).map(drop)
    }
}

#[test]
fn a_genuine_proof_says_what_was_erased_and_where_not_yet() {
    let federation = Federation::new();
    let erased = Erased::new(&federation);
    let json = erased.proof(&erased.assertion()).to_json().unwrap();
    let checked = verify(json.as_bytes(), &federation.root_keys()).unwrap();
    assert_eq!(checked.index, erased.index);
    assert_eq!(checked.certificate, erased.case.target());
    assert_eq!(checked.certificate_index, erased.case.certificate.0);
    assert_eq!(checked.groups, [Group::HolderName, Group::HolderId]);
    assert_eq!(checked.reason, Some(ErasureReason::HolderRequest));
    assert_eq!(checked.assertion.outstanding().collect::<Vec<_>>(), ["32"]);
    assert_eq!(checked.cosignatures.len(), 2);
}

#[test]
fn what_is_no_proof_is_refused_with_its_reason() {
    let federation = Federation::new();
    let erased = Erased::new(&federation);
    let genuine = erased.assertion();
    let proof = erased.proof(&genuine);
    let (case, head) = (&erased.case, erased.case.cosigned());
    let asserts = |change: fn(&mut ErasureAssertion)| {
        let mut assertion = genuine.clone();
        change(&mut assertion);
        erased.check(&erased.proof(&assertion))
    };
    let proves = |change: &dyn Fn(&mut ErasureProof)| {
        let mut proof = proof.clone();
        change(&mut proof);
        erased.check(&proof)
    };
    let contradiction = Err(ReceiptError::Contradiction);
    // A member left out, named twice, or another member's answer about this log.
    assert_eq!(asserts(|a| drop(a.members.pop())), contradiction);
    let twice = asserts(|a| a.members[1] = a.members[0].clone());
    assert_eq!(twice, contradiction);
    assert_eq!(asserts(|a| a.answered_by = "31".into()), contradiction);
    assert_eq!(asserts(|a| a.erasure = "00".repeat(32)), contradiction);
    assert_eq!(asserts(|a| a.trust_list_version = 2), contradiction);

    // Another certificate, what is none, and no erasure.
    let other = |index| case.proven(&(index, Vec::new()), &head);
    let certificate = case.certificate.0;
    let not = |what| Err(ReceiptError::Record(what));
    let wrong = proves(&|p| p.proven.certificate = other(certificate + 1));
    assert_eq!(wrong, contradiction);
    let wrong = proves(&|p| p.proven.certificate = other(0));
    assert_eq!(wrong, not("not a certificate"));
    let wrong = proves(&|p| p.proven.erasure = other(certificate));
    assert_eq!(wrong, not("not an erasure"));

    // Without a quorum, and with what would open the certificate.
    let signed = case.log.signed(case.log.size());
    let alone = |index| case.proven(&(index, Vec::new()), &signed);
    let wrong = proves(&|p| p.proven.erasure = alone(erased.index));
    assert_eq!(wrong, Err(ReceiptError::NoQuorum));
    let wrong = proves(&|p| p.proven.certificate.disclosed = openings(NUMBER, 0));
    assert_eq!(wrong, contradiction);
}

#[test]
fn a_county_s_key_erases_nothing_of_another_county() {
    let federation = Federation::new();
    let mut case = Case::new(&federation);
    let writer = case.log.province.county_writer();
    let index = case
        .log
        .append(writer.erasure(case.target(), &[Group::HolderName]));
    let erased = Erased { case, index };
    let proof = erased.proof(&erased.assertion());
    assert!(matches!(erased.check(&proof), Err(ReceiptError::Record(_))));
}

#[test]
fn no_change_of_a_proof_passes() {
    let federation = Federation::new();
    let erased = Erased::new(&federation);
    let proof = erased.proof(&erased.assertion());
    let (genuine, roots) = (serde_json::to_value(proof).unwrap(), federation.root_keys());
    let passes = |proof: &Value| verify(proof.to_string().as_bytes(), &roots).is_ok();
    assert!(passes(&genuine));
    let mut paths = Vec::new();
    scalars(&genuine, "", &mut paths);
    assert!(paths.len() > 6);
    for path in paths {
        let text = genuine.pointer(&path).unwrap().as_str().unwrap();
        for changed in tampered(text, 1 + text.len() / 60) {
            let mut proof = genuine.clone();
            *proof.pointer_mut(&path).unwrap() = Value::String(changed.clone());
            assert!(!passes(&proof), "{path} changed to {changed:?}");
        }
    }
}
