//! The proof that somebody's disclosures were erased, which says nothing about them: two leaves
//! of the public log, and what each member said of itself.
//!
//! As in a receipt, what is *proven* rests on the log: this erasure of these groups of that
//! certificate is a record which every member has to apply. What is *asserted* rests on the node
//! of the certificate's province: that it has applied it, and which members told it so of
//! themselves, and when.

use serde::{Deserialize, Serialize};

use crate::{
    checkpoint::Origin,
    disclosure::Group,
    merkle::Hash,
    note::{Note, NoteSigner},
    record::Body,
    tlog_proof::TlogProof,
    trust::{RootKeys, TrustChain},
};

use super::{
    ProvenLeaf, ReceiptError,
    verify::{Context, Signed, read_signed},
};

/// The proof, as it is stored and passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureProof {
    /// [`ErasureProof::FORMAT`].
    pub format: String,
    /// What the log proves.
    pub proven: ProvenErasure,
    /// What the node asserts: a signed note whose text is [`ErasureAssertion::HEADER`] and an
    /// [`ErasureAssertion`] as JSON.
    pub asserted: String,
}

/// What the log proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenErasure {
    /// The leaf of the erasure.
    pub erasure: ProvenLeaf,
    /// The leaf of the certificate, whose digests nothing opens any more.
    pub certificate: ProvenLeaf,
    /// The trust lists up to the version used, version 1 first (signed notes).
    pub trust_lists: Vec<String>,
}

/// What the node of the certificate's province asserts and signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureAssertion {
    /// Province of the node.
    pub answered_by: String,
    /// When, RFC 3339 in UTC: by then it had erased the groups itself.
    pub time: String,
    /// Leaf hash of the erasure, hexadecimal.
    pub erasure: String,
    /// Why: code of an [`ErasureReason`].
    pub reason: String,
    /// Every other member of the trust list.
    pub members: Vec<MemberErased>,
    /// Version of the trust list used.
    pub trust_list_version: u64,
}

/// What a member said of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemberErased {
    /// Its province.
    pub region: String,
    /// When it said that it has taken the log up to a size behind the erasure, RFC 3339 in UTC;
    /// missing while it has not, or does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// Why disclosures are erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErasureReason {
    /// The holder demands it.
    HolderRequest,
    /// The time for which they may be kept is over.
    RetentionEnded,
    /// A court or an authority ordered it.
    LegalOrder,
    /// They should never have been recorded.
    RecordedInError,
}

impl ErasureReason {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::HolderRequest,
        Self::RetentionEnded,
        Self::LegalOrder,
        Self::RecordedInError,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::HolderRequest => "HOLDER_REQUEST",
            Self::RetentionEnded => "RETENTION_ENDED",
            Self::LegalOrder => "LEGAL_ORDER",
            Self::RecordedInError => "RECORDED_IN_ERROR",
        }
    }

    /// In Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::HolderRequest => "本人请求",
            Self::RetentionEnded => "保存期限届满",
            Self::LegalOrder => "法院或主管机关决定",
            Self::RecordedInError => "本不应登记",
        }
    }

    /// In English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::HolderRequest => "the holder demands it",
            Self::RetentionEnded => "the time for which it may be kept is over",
            Self::LegalOrder => "a court or an authority ordered it",
            Self::RecordedInError => "it should never have been recorded",
        }
    }

    /// The reason with that code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

impl ErasureProof {
    /// The format of this version.
    pub const FORMAT: &str = "huren/erasure/v1";

    /// As readable JSON.
    ///
    /// # Errors
    /// Only if a value cannot be written as JSON, which these types rule out.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

impl ErasureAssertion {
    /// The first line of the signed text.
    pub const HEADER: &str = "huren/erased/v1";

    /// Signs with an answer key and gives the note. `None` if a value cannot be written,
    /// which these types rule out.
    pub fn sign(&self, signer: &NoteSigner) -> Option<String> {
        let json = serde_json::to_string_pretty(self).ok()?;
        let mut note = Note::new(format!("{}\n{json}\n", Self::HEADER)).ok()?;
        note.add(signer.sign(note.text())).ok()?;
        Some(note.to_string())
    }

    /// The members that have not said yet that they have erased.
    pub fn outstanding(&self) -> impl Iterator<Item = &str> {
        let silent = self.members.iter().filter(|member| member.time.is_none());
        silent.map(|member| member.region.as_str())
    }
}

/// A genuine proof, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedErasure {
    /// The log.
    pub origin: Origin,
    /// Index of the erasure's leaf.
    pub index: u64,
    /// Size of the cosigned checkpoint that proves it.
    pub proven_size: u64,
    /// Cosignatures under that checkpoint: name and time in seconds since 1970.
    pub cosignatures: Vec<(String, u64)>,
    /// Index of the certificate's leaf.
    pub certificate_index: u64,
    /// Leaf hash of the certificate.
    pub certificate: Hash,
    /// What was erased.
    pub groups: Vec<Group>,
    /// Day of the decision, yyyymmdd.
    pub effective_date: u32,
    /// Why; `None` for a code that is not known here.
    pub reason: Option<ErasureReason>,
    /// What the node asserts.
    pub assertion: ErasureAssertion,
}

/// Checks a proof by the trust lists that it carries.
///
/// # Errors
/// [`ReceiptError`] with the first fault found.
pub fn verify(json: &[u8], roots: &RootKeys) -> Result<CheckedErasure, ReceiptError> {
    let value: serde_json::Value =
        serde_json::from_slice(json).map_err(|_| ReceiptError::Format)?;
    match value.get("format").and_then(|format| format.as_str()) {
        Some(ErasureProof::FORMAT) => {}
        Some(other) if other.starts_with("huren/erasure/") => {
            return Err(ReceiptError::NewerFormat);
        }
        _ => return Err(ReceiptError::Format),
    }
    let given: ErasureProof = serde_json::from_value(value).map_err(|_| ReceiptError::Format)?;
    let notes = given.proven.trust_lists.iter().map(String::as_bytes);
    let chain = TrustChain::verify(roots, notes)?;
    let list = chain.newest();
    let assertion = read_signed(
        &given.asserted,
        ErasureAssertion::HEADER,
        list,
        |assertion: &ErasureAssertion| &assertion.answered_by,
    )?;

    let proof =
        TlogProof::parse(&given.proven.erasure.proof).map_err(|_| ReceiptError::Proof(0))?;
    let origin = proof.checkpoint.checkpoint().origin.clone();
    let member = list.list.log_of(&origin).ok_or(ReceiptError::UnknownLog)?;
    let policy = list
        .list
        .policy(&origin)
        .map_err(|_| ReceiptError::UnknownLog)?;
    let context = Context {
        list,
        member,
        origin: &origin,
        policy: &policy,
    };
    let Signed {
        index, key, record, ..
    } = context.leaf(&given.proven.erasure, &[])?;
    let Body::Erasure(groups) = &record.body else {
        return Err(ReceiptError::Record("not an erasure"));
    };
    // An institution may have signed the certificate. Whether it was allowed to is of no concern
    // here: what counts is that this leaf stands in this log, and whose certificate it is.
    let certificate = context.included(&given.proven.certificate)?;
    let is_before = certificate.index < index;
    let Body::Certificate(_) = certificate.record.body() else {
        return Err(ReceiptError::Record("not a certificate"));
    };
    if record.envelope.target != Some(*certificate.record.leaf()) || !is_before {
        return Err(ReceiptError::Contradiction);
    }
    let subject = &certificate.record.envelope().writer_region;
    if !list.authority().may_change(&origin, &key, subject) {
        return Err(ReceiptError::Record("KEY_REGION"));
    }

    let others: Vec<&str> = (list.list.members.iter())
        .map(|member| member.region.as_str())
        .filter(|region| *region != member.region)
        .collect();
    let said: Vec<&str> = (assertion.members.iter())
        .map(|member| member.region.as_str())
        .collect();
    // What opens the certificate is gone, and has no place here if it is not.
    let opens_nothing =
        given.proven.certificate.disclosed.is_empty() && given.proven.erasure.disclosed.is_empty();
    let fits = opens_nothing
        && assertion.answered_by == member.region
        && assertion.erasure == record.leaf.to_hex()
        && assertion.trust_list_version == list.list.version
        && said.len() == others.len()
        && others.iter().all(|region| said.contains(region));
    if !fits {
        return Err(ReceiptError::Contradiction);
    }
    let witnessed = policy
        .evaluate(&proof.checkpoint)
        .map_err(|_| ReceiptError::NoQuorum)?;
    let times = witnessed.timestamps.into_iter();
    Ok(CheckedErasure {
        index,
        proven_size: proof.checkpoint.checkpoint().size,
        cosignatures: times.map(|(name, time)| (name.to_string(), time)).collect(),
        certificate_index: certificate.index,
        certificate: *certificate.record.leaf(),
        groups: groups.clone(),
        effective_date: record.envelope.effective_date,
        reason: ErasureReason::from_code(&assertion.reason),
        assertion,
        origin,
    })
}
