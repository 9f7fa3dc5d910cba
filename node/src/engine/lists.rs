//! Taking newer trust lists while the node runs, from its operator's file or from other members,
//! and what follows for what was judged by older ones.

use std::sync::Arc;

use huren_core::trust::{TrustChain, TrustError};
use huren_store::{Error as StoreError, LogState, Store};

use super::{Book, Engine, standing::Answer, tasks::MAX_DELAY};

/// Why newer trust lists are not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// One does not follow what is held.
    #[error(transparent)]
    Refused(#[from] TrustError),
    /// One could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TakeError {
    /// The stable reason code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused(error) => error.code(),
            Self::Store(_) => "STORE",
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
                _ => self.take_trust_lists(&notes, region).await,
            };
            match taken {
                Ok(_) => {}
                Err(TakeError::Refused(error)) => {
                    self.refuse(region, &self.origin, Answer::TrustLists, error.code());
                }
                Err(TakeError::Store(error)) => {
                    tracing::warn!(%error, "a trust list could not be kept");
                    return;
                }
            }
        }
    }

    /// Takes what `notes` hold beyond the newest trust list, if it verifies from there, and gives
    /// the version in force then. `source` is for the node's log.
    ///
    /// # Errors
    /// [`TakeError`]; refused ones do not count. Of those that the store failed to keep, the ones
    /// that it holds all the same do.
    pub async fn take_trust_lists(&self, notes: &[&[u8]], source: &str) -> Result<u64, TakeError> {
        // Nothing is folded or appended meanwhile.
        let _alone = self.judging.write().await;
        let held = self.trust();
        let longer = held.joined(notes.iter().copied())?;
        let version = longer.newest().list.version;
        if version == held.newest().list.version {
            return Ok(version);
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
            tracing::info!(version, source, "a newer trust list counts");
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
