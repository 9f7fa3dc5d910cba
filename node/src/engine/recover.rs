//! Start-up of the own log: nothing is signed until the database is known to hold everything
//! that was ever signed.

use std::collections::BTreeSet;

use huren_core::{
    audit::{Act, Actor, AuditAction},
    merkle, replicate as rules,
};
use huren_proto::v1;
use huren_store::{Error as StoreError, Head, HighWaterError};

use super::{AuditError, Engine, SyncError};

/// Why the own log is not opened for writing.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The high-water file could not be read, or the mark not be lowered.
    #[error("the high-water file cannot be relied on")]
    HighWater(#[from] HighWaterError),
    /// The database is older than what was signed, and the members that answered do not hold
    /// the missing leaves.
    #[error(
        "the log had {signed} signed leaves, the database holds {held}, and the members that \
         answered hold {found}: refusing to sign, and asking on. Bring back the newer database, \
         or a member that has the leaves; only when they are lost for good, see \
         'huren-node serve --help' on --accept-loss"
    )]
    Lost {
        /// Size in the high-water file.
        signed: u64,
        /// Size in the database.
        held: u64,
        /// Largest size that a member holds.
        found: u64,
    },
    /// The database holds another tree than the one that was signed.
    #[error("the database holds another tree of {0} leaves than the one that was signed")]
    OtherTree(u64),
    /// The missing leaves could not be fetched.
    #[error("the missing leaves could not be fetched back: {0}")]
    Sync(#[from] SyncError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The operator's order could not be written down.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl RecoverError {
    /// The stable reason code.
    pub fn code(&self) -> &str {
        match self {
            Self::HighWater(_) => "HIGH_WATER_UNREADABLE",
            Self::Lost { .. } => "LOG_LOST",
            Self::OtherTree(_) => "LOG_OTHER_TREE",
            Self::Sync(error) => error.code(),
            Self::Store(_) => "STORE",
            Self::Audit(error) => error.code(),
        }
    }

    /// Whether the same attempt may succeed later: a member that was away may hold what the
    /// others do not.
    pub(super) const fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Sync(_) | Self::Store(_) | Self::Audit(_) | Self::Lost { .. }
        )
    }
}

impl Engine {
    /// Compares the high-water file with the database. Equal or behind it: in order. Ahead of
    /// it, or missing beside a database that is not new: what is missing is fetched back from
    /// the other members, once at least two of them (or all, where there are fewer) answered.
    /// What they do not hold keeps the log closed, unless its operator gives it up.
    ///
    /// # Errors
    /// [`RecoverError`]: the node answers from what it holds, and does not sign.
    pub(super) async fn recover(&self) -> Result<(), RecoverError> {
        let was_behind = self.compare_with_signed().await?;
        self.book.proven();
        self.book.settle(&self.origin).await?;
        self.complete().await?;
        if was_behind {
            tracing::warn!("the own log is complete again");
        }
        // Everything that was signed is held and folded, and so every erasure applied.
        Ok(self.caught_up(&self.origin).await?)
    }

    /// Finds that the database holds what was signed, or brings it there; says whether it was behind.
    async fn compare_with_signed(&self) -> Result<bool, RecoverError> {
        // Blocks, as lowering does below: there is nothing to serve meanwhile.
        let high_water = self
            .high_water
            .read()?
            .filter(|(origin, _)| *origin == self.origin)
            .map(|(_, head)| head);
        let held = self.own_head().await?;
        if let Some(signed) = high_water
            && signed.size <= held.size
        {
            self.check_same_history(signed, held).await?;
            return Ok(false);
        }
        tracing::warn!(
            held = held.size,
            signed = high_water.map(|head| head.size),
            "the database is behind what was signed, or the high-water file is missing: \
             asking the other members"
        );
        self.wait_for_members(self.members_to_ask()).await;
        let found = self.largest_own_checkpoint(|head| &head.checkpoint);
        // What a member waits for in vain was signed too.
        let waited_for = self.largest_own_checkpoint(|head| &head.pending);
        let found_size = found.map_or(0, |head| head.size);
        if found_size > held.size {
            self.sync(&self.origin, true).await?;
        }
        let held = self.own_head().await?;
        // Where the file is missing, what the members hold is all that is known to be signed.
        let known = high_water.into_iter().chain(found).chain(waited_for);
        let (all_held, lost): (Vec<Head>, Vec<Head>) = known.partition(|h| h.size <= held.size);
        for signed in all_held {
            self.check_same_history(signed, held).await?;
        }
        if let Some(signed) = lost.into_iter().max_by_key(|head| head.size) {
            if found_size > held.size || self.options.accept_loss != Some(held.size) {
                return Err(RecoverError::Lost {
                    signed: signed.size,
                    held: held.size,
                    found: found_size,
                });
            }
            self.accept_loss(signed, held).await?;
        }
        Ok(true)
    }

    /// Lets the log go on behind what was signed, because its operator said so.
    async fn accept_loss(&self, signed: Head, held: Head) -> Result<(), RecoverError> {
        let act = Act::new(Actor::Machine, AuditAction::LossAccepted);
        let act = act.log(&self.origin).size(held.size);
        self.audit.record(act.digest(held.root)).await?;
        self.high_water
            .lower(&self.origin, &held, self.clock.now())?;
        metrics::counter!("huren_alarms_total", "kind" => "accepted_loss").increment(1);
        tracing::error!(
            signed = signed.size,
            continues = held.size,
            "signed leaves are given up by the operator's order: whoever has a checkpoint beyond \
             them can show that this log contradicts itself"
        );
        Ok(())
    }

    async fn own_head(&self) -> Result<Head, StoreError> {
        let state = self.store.log(&self.origin).await?;
        Ok(state.map_or(super::book::empty_head(), |state| state.head))
    }

    /// Whether what is held begins with what was signed.
    pub(super) async fn check_same_history(
        &self,
        signed: Head,
        held: Head,
    ) -> Result<(), RecoverError> {
        let root = match signed.size {
            0 => Some(merkle::empty_root()),
            size if size == held.size => Some(held.root),
            size => self.reader.root(&self.origin, size).await?,
        };
        if root == Some(signed.root) {
            Ok(())
        } else {
            Err(RecoverError::OtherTree(signed.size))
        }
    }

    /// How many of the other members must answer before the own log goes on: all, before anything
    /// is given up.
    fn members_to_ask(&self) -> usize {
        match self.options.accept_loss {
            Some(_) => self.peers().len(),
            None => self.quorum_of_answers(),
        }
    }

    /// How many of the other members have to answer before what they show counts as all that
    /// there is: two, or all where there are fewer.
    pub(super) fn quorum_of_answers(&self) -> usize {
        self.peers().len().min(2)
    }

    /// Waits until so many of the other members have shown what they hold of the own log.
    async fn wait_for_members(&self, needed: usize) {
        let mut answered = BTreeSet::new();
        let mut told = None;
        while answered.len() < needed {
            let peers = self.peers();
            for (region, peer) in peers.iter() {
                if let Ok(heads) = peer.heads().await {
                    answered.insert(region.clone());
                    for head in heads {
                        self.hear_or_refuse(region, head).await;
                    }
                }
            }
            if answered.len() < needed {
                if told.replace(answered.len()) != Some(answered.len()) {
                    let silent = peers.keys().filter(|region| !answered.contains(*region));
                    let silent: Vec<&str> = silent.map(String::as_str).collect();
                    tracing::warn!(
                        needed,
                        answered = answered.len(),
                        silent = silent.join(" "),
                        "waiting for more members to answer"
                    );
                }
                self.clock.sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }

    /// The largest checkpoint of the own log that members show in that place.
    fn largest_own_checkpoint(&self, place: impl Fn(&v1::Head) -> &Vec<u8>) -> Option<Head> {
        let chain = self.trust();
        let member = chain.newest().list.log_of(&self.origin)?;
        self.book
            .seen(&self.origin)
            .values()
            .filter_map(|head| rules::read_checkpoint(member, &self.origin, place(head)).ok())
            .map(|signed| Head {
                size: signed.checkpoint().size,
                root: signed.checkpoint().root,
            })
            .max_by_key(|head| head.size)
    }

    /// Folds the own log and takes its disclosures back, where an earlier attempt to fetch it
    /// was interrupted behind the leaves: by the ordinary replication, with the same checks and
    /// the same steps. Without that nothing could be appended.
    async fn complete(&self) -> Result<(), RecoverError> {
        if self.is_complete().await? {
            return Ok(());
        }
        // Folding needs nobody.
        self.sync(&self.origin, true).await?;
        if self.is_complete().await? {
            return Ok(());
        }
        self.wait_for_members(self.members_to_ask()).await;
        self.sync(&self.origin, true).await?;
        let state = self.store.log(&self.origin).await?;
        if let Some(state) = state
            && state.disclosed < state.folded
        {
            // Nobody holds the rest any more: go on without it, and say so.
            tracing::error!(
                from = state.disclosed,
                to = state.folded,
                "disclosures of the own log are lost"
            );
            let range = state.disclosed..state.folded;
            self.store
                .put_disclosures(&self.origin, range, Vec::new())
                .await?;
            self.book.reload(&self.origin).await?;
        }
        Ok(())
    }

    async fn is_complete(&self) -> Result<bool, StoreError> {
        let state = self.store.log(&self.origin).await?;
        Ok(state.is_none_or(|s| (s.folded, s.disclosed) == (s.head.size, s.head.size)))
    }

    /// Closes the own log: submissions are refused as retryable from now on.
    pub(super) fn set_read_only(&self) {
        self.writable.send_replace(false);
    }

    /// Opens the own log for submissions.
    pub(super) fn set_writable(&self) {
        self.writable.send_replace(true);
    }
}
