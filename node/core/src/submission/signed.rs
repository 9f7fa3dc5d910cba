//! A certificate that an institution signed: checked as one in clear, and beyond that whether
//! the signature is the institution's and the disclosures open what it signed.

use std::collections::BTreeMap;

use huren_proto::v1;
use prost::Message as _;

use super::fault::{Fault, Faults, Invalid};
use super::{CheckedCertificate, certificate};
use crate::{
    checkpoint::Origin,
    codes::Region,
    disclosure::{self, Group, GroupDigests, Opening},
    keys::RecordSigner,
    normalise,
    record::{Body, Draft, Envelope, RecordError, UnverifiedRecord},
    register::InstitutionKeyRow,
    verdict::names_institution,
};

/// A certificate whose signature, openings and values hold.
#[derive(Clone, Debug)]
pub struct SignedCertificate {
    /// What it says.
    pub certificate: CheckedCertificate,
    /// What opens it, ascending by group.
    pub openings: Vec<Opening>,
    /// Its envelope.
    pub envelope: Envelope,
}

/// Checks a signed certificate for the log `origin` of `province`. `key` is what the directory
/// says of the key that it names: `None` if no institution holds it.
///
/// # Errors
/// The fault that stops the check; of the values, every fault.
pub fn signed(
    submission: &v1::SignedSubmission,
    origin: &Origin,
    province: Region,
    key: Option<&InstitutionKeyRow>,
) -> Result<SignedCertificate, Vec<Invalid>> {
    let record = UnverifiedRecord::read_strict(&submission.leaf).map_err(record_fault)?;
    let envelope = record.envelope().clone();
    let Body::Certificate(digests) = record.body().clone() else {
        return Err(one("leaf", &Fault::SignedKind));
    };
    let key = key.ok_or_else(|| one("leaf", &Fault::KeyUnknown))?;
    key.admits(envelope.kind, &envelope.writer_region)
        .map_err(|code| {
            let fault = match code {
                "KEY_INSTITUTION_STATE" => Fault::KeyInstitutionState,
                _ => Fault::KeyRegion,
            };
            one("leaf", &fault)
        })?;
    let verifier = key.verifier();
    let verifier = verifier.ok_or_else(|| one("leaf", &Fault::KeyUnknown))?;
    record
        .verify(origin.as_str(), &verifier)
        .map_err(record_fault)?;

    let openings = openings(&submission.disclosures, &digests)?;
    let groups: BTreeMap<Group, _> = openings
        .iter()
        .filter_map(|opening| Some((opening.group, opening.values.clone()?)))
        .collect();
    let certificate = certificate(&groups, province)?;
    let other = groups
        .iter()
        .find(|(group, values)| certificate.groups.get(group) != Some(values));
    if let Some((group, _)) = other {
        return Err(one(group.name(), &Fault::NotCanonical));
    }
    if !names_institution(&groups[&Group::Certificate], &key.code) {
        return Err(one("institution_code", &Fault::KeyInstitution));
    }
    Ok(SignedCertificate {
        certificate,
        openings,
        envelope,
    })
}

/// Makes a certificate's leaf for the log `origin`, and what opens it. `random` gives fresh salts.
///
/// # Errors
/// If it is none that this program would read back.
pub fn sign(
    certificate: CheckedCertificate,
    (writer_region, provenance): (Region, v1::Provenance),
    origin: &Origin,
    signer: &RecordSigner,
    random: impl FnMut() -> [u8; 16],
) -> Result<(Vec<u8>, Vec<Opening>), RecordError> {
    let openings = disclosure::open(certificate.groups, random);
    let body = v1::Certificate {
        normaliser: normalise::VERSION,
        groups: GroupDigests::of(&openings).to_proto(),
    };
    let draft = Draft {
        envelope: Envelope {
            kind: v1::Kind::Certificate as i32,
            writer_region,
            provenance,
            effective_date: 0,
            target: None,
            previous: None,
        },
        body: body.encode_to_vec(),
    };
    Ok((draft.sign(origin.as_str(), signer)?, openings))
}

/// Openings that open every digest, and nothing else.
fn openings(
    given: &[v1::Disclosure],
    digests: &GroupDigests,
) -> Result<Vec<Opening>, Vec<Invalid>> {
    let field = "disclosures";
    let openings =
        disclosure::from_proto(given).ok_or_else(|| one(field, &Fault::DisclosureMalformed))?;
    let is_complete = openings.iter().all(|opening| opening.values.is_some())
        && openings
            .iter()
            .map(|opening| opening.group)
            .eq(digests.iter().map(|(group, _)| group));
    if !is_complete {
        return Err(one(field, &Fault::DisclosureMissing));
    }
    disclosure::check(&openings, digests).map_err(|_| one(field, &Fault::DisclosureWrong))?;
    Ok(openings)
}

fn record_fault(error: RecordError) -> Vec<Invalid> {
    vec![Invalid {
        code: error.code(),
        field: "leaf",
        zh: "签名记录不合规，或其签名不成立。".to_owned(),
        en: error.to_string(),
    }]
}

fn one(field: &'static str, fault: &Fault) -> Vec<Invalid> {
    let mut faults = Faults::default();
    faults.push(field, fault);
    faults.into_vec()
}
