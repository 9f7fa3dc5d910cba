//! Evidence that a log contradicted itself: it comes from any member, is proven here before
//! anything is done with it, freezes the log, and goes on to everybody in the heads. And the
//! one act that lets a frozen log go on.

use huren_core::{
    audit::{Act, Actor, AuditAction},
    checkpoint::Origin,
    evidence::{Evidence, EvidenceError, EvidenceFile, ReleaseReason},
    replicate::{self, Judgement},
    trust::Member,
};
use huren_proto::v1;
use huren_store::{Error as StoreError, LogState, Release, Role};

use super::{AuditError, Engine, standing::Answer};

/// Why a member's head is refused.
#[derive(Debug, thiserror::Error)]
pub enum HeadRefusal {
    /// It names no log.
    #[error("the head names no log")]
    Malformed,
    /// One of its notes cannot be a checkpoint of the log.
    #[error(transparent)]
    Checkpoint(#[from] replicate::CheckpointRefusal),
    /// Its evidence proves nothing.
    #[error("the evidence proves nothing: {0}")]
    Evidence(#[from] EvidenceError),
}

impl HeadRefusal {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "HEAD_MALFORMED",
            Self::Checkpoint(refusal) => refusal.code(),
            Self::Evidence(error) => error.code(),
        }
    }
}

/// Why a frozen log stays frozen.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// No such log is held.
    #[error("no such log is held here")]
    NotHeld,
    /// It is not frozen.
    #[error("the log is not frozen")]
    NotFrozen,
    /// The trust list in force still trusts the keys that signed both.
    #[error(
        "the federation has not decided: the trust list in force still trusts the keys that \
         signed both checkpoints. It must close them before the contradiction"
    )]
    Undecided,
    /// No member shows that the log goes on from what is held here.
    #[error(
        "no member shows, under the trust list in force, that the log goes on from what is held here"
    )]
    NotContinued,
    /// The log goes on from another history than the one held here.
    #[error("the log goes on from another history than the one that is held here")]
    OtherHistory,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The act could not be written down.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl ReleaseError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotHeld => "LOG_NOT_HELD",
            Self::NotFrozen => "RELEASE_NOT_FROZEN",
            Self::Undecided => "RELEASE_UNDECIDED",
            Self::NotContinued => "RELEASE_NOT_CONTINUED",
            Self::OtherHistory => "RELEASE_OTHER_HISTORY",
            Self::Store(_) => "STORE",
            Self::Audit(error) => error.code(),
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(&self) -> &'static str {
        match self {
            Self::NotHeld => "本节点未持有该日志。",
            Self::NotFrozen => "该日志并未冻结。",
            Self::Undecided => {
                "联盟尚未处置：现行信任清单仍承认签署两份检查点的密钥，须先在矛盾之前截止该密钥。"
            }
            Self::NotContinued => "尚无成员出示该日志在现行信任清单下接续本节点所存历史的检查点。",
            Self::OtherHistory => "该日志接续的是另一段历史，与本节点所存不同。",
            Self::Store(_) | Self::Audit(_) => "数据库暂不可用。",
        }
    }
}

/// Evidence about a log, and what became of it.
pub struct Found {
    /// The log.
    pub origin: Origin,
    /// The file that a third party checks.
    pub file: EvidenceFile,
    /// The act that let the log go on; none while it is frozen.
    pub release: Option<Release>,
}

impl Engine {
    /// Takes note of a member's head of a log; settling finds out what it is worth.
    ///
    /// # Errors
    /// [`HeadRefusal`] for what no honest member sends. A log that is not in the trust list
    /// held may be in a newer one: its head is passed over.
    pub(super) async fn hear(&self, region: &str, mut head: v1::Head) -> Result<(), HeadRefusal> {
        let origin: Origin = head.origin.parse().map_err(|_| HeadRefusal::Malformed)?;
        let chain = self.trust();
        let Some(member) = chain.newest().list.log_of(&origin) else {
            return Ok(());
        };
        let evidence = std::mem::take(&mut head.evidence);
        for note in [&head.checkpoint, &head.witnessed, &head.pending] {
            self.check_note(region, member, &origin, note)?;
        }
        if !evidence.is_empty() {
            self.hear_evidence(region, member, &origin, &evidence)
                .await?;
        }
        let is_new = self.book.see(region, head);
        let mut is_owed = false;
        self.progress(&origin, |progress| {
            is_owed = std::mem::take(&mut progress.unsettled);
        });
        if !is_new && !is_owed {
            return Ok(());
        }
        if let Err(error) = self.book.settle(&origin).await {
            tracing::warn!(%origin, %error, "cosignatures could not be kept");
            self.progress(&origin, |progress| progress.unsettled = true);
        }
        Ok(())
    }

    /// A member may be ahead of this node's trust list or behind it, so a signature that does
    /// not verify makes the note worthless and not its sender a liar.
    fn check_note(
        &self,
        region: &str,
        member: &Member,
        origin: &Origin,
        note: &[u8],
    ) -> Result<(), HeadRefusal> {
        if note.is_empty() {
            return Ok(());
        }
        match replicate::read_checkpoint(member, origin, note) {
            Ok(_) => Ok(()),
            Err(refusal @ replicate::CheckpointRefusal::Signature) => {
                tracing::debug!(peer = region, %origin, code = refusal.code(), "note passed over");
                Ok(())
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Freezes the log if the evidence proves its contradiction.
    async fn hear_evidence(
        &self,
        region: &str,
        member: &Member,
        origin: &Origin,
        json: &[u8],
    ) -> Result<(), EvidenceError> {
        let entry = self.book.entry(origin);
        if entry.is_some_and(|entry| entry.state.frozen.is_some()) {
            return Ok(());
        }
        let evidence = Evidence::from_json(json)?;
        if let Err(error) = evidence.check(member, origin) {
            // Whoever has not taken the newest list yet, or not let the log go on yet, still
            // shows what the federation has judged since.
            return if self.was_evidence(&evidence, origin) {
                Ok(())
            } else {
                Err(error)
            };
        }
        let act = Act::new(Actor::Member(region.to_owned()), AuditAction::EvidenceTaken);
        self.audit.note(act.log(origin));
        if let Err(error) = self.book.freeze(origin, &evidence).await {
            tracing::error!(%origin, %error, "evidence could not be kept; it comes again");
        }
        Ok(())
    }

    /// Whether evidence holds under an earlier trust list.
    fn was_evidence(&self, evidence: &Evidence, origin: &Origin) -> bool {
        let chain = self.trust();
        let members = chain.lists().iter();
        members
            .filter_map(|list| list.list.log_of(origin))
            .any(|member| evidence.proves(member, origin))
    }

    /// All evidence that was found here or heard of: the frozen logs' first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn evidence(&self) -> Result<Vec<Found>, StoreError> {
        let chain = self.trust();
        let file = |origin: &Origin, json: &[u8]| {
            let evidence = Evidence::from_json(json);
            let evidence = evidence.map_err(|_| StoreError::Corrupt("evidence"))?;
            Ok::<_, StoreError>(EvidenceFile::new(origin, evidence, &chain))
        };
        let (mut frozen, mut released) = (Vec::new(), Vec::new());
        for entry in self.book.entries() {
            let origin = &entry.state.origin;
            if let Some(json) = &entry.state.frozen {
                frozen.push(Found {
                    origin: origin.clone(),
                    file: file(origin, json)?,
                    release: None,
                });
            }
            for release in self.store.releases(origin).await? {
                released.push(Found {
                    origin: origin.clone(),
                    file: file(origin, &release.evidence)?,
                    release: Some(release),
                });
            }
        }
        frozen.append(&mut released);
        Ok(frozen)
    }

    /// Lets a frozen log go on, by its operator's order: an act that is written down.
    ///
    /// The federation must have decided first, by a trust list that closes the keys behind the
    /// contradiction: then neither this evidence nor any other of the same fork proves
    /// anything under the list in force, and nothing freezes the log again. The replica goes
    /// on from what it holds and never takes the other history in its place.
    ///
    /// # Errors
    /// [`ReleaseError`]; the log stays frozen.
    pub async fn release_log(
        &self,
        origin: &Origin,
        reason: ReleaseReason,
        actor: &Actor,
    ) -> Result<(), ReleaseError> {
        let entry = self.book.reload(origin).await?;
        let state = entry.ok_or(ReleaseError::NotHeld)?.state.clone();
        let Some(json) = &state.frozen else {
            return Err(ReleaseError::NotFrozen);
        };
        let chain = self.trust();
        let list = &chain.newest().list;
        let member = list.log_of(origin).ok_or(ReleaseError::NotHeld)?;
        let evidence = Evidence::from_json(json);
        if evidence.is_ok_and(|evidence| evidence.proves(member, origin)) {
            return Err(ReleaseError::Undecided);
        }
        match state.role {
            Role::Mirror => self.goes_on_from(&state, member).await?,
            Role::Own => self.is_held_by_others(&state, list.quorum).await?,
        }
        let act = Act::new(actor.clone(), AuditAction::LogUnfrozen);
        let act = act.log(origin).size(state.head.size);
        self.audit.record(act.digest(state.head.root)).await?;
        let release = Release {
            evidence: json.clone(),
            time: self.clock.now(),
            actor: actor.to_string(),
            reason: reason.code().to_owned(),
        };
        let released = self.store.release(origin, release).await;
        // Where that failed it may be frozen or not: see which.
        self.book.reload(origin).await?;
        released?;
        tracing::warn!(%origin, %actor, reason = reason.code(), "a frozen log goes on by order");
        metrics::counter!("huren_alarms_total", "kind" => "released").increment(1);
        self.book.wake(origin);
        Ok(())
    }

    /// Whether a member shows a checkpoint, signed under the list in force, that is the tree
    /// held here or extends it.
    async fn goes_on_from(&self, state: &LogState, member: &Member) -> Result<(), ReleaseError> {
        let origin = &state.origin;
        let mut refusal = ReleaseError::NotContinued;
        for (region, head) in self.book.seen(origin) {
            let Ok(signed) = replicate::read_checkpoint(member, origin, &head.checkpoint) else {
                continue;
            };
            let seen = signed.checkpoint();
            match replicate::judge((state.head.size, &state.head.root), seen) {
                Judgement::Same | Judgement::Adopt => return Ok(()),
                Judgement::Older => {}
                Judgement::Contradiction => refusal = ReleaseError::OtherHistory,
                Judgement::NeedsProof { old, new } => {
                    let peers = self.peers();
                    let Some(peer) = peers.get(&region) else {
                        continue;
                    };
                    let Ok(proof) = peer.consistency(origin, old, new).await else {
                        continue;
                    };
                    let (ours, theirs) = (&state.head.root, &seen.root);
                    let verified =
                        huren_core::merkle::verify_consistency(old, new, ours, theirs, &proof);
                    if verified.is_ok() {
                        return Ok(());
                    }
                    refusal = ReleaseError::OtherHistory;
                }
            }
        }
        Err(refusal)
    }

    /// Whether as many other members as make a quorum hold a beginning of what is held here:
    /// what the own log goes on from.
    async fn is_held_by_others(&self, state: &LogState, quorum: usize) -> Result<(), ReleaseError> {
        let chain = self.trust();
        let (mut agree, mut differ) = (0, 0);
        let peers = self.peers();
        for (region, head) in self.book.seen(&state.origin) {
            // A witness outside of the federation shows what it was given, and holds nothing.
            if !peers.contains_key(&region) {
                continue;
            }
            let lists = chain.lists().iter().rev();
            let signed = lists
                .filter_map(|list| list.list.log_of(&state.origin))
                .find_map(|member| {
                    replicate::read_checkpoint(member, &state.origin, &head.checkpoint).ok()
                });
            let Some(signed) = signed else { continue };
            let seen = signed.checkpoint();
            let ours = if seen.size > state.head.size {
                None
            } else {
                self.reader.root(&state.origin, seen.size).await?
            };
            if ours == Some(seen.root) {
                agree += 1;
            } else {
                differ += 1;
            }
        }
        if agree >= quorum {
            Ok(())
        } else if differ > 0 {
            Err(ReleaseError::OtherHistory)
        } else {
            Err(ReleaseError::NotContinued)
        }
    }

    /// Notes what a member was refused for, and does not ask it for that for a while.
    pub(super) fn refuse(&self, region: &str, origin: &Origin, answer: Answer, code: &str) {
        let (now, random) = (self.clock.now(), self.random.as_ref());
        self.standing
            .refuse((region, origin, answer), code, now, random);
    }

    /// Whether a member is asked for that at present.
    pub(super) fn is_asked(&self, region: &str, origin: &Origin, answer: Answer) -> bool {
        self.standing
            .is_asked((region, origin, answer), self.clock.now())
    }
}
