//! A batch on its way into the log: each submission finds its place, or the reason why it
//! has none.

use std::collections::HashMap;

use huren_core::{
    codes::Date,
    disclosure::{self, Group, Opening},
    merkle::Hash,
    record::{self, Draft, Envelope},
    register::{CheckedLeaf, Effect, KeysWanted},
    registry::{Dated, is_code_reused},
    trust::Refusal,
};
use huren_proto::v1;
use huren_store::{DisclosureRow, Tag};
use prost::Message as _;

use super::{
    AppendError, Writer,
    existing::{Existing, Standing},
};
use crate::engine::{
    clock::random,
    prepare::{self, Content, PendingChange, Prepared, SignedCertificate},
};

/// A batch on its way into the log: what it will append, and what later works of the same
/// batch must know of earlier ones.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) leaves: Vec<Vec<u8>>,
    pub(super) hashes: Vec<Hash>,
    pub(super) checked: Vec<CheckedLeaf>,
    pub(super) disclosures: Vec<DisclosureRow>,
    pub(super) submissions: Vec<(Tag, u64)>,
    pub(super) numbers: HashMap<Tag, Hash>,
    /// Where the certificates stand that the batch issues or changes.
    pub(super) standings: HashMap<Hash, Standing>,
    /// Who holds the keys that entries of the batch give to institutions.
    institution_keys: HashMap<Hash, String>,
    /// Entries of institutions, by their codes.
    institutions: HashMap<String, Vec<Dated<v1::Institution>>>,
    /// Version of the trust list that the log has adopted before it.
    adopted: u64,
}

impl Batch {
    /// An empty one, for a log that has adopted that version of the trust list.
    pub(super) fn behind(adopted: u64) -> Self {
        Self {
            adopted,
            ..Self::default()
        }
    }
}

impl Writer {
    /// Takes a submission into the batch.
    pub(super) fn take_in(
        &self,
        batch: &mut Batch,
        index: u64,
        work: Prepared,
        found: &Existing,
    ) -> Result<Hash, AppendError> {
        match work.content {
            Content::Certificate(certificate) => {
                self.take_in_certificate(batch, index, *certificate, found)
            }
            Content::Public(leaf) => {
                let signed = (CheckedLeaf::just_signed(&leaf), leaf);
                let (checked, leaf) = self.signed_for(batch, signed, index)?;
                take_in_institution(batch, index, &checked, found)?;
                Ok(push(batch, index, leaf, checked))
            }
            Content::Change(change) => self.take_in_change(batch, index, &change, found),
        }
    }

    fn take_in_certificate(
        &self,
        batch: &mut Batch,
        index: u64,
        certificate: SignedCertificate,
        found: &Existing,
    ) -> Result<Hash, AppendError> {
        let SignedCertificate {
            leaf,
            checked,
            sealed,
            ..
        } = certificate;
        let tag = certificate.number.current();
        if let Some(key) = &certificate.institution
            && (batch.institutions.contains_key(&key.code)
                || found.institution_keys.get(&key.key_id) != Some(key))
        {
            // The directory has changed since the signature was checked: that is done anew when
            // the submission comes again.
            return Err(AppendError::Unavailable);
        }
        if batch.numbers.contains_key(&tag) || found.holding(&tag).next().is_some() {
            return Err(AppendError::NumberTaken);
        }
        let sealed_for = checked.leaf();
        let (checked, leaf) = match certificate.institution {
            Some(_) => (checked, leaf),
            None => self.signed_for(batch, (checked, leaf), index)?,
        };
        let hash = checked.leaf();
        let sealed = match hash == sealed_for {
            true => sealed,
            false => self.seal(&hash, &certificate.openings)?,
        };
        batch.numbers.insert(tag, hash);
        batch.disclosures.push(DisclosureRow {
            index,
            number_tag: Some(tag),
            holder_tag: certificate.holder_tag,
            sealed,
        });
        Ok(push(batch, index, leaf, checked))
    }

    fn take_in_change(
        &self,
        batch: &mut Batch,
        index: u64,
        change: &PendingChange,
        found: &Existing,
    ) -> Result<Hash, AppendError> {
        let (target, standing) = found
            .target(batch, &change.target)
            .ok_or(AppendError::TargetUnknown)?;
        let is_status = change.envelope.kind == v1::Kind::StatusChange as i32;
        let next = is_status.then(|| status_effect(&change.body)).flatten();
        if let Some(next) = next
            && !standing.admits(next)
        {
            return Err(AppendError::StatusUnfit);
        }
        let envelope = Envelope {
            target: Some(target),
            previous: is_status.then_some(standing.last_status).flatten(),
            ..change.envelope.clone()
        };
        let draft = Draft {
            envelope,
            body: change.body.clone(),
        };
        let (chain, signing) = (self.trust.borrow().clone(), self.signing.borrow().clone());
        let signer = signing.record_at(&chain, &self.origin, (batch.adopted, index));
        let leaf =
            prepare::sign(&draft, self.origin.as_str(), signer).map_err(AppendError::NotARecord)?;
        let signed = (CheckedLeaf::just_signed(&leaf), leaf);
        let (checked, leaf) = self.signed_for(batch, signed, index)?;
        let hash = checked.leaf();
        if !change.openings.is_empty() {
            let sealed = self.seal(&hash, &change.openings)?;
            batch.disclosures.push(DisclosureRow {
                index,
                number_tag: None,
                holder_tag: self.holder_tag(&change.openings),
                sealed,
            });
        }
        if let Some(effect) = next {
            let standing = standing.followed_by(hash, effect);
            batch.standings.insert(target, standing);
        }
        Ok(push(batch, index, leaf, checked))
    }

    /// A leaf of the node's own key, if that has the authority for it at its place: what all
    /// members would quarantine is not acknowledged. Where another of its keys has it, because
    /// the log has come to that key's beginning since the leaf was signed, that one signs.
    fn signed_for(
        &self,
        batch: &Batch,
        (mut checked, mut leaf): (CheckedLeaf, Vec<u8>),
        index: u64,
    ) -> Result<(CheckedLeaf, Vec<u8>), AppendError> {
        let (chain, signing) = (self.trust.borrow().clone(), self.signing.borrow().clone());
        let adopted = checked.adopts().unwrap_or(batch.adopted);
        let signer = signing.record_at(&chain, &self.origin, (adopted, index));
        if checked.claim().is_some_and(|(key, ..)| key != signer.id()) {
            leaf = record::sign_anew(&leaf, self.origin.as_str(), signer)
                .map_err(AppendError::NotARecord)?;
            checked = CheckedLeaf::just_signed(&leaf);
        }
        if let Some((key, kind, writer)) = checked.claim() {
            let newest = chain.newest();
            let lists = chain.version(adopted).into_iter().chain([newest]);
            for list in lists {
                let authority = list.authority();
                authority
                    .check(&self.origin, key, index, kind, writer)
                    .map_err(|refusal| self.without_authority(refusal, adopted, index))?;
            }
        }
        Ok((checked, leaf))
    }

    /// Whether the record is to come again: a key of this node's has the right to sign it once the
    /// newest list is adopted.
    fn without_authority(&self, refusal: Refusal, adopted: u64, index: u64) -> AppendError {
        let (chain, signing) = (self.trust.borrow().clone(), self.signing.borrow().clone());
        let newest = chain.newest();
        let version = newest.list.version;
        let then = signing.record_at(&chain, &self.origin, (version, index));
        if adopted < version && newest.authority().is_open(&self.origin, then.id(), index) {
            return AppendError::Unavailable;
        }
        AppendError::NoAuthority(refusal)
    }

    fn seal(&self, leaf: &Hash, openings: &[Opening]) -> Result<Vec<u8>, AppendError> {
        let nonce = random(self.random.as_ref());
        (self.keys.at_rest)
            .seal(nonce, (&self.origin, leaf), openings)
            .map_err(|_| AppendError::Unavailable)
    }

    fn holder_tag(&self, openings: &[Opening]) -> Option<Tag> {
        let id = openings
            .iter()
            .find(|opening| opening.group == Group::HolderId)?;
        disclosure::holder_tag(&self.keys.holder, id.values.as_ref()?).map(Tag)
    }
}

/// Refuses an entry of an institution that the fold would quarantine for its keys, or whose code
/// is another one's.
fn take_in_institution(
    batch: &mut Batch,
    index: u64,
    checked: &CheckedLeaf,
    found: &Existing,
) -> Result<(), AppendError> {
    let Some((entry, effective_date)) = checked.institution() else {
        return Ok(());
    };
    let code = &entry.code;
    let ids = KeysWanted::of([checked]).ids;
    let is_taken = |id: &Hash| {
        let held = found.institution_keys.get(id).map(|held| &held.code);
        held.or_else(|| batch.institution_keys.get(id))
            .is_some_and(|holder| holder != code)
    };
    if ids.iter().any(is_taken) {
        return Err(AppendError::KeyTaken);
    }
    let of_batch = batch.institutions.get(code).into_iter().flatten();
    let entries = found.institutions.get(code).into_iter().flatten();
    let entries: Vec<Dated<v1::Institution>> = entries.chain(of_batch).cloned().collect();
    let from = Date::from_yyyymmdd(effective_date);
    if from.is_ok_and(|from| is_code_reused(&entries, entry, from)) {
        return Err(AppendError::CodeTaken);
    }
    let own = batch.institutions.entry(code.clone()).or_default();
    own.push(Dated {
        index,
        effective_date,
        entry: entry.clone(),
    });
    let given = ids.into_iter().map(|id| (id, code.clone()));
    batch.institution_keys.extend(given);
    Ok(())
}

/// Puts a leaf at the end of a batch.
fn push(batch: &mut Batch, index: u64, leaf: Vec<u8>, checked: CheckedLeaf) -> Hash {
    if let Some(row) = checked.certificate(index) {
        batch.standings.insert(row.leaf, Standing::default());
    }
    let hash = checked.leaf();
    batch.checked.push(checked);
    batch.hashes.push(hash);
    batch.leaves.push(leaf);
    hash
}

fn status_effect(body: &[u8]) -> Option<Effect> {
    let change = v1::StatusChange::decode(body).ok()?;
    u8::try_from(change.action)
        .ok()
        .and_then(Effect::from_number)
}
