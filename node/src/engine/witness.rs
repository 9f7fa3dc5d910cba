//! The witness of this node: the rules are `huren_core::witness`; here are the store, the
//! clock, and what keeps witness and mirror of one log in one history.
//!
//! A member counts once in a quorum, whether its witness or its mirror cosigned. So the two must
//! never vouch for two histories of one log: the witness builds on the mirror's head where that
//! is ahead, and the mirror moves to no tree that does not fit the witness's (see
//! [`Engine::bound_by_witness`]). Both do so under one lock.

use std::collections::BTreeMap;

use huren_core::{
    audit::{Act, Actor, AuditAction},
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    cosign::{Cosigner, TimestampError},
    evidence::Evidence,
    merkle::{self, Hash, TileId},
    note::{NoteSignature, VerifierKey},
    witness::{self, AddCheckpoint, Refusal, Refused},
};
use huren_store::{Cosigned, Error as StoreError, Head, LogState, Role};

use super::{Engine, Peer, SyncError, replicate};

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The request breaks a rule.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The log contradicted itself.
    #[error("the log contradicted itself and is frozen")]
    Frozen,
    /// The clock is beyond what a cosignature may state.
    #[error("the clock is wrong")]
    Clock(#[from] TimestampError),
    /// The store failed: the checkpoint may be kept or not, and no cosignature leaves.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Cosigns a checkpoint, once that is on disk and cannot be gone back on.
    ///
    /// # Errors
    /// [`WitnessError`]. A fork that the request proves freezes the log, if it is a member's.
    pub async fn add_checkpoint(
        &self,
        request: &AddCheckpoint,
    ) -> Result<NoteSignature, WitnessError> {
        let seen = request.checkpoint.checkpoint();
        let origin = &seen.origin;
        let keys = self.keys_of(origin, seen.size);
        let (signing, chain) = (self.signing(), self.trust());
        let witness = signing.witness(&chain, &self.origin);
        let (Some(witness), Some(keys)) = (witness, keys) else {
            return Err(Refusal::UnknownLog.into());
        };
        let _one_at_a_time = self.vouching.lock().await;
        let state = self.replica(origin).await?;
        if state.as_ref().is_some_and(|state| state.frozen.is_some()) {
            return Err(WitnessError::Frozen);
        }
        let mut latest = self.store.cosigned(origin).await?.pop();
        if let Some(state) = &state
            && let Some(catching_up) = self.catching_up(state, latest.as_ref()).await?
        {
            let size = catching_up.checkpoint.checkpoint().size;
            let keys = self.keys_of(origin, size).unwrap_or_default();
            let (_, head) = self
                .judge_and_keep(witness, latest.as_ref(), &catching_up, &keys)
                .await?;
            latest = Some(head);
        }
        let judged = self
            .judge_and_keep(witness, latest.as_ref(), request, &keys)
            .await;
        if let (Err(WitnessError::Refused(Refusal::Conflict { .. })), Some(state)) =
            (&judged, &state)
        {
            self.compare_with_replica(state, request, &keys).await?;
        }
        let (cosignature, _) = judged?;
        Ok(cosignature)
    }

    /// The latest checkpoint of a log that the witness cosigned, with its cosignature.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn cosigned_checkpoint(
        &self,
        origin: &Origin,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let latest = self.store.cosigned(origin).await?.pop();
        Ok(latest.map(|latest| latest.checkpoint))
    }

    /// The logs that this node witnesses and mirrors for whoever asks: the other members', and
    /// those that its operator named.
    pub fn watched(&self) -> Vec<Origin> {
        let chain = self.trust();
        let members = chain.newest().list.members.iter();
        let names = members
            .map(|member| member.origin.as_str())
            .chain(self.outside.iter().map(|key| key.name().as_str()));
        let mut watched: Vec<Origin> = names.filter_map(|name| name.parse().ok()).collect();
        watched.retain(|origin| *origin != self.origin);
        watched.sort_unstable();
        watched.dedup();
        watched
    }

    /// The keys that may sign for a log at a size; `None` for logs that are not watched. What
    /// the trust list says of a log prevails.
    fn keys_of(&self, origin: &Origin, size: u64) -> Option<Vec<VerifierKey>> {
        if *origin == self.origin {
            return None;
        }
        let chain = self.trust();
        if let Some(member) = chain.newest().list.member_of(origin) {
            return Some(member.log_keys_at(size));
        }
        let of_log = |key: &&VerifierKey| key.name().as_str() == origin.as_str();
        let keys: Vec<VerifierKey> = self.outside.iter().filter(of_log).cloned().collect();
        (!keys.is_empty()).then_some(keys)
    }

    async fn replica(&self, origin: &Origin) -> Result<Option<LogState>, StoreError> {
        let state = self.store.log(origin).await?;
        Ok(state.filter(|state| state.role == Role::Mirror))
    }

    /// The request to cosign the mirror's head, if that is ahead of the witness.
    async fn catching_up(
        &self,
        state: &LogState,
        latest: Option<&Cosigned>,
    ) -> Result<Option<AddCheckpoint>, StoreError> {
        let old_size = latest.map_or(0, |latest| latest.head.size);
        if state.head.size <= old_size {
            return Ok(None);
        }
        let proof = match old_size {
            0 => Some(Vec::new()),
            old => {
                self.reader
                    .consistency(&state.origin, old, state.head.size)
                    .await?
            }
        };
        Ok(Some(AddCheckpoint {
            old_size,
            proof: proof.ok_or(StoreError::Corrupt("a tile of a replica is missing"))?,
            checkpoint: read(&state.checkpoint)?,
        }))
    }

    /// The one way to a cosignature: judged, cosigned, on disk; in this order.
    async fn judge_and_keep(
        &self,
        witness: &Cosigner,
        latest: Option<&Cosigned>,
        request: &AddCheckpoint,
        keys: &[VerifierKey],
    ) -> Result<(NoteSignature, Cosigned), WitnessError> {
        let note = latest.map(|latest| read(&latest.checkpoint)).transpose()?;
        let accepted = match witness::judge(note.as_ref(), request, keys) {
            Ok(accepted) => accepted,
            Err(Refused { refusal, evidence }) => {
                let origin = &request.checkpoint.checkpoint().origin;
                if let Some(evidence) = evidence {
                    self.keep_evidence(origin, &evidence).await?;
                }
                return Err(refusal.into());
            }
        };
        let (cosignature, note) = accepted.cosign(witness, self.clock.now())?;
        let checkpoint = accepted.checkpoint();
        let next = Cosigned {
            head: Head {
                size: checkpoint.size,
                root: checkpoint.root,
            },
            checkpoint: note.to_string().into_bytes(),
        };
        // The point of no return. A crash or an error here may leave it kept or not; nobody has
        // the cosignature yet, and who asks again finds out which.
        let expected = latest.map(|latest| latest.head);
        self.store
            .put_cosigned(&checkpoint.origin, expected, next.clone())
            .await?;
        Ok((cosignature, next))
    }

    /// Freezes a log on evidence. A log from outside has no place in the trust list: there the
    /// evidence is kept as it was judged.
    async fn keep_evidence(&self, origin: &Origin, evidence: &Evidence) -> Result<(), StoreError> {
        if self.trust().newest().list.log_of(origin).is_some() {
            return self.book.freeze(origin, evidence).await;
        }
        tracing::error!(%origin, "a log from outside signed two histories: frozen");
        metrics::counter!("huren_alarms_total", "kind" => "fork").increment(1);
        let json = serde_json::to_vec(evidence).unwrap_or_default();
        self.store.freeze(origin, &json).await?;
        self.audit
            .note(Act::new(Actor::Node, AuditAction::LogFrozen).log(origin));
        Ok(())
    }

    /// A checkpoint of a size that the replica holds must be of its history, also one that is
    /// not cosigned.
    async fn compare_with_replica(
        &self,
        state: &LogState,
        request: &AddCheckpoint,
        keys: &[VerifierKey],
    ) -> Result<(), StoreError> {
        let seen = request.checkpoint.checkpoint();
        let signed = keys
            .iter()
            .any(|key| request.checkpoint.verify_log(key).is_ok());
        if !signed || !(1..=state.head.size).contains(&seen.size) {
            return Ok(());
        }
        match self.reader.root(&state.origin, seen.size).await? {
            Some(ours) if ours != seen.root => {
                let book = &self.book;
                book.contradiction(state, &request.checkpoint, &ours)
                    .await?;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What a move of a replica to `tree` has to fit: the latest tree that the witness cosigned
    /// beyond the head. One beyond `tree` as well has to be proven to continue it, by a member
    /// or by having been cosigned after it.
    ///
    /// # Errors
    /// `WITNESS_AHEAD` if nobody proves that.
    pub(super) async fn bound_by_witness(
        &self,
        origin: &Origin,
        tree: &SignedCheckpoint,
    ) -> Result<Option<Head>, SyncError> {
        let cosigned = self.store.cosigned(origin).await?;
        let tree = tree.checkpoint();
        let Some(latest) = cosigned.last().map(|latest| latest.head) else {
            return Ok(None);
        };
        let same = |one: &Cosigned| (one.head.size, one.head.root) == (tree.size, tree.root);
        if latest.size <= tree.size || cosigned.iter().any(same) {
            return Ok(Some(latest));
        }
        let peers = self.peers();
        for (region, shown) in self.book.seen(origin) {
            let Some(peer) = peers.get(&region) else {
                continue;
            };
            if let Ok(proof) = peer.consistency(origin, tree.size, latest.size).await {
                let (old, new) = (&tree.root, &latest.root);
                if merkle::verify_consistency(tree.size, latest.size, old, new, &proof).is_ok() {
                    return Ok(Some(latest));
                }
            }
            // Whoever is beyond the witness tells whether the log went on from there.
            self.compare_with_witness(peer.as_ref(), latest, &shown.checkpoint)
                .await?;
        }
        Err(SyncError::Refused("WITNESS_AHEAD"))
    }

    /// A checkpoint beyond the one that the witness cosigned has to continue that. A proof that
    /// it does not is evidence.
    async fn compare_with_witness(
        &self,
        peer: &dyn Peer,
        cosigned: Head,
        shown: &[u8],
    ) -> Result<(), StoreError> {
        let Ok(shown) = SignedCheckpoint::parse(shown) else {
            return Ok(());
        };
        let seen = shown.checkpoint();
        let keys = self.keys_of(&seen.origin, seen.size).unwrap_or_default();
        let signed = keys.iter().any(|key| shown.verify_log(key).is_ok());
        if !signed || seen.size <= cosigned.size {
            return Ok(());
        }
        let proof = peer.consistency(&seen.origin, cosigned.size, seen.size);
        let Ok(proof) = proof.await else {
            return Ok(());
        };
        let before = replicate::root_before(peer, &seen.origin, cosigned, seen, &proof).await;
        let Some(before) = before.filter(|before| *before != cosigned.root) else {
            return Ok(());
        };
        let kept = self.store.cosigned(&seen.origin).await?;
        let Some(kept) = kept.into_iter().find(|one| one.head == cosigned) else {
            return Ok(());
        };
        let kept = read(&kept.checkpoint)?;
        let evidence = Evidence::of_history(&kept, &shown, &before, &proof);
        self.keep_evidence(&seen.origin, &evidence).await
    }

    /// The log signed a tree for this witness and, as is known now that its leaves are here,
    /// another one for its mirrors. `made` are the tiles of the latter that are not stored.
    pub(super) async fn contradicts_witness(
        &self,
        tree: &SignedCheckpoint,
        cosigned: Head,
        root_there: &Hash,
        made: BTreeMap<TileId, Vec<Hash>>,
    ) -> Result<(), StoreError> {
        let Checkpoint { origin, size, .. } = tree.checkpoint();
        let kept = self.store.cosigned(origin).await?;
        let kept = kept.into_iter().find(|one| one.head == cosigned);
        let Some(kept) = kept else {
            return Ok(());
        };
        let kept = read(&kept.checkpoint)?;
        let evidence = if cosigned.size == *size {
            Evidence::of_one_size(&kept, tree)
        } else {
            let plan = merkle::tiles_for_consistency(cosigned.size, *size);
            let stored = self.store.tiles(origin, &plan).await?;
            let tiles: BTreeMap<TileId, Vec<Hash>> = stored.into_iter().chain(made).collect();
            let proof = merkle::consistency_proof(cosigned.size, *size, &tiles)
                .map_err(|_| StoreError::Corrupt("a tile of a replica is missing"))?;
            Evidence::of_history(&kept, tree, root_there, &proof)
        };
        self.keep_evidence(origin, &evidence).await
    }
}

fn read(note: &[u8]) -> Result<SignedCheckpoint, StoreError> {
    SignedCheckpoint::parse(note).map_err(|_| StoreError::Corrupt("a checkpoint is damaged"))
}
