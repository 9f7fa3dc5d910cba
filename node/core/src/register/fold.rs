//! One step for each leaf, in index order.

use huren_proto::v1::{self, StatusAction};

use crate::{
    checkpoint::Origin,
    codes::Region,
    merkle::{self, Hash},
    record::{Body, Envelope, UnverifiedRecord, VerifiedRecord},
    trust::TrustChain,
};

use super::{
    AdoptionRow, CertificateRow, Changes, DirectoryRow, Effect, ErasureRow, QuarantineRow,
    StatusRow, TargetState, Targets,
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
            return Err(match record.body() {
                Body::TrustListAdoption { version, .. } if chain.version(*version).is_none() => {
                    Unfit::NeedsTrustList(NeedsTrustList { version: *version })
                }
                _ => Unfit::Refused("KEY_UNKNOWN"),
            });
        };
        let Some(verifier) = verifier else {
            // A listed key of an algorithm that came after this program: it may well be
            // right, so its target becomes unknown rather than staying as it was.
            return Ok(Signed {
                key,
                envelope: record.envelope().clone(),
                body: Body::Newer,
            });
        };
        let VerifiedRecord { envelope, body, .. } = record
            .verify(origin.as_str(), verifier)
            .map_err(|error| Unfit::Refused(error.code()))?;
        Ok(Signed {
            key,
            envelope,
            body,
        })
    }

    /// A leaf that the caller signed a moment ago: its signature is not checked again.
    pub fn just_signed(leaf: &[u8]) -> Self {
        let outcome = UnverifiedRecord::read_strict(leaf)
            .map_err(|error| Unfit::Refused(error.code()))
            .and_then(|record| {
                let key = record.key_id().ok_or(Unfit::Refused("KEY_UNKNOWN"))?;
                let (envelope, body) = record.into_parts();
                Ok(Signed {
                    key,
                    envelope,
                    body,
                })
            });
        Self {
            leaf: merkle::leaf_hash(leaf),
            outcome,
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
            changes: Changes::default(),
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
        if let Err(refusal) = list
            .authority()
            .check(self.origin, &key, index, kind, writer)
        {
            return Ok(Err(refusal.code()));
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
            Body::Institution(institution) => {
                let row = DirectoryRow {
                    index,
                    kind: kind.unsigned_abs(),
                    key: institution.code.clone(),
                    effective_date: envelope.effective_date,
                    body: prost::Message::encode_to_vec(&institution),
                };
                self.changes.directory.push(row);
                Ok(())
            }
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
            Body::Newer => self.newer(index, leaf, &key, &envelope),
        })
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
        let subject = Region::from_number(target.writer_region).ok_or("TARGET_UNKNOWN")?;
        let authority = self
            .chain
            .version(self.adopted)
            .map(|list| list.authority());
        if !authority.is_some_and(|a| a.may_change(self.origin, key, &subject)) {
            return Err("KEY_REGION");
        }
        Ok(target.clone())
    }
}
