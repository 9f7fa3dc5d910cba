//! When two signed trees do not fit together: proof that a log signed two histories, unless it is
//! the own database of which nobody knows yet whether it is what this node signed.

use std::sync::Arc;

use huren_core::{
    audit::{Act, Actor, AuditAction},
    checkpoint::{Origin, SignedCheckpoint},
    evidence::Evidence,
    merkle::Hash,
};
use huren_store::{Error as StoreError, LogState};

use super::{Book, Entry, read, write};

impl Book {
    /// Takes the own log for nothing that anybody should see: its database has not been compared
    /// with what was signed, or is not that. It may be another one, with another tree, whose head
    /// nobody was ever shown. Who showed it, or held it against what others show, would make a
    /// contradiction out of an operator's mistake, and the federation would have to judge it.
    pub(in crate::engine) fn unproven(&self, own: &Origin) {
        *write(&self.unproven) = Some(own.clone());
    }

    /// The own database holds what was signed: now it counts, against anybody. Settling finds out
    /// what was heard until then.
    pub(in crate::engine) fn proven(&self) {
        if write(&self.unproven).take().is_some() {
            self.changed.send_modify(|count| *count += 1);
        }
    }

    /// Whether it is not known that the database of this log, the own one, is what was signed.
    pub fn is_unproven(&self, origin: &Origin) -> bool {
        read(&self.unproven).as_ref() == Some(origin)
    }

    /// A log for whoever shows or proves something of it to others: not while it is unproven.
    pub fn shown(&self, origin: &Origin) -> Option<Arc<Entry>> {
        self.entry(origin).filter(|_| !self.is_unproven(origin))
    }

    /// A checkpoint of the log's has another root than `ours`, which our tree has at its size:
    /// proof that the log signed two histories, with the signed head of ours and the
    /// consistency proof that leads to it. Gives the reason code.
    ///
    /// # Errors
    /// If the store fails.
    pub(in crate::engine) async fn contradiction(
        &self,
        state: &LogState,
        other: &SignedCheckpoint,
        ours: &Hash,
    ) -> Result<&'static str, StoreError> {
        if self.is_unproven(&state.origin) {
            return Ok(OTHER_TREE);
        }
        let size = other.checkpoint().size;
        let proof = if size == state.head.size {
            Some(Vec::new())
        } else {
            self.reader
                .consistency(&state.origin, size, state.head.size)
                .await?
        };
        let (Ok(head), Some(proof)) = (SignedCheckpoint::parse(&state.checkpoint), proof) else {
            return Ok(FROZEN);
        };
        let evidence = Evidence::of_history(other, &head, ours, &proof);
        self.contradicted(&state.origin, &evidence).await
    }

    /// What is held of a log contradicts what is shown of it. Gives the reason code.
    ///
    /// # Errors
    /// If the store fails.
    pub(in crate::engine) async fn contradicted(
        &self,
        origin: &Origin,
        evidence: &Evidence,
    ) -> Result<&'static str, StoreError> {
        if self.is_unproven(origin) {
            return Ok(OTHER_TREE);
        }
        self.freeze(origin, evidence).await?;
        Ok(FROZEN)
    }

    /// Freezes a log on evidence that proves its contradiction; anything less is an alarm only.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn freeze(&self, origin: &Origin, evidence: &Evidence) -> Result<(), StoreError> {
        let chain = self.trust.borrow().clone();
        let proven = chain
            .newest()
            .list
            .log_of(origin)
            .is_some_and(|member| evidence.proves(member, origin));
        if !proven {
            tracing::error!(%origin, "checkpoints do not fit together, but prove nothing");
            metrics::counter!("huren_alarms_total", "kind" => "inconsistent").increment(1);
            return Ok(());
        }
        tracing::error!(%origin, "the log signed two histories: frozen");
        metrics::counter!("huren_alarms_total", "kind" => "fork").increment(1);
        let json = evidence.to_json().unwrap_or_default();
        let frozen = self.store.freeze(origin, &json).await;
        // Where that failed it may be frozen or not: see which.
        self.reload(origin).await?;
        frozen?;
        let act = Act::new(Actor::Node, AuditAction::LogFrozen);
        self.audit.note(act.log(origin));
        Ok(())
    }
}

/// Reason codes of a log whose checkpoints do not fit together, and of a database that is not the
/// own log's.
const FROZEN: &str = "LOG_FROZEN";
const OTHER_TREE: &str = "LOG_OTHER_TREE";
