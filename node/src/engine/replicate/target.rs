//! Which checkpoint a replica fetches for: what members show, compared with what is held and
//! with what the log has signed beyond it. Whatever contradicts that is evidence.

use huren_core::{
    checkpoint::{Origin, SignedCheckpoint},
    evidence::Evidence,
    merkle::{self, Hash},
    replicate::{self, Judgement},
    trust::{Member, TrustChain},
};
use huren_proto::v1;
use huren_store::{Error as StoreError, Head, LogState};

use super::{
    super::{Engine, peers::PeerError, standing::Answer},
    SyncError, root_before,
};

/// A checkpoint that a member shows, signed by the log.
struct Shown {
    signed: SignedCheckpoint,
    by: String,
}

/// What a checkpoint is compared with.
struct Base<'a> {
    size: u64,
    root: Hash,
    /// As the log signed it.
    note: &'a [u8],
}

impl<'a> Base<'a> {
    fn pending(state: &'a LogState, pending: &SignedCheckpoint) -> Self {
        Self {
            size: pending.checkpoint().size,
            root: pending.checkpoint().root,
            note: &state.notes.pending,
        }
    }
}

/// What a shown checkpoint is to a base that it does not contradict.
#[derive(PartialEq, Eq)]
enum Relation {
    Same,
    Extends,
    Older,
    /// Larger, and its member did not prove more.
    Unproven,
}

impl Engine {
    /// The checkpoint to fetch for, proven to extend what is held; none if there is nothing new.
    ///
    /// A pending checkpoint of an interrupted round comes first, once somebody shows that it
    /// can still be fetched. Where nobody does, its leaves may be lost: the log is followed
    /// below its size, and no further before what follows is proven to extend it.
    pub(super) async fn target(
        &self,
        chain: &TrustChain,
        state: &LogState,
    ) -> Result<Option<SignedCheckpoint>, SyncError> {
        let Some(member) = chain.newest().list.log_of(&state.origin) else {
            return Ok(None);
        };
        let head = Base {
            size: state.head.size,
            root: state.head.root,
            note: &state.checkpoint,
        };
        let shown = self.shown(member, &state.origin, |head| &head.checkpoint);
        // Signed with a key that the federation has closed since it is not the log's any more.
        let pending = replicate::read_checkpoint(member, &state.origin, &state.notes.pending).ok();
        let pending = pending.filter(|signed| signed.checkpoint().size > head.size);
        let mut below = u64::MAX;
        if let Some(pending) = pending {
            let beyond = self.shown(member, &state.origin, |head| &head.pending);
            self.compare_pending(state, &pending, &beyond).await?;
            if self.can_be_fetched(state, &head, &pending, &shown).await? {
                return Ok(Some(pending));
            }
            below = pending.checkpoint().size;
        }
        for one in &shown {
            if one.signed.checkpoint().size >= below {
                continue;
            }
            match self.compare(&state.origin, &head, one).await? {
                Relation::Same | Relation::Unproven => {}
                Relation::Older => self.compare_older(state, one).await?,
                Relation::Extends => {
                    if below == u64::MAX {
                        self.adopt(state, &one.signed).await?;
                    }
                    return Ok(Some(one.signed.clone()));
                }
            }
        }
        Ok(None)
    }

    /// What members show in that place that is signed by the log, the largest first.
    fn shown(
        &self,
        member: &Member,
        origin: &Origin,
        place: impl Fn(&v1::Head) -> &Vec<u8>,
    ) -> Vec<Shown> {
        let mut shown: Vec<Shown> = self
            .book
            .seen(origin)
            .into_iter()
            .filter_map(|(by, head)| {
                let signed = replicate::read_checkpoint(member, origin, place(&head)).ok()?;
                Some(Shown { signed, by })
            })
            .collect();
        shown.sort_by_key(|one| std::cmp::Reverse(one.signed.checkpoint().size));
        shown
    }

    /// What two members wait for must be one tree, though neither holds it.
    async fn compare_pending(
        &self,
        state: &LogState,
        pending: &SignedCheckpoint,
        beyond: &[Shown],
    ) -> Result<(), SyncError> {
        let base = Base::pending(state, pending);
        for one in beyond {
            if one.signed.checkpoint().size == base.size {
                self.compare(&state.origin, &base, one).await?;
            }
        }
        Ok(())
    }

    /// Whether a member holds the tree of a pending checkpoint, and that tree still extends
    /// what is held.
    async fn can_be_fetched(
        &self,
        state: &LogState,
        head: &Base<'_>,
        pending: &SignedCheckpoint,
        shown: &[Shown],
    ) -> Result<bool, SyncError> {
        let base = Base::pending(state, pending);
        for one in shown {
            let holds = one.signed.checkpoint().size >= base.size
                && matches!(
                    self.compare(&state.origin, &base, one).await?,
                    Relation::Same | Relation::Extends
                );
            if !holds {
                continue;
            }
            let again = Shown {
                signed: pending.clone(),
                by: one.by.clone(),
            };
            // The head may have moved below it meanwhile.
            if self.compare(&state.origin, head, &again).await? == Relation::Extends {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a shown checkpoint is to a base.
    ///
    /// # Errors
    /// `LOG_FROZEN` if it contradicts the base: then the log is frozen.
    async fn compare(
        &self,
        origin: &Origin,
        base: &Base<'_>,
        shown: &Shown,
    ) -> Result<Relation, SyncError> {
        match replicate::judge((base.size, &base.root), shown.signed.checkpoint()) {
            Judgement::Same => Ok(Relation::Same),
            Judgement::Older => Ok(Relation::Older),
            Judgement::Adopt => Ok(Relation::Extends),
            Judgement::Contradiction => {
                let held = SignedCheckpoint::parse(base.note)
                    .map_err(|_| StoreError::Corrupt("a checkpoint"))?;
                let evidence = Evidence::of_one_size(&held, &shown.signed);
                let code = self.book.contradicted(origin, &evidence).await?;
                Err(SyncError::Refused(code))
            }
            Judgement::NeedsProof { .. } => self.extends(origin, base, shown).await,
        }
    }

    /// An older checkpoint is of no interest, unless it is not of our history.
    async fn compare_older(&self, state: &LogState, shown: &Shown) -> Result<(), SyncError> {
        let seen = shown.signed.checkpoint();
        if seen.size == 0 {
            return Ok(());
        }
        match self.reader.root(&state.origin, seen.size).await? {
            Some(ours) if ours != seen.root => {
                let code = self.book.contradiction(state, &shown.signed, &ours).await?;
                Err(SyncError::Refused(code))
            }
            _ => Ok(()),
        }
    }

    /// Whether a larger checkpoint extends a base, by a consistency proof from whoever showed
    /// it. A proof that leads to its root from another root than the base's is evidence.
    async fn extends(
        &self,
        origin: &Origin,
        base: &Base<'_>,
        shown: &Shown,
    ) -> Result<Relation, SyncError> {
        let peers = self.peers();
        let (Some(peer), true) = (
            peers.get(&shown.by),
            self.is_asked(&shown.by, origin, Answer::Proofs),
        ) else {
            return Ok(Relation::Unproven);
        };
        let seen = shown.signed.checkpoint();
        let proof = match peer.consistency(origin, base.size, seen.size).await {
            Ok(proof) => proof,
            Err(error) => {
                if error == PeerError::Malformed {
                    self.refuse(&shown.by, origin, Answer::Proofs, error.code());
                }
                tracing::debug!(peer = shown.by, code = error.code(), "no proof");
                return Ok(Relation::Unproven);
            }
        };
        let verified =
            merkle::verify_consistency(base.size, seen.size, &base.root, &seen.root, &proof);
        if verified.is_ok() {
            self.standing.accept((&shown.by, origin, Answer::Proofs));
            return Ok(Relation::Extends);
        }
        let held = Head {
            size: base.size,
            root: base.root,
        };
        let before = root_before(peer.as_ref(), origin, held, seen, &proof).await;
        if let (Some(before), Ok(held)) = (before, SignedCheckpoint::parse(base.note))
            && before != base.root
        {
            let evidence = Evidence::of_history(&held, &shown.signed, &before, &proof);
            let code = self.book.contradicted(origin, &evidence).await?;
            return Err(SyncError::Refused(code));
        }
        self.refuse(&shown.by, origin, Answer::Proofs, "CONSISTENCY_PROOF");
        Ok(Relation::Unproven)
    }

    async fn adopt(&self, state: &LogState, signed: &SignedCheckpoint) -> Result<(), StoreError> {
        let pending = signed.note().to_string().into_bytes();
        self.book.put_pending(&state.origin, pending).await
    }
}
