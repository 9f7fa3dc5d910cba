//! What this node knows of every log, in memory: the stored states, what peers showed last,
//! and which checkpoint a quorum stands behind. The store is the truth; this is its mirror
//! for readers, and the one place that settles cosignatures.

mod contradiction;
mod reading;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, RwLock, atomic::AtomicU64},
};

use huren_core::{
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    cosign::{Cosigner, verify_cosignature},
    gather,
    merkle::{self, Hash},
    policy::Policy,
    replicate,
    trust::TrustChain,
    verdict::LogView,
};
use huren_proto::v1;
use huren_store::{Error as StoreError, LogState, Notes, Role, Store};
use tokio::sync::{Mutex, watch};

use super::{audit::Audit, clock::Clock, reader::Reader};

/// Cosignatures may be this many seconds ahead of the own clock; beyond that they do not count.
const CLOCK_SKEW: u64 = 120;

/// The states of all logs.
pub struct Book {
    store: Arc<dyn Store>,
    reader: Reader,
    clock: Arc<dyn Clock>,
    trust: watch::Receiver<Arc<TrustChain>>,
    audit: Arc<Audit>,
    entries: RwLock<BTreeMap<Origin, Arc<Entry>>>,
    /// The newest head of each log that each peer showed, by origin and region.
    seen: RwLock<HashMap<Origin, BTreeMap<String, v1::Head>>>,
    news: RwLock<HashMap<Origin, watch::Sender<u64>>>,
    /// Logs whose registers are being dropped: see [`Book::doubt`].
    doubted: RwLock<BTreeSet<Origin>>,
    /// The own log while it is [`Book::unproven`].
    unproven: RwLock<Option<Origin>>,
    /// See [`Book::doubts`].
    doubts: AtomicU64,
    /// One settling at a time, so that notes never go backwards.
    settling: Mutex<()>,
    /// One reading at a time, so that an older state never takes the place of a newer one.
    reading: Mutex<()>,
    /// How often all logs were read.
    readings: AtomicU64,
    changed: watch::Sender<u64>,
}

/// A log as it is known now.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As stored.
    pub state: LogState,
    /// How far it is known, for verdicts.
    pub view: LogView,
    /// Version of the trust list by which that was judged.
    judged_by: u64,
    /// Whether it is or was a member's log.
    is_members: bool,
}

impl Entry {
    /// Leaves whose disclosures are given to other members: none while some of them may have
    /// been erased since they were restored from a backup.
    pub const fn disclosed(&self) -> u64 {
        match self.state.restored {
            None => self.state.disclosed,
            Some(_) => 0,
        }
    }
}

impl Book {
    /// Reads the states of all logs; the own one is unproven as yet: see [`Book::is_unproven`].
    ///
    /// # Errors
    /// If the store fails.
    pub async fn open(
        store: Arc<dyn Store>,
        reader: Reader,
        clock: Arc<dyn Clock>,
        trust: watch::Receiver<Arc<TrustChain>>,
        audit: Arc<Audit>,
        own: &Origin,
    ) -> Result<Self, StoreError> {
        let book = Self {
            store,
            reader,
            clock,
            trust,
            audit,
            entries: RwLock::default(),
            seen: RwLock::default(),
            news: RwLock::default(),
            doubted: RwLock::default(),
            unproven: RwLock::new(Some(own.clone())),
            doubts: AtomicU64::default(),
            settling: Mutex::default(),
            reading: Mutex::default(),
            readings: AtomicU64::default(),
            changed: watch::channel(0).0,
        };
        for state in book.store.logs().await? {
            book.take_in(state);
        }
        Ok(book)
    }

    /// Wakes whenever any log changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Wakes whenever a peer shows a head of that log.
    pub fn news(&self, origin: &Origin) -> watch::Receiver<u64> {
        let mut news = self
            .news
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        news.entry(origin.clone())
            .or_insert_with(|| watch::channel(0).0)
            .subscribe()
    }

    /// A log.
    pub fn entry(&self, origin: &Origin) -> Option<Arc<Entry>> {
        read(&self.entries).get(origin).cloned()
    }

    /// The logs of all members, past ones included. Logs from outside of the federation, which
    /// are only kept and served, are not among them.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        let entries = read(&self.entries);
        let of_members = entries.values().filter(|entry| entry.is_members);
        of_members.cloned().collect()
    }

    /// The newest heads that peers showed of a log, by region.
    pub fn seen(&self, origin: &Origin) -> BTreeMap<String, v1::Head> {
        read(&self.seen).get(origin).cloned().unwrap_or_default()
    }

    /// Notes what a peer shows of a log of the trust list, and says whether it showed something
    /// else before. Whether it is worth anything is found out when it is used.
    pub fn see(&self, region: &str, head: v1::Head) -> bool {
        let Ok(origin) = head.origin.parse::<Origin>() else {
            return false;
        };
        let mut seen = self
            .seen
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let of_log = seen.entry(origin.clone()).or_default();
        let is_new = of_log.get(region) != Some(&head);
        of_log.insert(region.to_owned(), head);
        drop(seen);
        self.wake(&origin);
        is_new
    }

    /// Wakes whoever waits for news of a log.
    pub(super) fn wake(&self, origin: &Origin) {
        if let Some(news) = read(&self.news).get(origin) {
            news.send_modify(|count| *count += 1);
        }
    }

    /// Keeps notes. Where that fails they may be kept or not, so the state is read again
    /// either way.
    async fn keep(&self, origin: &Origin, notes: Notes) -> Result<(), StoreError> {
        let kept = self.store.put_notes(origin, notes).await;
        self.reload(origin).await?;
        kept
    }

    fn view(&self, state: &LogState) -> LogView {
        let chain = self.trust.borrow().clone();
        let list = &chain.newest().list;
        let region = list
            .log_of(&state.origin)
            .and_then(|member| member.province())
            .unwrap_or(huren_core::codes::Region::SHANGHAI);
        let witnessed = SignedCheckpoint::parse(&state.notes.witnessed).ok();
        let quorum_time = witnessed.as_ref().and_then(|note| {
            let policy = list.policy(&state.origin).ok()?;
            quorum_time(&policy, note)
        });
        LogView {
            origin: state.origin.clone(),
            region,
            size: state.folded.min(state.disclosed),
            witnessed_size: witnessed.map_or(0, |note| note.checkpoint().size),
            quorum_time,
            frozen: state.frozen.is_some(),
            withheld: state.restored.is_some(),
        }
    }

    /// Settles a log's notes: gathers the cosignatures that are known for its checkpoints,
    /// finds the newest checkpoint that a quorum stands behind, and keeps both.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn settle(&self, origin: &Origin) -> Result<(), StoreError> {
        let _one_at_a_time = self.settling.lock().await;
        let Some(entry) = self.reload(origin).await? else {
            return Ok(());
        };
        let state = &entry.state;
        if state.frozen.is_some() {
            return Ok(());
        }
        let chain = self.trust.borrow().clone();
        let Some(member) = chain.newest().list.log_of(origin) else {
            return Ok(());
        };
        let Ok(policy) = chain.newest().list.policy(origin) else {
            return Ok(());
        };
        let latest = self.clock.now() + CLOCK_SKEW;

        let seen = self.seen(origin);
        let own = [
            state.notes.published.as_slice(),
            state.notes.witnessed.as_slice(),
        ];
        let shown = seen
            .values()
            .flat_map(|h| [&h.checkpoint, &h.witnessed, &h.pending])
            .map(Vec::as_slice);
        // Members show mostly the same notes: each is verified once.
        let distinct: BTreeSet<&[u8]> = own.into_iter().chain(shown).collect();
        let mut by_tree: BTreeMap<(u64, Hash), Vec<SignedCheckpoint>> = BTreeMap::new();
        for note in distinct.into_iter().filter(|note| !note.is_empty()) {
            let Ok(signed) = replicate::read_checkpoint(member, origin, note) else {
                continue;
            };
            let tree = (signed.checkpoint().size, signed.checkpoint().root);
            by_tree.entry(tree).or_default().push(signed);
        }
        if by_tree
            .values()
            .any(|notes| gather::is_ahead(&policy, notes, latest))
        {
            tracing::warn!(%origin, seconds = CLOCK_SKEW,
                "a cosignature's time lies further ahead of this node's clock and does not count: \
                 one of the clocks is wrong");
            metrics::counter!("huren_alarms_total", "kind" => "clock").increment(1);
        }
        let gather = |notes: &[SignedCheckpoint]| {
            gather::gather(&policy, &notes.iter().collect::<Vec<_>>(), latest)
        };

        // Whatever the log signed of a size that is held must have our root there, cosigned or
        // not; where that root cannot be computed nothing is vouched for.
        let mut ours: BTreeMap<(u64, Hash), Vec<SignedCheckpoint>> = BTreeMap::new();
        for ((size, root), shown) in by_tree {
            if size == 0 || size > state.head.size {
                continue;
            }
            match (self.reader.root(origin, size).await?, shown.first()) {
                (Some(own), Some(signed)) if own != root => {
                    return self.contradiction(state, signed, &own).await.map(drop);
                }
                (Some(_), _) => drop(ours.insert((size, root), shown)),
                (None, _) => {}
            }
        }

        let mut notes = state.notes.clone();
        if let Ok(published) = SignedCheckpoint::parse(&notes.published) {
            let place = (published.checkpoint().size, published.checkpoint().root);
            if let Some(more) = ours.get(&place).and_then(|notes| gather(notes)) {
                notes.published = more.to_string().into_bytes();
            }
        }
        let newest = ours
            .values()
            .rev()
            .filter_map(|shown| gather(shown))
            .find(|signed| quorum_time(&policy, signed).is_some());
        if let Some(signed) = newest {
            notes.witnessed = signed.to_string().into_bytes();
        }
        if notes != state.notes {
            self.keep(origin, notes).await?;
        }
        Ok(())
    }

    /// When the head that is held of a log was last cosigned with this key, in seconds since
    /// 1970; `None` if it was not.
    pub(super) fn cosigned_at(&self, origin: &Origin, mirror: &Cosigner) -> Option<u64> {
        let entry = self.entry(origin)?;
        let published = SignedCheckpoint::parse(&entry.state.notes.published).ok()?;
        let (checkpoint, head) = (published.checkpoint(), entry.state.head);
        if (checkpoint.size, checkpoint.root) != (head.size, head.root) {
            return None;
        }
        let text = published.note().text();
        let times = published.note().signatures().iter();
        times
            .filter_map(|s| verify_cosignature(text, s, mirror.verifier_key()).ok())
            .max()
    }

    /// Cosigns the head of a mirrored log and publishes it, once everything up to it is
    /// stored: a mirror's cosignature says just that.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn cosign(&self, origin: &Origin, mirror: &Cosigner) -> Result<(), StoreError> {
        {
            let _one_at_a_time = self.settling.lock().await;
            let Some(entry) = self.reload(origin).await? else {
                return Ok(());
            };
            let state = &entry.state;
            if state.role != Role::Mirror || state.frozen.is_some() || state.head.size == 0 {
                return Ok(());
            }
            let Ok(signed) = SignedCheckpoint::parse(&state.checkpoint) else {
                return Ok(());
            };
            let base = match SignedCheckpoint::parse(&state.notes.published) {
                Ok(published) if same_tree(published.checkpoint(), signed.checkpoint()) => {
                    published
                }
                _ => signed,
            };
            let Ok(cosignature) = mirror.cosign(base.checkpoint(), self.clock.now()) else {
                return Ok(());
            };
            // An earlier cosignature of ours gives way to the new one.
            let others = base.note().signatures().iter();
            let others = others.filter(|s| !s.is_by(mirror.verifier_key())).cloned();
            let Ok(cosigned) = base.with_signatures(others.chain([cosignature])) else {
                return Ok(());
            };
            let notes = Notes {
                published: cosigned.to_string().into_bytes(),
                ..state.notes.clone()
            };
            self.keep(origin, notes).await?;
        }
        self.settle(origin).await
    }

    /// Keeps a verified checkpoint for which packages are to be fetched.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn put_pending(&self, origin: &Origin, pending: Vec<u8>) -> Result<(), StoreError> {
        let _one_at_a_time = self.settling.lock().await;
        let Some(entry) = self.reload(origin).await? else {
            return Ok(());
        };
        let notes = entry.state.notes.clone();
        self.keep(origin, Notes { pending, ..notes }).await
    }

    /// Offers a checkpoint of the own log to the members. That it is marked in the
    /// high-water file is for the caller to know.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn publish(&self, origin: &Origin, checkpoint: Vec<u8>) -> Result<(), StoreError> {
        let _one_at_a_time = self.settling.lock().await;
        let Some(entry) = self.reload(origin).await? else {
            return Ok(());
        };
        let notes = Notes {
            published: checkpoint,
            ..entry.state.notes.clone()
        };
        self.keep(origin, notes).await
    }

    /// A log's head as other members are shown it: with what the log signed beyond it, so that
    /// its province learns of it when it has lost it, and with the evidence if it is frozen.
    pub fn head(&self, entry: &Entry) -> v1::Head {
        let state = &entry.state;
        if self.is_unproven(&state.origin) {
            return v1::Head {
                origin: state.origin.to_string(),
                evidence: state.frozen.clone().unwrap_or_default(),
                ..v1::Head::default()
            };
        }
        let pending = SignedCheckpoint::parse(&state.notes.pending).ok();
        let is_beyond = pending.is_some_and(|signed| signed.checkpoint().size > state.head.size);
        v1::Head {
            origin: state.origin.to_string(),
            checkpoint: state.notes.published.clone(),
            witnessed: state.notes.witnessed.clone(),
            disclosed_size: entry.disclosed(),
            pending: if is_beyond {
                state.notes.pending.clone()
            } else {
                Vec::new()
            },
            evidence: state.frozen.clone().unwrap_or_default(),
        }
    }
}

fn same_tree(a: &Checkpoint, b: &Checkpoint) -> bool {
    (a.size, a.root) == (b.size, b.root)
}

/// When the quorum's last needed cosignature was made; `None` without a quorum.
fn quorum_time(policy: &Policy, signed: &SignedCheckpoint) -> Option<u64> {
    policy
        .evaluate(signed)
        .ok()
        .and_then(|witnessed| witnessed.quorum_time)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Root of the empty tree, for logs that hold nothing.
pub(crate) fn empty_head() -> huren_store::Head {
    huren_store::Head {
        size: 0,
        root: merkle::empty_root(),
    }
}
