//! What this node knows of every log, in memory: the stored states, what peers showed last,
//! and which checkpoint a quorum stands behind. The store is the truth; this is its mirror
//! for readers, and the one place that settles cosignatures.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, RwLock},
};

use huren_core::{
    checkpoint::{Checkpoint, Origin, SignedCheckpoint},
    cosign::Cosigner,
    gather,
    merkle::{self, Hash},
    policy::Policy,
    replicate::{self, Evidence},
    trust::TrustChain,
    verdict::LogView,
};
use huren_proto::v1;
use huren_store::{Error as StoreError, LogState, Notes, Role, Store};
use tokio::sync::{Mutex, watch};

use super::{clock::Clock, reader::Reader};

/// Cosignatures may be this many seconds ahead of the own clock; beyond that they do not count.
const CLOCK_SKEW: u64 = 120;

/// The states of all logs.
pub struct Book {
    store: Arc<dyn Store>,
    reader: Reader,
    clock: Arc<dyn Clock>,
    trust: watch::Receiver<Arc<TrustChain>>,
    entries: RwLock<BTreeMap<Origin, Arc<Entry>>>,
    /// The newest head of each log that each peer showed, by origin and region.
    seen: RwLock<HashMap<Origin, BTreeMap<String, v1::Head>>>,
    news: RwLock<HashMap<Origin, watch::Sender<u64>>>,
    /// One settling at a time, so that notes never go backwards.
    settling: Mutex<()>,
    changed: watch::Sender<u64>,
}

/// A log as it is known now.
#[derive(Clone, Debug)]
pub struct Entry {
    /// As stored.
    pub state: LogState,
    /// How far it is known, for verdicts.
    pub view: LogView,
}

impl Book {
    /// Reads the states of all logs.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn open(
        store: Arc<dyn Store>,
        reader: Reader,
        clock: Arc<dyn Clock>,
        trust: watch::Receiver<Arc<TrustChain>>,
    ) -> Result<Self, StoreError> {
        let book = Self {
            store,
            reader,
            clock,
            trust,
            entries: RwLock::default(),
            seen: RwLock::default(),
            news: RwLock::default(),
            settling: Mutex::default(),
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

    /// All logs.
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        read(&self.entries).values().cloned().collect()
    }

    /// The newest heads that peers showed of a log, by region.
    pub fn seen(&self, origin: &Origin) -> BTreeMap<String, v1::Head> {
        read(&self.seen).get(origin).cloned().unwrap_or_default()
    }

    /// Notes what a peer shows. Whether it is worth anything is found out when it is used.
    pub fn see(&self, region: &str, head: v1::Head) {
        let Ok(origin) = head.origin.parse::<Origin>() else {
            return;
        };
        let known = self
            .trust
            .borrow()
            .newest()
            .list
            .member_of(&origin)
            .is_some();
        if known {
            let mut seen = self
                .seen
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            seen.entry(origin.clone())
                .or_default()
                .insert(region.to_owned(), head);
            drop(seen);
            let news = self
                .news
                .read()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Some(news) = news.get(&origin) {
                news.send_modify(|count| *count += 1);
            }
        }
    }

    /// Reads a log's state again after the store changed it, and wakes who waits.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn reload(&self, origin: &Origin) -> Result<Option<Arc<Entry>>, StoreError> {
        if let Some(state) = self.store.log(origin).await? {
            self.take_in(state);
        }
        self.changed.send_modify(|count| *count += 1);
        Ok(self.entry(origin))
    }

    fn take_in(&self, state: LogState) {
        let view = self.view(&state);
        let entry = Arc::new(Entry { view, state });
        let mut entries = self
            .entries
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        entries.insert(entry.state.origin.clone(), entry);
    }

    fn view(&self, state: &LogState) -> LogView {
        let chain = self.trust.borrow().clone();
        let list = &chain.newest().list;
        let region = list
            .member_of(&state.origin)
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
        }
    }

    /// Settles a log's notes: gathers the cosignatures that are known for its checkpoints,
    /// finds the newest checkpoint that a quorum stands behind, and keeps both.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn settle(&self, origin: &Origin) -> Result<(), StoreError> {
        let _one_at_a_time = self.settling.lock().await;
        let Some(state) = self.store.log(origin).await? else {
            return Ok(());
        };
        let chain = self.trust.borrow().clone();
        let Some(member) = chain.newest().list.member_of(origin) else {
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
            .flat_map(|h| [h.checkpoint.as_slice(), h.witnessed.as_slice()]);
        let mut by_tree: BTreeMap<(u64, Hash), Vec<SignedCheckpoint>> = BTreeMap::new();
        for note in own.into_iter().chain(shown).filter(|note| !note.is_empty()) {
            let Ok(signed) = replicate::read_checkpoint(member, origin, note) else {
                continue;
            };
            let tree = (signed.checkpoint().size, signed.checkpoint().root);
            by_tree.entry(tree).or_default().push(signed);
        }
        let gather = |notes: Vec<SignedCheckpoint>| {
            gather::gather(&policy, &notes.iter().collect::<Vec<_>>(), latest)
        };
        let merged: BTreeMap<(u64, Hash), SignedCheckpoint> = by_tree
            .into_iter()
            .filter_map(|(tree, notes)| Some((tree, gather(notes)?)))
            .collect();

        let mut notes = state.notes.clone();
        if let Ok(published) = SignedCheckpoint::parse(&notes.published) {
            let place = (published.checkpoint().size, published.checkpoint().root);
            if let Some(more) = merged.get(&place) {
                notes.published = more.to_string().into_bytes();
            }
        }
        for ((size, root), signed) in merged.into_iter().rev() {
            if size > state.head.size || quorum_time(&policy, &signed).is_none() {
                continue;
            }
            match self.reader.root(origin, size).await? {
                Some(ours) if ours == root => {
                    notes.witnessed = signed.to_string().into_bytes();
                    break;
                }
                Some(_) => self.contradiction(&state, &signed).await?,
                None => {}
            }
        }
        if notes != state.notes {
            self.store.put_notes(origin, notes).await?;
            self.reload(origin).await?;
        }
        Ok(())
    }

    /// A quorum's checkpoint has another root than our tree at that size: proof that the log
    /// signed two histories, if our own head's consistency proof shows it.
    async fn contradiction(
        &self,
        state: &LogState,
        other: &SignedCheckpoint,
    ) -> Result<(), StoreError> {
        let (old, new) = (other.checkpoint().size, state.head.size);
        let Some(proof) = self.reader.consistency(&state.origin, old, new).await? else {
            return Ok(());
        };
        let evidence = Evidence {
            smaller: other.to_string(),
            larger: String::from_utf8_lossy(&state.checkpoint).into_owned(),
            proof: proof.iter().map(Hash::to_base64).collect(),
        };
        self.freeze(&state.origin, &evidence).await
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
            .member_of(origin)
            .is_some_and(|member| evidence.proves(member, origin));
        if !proven {
            tracing::error!(%origin, "checkpoints do not fit together, but prove nothing");
            metrics::counter!("huren_alarms_total", "kind" => "inconsistent").increment(1);
            return Ok(());
        }
        tracing::error!(%origin, "the log signed two histories: frozen");
        metrics::counter!("huren_alarms_total", "kind" => "fork").increment(1);
        let json = serde_json::to_vec(evidence).unwrap_or_default();
        self.store.freeze(origin, &json).await?;
        self.reload(origin).await.map(|_| ())
    }

    /// Cosigns the head of a mirrored log and publishes it, once everything up to it is
    /// stored: a mirror's cosignature says just that.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn cosign(&self, origin: &Origin, mirror: &Cosigner) -> Result<(), StoreError> {
        {
            let _one_at_a_time = self.settling.lock().await;
            let Some(state) = self.store.log(origin).await? else {
                return Ok(());
            };
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
            self.store.put_notes(origin, notes).await?;
            self.reload(origin).await?;
        }
        self.settle(origin).await
    }

    /// Keeps a verified checkpoint for which packages are to be fetched.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn put_pending(&self, origin: &Origin, pending: Vec<u8>) -> Result<(), StoreError> {
        let _one_at_a_time = self.settling.lock().await;
        let Some(state) = self.store.log(origin).await? else {
            return Ok(());
        };
        self.store
            .put_notes(
                origin,
                Notes {
                    pending,
                    ..state.notes
                },
            )
            .await
    }

    /// Offers the own log's newest checkpoint to the members.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn publish(&self, origin: &Origin) -> Result<(), StoreError> {
        let _one_at_a_time = self.settling.lock().await;
        let Some(state) = self.store.log(origin).await? else {
            return Ok(());
        };
        let notes = Notes {
            published: state.checkpoint.clone(),
            ..state.notes.clone()
        };
        self.store.put_notes(origin, notes).await?;
        self.reload(origin).await.map(|_| ())
    }

    /// A log's head as other members are shown it.
    pub fn head(entry: &Entry) -> v1::Head {
        v1::Head {
            origin: entry.state.origin.to_string(),
            checkpoint: entry.state.notes.published.clone(),
            witnessed: entry.state.notes.witnessed.clone(),
            disclosed_size: entry.state.disclosed,
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
