//! Records and leaves: reading bytes from outside, checking and making signatures.
//!
//! A leaf's bytes are kept and passed on as they came. Reading one never fails because it
//! is newer than this program: what is not understood becomes [`Body::Newer`], so that the
//! register can say so instead of guessing.

use huren_proto::v1;
use prost::Message;

use crate::{
    audit::Anchor,
    codes::{Date, Region},
    disclosure::{Group, GroupDigests},
    framing,
    keys::{Algorithm, RecordSigner, RecordVerifier},
    merkle::{self, Hash},
    registry,
};

/// The largest leaf in bytes: tlog-tiles gives its length 16 bits.
pub const MAX_LEAF_BYTES: usize = 65_535;

/// The most keys that an entry may give to an institution.
pub const MAX_INSTITUTION_KEYS: usize = 8;

/// The schema version that this program writes and understands.
pub const SCHEMA: u32 = 1;

/// The line that record signatures start with. Signatures for any other purpose differ in it.
const DOMAIN: &[u8] = b"huren/record/v1\n";

/// A leaf that decodes, with its signature not yet checked.
#[derive(Clone, Debug)]
pub struct UnverifiedRecord {
    signed: v1::SignedRecord,
    leaf: Hash,
    envelope: Envelope,
    body: Body,
}

/// What every record has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Kind number as in `huren.v1.Kind`; numbers beyond that list are newer kinds.
    pub kind: i32,
    /// Who writes.
    pub writer_region: Region,
    /// Made now or loaded from old stock.
    pub provenance: v1::Provenance,
    /// Day of effect, yyyymmdd in Asia/Shanghai; 0 in certificates.
    pub effective_date: u32,
    /// Leaf hash of what is changed.
    pub target: Option<Hash>,
    /// Leaf hash of the status change that this one follows.
    pub previous: Option<Hash>,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A certificate.
    Certificate(GroupDigests),
    /// A change of status, with the digests that it replaces.
    StatusChange {
        /// What happens.
        action: v1::StatusAction,
        /// Why.
        reason: v1::StatusReason,
        /// Replaced digests; empty unless the action is CORRECT or REISSUE.
        replaced: GroupDigests,
    },
    /// An erasure of groups of the target.
    Erasure(Vec<Group>),
    /// A directory entry of an institution.
    Institution(v1::Institution),
    /// Adoption of a trust list.
    TrustListAdoption {
        /// Version.
        version: u64,
        /// SHA-256 of its signed text.
        digest: Hash,
    },
    /// A statement about the audit trail of the log's node.
    AuditAnchor(Anchor),
    /// An entry of one of the public registers.
    Entry(registry::Checked),
    /// Something of a kind, schema or field that this program does not know.
    Newer,
}

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Longer than a leaf can be.
    #[error("a leaf holds at most {MAX_LEAF_BYTES} bytes")]
    TooLarge,
    /// Not a signed record at all.
    #[error("the leaf does not decode as a signed record")]
    Undecodable,
    /// Decodes and encodes to other bytes: unknown fields or an alternative encoding.
    #[error("the record's bytes are not their own re-encoding")]
    NotCanonical,
    /// Decodes, but breaks a rule of its kind.
    #[error("the record breaks a rule of its kind: {0}")]
    Rule(&'static str),
    /// The signature is not one by the key.
    #[error("the record's signature does not verify")]
    BadSignature,
    /// The algorithm is not one that this program can check.
    #[error("the signature's algorithm is not known to this program")]
    UnknownAlgorithm,
}

impl RecordError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "LEAF_TOO_LARGE",
            Self::Undecodable => "LEAF_UNDECODABLE",
            Self::NotCanonical => "RECORD_NOT_CANONICAL",
            Self::Rule(_) => "RECORD_RULE",
            Self::BadSignature => "SIGNATURE_INVALID",
            Self::UnknownAlgorithm => "SIGNATURE_ALGORITHM_UNKNOWN",
        }
    }
}

impl UnverifiedRecord {
    /// Reads a leaf.
    ///
    /// # Errors
    /// `TooLarge`, `Undecodable`, or `Rule` when a known kind breaks its own rules. Bytes that
    /// hold more than this program knows are no error: see [`Body::Newer`].
    pub fn read(leaf: &[u8]) -> Result<Self, RecordError> {
        if leaf.len() > MAX_LEAF_BYTES {
            return Err(RecordError::TooLarge);
        }
        let signed = v1::SignedRecord::decode(leaf).map_err(|_| RecordError::Undecodable)?;
        let record =
            v1::Record::decode(signed.record.as_slice()).map_err(|_| RecordError::Undecodable)?;
        let canonical = signed.encode_to_vec() == leaf && record.encode_to_vec() == signed.record;
        let raw = record.envelope.ok_or(RecordError::Rule("no envelope"))?;
        let known =
            canonical && raw.schema == SCHEMA && v1::Provenance::try_from(raw.provenance).is_ok();
        let envelope = Envelope::read(&raw, known)?;
        let body = if known {
            Body::read(&envelope, &record.body)?
        } else {
            Body::Newer
        };
        Ok(Self {
            leaf: merkle::leaf_hash(leaf),
            signed,
            envelope,
            body,
        })
    }

    /// Reads a leaf that is about to be appended: nothing that is newer, nothing that is not
    /// its own re-encoding.
    ///
    /// # Errors
    /// As [`Self::read`], and `NotCanonical`.
    pub fn read_strict(leaf: &[u8]) -> Result<Self, RecordError> {
        let record = Self::read(leaf)?;
        if record.body == Body::Newer {
            Err(RecordError::NotCanonical)
        } else {
            Ok(record)
        }
    }

    /// RFC 6962 hash of the leaf.
    pub const fn leaf(&self) -> &Hash {
        &self.leaf
    }

    /// The id of the key that it claims to be signed with, as it stands in the leaf.
    pub fn key_id(&self) -> Option<Hash> {
        Hash::from_slice(&self.signed.key_id)
    }

    /// What it says in its envelope; trust it after [`Self::verify`] only.
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// What it says, for a caller who signed it.
    pub(crate) fn into_parts(self) -> (Envelope, Body) {
        (self.envelope, self.body)
    }

    /// What it says; trust it after [`Self::verify`] only, or where its leaf was verified before.
    pub const fn body(&self) -> &Body {
        &self.body
    }

    /// Checks the signature, which binds the record to the log `origin`.
    ///
    /// # Errors
    /// `UnknownAlgorithm` or `BadSignature`.
    pub fn verify(self, origin: &str, key: &RecordVerifier) -> Result<VerifiedRecord, RecordError> {
        let algorithm =
            Algorithm::from_number(self.signed.alg).ok_or(RecordError::UnknownAlgorithm)?;
        // The leaf's algorithm is the key's own: otherwise one signature could be read two ways.
        if algorithm != key.algorithm() {
            return Err(RecordError::BadSignature);
        }
        let input = signing_input(algorithm, &self.signed.key_id, origin, &self.signed.record);
        if !key.accepts(&input, &self.signed.signature) {
            return Err(RecordError::BadSignature);
        }
        Ok(VerifiedRecord {
            leaf: self.leaf,
            envelope: self.envelope,
            body: self.body,
        })
    }
}

/// A record whose signature verified under a key. Whether that key had the authority for
/// it at its place in the log is the register's question.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedRecord {
    /// RFC 6962 hash of the leaf.
    pub leaf: Hash,
    /// Its envelope.
    pub envelope: Envelope,
    /// What it says.
    pub body: Body,
}

impl Envelope {
    /// `known` says whether this program understands the envelope: a newer one may follow other
    /// rules, so only the target is taken from it.
    fn read(raw: &v1::Envelope, known: bool) -> Result<Self, RecordError> {
        let hash = |bytes: &[u8], what| match bytes {
            [] => Ok(None),
            bytes => Hash::from_slice(bytes)
                .map(Some)
                .ok_or(RecordError::Rule(what)),
        };
        let envelope = Self {
            kind: raw.kind,
            writer_region: Region::parse(&raw.writer_region)
                .map_err(|_| RecordError::Rule("writer region"))?,
            provenance: v1::Provenance::try_from(raw.provenance).unwrap_or_default(),
            effective_date: raw.effective_date,
            target: hash(&raw.target, "target is not 32 bytes")?,
            previous: hash(&raw.previous, "previous is not 32 bytes")?,
        };
        if known {
            if envelope.writer_region.to_string() != raw.writer_region {
                return Err(RecordError::Rule("writer region is not in its short form"));
            }
            if envelope.provenance == v1::Provenance::Unspecified {
                return Err(RecordError::Rule("no provenance"));
            }
            if raw.effective_date != 0 && Date::from_yyyymmdd(raw.effective_date).is_err() {
                return Err(RecordError::Rule("effective date is not a day"));
            }
        }
        Ok(envelope)
    }
}

impl Body {
    /// Reads the body of a record of our schema. The one place that knows the kinds.
    fn read(envelope: &Envelope, bytes: &[u8]) -> Result<Self, RecordError> {
        let dated = envelope.effective_date != 0;
        let (target, previous) = (envelope.target.is_some(), envelope.previous.is_some());
        let rule = |holds: bool, what| {
            if holds {
                Ok(())
            } else {
                Err(RecordError::Rule(what))
            }
        };
        match v1::Kind::try_from(envelope.kind) {
            Ok(v1::Kind::Certificate) => {
                let Some(body) = canonical::<v1::Certificate>(bytes)? else {
                    return Ok(Self::Newer);
                };
                rule(!dated, "a certificate's dates are not public")?;
                rule(!target && !previous, "a certificate has no target")?;
                let Some(groups) = GroupDigests::read(body.normaliser, &body.groups)? else {
                    return Ok(Self::Newer);
                };
                let required = [Group::Certificate, Group::HolderName, Group::HolderId];
                rule(
                    required.iter().all(|g| groups.get(*g).is_some()),
                    "a group is missing",
                )?;
                Ok(Self::Certificate(groups))
            }
            Ok(v1::Kind::StatusChange) => {
                let Some(body) = canonical::<v1::StatusChange>(bytes)? else {
                    return Ok(Self::Newer);
                };
                rule(dated && target, "a status change has a date and a target")?;
                let (Ok(action), Ok(reason)) = (
                    v1::StatusAction::try_from(body.action),
                    v1::StatusReason::try_from(body.reason),
                ) else {
                    return Ok(Self::Newer);
                };
                rule(action != v1::StatusAction::Unspecified, "no action")?;
                let Some(replaced) = GroupDigests::read_optional(body.normaliser, &body.replaced)?
                else {
                    return Ok(Self::Newer);
                };
                let replaces = matches!(
                    action,
                    v1::StatusAction::Correct | v1::StatusAction::Reissue
                );
                rule(
                    replaces || replaced.is_empty(),
                    "this action replaces nothing",
                )?;
                rule(
                    action != v1::StatusAction::Correct || !replaced.is_empty(),
                    "a correction replaces something",
                )?;
                Ok(Self::StatusChange {
                    action,
                    reason,
                    replaced,
                })
            }
            Ok(v1::Kind::Erasure) => {
                let Some(body) = canonical::<v1::Erasure>(bytes)? else {
                    return Ok(Self::Newer);
                };
                rule(
                    dated && target && !previous,
                    "an erasure has a date and a target",
                )?;
                let groups: Option<Vec<_>> =
                    body.groups.iter().map(|g| Group::from_number(*g)).collect();
                let Some(groups) = groups else {
                    return Ok(Self::Newer);
                };
                rule(
                    !groups.is_empty() && groups.is_sorted_by(|a, b| a < b),
                    "groups ascend",
                )?;
                Ok(Self::Erasure(groups))
            }
            Ok(v1::Kind::Institution) => {
                let Some(body) = canonical::<v1::Institution>(bytes)? else {
                    return Ok(Self::Newer);
                };
                rule(
                    dated && !target && !previous,
                    "a directory entry has a date, no target",
                )?;
                rule(
                    !body.code.is_empty() && body.code.len() <= 32,
                    "institution code",
                )?;
                rule(
                    body.keys.len() <= MAX_INSTITUTION_KEYS
                        && body.keys.is_sorted_by(|a, b| key_order(a) < key_order(b)),
                    "institution keys ascend, each once",
                )?;
                rule(body.keys.iter().all(is_key), "institution key")?;
                Ok(Self::Institution(body))
            }
            Ok(v1::Kind::TrustListAdoption) => {
                let Some(body) = canonical::<v1::TrustListAdoption>(bytes)? else {
                    return Ok(Self::Newer);
                };
                rule(
                    dated && !target && !previous,
                    "an adoption has a date, no target",
                )?;
                let digest = Hash::from_slice(&body.digest).ok_or(RecordError::Rule("digest"))?;
                rule(body.version > 0, "versions count from 1")?;
                Ok(Self::TrustListAdoption {
                    version: body.version,
                    digest,
                })
            }
            Ok(v1::Kind::AuditAnchor) => {
                let Some(body) = canonical::<v1::AuditAnchor>(bytes)? else {
                    return Ok(Self::Newer);
                };
                rule(
                    dated && !target && !previous,
                    "an anchor has a date, no target",
                )?;
                let digest = Hash::from_slice(&body.digest).ok_or(RecordError::Rule("digest"))?;
                rule(body.sequence > 0, "entries count from 1")?;
                Ok(Self::AuditAnchor(Anchor {
                    sequence: body.sequence,
                    digest,
                }))
            }
            Ok(v1::Kind::Unspecified) => Err(RecordError::Rule("no kind")),
            Ok(kind) => {
                let Some(entry) = registry::read(kind, bytes)? else {
                    return Ok(Self::Newer);
                };
                rule(
                    dated && !target && !previous,
                    "a register entry has a date, no target",
                )?;
                Ok(Self::Entry(entry))
            }
            // Numbers of later kinds.
            Err(_) => Ok(Self::Newer),
        }
    }
}

/// The order of an institution's keys.
pub(crate) fn key_order(key: &v1::InstitutionKey) -> (i32, &[u8]) {
    (key.alg, &key.public_key)
}

/// Whether it is a key of its algorithm, as far as this program knows that.
pub(crate) fn is_key(key: &v1::InstitutionKey) -> bool {
    let is_valid = |algorithm| RecordVerifier::new(algorithm, &key.public_key).is_ok();
    key.alg != 0 && Algorithm::from_number(key.alg).is_none_or(is_valid)
}

/// Decodes a body; `None` if it holds more than this program knows (bytes that are not
/// their own re-encoding).
fn canonical<M: Message + Default>(bytes: &[u8]) -> Result<Option<M>, RecordError> {
    let message = M::decode(bytes).map_err(|_| RecordError::Undecodable)?;
    Ok((message.encode_to_vec() == bytes).then_some(message))
}

/// What a record signature covers.
fn signing_input(algorithm: Algorithm, key_id: &[u8], origin: &str, record: &[u8]) -> Vec<u8> {
    let mut input = DOMAIN.to_vec();
    for part in [
        algorithm.name().as_bytes(),
        key_id,
        origin.as_bytes(),
        record,
    ] {
        framing::push(&mut input, part);
    }
    input
}

/// A record to be written: envelope and body.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Its envelope.
    pub envelope: Envelope,
    /// The encoded body of the envelope's kind.
    pub body: Vec<u8>,
}

impl Draft {
    /// Signs for the log `origin` and gives the leaf's bytes.
    ///
    /// # Errors
    /// As [`UnverifiedRecord::read_strict`]: what this program would not read back it does not write.
    pub fn sign(&self, origin: &str, signer: &RecordSigner) -> Result<Vec<u8>, RecordError> {
        let record = v1::Record {
            envelope: Some(v1::Envelope {
                schema: SCHEMA,
                kind: self.envelope.kind,
                writer_region: self.envelope.writer_region.to_string(),
                provenance: self.envelope.provenance as i32,
                effective_date: self.envelope.effective_date,
                target: self
                    .envelope
                    .target
                    .map(|h| h.0.to_vec())
                    .unwrap_or_default(),
                previous: self
                    .envelope
                    .previous
                    .map(|h| h.0.to_vec())
                    .unwrap_or_default(),
            }),
            body: self.body.clone(),
        }
        .encode_to_vec();
        signed(record, origin, signer)
    }
}

/// The record of a leaf that is in no log yet, signed for the log `origin` by another key.
///
/// # Errors
/// As [`Draft::sign`].
pub fn sign_anew(leaf: &[u8], origin: &str, signer: &RecordSigner) -> Result<Vec<u8>, RecordError> {
    let before = v1::SignedRecord::decode(leaf).map_err(|_| RecordError::Undecodable)?;
    signed(before.record, origin, signer)
}

fn signed(record: Vec<u8>, origin: &str, signer: &RecordSigner) -> Result<Vec<u8>, RecordError> {
    let input = signing_input(signer.algorithm(), &signer.id().0, origin, &record);
    let signature = signer.sign(&input).map_err(|_| RecordError::BadSignature)?;
    let leaf = v1::SignedRecord {
        alg: signer.algorithm().number(),
        key_id: signer.id().0.to_vec(),
        signature: signature.to_vec(),
        record,
    }
    .encode_to_vec();
    UnverifiedRecord::read_strict(&leaf)?;
    Ok(leaf)
}
