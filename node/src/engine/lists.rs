//! Taking newer trust lists while the node runs, from its operator's file or from other members,
//! and what follows for what was judged by older ones.

use std::sync::Arc;

use huren_core::{
    audit::{Act, Actor, AuditAction},
    trust::{SignedTrustList, TrustChain, TrustError},
};
use huren_store::{Error as StoreError, LogState, Store};

use super::{Audit, AuditError, Book, Engine, standing::Answer, tasks::MAX_DELAY};

/// Why newer trust lists are not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// One does not follow what is held.
    #[error(transparent)]
    Refused(#[from] TrustError),
    /// One could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be written down.
    #[error(transparent)]
    Audit(#[from] AuditError),
}

impl TakeError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(error) => error.code(),
            Self::Store(_) => "STORE",
            Self::Audit(error) => error.code(),
        }
    }
}

impl Engine {
    /// Takes newer trust lists from any member that has them.
    pub(super) async fn fetch_trust_lists(&self) {
        for (region, peer) in &self.peers {
            if !self.is_asked(region, &self.origin, Answer::TrustLists) {
                continue;
            }
            let next = self.trust().newest().list.version + 1;
            let Ok(notes) = peer.trust_lists(next).await else {
                continue;
            };
            let notes: Vec<&[u8]> = notes.iter().map(Vec::as_slice).collect();
            // What was asked for begins behind what is held; a file may begin with it.
            let first = notes.first().map(|note| self.trust().extended(note));
            let taken = match first {
                Some(Err(error)) => Err(error.into()),
                _ => {
                    let member = Actor::Member(region.clone());
                    self.take_trust_lists(&notes, member).await
                }
            };
            match taken {
                Ok(_) => {}
                Err(TakeError::Refused(error)) => {
                    let code = error.code();
                    let act =
                        Act::new(Actor::Member(region.clone()), AuditAction::TrustListRefused);
                    self.audit.note(act.outcome(code).version(next));
                    self.refuse(region, &self.origin, Answer::TrustLists, code);
                }
                Err(error @ (TakeError::Store(_) | TakeError::Audit(_))) => {
                    tracing::warn!(%error, "a trust list could not be kept");
                    return;
                }
            }
        }
    }

    /// Takes what `notes` hold beyond the newest trust list, if it verifies from there, and gives
    /// the version in force then. `by` is who gave it: a member, or whoever may write the node's file.
    ///
    /// # Errors
    /// [`TakeError`]; refused ones do not count. Of those that the store failed to keep, the ones
    /// that it holds all the same do.
    pub async fn take_trust_lists(&self, notes: &[&[u8]], by: Actor) -> Result<u64, TakeError> {
        // Nothing is folded or appended meanwhile.
        let _alone = self.judging.write().await;
        let held = self.trust();
        let longer = held.joined(notes.iter().copied())?;
        let version = longer.newest().list.version;
        if version == held.newest().list.version {
            return Ok(version);
        }
        // Whoever gave it, it is written down before it counts.
        for list in beyond(&longer, held.newest().list.version) {
            self.audit.record(taken(by.clone(), list)).await?;
        }
        let kept = keep(self.store.as_ref(), &longer, Some(&self.book)).await;
        // Where that failed some of the lists may be kept all the same. They count then: what was
        // folded by older ones than the store holds would never be folded again.
        let in_force = match kept {
            Ok(()) => longer,
            Err(_) => self.kept_of(&longer).await,
        };
        let version = in_force.newest().list.version;
        let entries = self.book.entries();
        let mut shown = Ok(());
        for entry in &entries {
            shown = shown.and(self.book.dropped(&entry.state.origin).await);
        }
        if version > held.newest().list.version {
            self.adopt.send_replace(Arc::new(in_force));
            tracing::info!(version, source = %by, "a newer trust list counts");
        }
        for entry in &entries {
            let origin = &entry.state.origin;
            shown = shown.and(self.book.reload(origin).await.map(drop));
            self.book.wake(origin);
        }
        kept.and(shown)?;
        Ok(version)
    }

    /// As much of a chain as the store holds. Asks on until the store says so: as long as that is
    /// not known, nothing may be judged.
    async fn kept_of(&self, longer: &TrustChain) -> TrustChain {
        let mut delays = self.backoff();
        loop {
            match self.store.trust_lists().await {
                Ok(notes) => {
                    let kept = longer.first(notes.len() as u64);
                    return kept.unwrap_or_else(|| self.trust().as_ref().clone());
                }
                Err(error) => {
                    tracing::warn!(%error, "which trust lists are kept cannot be read");
                    self.clock.sleep(delays.next().unwrap_or(MAX_DELAY)).await;
                }
            }
        }
    }
}

/// Writes down the lists that the operator put into the file while the node was down.
///
/// # Errors
/// If the store fails.
pub(super) async fn installed(
    store: &dyn Store,
    chain: &TrustChain,
    audit: &Audit,
) -> Result<(), StoreError> {
    let kept = store.trust_lists().await?.len();
    for list in beyond(chain, kept as u64) {
        let recorded = audit.record(taken(Actor::Machine, list)).await;
        recorded.map_err(AuditError::into_store)?;
    }
    Ok(())
}

fn beyond(chain: &TrustChain, version: u64) -> impl Iterator<Item = &SignedTrustList> {
    let lists = chain.lists().iter();
    lists.filter(move |list| list.list.version > version)
}

fn taken(by: Actor, list: &SignedTrustList) -> Act {
    let action = if by == Actor::Machine {
        AuditAction::TrustListInstalled
    } else {
        AuditAction::TrustListTaken
    };
    Act::new(by, action)
        .version(list.list.version)
        .digest(list.digest)
}

/// Keeps what a chain has beyond the lists that are kept already. What was judged by those and
/// comes out otherwise by the chain is dropped first, to be folded again: so a crash in between
/// leaves nothing of it behind. `readers` are told, where there are any yet.
///
/// # Errors
/// If the store fails.
pub(super) async fn keep(
    store: &dyn Store,
    chain: &TrustChain,
    readers: Option<&Book>,
) -> Result<(), StoreError> {
    let kept = store.trust_lists().await?.len();
    if let Some(held) = chain.first(kept as u64) {
        let (before, now) = (held.newest().authority(), chain.newest().authority());
        for LogState { origin, folded, .. } in store.logs().await? {
            let from = before.narrowed_from(now, &origin);
            if from.is_some_and(|from| from < folded) {
                tracing::warn!(%origin, "a key of the log was closed: folding it again");
                // In doubt before it is dropped: who looks certificates up in what is left of a
                // register must not take what is missing for an answer.
                if let Some(book) = readers {
                    book.doubt(&origin).await;
                }
                store.drop_register(&origin).await?;
            }
        }
    }
    for list in chain.lists().iter().skip(kept) {
        let note = list.note();
        store
            .put_trust_list(list.list.version, note.as_bytes())
            .await?;
    }
    Ok(())
}
