//! Disclosures that came out of a backup. Who had theirs erased since must not be served them
//! again, so they are withheld, log by log, until the log is known to hold every erasure.
//!
//! For the own log that is once it holds everything that was ever signed, which start-up finds
//! out anyway. For another's it is once as many members as start-up asks have shown what they hold
//! of it, and everything shown is folded: the same rule, with the same limit. An erasure that
//! none of those who answered has heard of yet is not known here either.

use huren_core::{
    audit::{Act, Actor, AuditAction},
    checkpoint::Origin,
    replicate as rules,
};
use huren_store::{Error as StoreError, HighWater, Store};

use super::{Audit, AuditError, Engine, clock::Clock};

/// Takes a database that is older than what was signed for one out of a backup, whoever copied
/// it back: disclosures are withheld, tokens count no more, as some may have been revoked since,
/// and the audit trail says up to where it came back, before anything else is written behind that.
///
/// # Errors
/// If the store fails.
pub(super) async fn mark_behind(
    store: &dyn Store,
    high_water: &HighWater,
    own: &Origin,
    clock: &dyn Clock,
    audit: &Audit,
) -> Result<(), StoreError> {
    let now = clock.now();
    let held = store.log(own).await?.map_or(0, |state| state.head.size);
    // A file that cannot be read says no more than one that is missing.
    let signed = high_water.read().ok().flatten();
    let signed = signed.filter(|(origin, _)| origin == own);
    if signed.as_ref().is_some_and(|(_, head)| head.size <= held) {
        return Ok(());
    }
    // Beside an empty database without that file there is nothing yet that could be behind.
    if signed.is_some() || held > 0 {
        let kept = store.audit_head().await?.sequence;
        let act = Act::new(Actor::Node, AuditAction::BackupRestored).size(kept);
        let recorded = audit.record(act).await;
        recorded.map_err(AuditError::into_store)?;
        revoke_tokens(store, now).await?;
    }
    for state in store.logs().await? {
        if state.disclosed > 0 && state.restored.is_none() {
            store.put_restored(&state.origin, Some(now)).await?;
        }
    }
    Ok(())
}

/// Revokes every token.
///
/// # Errors
/// If the store fails.
pub(crate) async fn revoke_tokens(store: &dyn Store, now: u64) -> Result<(), StoreError> {
    for token in store.tokens().await? {
        store.revoke_token(&token.id, now).await?;
    }
    Ok(())
}

impl Engine {
    /// Shows the disclosures of a mirrored log again, if they were restored and the log has
    /// caught up with what members show of it.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn catch_up(&self, origin: &Origin) -> Result<(), StoreError> {
        let Some(entry) = self.book.entry(origin) else {
            return Ok(());
        };
        let state = &entry.state;
        let chain = self.trust();
        let (Some(_), Some(member)) = (state.restored, chain.newest().list.log_of(origin)) else {
            return Ok(());
        };
        let size = |note: &[u8]| {
            let signed = rules::read_checkpoint(member, origin, note);
            signed.ok().map(|signed| signed.checkpoint().size)
        };
        // What was seen was shown since this process started, and so since the database was
        // restored.
        let shown = self.book.seen(origin);
        // Who shows nothing does not know how far the log is.
        let shown = shown.values();
        let sizes: Vec<u64> = shown
            .filter_map(|head| size(&head.checkpoint).max(size(&head.witnessed)))
            .collect();
        let needed = self.quorum_of_answers();
        if rules::has_caught_up(state.folded, state.head.size, &sizes, needed) {
            self.caught_up(origin).await?;
        }
        Ok(())
    }

    /// Notes that a log holds every erasure.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn caught_up(&self, origin: &Origin) -> Result<(), StoreError> {
        let state = self.store.log(origin).await?;
        if state.is_none_or(|state| state.restored.is_none()) {
            return Ok(());
        }
        let noted = self.store.put_restored(origin, None).await;
        // Where that failed it may be noted or not: see which.
        self.book.reload(origin).await?;
        noted?;
        tracing::info!(%origin, "caught up since it was restored: disclosures are shown again");
        Ok(())
    }

    /// Provinces whose restored disclosures are withheld, for people.
    pub fn withheld(&self) -> Vec<String> {
        let entries = self.book.entries();
        let withheld = entries.iter().filter(|entry| entry.view.withheld);
        withheld
            .map(|entry| entry.view.region.to_string())
            .collect()
    }
}
