//! Receipts: a verdict with its proofs, checkable offline years later with the root keys only.
//!
//! A receipt has two parts that must not be confused. What is *proven* rests on the log and
//! on whoever cosigned it: the certificate was issued, these status changes followed. What is
//! *asserted* rests on the node that answered: that nothing later, up to a stated size,
//! changes it.

pub mod erasure;
mod verify;

use serde::{Deserialize, Serialize};

use crate::{
    disclosure::{Opening, Values},
    framing,
    note::{Note, NoteSigner},
    reason::Reason,
    verdict::Verdict,
};

pub use verify::{Checked, ReceiptError, verify, verify_known};

/// A receipt, as it is stored and passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// [`Receipt::FORMAT`].
    pub format: String,
    /// What the logs prove.
    pub proven: Proven,
    /// What the answering node asserts: a signed note whose text is [`Assertion::HEADER`]
    /// and an [`Assertion`] as JSON.
    pub asserted: String,
    /// Salt of the question's digest in the assertion, hexadecimal. Who leaves it out when
    /// passing the receipt on keeps the question to themselves.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub question_salt: String,
}

/// What the log proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    /// The certificate's leaf.
    pub certificate: ProvenLeaf,
    /// The leaves of its status changes, in index order.
    pub statuses: Vec<ProvenLeaf>,
    /// The trust lists up to the version used, version 1 first (signed notes).
    pub trust_lists: Vec<String>,
    /// If an institution signed the certificate: the entry of the directory that names its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub institution: Option<ProvenLeaf>,
}

/// A leaf with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenLeaf {
    /// Its bytes, base64.
    pub leaf: String,
    /// Its proof (C2SP tlog-proof).
    pub proof: String,
    /// What opens its digests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disclosed: Vec<Opening>,
}

/// What the answering node asserts and signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assertion {
    /// Province of the node.
    pub answered_by: String,
    /// When, RFC 3339 in UTC.
    pub time: String,
    /// Salted digest of the question, see [`question_digest`]; hexadecimal.
    pub question: String,
    /// The day asked about (Asia/Shanghai), ISO 8601.
    pub as_of_date: String,
    /// Leaf hash of the certificate, hexadecimal.
    pub certificate: String,
    /// Leaf hashes of all its status changes up to the size stated, in index order.
    pub statuses: Vec<String>,
    /// If an institution signed the certificate: leaf hash of its entry, hexadecimal, which was
    /// its newest one before the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub institution: Option<String>,
    /// The conclusion.
    pub verdict: Verdict,
    /// With `unknown`: what was last known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known: Option<Verdict>,
    /// Why.
    pub reasons: Vec<ReasonText>,
    /// The logs that it rests on.
    pub as_of: Vec<Extent>,
    /// Version of the trust list used.
    pub trust_list_version: u64,
    /// Version of the rules, that is of the program.
    pub rules: String,
}

/// A reason with its sentences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReasonText {
    /// The code.
    pub code: String,
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

impl From<Reason> for ReasonText {
    fn from(reason: Reason) -> Self {
        Self {
            code: reason.code().into(),
            zh: reason.zh().into(),
            en: reason.en().into(),
        }
    }
}

/// How far a log was known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// The log.
    pub origin: String,
    /// Its province.
    pub region: String,
    /// Leaves taken into account.
    pub size: u64,
    /// Newest size that a quorum had cosigned.
    pub witnessed_size: u64,
    /// Age of that in seconds; missing if no quorum ever cosigned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<u64>,
    /// Whether the log was frozen.
    pub frozen: bool,
}

impl Receipt {
    /// The format of this version.
    pub const FORMAT: &str = "huren/receipt/v1";

    /// As readable JSON.
    ///
    /// # Errors
    /// Only if a value cannot be written as JSON, which these types rule out.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

impl Assertion {
    /// The first line of the signed text.
    pub const HEADER: &str = "huren/answer/v1";

    /// Signs with an answer key and gives the note. `None` if a value cannot be written,
    /// which these types rule out.
    pub fn sign(&self, signer: &NoteSigner) -> Option<String> {
        let json = serde_json::to_string_pretty(self).ok()?;
        let mut note = Note::new(format!("{}\n{json}\n", Self::HEADER)).ok()?;
        note.add(signer.sign(note.text())).ok()?;
        Some(note.to_string())
    }
}

/// The salted digest of a question, hexadecimal: who holds the salt and knows the question
/// can show that the receipt answers it.
pub fn question_digest(
    salt: &[u8; 16],
    number: &str,
    holder_name: Option<&Values>,
    holder_ids: &[Values],
    as_of_date: &str,
) -> String {
    // Name and IDs are framed on their own, so that no two questions give the same bytes.
    let name = holder_name.map(Values::canonical).unwrap_or_default();
    let mut parts: Vec<&[u8]> = vec![b"huren/question/v1\n", salt, number.as_bytes(), name];
    parts.extend(holder_ids.iter().map(Values::canonical));
    parts.push(as_of_date.as_bytes());
    hex::encode(framing::hash(parts))
}
