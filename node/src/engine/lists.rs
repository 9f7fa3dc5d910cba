//! Taking newer trust lists while the node runs, from its operator's file or from other members,
//! and what follows for what was judged by older ones.

use std::sync::Arc;

use huren_core::{
    audit::{Act, Actor, AuditAction},
    checkpoint::Origin,
    trust::{SignedTrustList, TrustChain, TrustError},
};
use huren_store::{Error as StoreError, LogState, Role, Store};
use tokio::sync::watch;

use super::{
    Audit, AuditError, Book, Engine, Peers, SigningKeys, standing::Answer, tasks::MAX_DELAY,
};

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
    /// Wakes whenever a newer list counts.
    pub fn trust_changes(&self) -> watch::Receiver<Arc<TrustChain>> {
        self.trust.clone()
    }

    /// The other members, as they are reached now.
    pub fn peers(&self) -> Arc<Peers> {
        self.peers.borrow().clone()
    }

    /// Reaches the other members in this way from now on. Where a member's entry is another than
    /// before, what goes on with it ends and begins anew.
    pub fn set_peers(&self, peers: Peers) {
        self.peers.send_replace(Arc::new(peers));
    }

    /// Signs with these keys from now on, each where the trust list names it.
    pub fn set_signing_keys(&self, keys: SigningKeys) {
        let (keys, chain) = (Arc::new(keys), self.trust());
        let before = self.signing.send_replace(Arc::clone(&keys));
        let mirror = |keys: &SigningKeys| {
            let mirror = keys.mirror(&chain, &self.origin);
            mirror.map(|mirror| mirror.verifier_key().clone())
        };
        if mirror(&before) != mirror(&keys) {
            // What is held is cosigned anew, so that no log has to wait for its quorum.
            for entry in self.book.entries() {
                self.book.wake(&entry.state.origin);
            }
        }
        self.check_keys();
    }

    pub(super) fn signing(&self) -> Arc<SigningKeys> {
        self.signing.borrow().clone()
    }

    /// The roles for which the newest list names none of this node's keys.
    pub fn unnamed_keys(&self) -> Vec<&'static str> {
        let own = self.book.entry(&self.origin);
        let size = own.map_or(0, |own| own.state.head.size);
        self.signing().unnamed(&self.trust(), &self.origin, size)
    }

    /// Says which of the node's keys the newest list does not name.
    pub(super) fn check_keys(&self) {
        let chain = self.trust();
        if chain.newest().list.member_of(&self.origin).is_none() {
            tracing::error!(
                "this node is no member of the newest trust list: it answers from what it holds, \
                 and writes nothing"
            );
            metrics::counter!("huren_alarms_total", "kind" => "not_a_member").increment(1);
            return;
        }
        for role in self.unnamed_keys() {
            tracing::error!(
                role,
                "the newest trust list names none of this node's keys of that role: \
                 see HANDBOOK.md"
            );
            metrics::counter!("huren_alarms_total", "kind" => "key_not_listed").increment(1);
        }
    }

    /// Takes newer trust lists from any member that has them.
    pub(super) async fn fetch_trust_lists(&self) {
        for (region, peer) in self.peers().iter() {
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
        make_logs(self.store.as_ref(), &longer, &self.origin).await?;
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
        for member in self.trust().newest().list.logs() {
            // Those of new members are in the book only now.
            if let Ok(origin) = member.origin.parse() {
                shown = shown.and(self.book.reload(&origin).await.map(drop));
                self.book.wake(&origin);
            }
        }
        // Whoever attends to logs looks again.
        self.peers.send_modify(|_| ());
        self.check_keys();
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

/// Every log has its place in the store before anybody asks for it. That of a member that left
/// stays, and who joins later takes it too.
pub(super) async fn make_logs(
    store: &dyn Store,
    chain: &TrustChain,
    own: &Origin,
) -> Result<(), StoreError> {
    for member in chain.newest().list.logs() {
        let Ok(log) = member.origin.parse::<Origin>() else {
            continue;
        };
        let role = if log == *own { Role::Own } else { Role::Mirror };
        store.create_log(&log, role).await?;
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
