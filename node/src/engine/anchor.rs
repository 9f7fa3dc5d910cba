//! Anchoring the audit trail: its digest goes to the own log, where others keep it too, so that
//! nobody can write the trail anew or cut it off, not even who holds the node.

use std::time::Duration;

use huren_core::{
    audit::{Anchor, Subject},
    checkpoint::Origin,
    codes::Date,
};
use huren_proto::v1;
use huren_store::{AuditQuery, AuditRow, Error as StoreError};
use prost::Message as _;
use tokio::sync::oneshot;

use super::{
    AppendError, Engine, Placed,
    append::Work,
    prepare::{self, Prepared},
};

/// How long after a failure anchoring is tried again, in seconds; sooner where anchors are less
/// apart.
const RETRY_SECONDS: u64 = 60;

/// Why the audit trail is not anchored.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The store failed.
    #[error("the audit trail could not be read or written")]
    Store(#[from] StoreError),
    /// The log did not take it.
    #[error("the log did not take the anchor")]
    Append(#[from] AppendError),
    /// The record key may not write anchors.
    #[error(
        "the record key may not write anchors by the trust list: it needs the kind audit_anchor"
    )]
    NotPermitted,
}

impl Engine {
    /// Writes how far the audit trail goes to the own log; `None` if the log says so already.
    ///
    /// # Errors
    /// [`AnchorError`]; nothing is lost then, as a later anchor stands for more.
    pub async fn anchor(&self) -> Result<Option<Placed>, AnchorError> {
        let Some(prepared) = self.next_anchor().await? else {
            return Ok(None);
        };
        if !self.is_writable() {
            return Err(AppendError::Unavailable.into());
        }
        let (reply, answer) = oneshot::channel();
        let work = Work {
            prepared,
            reply,
            queued: tracing::trace_span!("queue"),
        };
        let sent = self.queue.send(work).await;
        sent.map_err(|_| AppendError::Unavailable)?;
        let placed = answer.await.map_err(|_| AppendError::Unavailable)??;
        Ok(Some(placed))
    }

    /// The anchors in the own log, with their indexes, oldest first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn anchors(&self) -> Result<Vec<(u64, Anchor)>, StoreError> {
        let kind = v1::Kind::AuditAnchor as i32;
        let rows = self.store.directory(kind.unsigned_abs(), "").await?;
        let of_own = |origin: &Origin| *origin == self.origin;
        let anchors = rows.into_iter().filter(|(origin, _)| of_own(origin));
        Ok(anchors
            .filter_map(|(_, row)| {
                let body = v1::AuditAnchor::decode(row.body.as_slice()).ok()?;
                let digest = huren_core::merkle::Hash::from_slice(&body.digest)?;
                let sequence = body.sequence;
                Some((row.index, Anchor { sequence, digest }))
            })
            .collect())
    }

    /// Entries of the audit trail, with what was noted until now.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn audit_entries(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, StoreError> {
        self.audit.flush().await?;
        self.store.audit(query).await
    }

    /// The subject that a certificate number names in what is written to this node's audit trail.
    pub fn subject_of(&self, number: &str) -> Subject {
        Subject::of_number(self.keys.index.current(), number)
    }

    /// The subjects that an identity document names, one for each kind of document it may be.
    pub fn holder_subjects(&self, id: &str) -> Vec<Subject> {
        let ids = super::verify::holder_ids(id).into_iter();
        ids.filter_map(|id| Subject::of_holder(&self.keys.holder, &id))
            .collect()
    }

    /// What a certificate number was ever written as, under all index keys that are here: what is
    /// in the trail is never written anew. At least one, that of the key in use first.
    pub fn subjects_of(&self, number: &str) -> Vec<Subject> {
        let keys = self.keys.index.keys().iter();
        keys.map(|key| Subject::of_number(key, number)).collect()
    }

    /// Anchors whatever has waited for it long enough, for ever.
    ///
    /// Not when the node stops: no member would hold that leaf before the node starts again, and
    /// who brought back a database from before would lack it for good.
    pub(super) async fn anchor_regularly(&self) {
        let mut writable = self.writability();
        loop {
            if writable.wait_for(|is_writable| *is_writable).await.is_err() {
                return;
            }
            let pause = match self.anchor_if_due().await {
                Ok(pause) => pause,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the audit trail is not anchored");
                    Duration::from_secs(RETRY_SECONDS.min(self.options.anchor_seconds))
                }
            };
            self.clock.sleep(pause).await;
        }
    }

    /// An anchor is due once the oldest entry without one is as old as anchors are apart. Says
    /// after which time the next can be.
    async fn anchor_if_due(&self) -> Result<Duration, AnchorError> {
        let apart = self.options.anchor_seconds;
        let first = self
            .newest_anchor()
            .await?
            .map_or(1, |anchor| anchor.sequence + 1);
        let query = AuditQuery {
            sequences: first..u64::MAX,
            ..AuditQuery::all(1)
        };
        let oldest = self.store.audit(&query).await?;
        let left = oldest.first().map_or(apart, |row| {
            (row.time + apart)
                .saturating_sub(self.clock.now())
                .min(apart)
        });
        if left > 0 {
            return Ok(Duration::from_secs(left));
        }
        self.anchor().await?;
        Ok(Duration::from_secs(apart))
    }

    /// The newest anchor of what the trail holds. After a backup was restored the log can hold
    /// newer ones, of entries that are lost.
    async fn newest_anchor(&self) -> Result<Option<Anchor>, StoreError> {
        for (_, anchor) in self.anchors().await?.into_iter().rev() {
            let query = AuditQuery {
                sequences: anchor.sequence..anchor.sequence.saturating_add(1),
                ..AuditQuery::all(1)
            };
            let held = self.store.audit(&query).await?;
            if held
                .first()
                .is_some_and(|row| row.link.hash == anchor.digest)
            {
                return Ok(Some(anchor));
            }
        }
        Ok(None)
    }

    async fn next_anchor(&self) -> Result<Option<Prepared>, AnchorError> {
        let head = self.audit.flush().await?;
        let newest = self.newest_anchor().await?;
        if head.sequence == newest.map_or(0, |anchor| anchor.sequence) {
            return Ok(None);
        }
        let size = self
            .book
            .entry(&self.origin)
            .map_or(0, |own| own.state.head.size);
        let (signing, trust) = (self.signing(), self.trust());
        let place = (trust.newest().list.version, size);
        let signer = signing.record_at(&trust, &self.origin, place);
        let (key, kind) = (signer.id(), v1::Kind::AuditAnchor as i32);
        let authority = trust.newest().authority();
        let permitted = authority.check(&self.origin, key, size, kind, &self.region);
        permitted.map_err(|_| AnchorError::NotPermitted)?;
        let anchor = Anchor {
            sequence: head.sequence,
            digest: head.hash,
        };
        let today = Date::today_in_shanghai(self.clock.now().cast_signed());
        let origin = self.origin.as_str();
        let prepared = prepare::anchor(
            anchor,
            self.region,
            today.as_yyyymmdd(),
            origin,
            (&self.keys, signer),
        );
        Ok(Some(prepared.map_err(AppendError::NotARecord)?))
    }
}
