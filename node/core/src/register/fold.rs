//! One step for each leaf, in index order.

use huren_proto::v1::{self, StatusAction};

use crate::{
    checkpoint::Origin,
    codes::Region,
    merkle::{self, Hash},
    record::{Body, Envelope, UnverifiedRecord, VerifiedRecord},
    trust::{Refusal, TrustChain},
};

use super::{
    AdoptionRow, CertificateRow, Changes, DirectoryRow, Effect, ErasureRow, InstitutionKeyRow,
    InstitutionKeys, KeysWanted, QuarantineRow, StatusRow, TargetState, Targets,
};

/// A leaf with what can be told of it alone, without its place: the costly part of a fold
/// (one signature check), which callers may spread over all cores.
#[derive(Clone, Debug)]
pub struct CheckedLeaf {
    leaf: Hash,
    outcome: Result<Signed, Unfit>,
}

#[derive(Clone, Debug)]
struct Signed {
    key: Hash,
    envelope: Envelope,
    body: Body,
    /// Whether some list of the chain does not name the key: it may be an institution's.
    may_be_institutions: bool,
    /// The record, if no list names its key: its signature is checked where the fold knows
    /// whose key it is.
    unverified: Option<Box<UnverifiedRecord>>,
}

/// Why a leaf cannot be folded, wherever it stands.
#[derive(Clone, Copy, Debug)]
enum Unfit {
    /// It breaks a rule; the reason code.
    Refused(&'static str),
    /// It adopts a list that is not held, under a key that may stand in that list alone.
    NeedsTrustList(NeedsTrustList),
}

impl CheckedLeaf {
    /// Reads a leaf of the log `origin` and checks its signature under the key that it names,
    /// whichever list of the chain names it: whether that list holds at the leaf's place is the
    /// fold's question, and must not depend on which lists came later.
    pub fn check(chain: &TrustChain, origin: &Origin, leaf: &[u8]) -> Self {
        let outcome = Self::signed(chain, origin, leaf);
        Self {
            leaf: merkle::leaf_hash(leaf),
            outcome,
        }
    }

    fn signed(chain: &TrustChain, origin: &Origin, leaf: &[u8]) -> Result<Signed, Unfit> {
        let record = UnverifiedRecord::read(leaf).map_err(|error| Unfit::Refused(error.code()))?;
        let key = record.key_id().ok_or(Unfit::Refused("KEY_UNKNOWN"))?;
        let lists = chain.lists().iter().rev();
        let mut listed = lists.filter_map(|list| list.authority().verifier(origin, &key));
        let Some(verifier) = listed.next() else {
            return match record.body() {
                Body::TrustListAdoption { version, .. } if chain.version(*version).is_none() => {
                    let version = *version;
                    Err(Unfit::NeedsTrustList(NeedsTrustList { version }))
                }
                _ => Ok(Signed {
                    key,
                    envelope: record.envelope().clone(),
                    body: record.body().clone(),
                    may_be_institutions: true,
                    unverified: Some(Box::new(record)),
                }),
            };
        };
        let may_be_institutions = listed.count() + 1 < chain.lists().len();
        let Some(verifier) = verifier else {
            // A listed key of an algorithm that came after this program: it may well be
            // right, so its target becomes unknown rather than staying as it was.
            return Ok(Signed {
                key,
                envelope: record.envelope().clone(),
                body: Body::Newer,
                may_be_institutions,
                unverified: None,
            });
        };
        let VerifiedRecord { envelope, body, .. } = record
            .verify(origin.as_str(), verifier)
            .map_err(|error| Unfit::Refused(error.code()))?;
        Ok(Signed {
            key,
            envelope,
            body,
            may_be_institutions,
            unverified: None,
        })
    }

    /// A leaf that the caller signed a moment ago: its signature is not checked again.
    pub fn just_signed(leaf: &[u8]) -> Self {
        Self::trusted(leaf, false)
    }

    /// A leaf whose signature by an institution's key the caller checked a moment ago.
    pub fn just_verified(leaf: &[u8]) -> Self {
        Self::trusted(leaf, true)
    }

    fn trusted(leaf: &[u8], may_be_institutions: bool) -> Self {
        let outcome = UnverifiedRecord::read_strict(leaf)
            .map_err(|error| Unfit::Refused(error.code()))
            .and_then(|record| {
                let key = record.key_id().ok_or(Unfit::Refused("KEY_UNKNOWN"))?;
                let (envelope, body) = record.into_parts();
                Ok(Signed {
                    key,
                    envelope,
                    body,
                    may_be_institutions,
                    unverified: None,
                })
            });
        Self {
            leaf: merkle::leaf_hash(leaf),
            outcome,
        }
    }

    /// What its place is judged by: the id of its key, its kind, and on whose behalf it was
    /// written. `None` if it is no record that could be folded anywhere.
    pub fn claim(&self) -> Option<(&Hash, i32, &Region)> {
        let signed = self.outcome.as_ref().ok()?;
        let envelope = &signed.envelope;
        Some((&signed.key, envelope.kind, &envelope.writer_region))
    }

    /// The version of the trust list that it adopts, if it adopts one: that list speaks for it.
    pub fn adopts(&self) -> Option<u64> {
        match self.outcome.as_ref().ok()?.body {
            Body::TrustListAdoption { version, .. } => Some(version),
            _ => None,
        }
    }

    /// The leaf's hash.
    pub const fn leaf(&self) -> Hash {
        self.leaf
    }

    /// The row that the leaf becomes at an index, if it is a certificate.
    pub fn certificate(&self, index: u64) -> Option<CertificateRow> {
        let signed = self.outcome.as_ref().ok()?;
        matches!(signed.body, Body::Certificate(_)).then(|| CertificateRow {
            index,
            leaf: self.leaf,
            writer_region: signed.envelope.writer_region.number(),
        })
    }

    /// The leaf hashes whose state [`Fold::new`] wants to know: the leaf's own (was it folded
    /// before?) and its target's.
    pub fn refers_to(&self) -> impl Iterator<Item = Hash> {
        let target = self
            .outcome
            .as_ref()
            .ok()
            .and_then(|signed| signed.envelope.target);
        std::iter::once(self.leaf).chain(target)
    }

    /// Adds what [`Fold::with_institution_keys`] wants to know: who holds the key that signed
    /// the leaf, if it may be an institution's; of an entry who holds the keys that it names,
    /// and which keys its institution holds.
    pub(super) fn want_keys(&self, wanted: &mut KeysWanted) {
        let Ok(signed) = &self.outcome else {
            return;
        };
        if signed.may_be_institutions {
            wanted.ids.insert(signed.key);
        }
        if let Body::Institution(entry) = &signed.body {
            let named = InstitutionKeyRow::of(0, &signed.envelope.writer_region, entry);
            wanted.ids.extend(named.iter().map(|row| row.key_id));
            wanted.codes.insert(entry.code.clone());
        }
    }

    /// The entry and the day from which it holds, yyyymmdd, if the leaf is one of an institution.
    pub fn institution(&self) -> Option<(&v1::Institution, u32)> {
        let signed = self.outcome.as_ref().ok()?;
        match &signed.body {
            Body::Institution(entry) => Some((entry, signed.envelope.effective_date)),
            _ => None,
        }
    }
}

/// Folding stops before a leaf that adopts a trust list which is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log adopts version {version} of the trust list, which is not held")]
pub struct NeedsTrustList {
    /// The version that is missing.
    pub version: u64,
}

/// A fold in progress over a range of one log.
#[derive(Debug)]
pub struct Fold<'a> {
    origin: &'a Origin,
    chain: &'a TrustChain,
    /// Version of the trust list that the log has adopted, 0 for none.
    adopted: u64,
    /// Index of the next leaf.
    next: u64,
    /// Certificates known so far that this range refers to.
    targets: Targets,
    /// Who holds the institution keys that this range names.
    institution_keys: InstitutionKeys,
    changes: Changes,
}

impl<'a> Fold<'a> {
    /// Starts at index `next` of the log `origin`, which has adopted version `adopted` of the
    /// trust list (0: none yet). `targets` holds what the register knows of the hashes that
    /// [`CheckedLeaf::refers_to`] names.
    pub fn new(
        chain: &'a TrustChain,
        origin: &'a Origin,
        next: u64,
        adopted: u64,
        targets: Targets,
    ) -> Self {
        Self {
            origin,
            chain,
            adopted,
            next,
            targets,
            institution_keys: InstitutionKeys::new(),
            changes: Changes::default(),
        }
    }

    /// With what the register knows of the keys that [`KeysWanted::of`] the leaves names, as they
    /// stand before the first leaf: those that the newest entry of an institution names.
    pub fn with_institution_keys(self, institution_keys: InstitutionKeys) -> Self {
        Self {
            institution_keys,
            ..self
        }
    }

    /// Folds the next leaf. Never fails because of what a leaf says: what breaks a rule is
    /// quarantined with its reason.
    ///
    /// # Errors
    /// [`NeedsTrustList`]: the leaf was not folded; get the list and start again from here.
    pub fn step(&mut self, checked: CheckedLeaf) -> Result<(), NeedsTrustList> {
        let index = self.next;
        let CheckedLeaf { leaf, outcome } = checked;
        let result = match outcome {
            Ok(signed) => self.place(index, leaf, signed)?,
            Err(Unfit::NeedsTrustList(needs)) => return Err(needs),
            Err(Unfit::Refused(code)) => Err(code),
        };
        if let Err(code) = result {
            self.changes.quarantined.push(QuarantineRow {
                index,
                code: code.to_owned(),
            });
        }
        self.next += 1;
        Ok(())
    }

    /// Index of the next leaf.
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Version of the trust list adopted so far.
    pub const fn adopted(&self) -> u64 {
        self.adopted
    }

    /// What changed.
    pub fn finish(self) -> Changes {
        self.changes
    }

    /// Judges a signed record by its place and takes it in. The outer error stops the fold,
    /// the inner one quarantines the leaf.
    fn place(
        &mut self,
        index: u64,
        leaf: Hash,
        Signed {
            key,
            envelope,
            body,
            unverified,
            ..
        }: Signed,
    ) -> Result<Result<(), &'static str>, NeedsTrustList> {
        // A list speaks for its own adoption: the key that adopts it must be valid in it.
        let version = match body {
            Body::TrustListAdoption { version, .. } => version,
            _ => self.adopted,
        };
        if version == 0 {
            return Ok(Err("TRUST_NOT_ADOPTED"));
        }
        let Some(list) = self.chain.version(version) else {
            return Err(NeedsTrustList { version });
        };
        let (kind, writer) = (envelope.kind, &envelope.writer_region);
        let authority = list.authority();
        let institutions = match authority.check(self.origin, &key, index, kind, writer) {
            Ok(()) => None,
            Err(Refusal::KeyUnknown) => match self.institution_key(&key, &envelope) {
                Ok(row) => Some(row),
                Err(code) => return Ok(Err(code)),
            },
            Err(refusal) => return Ok(Err(refusal.code())),
        };
        if institutions.is_none()
            && let Err(refusal) = self.still_authorises(&key, index, kind, writer)
        {
            return Ok(Err(refusal.code()));
        }
        if let Some(record) = unverified {
            let verifier = match institutions {
                Some(row) => row.verifier(),
                None => authority.verifier(self.origin, &key).flatten().cloned(),
            };
            let Some(verifier) = verifier else {
                return Ok(Err("SCHEMA_NEWER"));
            };
            if let Err(error) = record.verify(self.origin.as_str(), &verifier) {
                return Ok(Err(error.code()));
            }
        }
        Ok(match body {
            Body::Certificate(_) => self.certificate(index, leaf, &envelope),
            Body::StatusChange { action, reason, .. } => {
                self.status(index, leaf, &key, &envelope, action, reason as u32)
            }
            Body::Erasure(groups) => self.target(&key, &envelope).map(|target| {
                let groups = groups
                    .into_iter()
                    .map(|group| group.number().unsigned_abs());
                let row = ErasureRow {
                    index,
                    target_index: target.index,
                    groups: groups.collect(),
                };
                self.changes.erasures.push(row);
            }),
            Body::Institution(institution) => self.institution(index, &key, &envelope, institution),
            Body::TrustListAdoption { version, digest } => {
                if version <= self.adopted || digest != list.digest {
                    return Ok(Err("TRUST_ADOPTION"));
                }
                self.adopted = version;
                self.changes.adoptions.push(AdoptionRow { index, version });
                Ok(())
            }
            Body::AuditAnchor(anchor) => {
                let body = v1::AuditAnchor {
                    sequence: anchor.sequence,
                    digest: anchor.digest.0.to_vec(),
                };
                self.changes.directory.push(DirectoryRow {
                    index,
                    kind: kind.unsigned_abs(),
                    // All anchors of a log are found together.
                    key: String::new(),
                    effective_date: envelope.effective_date,
                    body: prost::Message::encode_to_vec(&body),
                });
                Ok(())
            }
            Body::Entry(entry) => entry.admits(writer).map(|()| {
                self.changes.directory.push(DirectoryRow {
                    index,
                    kind: kind.unsigned_abs(),
                    key: entry.key,
                    effective_date: envelope.effective_date,
                    body: entry.body,
                });
            }),
            Body::Newer => self.newer(index, leaf, &key, &envelope),
        })
    }

    /// The institution's key that signed a record, if it may sign that.
    fn institution_key(
        &self,
        key: &Hash,
        envelope: &Envelope,
    ) -> Result<&InstitutionKeyRow, &'static str> {
        let row = self.institution_keys.get(key).ok_or("KEY_UNKNOWN")?;
        row.admits(envelope.kind, &envelope.writer_region)?;
        Ok(row)
    }

    /// An institution's entry takes the place of its last one, with all of its keys.
    fn institution(
        &mut self,
        index: u64,
        key: &Hash,
        envelope: &Envelope,
        entry: v1::Institution,
    ) -> Result<(), &'static str> {
        // Who could not change what the last entry's region wrote does not end its keys either.
        let held = self.institution_keys.values();
        let held = held.filter(|held| held.code == entry.code);
        for region in held.map(|held| held.writer_region) {
            if !self.may_change(key, region) {
                return Err("KEY_REGION");
            }
        }
        let keys = InstitutionKeyRow::of(index, &envelope.writer_region, &entry);
        let is_taken = |row: &InstitutionKeyRow| {
            let held = self.institution_keys.get(&row.key_id);
            held.is_some_and(|held| held.code != entry.code)
        };
        if keys.iter().any(is_taken) {
            return Err("KEY_TAKEN");
        }
        self.institution_keys
            .retain(|_, held| held.code != entry.code);
        self.institution_keys
            .extend(keys.iter().map(|row| (row.key_id, row.clone())));
        self.changes.institution_keys.extend(keys);
        self.changes.directory.push(DirectoryRow {
            index,
            kind: envelope.kind.unsigned_abs(),
            key: entry.code.clone(),
            effective_date: envelope.effective_date,
            body: prost::Message::encode_to_vec(&entry),
        });
        Ok(())
    }

    fn certificate(
        &mut self,
        index: u64,
        leaf: Hash,
        envelope: &Envelope,
    ) -> Result<(), &'static str> {
        if self.targets.contains_key(&leaf) {
            return Err("RECORD_REPEATED");
        }
        let writer_region = envelope.writer_region.number();
        self.targets.insert(
            leaf,
            TargetState {
                index,
                writer_region,
                last_status: None,
            },
        );
        self.changes.certificates.push(CertificateRow {
            index,
            leaf,
            writer_region,
        });
        Ok(())
    }

    fn status(
        &mut self,
        index: u64,
        leaf: Hash,
        key: &Hash,
        envelope: &Envelope,
        action: StatusAction,
        reason: u32,
    ) -> Result<(), &'static str> {
        let target = self.target(key, envelope)?;
        // Compare-and-set: a change names the one that it follows, so that an old one
        // appended again, or one made on an old view, has no effect.
        if target.last_status != envelope.previous {
            return Err("STATUS_PREDECESSOR");
        }
        let effect = match action {
            StatusAction::Revoke => Effect::Revoke,
            StatusAction::Void => Effect::Void,
            StatusAction::Suspend => Effect::Suspend,
            StatusAction::Reinstate => Effect::Reinstate,
            StatusAction::Correct => Effect::Correct,
            StatusAction::Reissue => Effect::Reissue,
            StatusAction::Supersede => Effect::Supersede,
            StatusAction::Unspecified => return Err("RECORD_RULE"),
        };
        let row = StatusRow {
            index,
            leaf,
            target_index: target.index,
            effect,
            reason,
            effective_date: envelope.effective_date,
        };
        self.changes.statuses.push(row);
        if let Some(state) = envelope.target.and_then(|hash| self.targets.get_mut(&hash)) {
            state.last_status = Some(leaf);
        }
        Ok(())
    }

    /// A record that this program does not understand: what it targets is not guessed at.
    fn newer(
        &mut self,
        index: u64,
        leaf: Hash,
        key: &Hash,
        envelope: &Envelope,
    ) -> Result<(), &'static str> {
        let Ok(target) = self.target(key, envelope) else {
            return Err("SCHEMA_NEWER");
        };
        let row = StatusRow {
            index,
            leaf,
            target_index: target.index,
            effect: Effect::Newer,
            reason: 0,
            effective_date: 0,
        };
        self.changes.statuses.push(row);
        Ok(())
    }

    /// The certificate that a change names, if this key may change it.
    fn target(&self, key: &Hash, envelope: &Envelope) -> Result<TargetState, &'static str> {
        let hash = envelope.target.ok_or("TARGET_UNKNOWN")?;
        let target = self.targets.get(&hash).ok_or("TARGET_UNKNOWN")?;
        if !self.may_change(key, target.writer_region) {
            return Err("KEY_REGION");
        }
        Ok(target.clone())
    }

    /// Whether the newest list leaves a key the right that an adopted one gave it. Lists only take
    /// rights away from keys that were listed, and a key that was stolen is closed at a place
    /// behind which others have written since: so this holds for every place, whichever list was
    /// adopted there, as it does in receipts.
    fn still_authorises(
        &self,
        key: &Hash,
        index: u64,
        kind: i32,
        writer: &Region,
    ) -> Result<(), Refusal> {
        let newest = self.chain.newest().authority();
        newest.check(self.origin, key, index, kind, writer)
    }

    /// Whether a key may change what was written on behalf of a region.
    fn may_change(&self, key: &Hash, region: u32) -> bool {
        let (adopted, newest) = (self.chain.version(self.adopted), self.chain.newest());
        adopted
            .zip(Region::from_number(region))
            .is_some_and(|(adopted, region)| {
                [adopted, newest]
                    .iter()
                    .all(|list| list.authority().may_change(self.origin, key, &region))
            })
    }
}
