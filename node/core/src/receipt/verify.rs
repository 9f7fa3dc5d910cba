//! Checking a receipt with nothing but root keys.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_proto::v1::StatusAction;
use serde::de::DeserializeOwned;

use crate::{
    checkpoint::Origin,
    codes::Date,
    disclosure::{self, Group, Opening, Values},
    merkle::Hash,
    note::Note,
    policy::{Policy, PolicyError},
    record::{Body, UnverifiedRecord, VerifiedRecord},
    register::{Effect, InstitutionKeyRow, StatusRow},
    tlog_proof::{TlogProof, TlogProofVerifyError},
    trust::{Member, Refusal, RootKeys, SignedTrustList, TrustChain},
    verdict::{Verdict, fold_statuses, names_institution, term},
};

use super::{Assertion, ProvenLeaf, Receipt};

/// A genuine receipt, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Province whose log proves it.
    pub home: String,
    /// That log.
    pub origin: Origin,
    /// Index of the certificate's leaf.
    pub index: u64,
    /// Size of the cosigned checkpoint that proves it.
    pub proven_size: u64,
    /// Cosignatures under that checkpoint: name and time in seconds since 1970.
    pub cosignatures: Vec<(String, u64)>,
    /// What the certificate says, as disclosed and corrected.
    pub certificate: Values,
    /// What the answering node asserts.
    pub assertion: Assertion,
}

/// Why a receipt is not accepted. [`ReceiptError::is_undecided`] tells 'not genuine' from
/// 'cannot tell'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not a receipt of this format.
    #[error("not a receipt of format {}", Receipt::FORMAT)]
    Format,
    /// Written in a newer format than this program knows.
    #[error("the receipt is of a format that this program does not know")]
    NewerFormat,
    /// The trust lists do not verify from the root keys.
    #[error("the trust lists do not verify from these root keys: {0}")]
    Trust(#[from] crate::trust::TrustError),
    /// The log is of no member.
    #[error("the log belongs to no member")]
    UnknownLog,
    /// A proof is malformed or does not verify.
    #[error("a proof does not verify: leaf {0}")]
    Proof(u64),
    /// The log's signature is missing or bad.
    #[error("the checkpoint is not signed by the log")]
    LogSignature,
    /// Too few members have cosigned.
    #[error("no quorum has cosigned the checkpoint yet")]
    NoQuorum,
    /// The record's signature, key or form is not in order.
    #[error("a record is not in order: {0}")]
    Record(&'static str),
    /// The record is newer than this program.
    #[error("a record is newer than this program")]
    NewerRecord,
    /// A disclosure does not open its digest.
    #[error("what is disclosed does not open the record's digest")]
    Disclosure,
    /// The status changes do not form the certificate's chain.
    #[error("the status changes are not those of the certificate, or one is missing")]
    Statuses,
    /// The assertion is malformed or not signed by the answering member's key.
    #[error("the answer is not signed by the member that it names")]
    AnswerSignature,
    /// The assertion is about something else, or contradicts what is proven.
    #[error("the answer contradicts what is proven")]
    Contradiction,
}

impl ReceiptError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Format => "RECEIPT_FORMAT",
            Self::NewerFormat => "RECEIPT_NEWER",
            Self::Trust(_) => "RECEIPT_TRUST",
            Self::UnknownLog => "RECEIPT_LOG_UNKNOWN",
            Self::Proof(_) => "RECEIPT_PROOF",
            Self::LogSignature => "RECEIPT_LOG_SIGNATURE",
            Self::NoQuorum => "RECEIPT_NO_QUORUM",
            Self::Record(_) => "RECEIPT_RECORD",
            Self::NewerRecord => "RECEIPT_RECORD_NEWER",
            Self::Disclosure => "RECEIPT_DISCLOSURE",
            Self::Statuses => "RECEIPT_STATUSES",
            Self::AnswerSignature => "RECEIPT_ANSWER_SIGNATURE",
            Self::Contradiction => "RECEIPT_CONTRADICTION",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::Format => "不是本格式的核验回执。",
            Self::NewerFormat => "回执格式比本程序新，请升级后再验。",
            Self::Trust(_) => "信任清单无法由所给根公钥验证。",
            Self::UnknownLog => "日志不属于任何成员。",
            Self::Proof(_) => "入日志证明不成立。",
            Self::LogSignature => "检查点没有该日志的签名。",
            Self::NoQuorum => "尚无足够成员见证，暂不能判定。",
            Self::Record(_) => "记录的签名或格式不合规。",
            Self::NewerRecord => "记录版本比本程序新，请升级后再验。",
            Self::Disclosure => "披露内容与记录摘要不符。",
            Self::Statuses => "状态变更不属于该证书或有缺失。",
            Self::AnswerSignature => "答复没有所称成员的有效签名。",
            Self::Contradiction => "答复与已证明的事实矛盾。",
        }
    }

    /// Whether this says 'cannot tell' (exit 2) rather than 'not genuine' (exit 1).
    pub const fn is_undecided(&self) -> bool {
        matches!(self, Self::NewerFormat | Self::NoQuorum | Self::NewerRecord)
    }
}

/// Checks a receipt by the trust lists that it carries.
///
/// # Errors
/// [`ReceiptError`] with the first fault found.
pub fn verify(json: &[u8], roots: &RootKeys) -> Result<Checked, ReceiptError> {
    check(json, roots, None)
}

/// Checks a receipt, and judges the keys under what it proves by the newest list of `known`:
/// whoever holds newer lists than the receipt sees keys that were closed since.
///
/// # Errors
/// [`ReceiptError`] with the first fault found; `Trust` also if the receipt's lists are not
/// those known.
pub fn verify_known(
    json: &[u8],
    roots: &RootKeys,
    known: &TrustChain,
) -> Result<Checked, ReceiptError> {
    check(json, roots, Some(known))
}

fn check(
    json: &[u8],
    roots: &RootKeys,
    known: Option<&TrustChain>,
) -> Result<Checked, ReceiptError> {
    let value: serde_json::Value =
        serde_json::from_slice(json).map_err(|_| ReceiptError::Format)?;
    match value.get("format").and_then(|format| format.as_str()) {
        Some(Receipt::FORMAT) => {}
        Some(other) if other.starts_with("huren/receipt/") => {
            return Err(ReceiptError::NewerFormat);
        }
        _ => return Err(ReceiptError::Format),
    }
    let receipt: Receipt = serde_json::from_value(value).map_err(|_| ReceiptError::Format)?;
    let notes = || receipt.proven.trust_lists.iter().map(String::as_bytes);
    let chain = TrustChain::verify(roots, notes())?;
    let list = chain.newest();
    let judged_by = match known {
        Some(known) => &known.joined(notes())?,
        None => &chain,
    };

    let assertion: Assertion = read_signed(
        &receipt.asserted,
        Assertion::HEADER,
        list,
        |assertion: &Assertion| &assertion.answered_by,
    )?;
    if assertion.trust_list_version != list.list.version {
        return Err(ReceiptError::Contradiction);
    }

    let proof =
        TlogProof::parse(&receipt.proven.certificate.proof).map_err(|_| ReceiptError::Proof(0))?;
    let origin = proof.checkpoint.checkpoint().origin.clone();
    let judging = judged_by.newest();
    let member = judging
        .list
        .log_of(&origin)
        .ok_or(ReceiptError::UnknownLog)?;
    let policy = list
        .list
        .policy(&origin)
        .map_err(|_| ReceiptError::UnknownLog)?;
    let context = Context {
        list: judging,
        member,
        origin: &origin,
        policy: &policy,
    };

    let entry = receipt.proven.institution.as_ref();
    let entry = entry.map(|proven| context.entry(proven)).transpose()?;
    let keys = entry.as_ref().map(|(_, keys)| keys.as_slice());
    let Signed {
        index,
        record: certificate,
        institution,
        ..
    } = context.leaf(&receipt.proven.certificate, keys.unwrap_or_default())?;
    // An entry that the certificate does not rest on has no place in its receipt.
    let hash = entry.as_ref().map(|(hash, _)| hash.to_hex());
    if entry.is_some() != institution.is_some() || assertion.institution != hash {
        return Err(ReceiptError::Contradiction);
    }
    let Body::Certificate(digests) = &certificate.body else {
        return Err(ReceiptError::Record("not a certificate"));
    };
    let disclosed = &receipt.proven.certificate.disclosed;
    disclosure::check(disclosed, digests).map_err(|_| ReceiptError::Disclosure)?;
    let mut values = opened(disclosed).cloned().unwrap_or_default();
    // An institution vouches for its own certificates alone.
    if institution.is_some_and(|code| !names_institution(&values, &code)) {
        return Err(ReceiptError::Record("KEY_INSTITUTION"));
    }

    let as_of = Date::parse(&assertion.as_of_date).map_err(|_| ReceiptError::Contradiction)?;
    let mut rows = Vec::new();
    let mut previous = None;
    for status in &receipt.proven.statuses {
        let Signed {
            index: at,
            key,
            record,
            ..
        } = context.leaf(status, &[])?;
        let Body::StatusChange {
            action,
            reason,
            replaced,
        } = &record.body
        else {
            return Err(ReceiptError::Statuses);
        };
        let follows = record.envelope.target == Some(certificate.leaf)
            && record.envelope.previous == previous;
        if !follows {
            return Err(ReceiptError::Statuses);
        }
        let subject = &certificate.envelope.writer_region;
        if !judging.authority().may_change(&origin, &key, subject) {
            return Err(ReceiptError::Record("KEY_REGION"));
        }
        disclosure::check(&status.disclosed, replaced).map_err(|_| ReceiptError::Disclosure)?;
        if record.envelope.effective_date <= as_of.as_yyyymmdd()
            && replaced.get(Group::Certificate).is_some()
        {
            // Who leaves a correction's content out does not bring the corrected one back.
            values = opened(&status.disclosed).cloned().unwrap_or_default();
        }
        previous = Some(record.leaf);
        rows.push(StatusRow {
            index: at,
            leaf: record.leaf,
            target_index: index,
            effect: effect(*action).ok_or(ReceiptError::Statuses)?,
            reason: *reason as u32,
            effective_date: record.envelope.effective_date,
        });
    }
    check_assertion(&assertion, &certificate, &rows, &values, as_of)?;

    let witnessed = policy
        .evaluate(&proof.checkpoint)
        .map_err(|_| ReceiptError::NoQuorum)?;
    let cosignatures = witnessed
        .timestamps
        .into_iter()
        .map(|(name, time)| (name.to_string(), time))
        .collect();
    Ok(Checked {
        home: member.region.clone(),
        proven_size: proof.checkpoint.checkpoint().size,
        origin,
        index,
        cosignatures,
        certificate: values,
        assertion,
    })
}

/// What leaves of one log are judged by.
pub(super) struct Context<'a> {
    pub(super) list: &'a SignedTrustList,
    pub(super) member: &'a Member,
    pub(super) origin: &'a Origin,
    pub(super) policy: &'a Policy,
}

/// A leaf that is proven to stand in its log.
pub(super) struct Included {
    pub(super) index: u64,
    pub(super) record: UnverifiedRecord,
}

/// A leaf that is proven, and who signed it.
pub(super) struct Signed {
    pub(super) index: u64,
    pub(super) key: Hash,
    pub(super) record: VerifiedRecord,
    /// Code of the institution that the key is of; `None` if it is the province's own.
    pub(super) institution: Option<String>,
}

impl Context<'_> {
    /// An entry of an institution that the log proves: its leaf hash, and the keys that it gives.
    fn entry(&self, proven: &ProvenLeaf) -> Result<(Hash, Vec<InstitutionKeyRow>), ReceiptError> {
        let Signed { index, record, .. } = self.leaf(proven, &[])?;
        let Body::Institution(entry) = &record.body else {
            return Err(ReceiptError::Record("not an institution's entry"));
        };
        let keys = InstitutionKeyRow::of(index, &record.envelope.writer_region, entry);
        Ok((record.leaf, keys))
    }

    /// A leaf that the log proves, whoever signed it.
    pub(super) fn included(&self, proven: &ProvenLeaf) -> Result<Included, ReceiptError> {
        let bytes = BASE64_STANDARD
            .decode(&proven.leaf)
            .map_err(|_| ReceiptError::Format)?;
        let proof = TlogProof::parse(&proven.proof).map_err(|_| ReceiptError::Proof(0))?;
        let index = proof.index;
        if proof.checkpoint.checkpoint().origin != *self.origin {
            return Err(ReceiptError::Proof(index));
        }
        let record = UnverifiedRecord::read(&bytes).map_err(|e| ReceiptError::Record(e.code()))?;
        proof
            .verify(record.leaf(), self.policy)
            .map_err(|error| match error {
                TlogProofVerifyError::Inclusion(_) => ReceiptError::Proof(index),
                TlogProofVerifyError::Policy(PolicyError::QuorumNotMet(_)) => {
                    ReceiptError::NoQuorum
                }
                TlogProofVerifyError::Policy(_) => ReceiptError::LogSignature,
            })?;
        // The policy knows every key that the log ever had; this asks for one that was valid at
        // this size.
        let mut log_keys = (self.member)
            .log_keys_at(proof.checkpoint.checkpoint().size)
            .into_iter();
        if !log_keys.any(|key| proof.checkpoint.verify_log(&key).is_ok()) {
            return Err(ReceiptError::LogSignature);
        }
        Ok(Included { index, record })
    }

    /// A leaf that the log proves, signed by a key with authority for its place: one of the
    /// trust list, or one of these of an institution.
    pub(super) fn leaf(
        &self,
        proven: &ProvenLeaf,
        keys: &[InstitutionKeyRow],
    ) -> Result<Signed, ReceiptError> {
        let Included { index, record } = self.included(proven)?;
        if *record.body() == Body::Newer {
            return Err(ReceiptError::NewerRecord);
        }
        let key = record.key_id().ok_or(ReceiptError::Record("KEY_UNKNOWN"))?;
        let envelope = record.envelope();
        let authority = self.list.authority();
        let (kind, writer) = (envelope.kind, &envelope.writer_region);
        let given = match authority.check(self.origin, &key, index, kind, writer) {
            Ok(()) => None,
            Err(refusal) => {
                let given = keys
                    .iter()
                    .find(|row| row.key_id == key && row.index < index);
                let given = given.filter(|_| refusal == Refusal::KeyUnknown);
                let given = given.ok_or(ReceiptError::Record(refusal.code()))?;
                given.admits(kind, writer).map_err(ReceiptError::Record)?;
                Some(given)
            }
        };
        let verifier = match given {
            Some(given) => given.verifier(),
            None => authority.verifier(self.origin, &key).flatten().cloned(),
        };
        let record = record
            .verify(
                self.origin.as_str(),
                &verifier.ok_or(ReceiptError::Record("KEY_UNKNOWN"))?,
            )
            .map_err(|error| ReceiptError::Record(error.code()))?;
        Ok(Signed {
            index,
            key,
            record,
            institution: given.map(|given| given.code.clone()),
        })
    }
}

fn opened(openings: &[Opening]) -> Option<&Values> {
    openings
        .iter()
        .find(|opening| opening.group == Group::Certificate)
        .and_then(|opening| opening.values.as_ref())
}

/// What a member's answer key signed: a note whose text is a header line and JSON.
pub(super) fn read_signed<T: DeserializeOwned>(
    note: &str,
    header: &str,
    list: &SignedTrustList,
    signed_by: impl Fn(&T) -> &String,
) -> Result<T, ReceiptError> {
    let note = Note::parse(note).map_err(|_| ReceiptError::AnswerSignature)?;
    let json = note
        .text()
        .strip_prefix(header)
        .and_then(|rest| rest.strip_prefix('\n'))
        .ok_or(ReceiptError::AnswerSignature)?;
    let said: T = serde_json::from_str(json).map_err(|_| ReceiptError::AnswerSignature)?;
    let member = list
        .list
        .members
        .iter()
        .find(|m| m.region == *signed_by(&said));
    let keys: Vec<_> = member
        .into_iter()
        .flat_map(|member| &member.answer_keys)
        .filter_map(|key| key.parse().ok())
        .collect();
    note.verify(&keys)
        .map_err(|_| ReceiptError::AnswerSignature)?;
    Ok(said)
}

/// The answer must be about this certificate and these changes, and must not make more of
/// them than they say.
fn check_assertion(
    assertion: &Assertion,
    certificate: &VerifiedRecord,
    rows: &[StatusRow],
    values: &Values,
    as_of: Date,
) -> Result<(), ReceiptError> {
    let hashes: Vec<String> = rows.iter().map(|row| row.leaf.to_hex()).collect();
    if assertion.certificate != certificate.leaf.to_hex() || assertion.statuses != hashes {
        return Err(ReceiptError::Contradiction);
    }
    let (proven, _) = fold_statuses(rows.iter(), as_of);
    let ended = term(values, as_of).is_some();
    let claimed = match assertion.verdict {
        Verdict::Unknown => assertion.last_known,
        verdict => Some(verdict),
    };
    let agrees = match claimed {
        None | Some(Verdict::HolderMismatch | Verdict::NotFound | Verdict::Unknown) => true,
        Some(Verdict::Valid | Verdict::Pending) => proven == Verdict::Valid && !ended,
        Some(Verdict::Expired) => proven == Verdict::Valid,
        Some(other) => other == proven,
    };
    if agrees {
        Ok(())
    } else {
        Err(ReceiptError::Contradiction)
    }
}

fn effect(action: StatusAction) -> Option<Effect> {
    u8::try_from(action as i32)
        .ok()
        .and_then(Effect::from_number)
}
