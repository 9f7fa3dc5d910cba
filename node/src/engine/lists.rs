//! Taking newer trust lists while the node runs: from its operator's file or from other members,
//! and everything that follows from them.

use std::sync::Arc;

use huren_core::{
    checkpoint::Origin,
    trust::{TrustChain, TrustError},
};
use huren_store::{Error as StoreError, Role, Store};
use tokio::sync::watch;

use super::{Engine, Peers, SigningKeys};

/// Quarantined leaves looked through at a time.
const PAGE: u32 = 1000;

/// Why newer lists are not taken.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// They do not follow what is held.
    #[error(transparent)]
    Refused(#[from] TrustError),
    /// They could not be kept.
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
    /// Wakes whenever a newer list counts.
    pub fn trust_changes(&self) -> watch::Receiver<Arc<TrustChain>> {
        self.trust.clone()
    }

    /// Takes what `notes` hold beyond the newest list, if it verifies from there; gives the
    /// version that counts from then on. `source` is for the node's log.
    ///
    /// # Errors
    /// [`TakeError`]: then none of them counts, and an alarm is raised if they are refused.
    pub async fn take_lists(&self, notes: &[&[u8]], source: &str) -> Result<u64, TakeError> {
        let taken = self.take(notes, source).await;
        if let Err(TakeError::Refused(error)) = &taken {
            let code = error.code();
            tracing::error!(source, code, %error, zh = error.zh(), "a trust list is refused");
            metrics::counter!("huren_alarms_total", "kind" => "trust_list").increment(1);
        }
        taken
    }

    async fn take(&self, notes: &[&[u8]], source: &str) -> Result<u64, TakeError> {
        // Nothing is folded or appended meanwhile: what was judged by the older list is dropped
        // before the newer one is kept, so that a crash in between leaves nothing of it behind.
        let _alone = self.judging.write().await;
        let held = self.trust();
        let longer = held.joined(notes.iter().copied())?;
        let version = longer.newest().list.version;
        if version == held.newest().list.version {
            return Ok(version);
        }
        for origin in to_refold(self.store.as_ref(), &held, &longer).await? {
            tracing::warn!(%origin, version, "a key's authority changed: folding the log again");
            self.book.doubt(&origin, true);
            let dropped = self.store.drop_register(&origin).await;
            self.book.reload(&origin).await?;
            self.book.doubt(&origin, false);
            dropped?;
        }
        keep(self.store.as_ref(), &longer).await?;
        make_logs(self.store.as_ref(), &longer, &self.origin).await?;
        self.trust_sender.send_replace(Arc::new(longer.clone()));
        for log in longer.newest().list.logs() {
            if let Ok(origin) = log.origin.parse() {
                self.book.reload(&origin).await?;
            }
        }
        // The logs of new members are in the book only now: whoever attends to logs looks again.
        self.peers.send_modify(|_| ());
        tracing::info!(version, source, "a newer trust list counts");
        self.check_keys();
        Ok(version)
    }

    /// Takes newer trust lists from any member that has them.
    pub(super) async fn fetch_trust_lists(&self) {
        for (region, peer) in self.peers().iter() {
            let first = self.trust().newest().list.version + 1;
            let Ok(notes) = peer.trust_lists(first).await else {
                continue;
            };
            if notes.is_empty() {
                continue;
            }
            let notes: Vec<&[u8]> = notes.iter().map(Vec::as_slice).collect();
            if let Err(TakeError::Store(error)) = self.take_lists(&notes, region).await {
                tracing::warn!(%error, "a trust list could not be kept");
                return;
            }
        }
    }

    /// The other members, as they are reached now.
    pub fn peers(&self) -> Arc<Peers> {
        self.peers.borrow().clone()
    }

    /// Reaches other members in another way from now on: where a member's entry is another than
    /// before, what goes on with it ends and begins anew.
    pub fn set_peers(&self, peers: Peers) {
        self.peers.send_replace(Arc::new(peers));
    }

    /// Signs with these keys from now on, each where the trust list names it.
    pub fn set_signing_keys(&self, keys: SigningKeys) {
        self.signing.send_replace(Arc::new(keys));
        self.check_keys();
    }

    pub(super) fn signing(&self) -> Arc<SigningKeys> {
        self.signing.borrow().clone()
    }

    /// Says which of the node's keys the newest list does not name.
    pub(super) fn check_keys(&self) {
        let size = self
            .book
            .entry(&self.origin)
            .map_or(0, |own| own.state.head.size);
        let chain = self.trust();
        if chain.newest().list.member_of(&self.origin).is_none() {
            tracing::error!(
                "this node is no member of the newest trust list: it answers from what it holds, and writes nothing"
            );
            metrics::counter!("huren_alarms_total", "kind" => "not_a_member").increment(1);
            return;
        }
        for role in self.signing().unnamed(&chain, &self.origin, size) {
            tracing::error!(
                role,
                "the newest trust list names none of this node's keys of that role: see HANDBOOK.md"
            );
            metrics::counter!("huren_alarms_total", "kind" => "key_not_listed").increment(1);
        }
    }
}

/// Prepares a store for a chain that may be longer than the one it holds.
pub(super) async fn open(
    store: &dyn Store,
    chain: &TrustChain,
    own: &Origin,
) -> Result<(), StoreError> {
    let held = store.trust_lists().await?.len() as u64;
    let newest = chain.newest().list.version;
    if let Some(shorter) = chain.first(held).filter(|_| held < newest) {
        for origin in to_refold(store, &shorter, chain).await? {
            store.drop_register(&origin).await?;
        }
    }
    keep(store, chain).await?;
    make_logs(store, chain, own).await
}

async fn keep(store: &dyn Store, chain: &TrustChain) -> Result<(), StoreError> {
    let held = store.trust_lists().await?.len();
    for list in &chain.lists()[held.min(chain.lists().len())..] {
        let note = list.note();
        store
            .put_trust_list(list.list.version, note.as_bytes())
            .await?;
    }
    Ok(())
}

/// Every log has its place in the store before anybody asks for it. That of a member that left
/// stays.
async fn make_logs(store: &dyn Store, chain: &TrustChain, own: &Origin) -> Result<(), StoreError> {
    for member in chain.newest().list.logs() {
        let Ok(log) = member.origin.parse::<Origin>() else {
            continue;
        };
        let role = if log == *own { Role::Own } else { Role::Mirror };
        store.create_log(&log, role).await?;
    }
    Ok(())
}

/// The logs whose registers may differ under a longer chain.
async fn to_refold(
    store: &dyn Store,
    held: &TrustChain,
    longer: &TrustChain,
) -> Result<Vec<Origin>, StoreError> {
    let (before, after) = (held.newest().authority(), longer.newest().authority());
    let mut logs = Vec::new();
    for state in store.logs().await? {
        let changed = before.changed_by(after, &state.origin);
        let has_unknown = changed.has_new_keys && has_unknown_keys(store, &state.origin).await?;
        if changed.needs_refold(state.folded, has_unknown) {
            logs.push(state.origin);
        }
    }
    Ok(logs)
}

async fn has_unknown_keys(store: &dyn Store, origin: &Origin) -> Result<bool, StoreError> {
    let mut from = 0;
    loop {
        let (_, rows) = store.quarantined(origin, from, PAGE).await?;
        if rows.iter().any(|row| row.code == "KEY_UNKNOWN") {
            return Ok(true);
        }
        match rows.last() {
            Some(last) => from = last.index + 1,
            None => return Ok(false),
        }
    }
}
