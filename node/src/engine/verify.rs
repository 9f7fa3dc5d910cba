//! Answering: look-up, verdict, proof, receipt.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::{
    checkpoint::{Origin, SignedCheckpoint},
    codes::{Date, IdDocument, IdKind},
    disclosure::{self, Group, GroupDigests, Values},
    merkle::{self, Hash},
    normalise,
    reason::Reason,
    receipt::{Assertion, Extent, Proven, ProvenLeaf, Receipt, question_digest},
    record::{Body, UnverifiedRecord},
    register::InstitutionKeyRow,
    tlog_proof::TlogProof,
    verdict::{self, Answer, Candidate, Change, LogView, Question, Verdict},
};
use huren_proto::v1;
use huren_store::{Error as StoreError, Found, FoundStatus};
use tracing::instrument;

use super::{
    Engine,
    clock::random,
    prepare::NumberTags,
    wire::{extent, reason, rfc3339, verdict_number},
};

/// The largest age that is accepted when the caller names none: 24 hours.
const DEFAULT_MAX_AGE: u64 = 24 * 60 * 60;
/// How long the home member is waited for.
const HOME_PATIENCE: Duration = Duration::from_secs(3);

/// Why a question is refused.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The number is missing or malformed.
    #[error("the certificate number is missing or too long")]
    Number,
    /// The date is not a day.
    #[error("the date is not a day in the form yyyymmdd")]
    Date,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl VerifyError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Number => "NUMBER_MISSING",
            Self::Date => "DATE_INVALID",
            Self::Store(_) => "STORE",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::Number => "请填写证书编号。",
            Self::Date => "日期无效，应为 yyyymmdd。",
            Self::Store(_) => "本节点暂时无法读取数据，请稍后重试。",
        }
    }
}

/// An answer.
pub(super) struct Answered {
    pub(super) response: v1::VerifyResponse,
    /// Leaf hash of the certificate that it is about, where this node answered.
    pub(super) leaf: Option<Hash>,
}

/// What is held here about a question.
struct Local {
    answer: Answer,
    logs: Vec<LogView>,
    candidates: Vec<Candidate>,
    /// The leaves of each candidate, for a receipt.
    leaves: Vec<Leaves>,
}

/// The bytes of a certificate's leaf, and of those that change it.
pub(super) struct Leaves {
    certificate: Vec<u8>,
    statuses: Vec<Vec<u8>>,
    /// Index of the entry that names the key of the institution that signed the certificate;
    /// `None` if the province's own key did.
    entry: Option<u64>,
    /// Id of the key that signed the certificate, as its leaf names it.
    signer: Option<Hash>,
}

impl Engine {
    /// Answers a question: from what is held here, and where that does not suffice from the
    /// home member of the number, if it can be reached in time.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn verify(
        &self,
        asked: v1::VerifyRequest,
    ) -> Result<v1::VerifyResponse, VerifyError> {
        Ok(self.answered(&asked).await?.response)
    }

    /// As [`Engine::verify`], for whoever asks further.
    #[instrument(level = "trace", name = "verify", skip_all)]
    pub(super) async fn answered(
        &self,
        asked: &v1::VerifyRequest,
    ) -> Result<Answered, VerifyError> {
        let _under_way = self.load.begin();
        let question = self.question(asked)?;
        let Local {
            answer,
            logs,
            candidates,
            leaves,
        } = self.local_answer(&question).await?;
        let mut response = self.response(asked, &question, &answer, &logs, &candidates);
        // A wrong holder goes the way of an unknown number: who guesses must not learn from the
        // time of the answer which of the two it was.
        let insufficient = matches!(answer.verdict, Verdict::NotFound | Verdict::HolderMismatch)
            || answer.reasons.contains(&Reason::StaleEvidence)
            || answer.reasons.contains(&Reason::Erased)
            || answer.reasons.contains(&Reason::RestoredNotCaughtUp);
        if insufficient && !asked.local_only {
            match self.ask_home(asked, &question).await {
                Some(Ok(theirs)) => {
                    return Ok(Answered {
                        response: theirs,
                        leaf: None,
                    });
                }
                Some(Err(())) => {
                    let at = response.reasons.len();
                    response.reasons.insert(at, reason(Reason::HomeUnreachable));
                }
                None => {}
            }
        }
        if asked.want_receipt
            && let Some(subject) = answer.subject
            // Empty when the holder does not match, however the verdict came out: a receipt
            // discloses the same facts.
            && !answer.certificate.is_empty()
        {
            let proofs = (&candidates[subject], &leaves[subject]);
            let receipt = self.receipt(&question, &answer, &logs, proofs).await?;
            response.receipt = receipt.unwrap_or_default();
        }
        let subject = answer.subject.map(|subject| &candidates[subject]);
        Ok(Answered {
            leaf: subject.and_then(|subject| subject.leaf),
            response,
        })
    }

    pub(super) fn question(&self, asked: &v1::VerifyRequest) -> Result<Question, VerifyError> {
        let number = normalise::number(&asked.number);
        if number.is_empty() || number.len() > 64 {
            return Err(VerifyError::Number);
        }
        let now = self.clock.now();
        let as_of = match asked.as_of_date {
            0 => Date::today_in_shanghai(now.cast_signed()),
            date => Date::from_yyyymmdd(date).map_err(|_| VerifyError::Date)?,
        };
        let name = normalise::name(&asked.holder_name);
        Ok(Question {
            number,
            holder_name: (!name.is_empty()).then(|| Values::new([("name", name)])),
            holder_id: holder_ids(&asked.holder_id),
            as_of,
            max_age: if asked.max_age_seconds == 0 {
                DEFAULT_MAX_AGE
            } else {
                asked.max_age_seconds
            },
            now,
        })
    }

    async fn local_answer(&self, question: &Question) -> Result<Local, VerifyError> {
        let tags = NumberTags::of(&question.number, &self.keys.index);
        let mut is_fresh = false;
        let (found, logs) = loop {
            let doubts = self.book.doubts();
            // Before the look-up, which is of no older state: so what is stated was looked at.
            let logs = self.views();
            let found = self.lookup.by_number(tags.all()).await?;
            let is_following = self.is_following();
            if is_following {
                // Whoever is in charge may have dropped a register meanwhile.
                self.book.freshen().await?;
            }
            // What was acknowledged before the question counts. Who is in charge knows it; a
            // follower that did not looks again, by what it has read of the logs since.
            let is_known = !is_following || is_fresh || logs == self.views();
            if is_known && doubts == self.book.doubts() {
                break (found, logs);
            }
            is_fresh = is_following;
        };
        let (candidates, leaves) = self.opened(found, &logs).await?;
        let mut answer = verdict::decide(question, &logs, &candidates);
        if self.trust_has_expired() {
            answer.reasons.push(Reason::TrustListExpired);
        }
        Ok(Local {
            answer,
            logs,
            candidates,
            leaves,
        })
    }

    /// How far each log is known.
    fn views(&self) -> Vec<LogView> {
        let entries = self.book.entries();
        entries.iter().map(|entry| entry.view.clone()).collect()
    }

    /// Opens what was found. What lies beyond the stated size of its log is not taken into account
    /// yet: neither certificates nor what changes them.
    pub(super) async fn opened(
        &self,
        found: Vec<Found>,
        logs: &[LogView],
    ) -> Result<(Vec<Candidate>, Vec<Leaves>), StoreError> {
        let stated = |found: &Found| {
            let log = logs.iter().find(|log| log.origin == found.origin);
            log.map_or(0, |log| log.size)
        };
        let (mut candidates, mut leaves) = (Vec::new(), Vec::new());
        for mut found in found {
            let size = stated(&found);
            if found.index >= size {
                continue;
            }
            found.statuses.retain(|status| status.row.index < size);
            if let Some((mut candidate, mut of_candidate)) = self.candidate(found)? {
                if let Some(key) = self.signed_by(&candidate, of_candidate.signer).await? {
                    of_candidate.entry = Some(key.index);
                    candidate.signed_by = Some(key.code);
                }
                candidates.push(candidate);
                leaves.push(of_candidate);
            }
        }
        Ok((candidates, leaves))
    }

    /// Opens what was found.
    fn candidate(&self, found: Found) -> Result<Option<(Candidate, Leaves)>, StoreError> {
        let Found {
            origin,
            index,
            leaf,
            entry,
            sealed,
            statuses,
            ..
        } = found;
        let Some(certificate) = entry else {
            return Ok(None);
        };
        let Ok(record) = UnverifiedRecord::read(&certificate) else {
            return Ok(None);
        };
        let Body::Certificate(digests) = record.body() else {
            return Ok(None);
        };
        let open = |hash: &Hash, sealed: &[u8]| {
            (self.keys.at_rest.unseal((&origin, hash), sealed))
                .map_err(|_| StoreError::Corrupt("sealed disclosures do not open"))
        };
        let mut changes = Vec::with_capacity(statuses.len());
        let mut changing = Vec::with_capacity(statuses.len());
        for FoundStatus { row, entry, sealed } in statuses {
            let openings = match &sealed {
                Some(sealed) => open(&row.leaf, sealed)?,
                None => Vec::new(),
            };
            let leaf = entry.ok_or(StoreError::Corrupt("the leaf of a status change"))?;
            changes.push(Change {
                row,
                digests: replaced(&leaf),
                openings,
            });
            changing.push(leaf);
        }
        let candidate = Candidate {
            index,
            leaf,
            digests: digests.clone(),
            signed_by: None,
            backfilled: record.envelope().provenance == v1::Provenance::Backfilled,
            openings: open(record.leaf(), &sealed)?,
            statuses: changes,
            origin,
        };
        let leaves = Leaves {
            signer: record.key_id(),
            certificate,
            statuses: changing,
            entry: None,
        };
        Ok(Some((candidate, leaves)))
    }

    /// The key that signed a certificate of the register, if it is an institution's.
    async fn signed_by(
        &self,
        candidate: &Candidate,
        signer: Option<Hash>,
    ) -> Result<Option<InstitutionKeyRow>, StoreError> {
        let origin = &candidate.origin;
        let Some(key) = signer.filter(|_| candidate.leaf.is_some()) else {
            return Ok(None);
        };
        let chain = self.trust.borrow().clone();
        let mut lists = chain.lists().iter().rev();
        if lists.any(|list| list.authority().verifier(origin, &key).is_some()) {
            return Ok(None);
        }
        self.institution_key(origin, key, candidate.index).await
    }

    /// The home member's answer: `None` if the number names no other member, `Err` if that
    /// one cannot be reached in time.
    async fn ask_home(
        &self,
        asked: &v1::VerifyRequest,
        question: &Question,
    ) -> Option<Result<v1::VerifyResponse, ()>> {
        let home = verdict::home_province(&question.number)?.to_string();
        let peer = Arc::clone(self.peers().get(&home)?);
        let forwarded = v1::VerifyRequest {
            local_only: true,
            // On whose behalf this node was asked is written down here.
            on_behalf_of: String::new(),
            ..asked.clone()
        };
        let answer = tokio::select! {
            biased;
            answer = peer.verify(forwarded) => answer.map_err(|_| ()),
            () = self.clock.sleep(HOME_PATIENCE) => Err(()),
        };
        Some(answer.map(|mut theirs| {
            theirs.client_ref = asked.client_ref;
            // Who was asked is known here; what the answer says of it is not needed.
            theirs.answered_by = home;
            theirs.reasons.push(reason(Reason::HomeAnswered));
            theirs
        }))
    }

    fn response(
        &self,
        asked: &v1::VerifyRequest,
        question: &Question,
        answer: &Answer,
        logs: &[LogView],
        candidates: &[Candidate],
    ) -> v1::VerifyResponse {
        let subject = answer.subject.map(|position| &candidates[position]);
        let field = |(name, value): (&str, &str)| v1::Field {
            name: name.into(),
            value: value.into(),
        };
        v1::VerifyResponse {
            client_ref: asked.client_ref,
            verdict: verdict_number(answer.verdict),
            reasons: answer.reasons.iter().copied().map(reason).collect(),
            last_known: answer.last_known.map_or(0, verdict_number),
            as_of_date: question.as_of.as_yyyymmdd(),
            as_of: logs.iter().map(|log| extent(log, question.now)).collect(),
            certificate: answer.certificate.iter().map(field).collect(),
            origin: subject.map(|s| s.origin.to_string()).unwrap_or_default(),
            index: subject.map_or(0, |s| s.index),
            answered_by: self.region.to_string(),
            receipt: Vec::new(),
            // With what the certificate says, and to nobody else.
            activity_region: subject
                .filter(|_| !answer.certificate.is_empty())
                .and_then(|subject| verdict::activity_region(subject, question.as_of))
                .unwrap_or_default()
                .to_owned(),
        }
    }

    /// A receipt; `None` while nothing can be proven.
    async fn receipt(
        &self,
        question: &Question,
        answer: &Answer,
        logs: &[LogView],
        (subject, leaves): (&Candidate, &Leaves),
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(entry) = self.book.shown(&subject.origin) else {
            return Ok(None);
        };
        let read = |note: &[u8]| SignedCheckpoint::parse(note).ok();
        let last = subject
            .statuses
            .iter()
            .map(|c| c.row.index)
            .chain([subject.index])
            .max();
        // The cosigned checkpoint if it covers everything; before that the newest one, whose
        // receipt says itself that no quorum stands behind it yet.
        let covers = |note: &SignedCheckpoint| Some(note.checkpoint().size) > last;
        let checkpoint = read(&entry.state.notes.witnessed)
            .filter(covers)
            .or_else(|| read(&entry.state.notes.published).filter(covers))
            .or_else(|| read(&entry.state.checkpoint).filter(covers));
        let Some(checkpoint) = checkpoint else {
            return Ok(None);
        };
        let disclosed = (leaves.certificate.as_slice(), subject.openings.as_slice());
        let Some(certificate) = self
            .proven(&subject.origin, subject.index, disclosed, &checkpoint)
            .await?
        else {
            return Ok(None);
        };
        let mut statuses = Vec::new();
        for (change, leaf) in subject.statuses.iter().zip(&leaves.statuses) {
            let disclosed = (leaf.as_slice(), change.openings.as_slice());
            let proven = self
                .proven(&subject.origin, change.row.index, disclosed, &checkpoint)
                .await?;
            let Some(proven) = proven else {
                return Ok(None);
            };
            statuses.push(proven);
        }
        let institution = match leaves.entry {
            None => None,
            Some(index) => {
                let Some(leaf) = self.proofs.leaf(&subject.origin, index).await? else {
                    return Ok(None);
                };
                let proven = self
                    .proven(&subject.origin, index, (&leaf, &[]), &checkpoint)
                    .await?;
                let Some(proven) = proven else {
                    return Ok(None);
                };
                Some((merkle::leaf_hash(&leaf), proven))
            }
        };
        let (entry, institution) = institution.unzip();
        let chain = self.trust.borrow().clone();
        let salt: [u8; 16] = random(self.random.as_ref());
        let as_of_date = question.as_of.to_string();
        let extents = logs.iter().map(|log| Extent {
            origin: log.origin.to_string(),
            region: log.region.to_string(),
            size: log.size,
            witnessed_size: log.witnessed_size,
            age_seconds: log.age(question.now),
            frozen: log.frozen,
        });
        let assertion = Assertion {
            answered_by: self.region.to_string(),
            time: rfc3339(question.now),
            question: question_digest(
                &salt,
                &question.number,
                question.holder_name.as_ref(),
                &question.holder_id,
                &as_of_date,
            ),
            as_of_date,
            certificate: subject.leaf.map(|leaf| leaf.to_hex()).unwrap_or_default(),
            statuses: subject
                .statuses
                .iter()
                .map(|c| c.row.leaf.to_hex())
                .collect(),
            institution: entry.map(|leaf| leaf.to_hex()),
            verdict: answer.verdict,
            last_known: answer.last_known,
            reasons: answer
                .reasons
                .iter()
                .map(|reason| (*reason).into())
                .collect(),
            as_of: extents.collect(),
            trust_list_version: chain.newest().list.version,
            rules: concat!("huren/", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let signing = self.signing();
        // Without a key that the list names nobody could check the answer.
        let signer = signing.answer(&chain, &self.origin);
        let Some(asserted) = signer.and_then(|signer| assertion.sign(signer)) else {
            return Ok(None);
        };
        let receipt = Receipt {
            format: Receipt::FORMAT.to_owned(),
            proven: Proven {
                certificate,
                statuses,
                trust_lists: chain.lists().iter().map(|list| list.note()).collect(),
                institution,
            },
            asserted,
            question_salt: hex::encode(salt),
        };
        Ok(receipt.to_json().ok().map(String::into_bytes))
    }

    /// A leaf with its proof and with the disclosure of the `certificate` group alone.
    pub(super) async fn proven(
        &self,
        origin: &Origin,
        index: u64,
        (leaf, openings): (&[u8], &[disclosure::Opening]),
        checkpoint: &SignedCheckpoint,
    ) -> Result<Option<ProvenLeaf>, StoreError> {
        let size = checkpoint.checkpoint().size;
        let Some(hashes) = self.proofs.inclusion(origin, index, size).await? else {
            return Ok(None);
        };
        let proof = TlogProof {
            extra: None,
            index,
            hashes,
            checkpoint: checkpoint.clone(),
        };
        let disclosed = openings
            .iter()
            .filter(|opening| opening.group == Group::Certificate);
        Ok(Some(ProvenLeaf {
            leaf: BASE64_STANDARD.encode(leaf),
            proof: proof.to_string(),
            disclosed: disclosed.cloned().collect(),
        }))
    }
}

/// The digests that a status change replaces.
fn replaced(leaf: &[u8]) -> GroupDigests {
    let record = UnverifiedRecord::read(leaf).ok();
    match record.as_ref().map(UnverifiedRecord::body) {
        Some(Body::StatusChange { replaced, .. }) => replaced.clone(),
        _ => GroupDigests::default(),
    }
}

/// The values that a presented ID number may stand for: a person types a number and not its
/// kind, so every kind that it fits is tried.
pub(super) fn holder_ids(presented: &str) -> Vec<Values> {
    let number = normalise::id(presented);
    if number.is_empty() {
        return Vec::new();
    }
    let kinds = IdKind::ALL
        .iter()
        .filter(|kind| IdDocument::parse(**kind, &number).is_ok());
    let mut values: Vec<Values> = kinds
        .map(|kind| Values::new([("id_kind", kind.token()), ("id_number", number.as_str())]))
        .collect();
    if values.is_empty() {
        values.push(Values::new([
            ("id_kind", "none"),
            ("id_number", number.as_str()),
        ]));
    }
    values
}
