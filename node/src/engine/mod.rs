//! The engine: time, retries, tasks and the order of steps. It decides nothing that
//! `huren-core` decides and knows no wire.

mod anchor;
mod append;
mod audit;
mod book;
mod case;
mod clock;
mod disclose;
mod erasure;
mod evidence;
mod export;
mod fold;
mod follow;
mod holdings;
mod imports;
mod lists;
mod load;
mod lookup;
mod mirror;
mod monitoring;
mod peers;
mod prepare;
mod rate;
mod reader;
mod recognise;
mod recover;
mod registers;
mod rekey;
mod replicate;
mod restored;
mod sharing;
mod signing;
mod standing;
mod statistics;
mod status;
mod status_list;
mod submit;
mod tasks;
mod tokens;
mod verify;
mod watched;
mod wire;
mod witness;
mod work;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use huren_core::{
    checkpoint::Origin,
    codes::Region,
    merkle::Hash,
    note::VerifierKey,
    register::{InstitutionKeyRow, KeysWanted},
    trust::TrustChain,
};
use huren_proto::v1;
use huren_store::{Error as StoreError, HighWater, Role, Store};
use tokio::sync::{mpsc, oneshot, watch};

pub use anchor::AnchorError;
pub use append::{AppendError, Placed};
pub use audit::{Audit, AuditError};
pub use book::{Book, Entry};
pub(crate) use clock::random;
pub use clock::{Clock, Random, SystemClock, SystemRandom};
pub use disclose::DiscloseError;
pub use erasure::{ErasureError, ErasureState, MemberErasure};
pub use evidence::{Found, HeadRefusal, ReleaseError};
pub use export::{ExportError, ExportPurpose};
pub use fold::refold;
pub use imports::{Following, Imports};
pub use lists::TakeError;
pub use load::UnderWay;
pub use mirror::{Upload, UploadError, Uploaded};
pub use monitoring::{AlertsPage, AlertsQuery, MonitoringError};
pub use peers::{Peer, PeerError, PeerPackage, Peers, Witness, Witnesses};
pub use prepare::{Refused, WriterKeys};
pub use rate::{RateLimit, network};
pub use reader::Reader;
pub use recognise::DecideError;
pub use recover::RecoverError;
pub use registers::ListError;
pub use rekey::{DataKeyState, DataKeysError, Rekeying, take_data_keys};
pub use replicate::SyncError;
pub(crate) use replicate::check as check_package;
pub(crate) use restored::revoke_tokens;
pub use sharing::{ShareError, Shared};
pub use signing::{Rotating, SigningKeys};
pub use standing::Refusals;
pub use statistics::StatisticsError;
pub use status_list::StatusListError;
pub use tokens::{NewToken, TokenError, Tokens};
pub use verify::VerifyError;
pub use watched::{Watch, WatchError};
pub use witness::WitnessError;
pub(crate) use work::aside;

/// What an engine is made of.
pub struct Parts {
    /// Province.
    pub region: Region,
    /// Origin of its log.
    pub origin: Origin,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The high-water file.
    pub high_water: HighWater,
    /// The verified trust lists.
    pub trust: TrustChain,
    /// The other members.
    pub peers: Peers,
    /// Keys that write the log.
    pub keys: WriterKeys,
    /// Keys that sign.
    pub signing: SigningKeys,
    /// Keys of logs outside of the federation that are witnessed and mirrored too.
    pub outside: Vec<VerifierKey>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// Settings.
    pub options: Options,
}

/// Settings of the engine.
#[derive(Clone, Debug)]
pub struct Options {
    /// Submissions in one batch at most.
    pub batch_max: usize,
    /// Submissions waiting at most; more have to wait at the door.
    pub queue: usize,
    /// Calls for packages at a time.
    pub packages_in_flight: usize,
    /// Bytes of cached tiles and bundles.
    pub cache_bytes: u64,
    /// Seconds between timed pulls.
    pub poll_seconds: u64,
    /// Seconds after which an unchanged head is cosigned again.
    pub recosign_seconds: u64,
    /// Milliseconds for which a published head waits for its quorum before the next follows.
    pub hold_publish_ms: u64,
    /// The size at which the own log may go on though more was signed, once every other member
    /// has answered and holds no more. An operator's order, for one start.
    pub accept_loss: Option<u64>,
    /// Seconds after which an entry of the audit trail is anchored in the own log.
    pub anchor_seconds: u64,
}

/// A running node without its wires.
pub struct Engine {
    region: Region,
    origin: Origin,
    store: Arc<dyn Store>,
    /// The same, for what others are told: a replica may say it. Nothing that is written rests on it.
    answers: Arc<dyn Store>,
    reader: Reader,
    /// As `answers`, beside `reader`. The two share what is cached, as that never changes.
    proofs: Reader,
    lookup: lookup::Lookup,
    shelf: registers::Shelf,
    book: Arc<Book>,
    /// The other members, as they are reached now.
    peers: watch::Sender<Arc<Peers>>,
    /// Witnesses outside of the federation, as they are reached now.
    witnesses: watch::Sender<Arc<Witnesses>>,
    keys: Arc<WriterKeys>,
    signing: watch::Sender<Arc<SigningKeys>>,
    outside: Vec<VerifierKey>,
    /// Held from reading what witness and mirror vouched for to vouching for more.
    vouching: tokio::sync::Mutex<()>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    options: Options,
    trust: watch::Receiver<Arc<TrustChain>>,
    adopt: watch::Sender<Arc<TrustChain>>,
    /// What is under way that others wait for.
    load: load::Load,
    /// See [`fold::Sealing`].
    judging: Arc<tokio::sync::RwLock<()>>,
    /// Held from reading what is counted to changing it. Whoever judges too does so first.
    counting: Arc<tokio::sync::Mutex<()>>,
    high_water: Arc<HighWater>,
    queue: mpsc::Sender<append::Work>,
    /// The own log's newest checkpoint that may be shown to others.
    marked: watch::Receiver<Vec<u8>>,
    /// Whether the own log takes submissions: it does once start-up found it in order.
    writable: watch::Sender<bool>,
    /// Whether another process is in charge of the logs.
    follows: AtomicBool,
    /// What members were refused for, and who is not asked for a while.
    standing: standing::Standing,
    audit: Arc<Audit>,
    tokens: Tokens,
    imports: Arc<Imports>,
    status_lists: status_list::StatusLists,
    /// State of each log's replication, for people.
    progress: Mutex<BTreeMap<Origin, Progress>>,
}

/// How replication of a log stands.
#[derive(Clone, Debug, Default)]
struct Progress {
    source: String,
    last_error: String,
    reachable: bool,
    /// Whether settling failed, so that it is tried again though nothing new was heard.
    unsettled: bool,
}

/// What an engine needs to run besides itself.
pub struct Runner {
    writer: append::Writer,
    queue: mpsc::Receiver<append::Work>,
}

impl Engine {
    /// An engine that is in charge of its store from the start: [`Self::follow`] and
    /// [`Self::take_charge`].
    ///
    /// # Errors
    /// If the store fails, or holds a log in another role.
    pub async fn open(parts: Parts) -> Result<(Arc<Self>, Runner), StoreError> {
        let (engine, runner) = Self::follow(parts).await?;
        engine.take_charge().await?;
        Ok((engine, runner))
    }

    /// Reads the state of all logs, and writes nothing: another process may be in charge of them.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn follow(parts: Parts) -> Result<(Arc<Self>, Runner), StoreError> {
        let Parts {
            region,
            origin,
            store,
            trust,
            peers,
            options,
            clock,
            random,
            ..
        } = parts;
        let audit = Arc::new(Audit::new(Arc::clone(&store), Arc::clone(&clock)));
        let judging = Arc::new(tokio::sync::RwLock::default());
        let counting = Arc::default();
        let tokens = Tokens::open(
            Arc::clone(&store),
            Arc::clone(&audit),
            Arc::clone(&clock),
            Arc::clone(&random),
        );
        let tokens = tokens.await?;
        let imports = Arc::new(Imports::new(Arc::clone(&clock)));
        let (adopt, trust) = watch::channel(Arc::new(trust));
        let reader = Reader::new(Arc::clone(&store), options.cache_bytes);
        let answers = store.answering().unwrap_or_else(|| Arc::clone(&store));
        let proofs = reader.over(Arc::clone(&answers));
        let lookup = lookup::Lookup::new(Arc::clone(&answers));
        let shelf = registers::Shelf::new(Arc::clone(&store));
        let book = Book::open(
            Arc::clone(&store),
            reader.clone(),
            Arc::clone(&clock),
            trust.clone(),
            Arc::clone(&audit),
            &origin,
        );
        let book = Arc::new(book.await?);
        let keys = Arc::new(parts.keys);
        let (signing, signing_keys) = watch::channel(Arc::new(parts.signing));
        let high_water = Arc::new(parts.high_water);
        let (sender, queue) = mpsc::channel(options.queue);
        let (mark, marked) = watch::channel(Vec::new());
        let writer = append::Writer {
            store: Arc::clone(&store),
            book: Arc::clone(&book),
            reader: reader.clone(),
            clock: Arc::clone(&clock),
            random: Arc::clone(&random),
            trust: trust.clone(),
            origin: origin.clone(),
            keys: Arc::clone(&keys),
            signing: signing_keys,
            judging: Arc::clone(&judging),
            counting: Arc::clone(&counting),
            high_water: Arc::clone(&high_water),
            marked: mark,
            batch_max: options.batch_max,
            tail: None,
        };
        let engine = Self {
            region,
            origin,
            store,
            answers,
            reader,
            proofs,
            lookup,
            shelf,
            book,
            peers: watch::Sender::new(Arc::new(peers)),
            witnesses: watch::Sender::default(),
            keys,
            signing,
            outside: parts.outside,
            vouching: tokio::sync::Mutex::default(),
            clock,
            random,
            options,
            trust,
            adopt,
            load: load::Load::default(),
            judging,
            counting,
            high_water,
            queue: sender,
            marked,
            writable: watch::Sender::new(false),
            follows: AtomicBool::new(false),
            standing: standing::Standing::default(),
            audit,
            tokens,
            imports,
            status_lists: status_list::StatusLists::default(),
            progress: Mutex::default(),
        };
        Ok((Arc::new(engine), Runner { writer, queue }))
    }

    /// Writes what whoever is in charge of the logs writes before it does anything else: that
    /// the database came out of a backup, the trust lists, and the logs of all members.
    ///
    /// # Errors
    /// If the store fails, or holds a log in another role.
    pub async fn take_charge(&self) -> Result<(), StoreError> {
        let (store, chain) = (self.store.as_ref(), self.trust());
        let (clock, own) = (self.clock.as_ref(), &self.origin);
        restored::mark_behind(store, &self.high_water, own, clock, &self.audit).await?;
        lists::installed(store, &chain, &self.audit).await?;
        lists::keep(store, &chain, None).await?;
        lists::make_logs(store, &chain, own).await?;
        for key in &self.outside {
            if let Ok(log) = key.name().as_str().parse::<Origin>()
                && log != *own
            {
                store.create_log(&log, Role::Mirror).await?;
            }
        }
        self.tokens.reload().await?;
        self.book.reload_all().await?;
        Ok(())
    }

    /// The province.
    pub const fn region(&self) -> Region {
        self.region
    }

    /// The own log.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The states of all logs.
    pub fn book(&self) -> &Arc<Book> {
        &self.book
    }

    /// Reads logs, for what others are told.
    pub const fn proofs(&self) -> &Reader {
        &self.proofs
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The audit trail: every act on the node goes into it.
    pub const fn audit(&self) -> &Arc<Audit> {
        &self.audit
    }

    /// The tokens that callers come with.
    pub const fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// The streams of submissions that come in.
    pub const fn imports(&self) -> &Arc<Imports> {
        &self.imports
    }

    /// Where what nobody foresees comes from.
    pub(crate) fn random(&self) -> &dyn Random {
        self.random.as_ref()
    }

    /// Time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The trust lists in force.
    pub fn trust(&self) -> Arc<TrustChain> {
        self.trust.borrow().clone()
    }

    /// Leaves, or what opens them, are given to a member: what can wait gives way to that until the
    /// end of it.
    pub fn giving(&self, leaves: u64) -> UnderWay {
        self.load.giving(leaves, &self.clock)
    }

    /// Checks and queues a submission, and waits until it is durable.
    ///
    /// # Errors
    /// The outer error says what is wrong with the submission itself, the inner one why the
    /// log did not take it.
    #[tracing::instrument(level = "trace", skip_all)]
    pub async fn submit(
        &self,
        request: &v1::SubmitRequest,
    ) -> Result<Result<Placed, AppendError>, Refused> {
        let _under_way = self.load.begin();
        let key = match prepare::signed_with(request) {
            None => None,
            Some(id) => match self.institution_key(&self.origin, id, u64::MAX).await {
                Ok(key) => key,
                Err(_) => return Ok(Err(AppendError::Unavailable)),
            },
        };
        let (signing, chain) = (self.signing(), self.trust());
        // Should the log grow beyond this key's end meanwhile, the writer signs anew.
        let size = self.book.entry(&self.origin);
        let size = size.map_or(0, |own| own.state.head.size);
        let place = (chain.newest().list.version, size);
        let signer = signing.record_at(&chain, &self.origin, place);
        let prepared = tracing::trace_span!("prepare").in_scope(|| {
            prepare::prepare(
                request,
                self.region,
                &self.origin,
                (&self.keys, signer),
                key.as_ref(),
                self.random.as_ref(),
            )
        })?;
        if self.is_frozen() {
            return Ok(Err(AppendError::Frozen));
        }
        if !self.is_writable() {
            return Ok(Err(AppendError::Unavailable));
        }
        let (reply, answer) = oneshot::channel();
        let work = append::Work {
            prepared,
            reply,
            queued: tracing::trace_span!("queue"),
        };
        if self.queue.send(work).await.is_err() {
            return Ok(Err(AppendError::Unavailable));
        }
        Ok(answer.await.unwrap_or(Err(AppendError::Unavailable)))
    }

    /// The institution's key of an id, as it stands before a leaf of a log.
    async fn institution_key(
        &self,
        origin: &Origin,
        id: Hash,
        before: u64,
    ) -> Result<Option<InstitutionKeyRow>, StoreError> {
        let wanted = KeysWanted {
            ids: [id].into(),
            ..KeysWanted::default()
        };
        let mut keys = self
            .answers
            .institution_keys(origin, &wanted, before)
            .await?;
        Ok(keys.remove(&id))
    }

    /// Waits until a quorum has cosigned a checkpoint that covers an index of the own log, but
    /// no longer than [`Self::WITNESS_PATIENCE`]: a province that is cut off goes on issuing,
    /// and who submits to it learns that the record is durable and not witnessed yet.
    pub async fn witnessed(&self, index: u64) {
        let mut changes = self.book.changes();
        let witnessed =
            async { while !self.is_witnessed(index) && changes.changed().await.is_ok() {} };
        tokio::select! {
            biased;
            () = witnessed => {}
            () = self.clock.sleep(Self::WITNESS_PATIENCE) => {}
        }
    }

    /// How long a submission waits for its quorum at most.
    pub const WITNESS_PATIENCE: Duration = Duration::from_secs(30);

    /// Whether a quorum has cosigned a checkpoint that covers an index of the own log.
    pub fn is_witnessed(&self, index: u64) -> bool {
        self.book
            .entry(&self.origin)
            .is_some_and(|entry| entry.view.witnessed_size > index)
    }

    /// Whether the own log takes submissions.
    pub fn is_writable(&self) -> bool {
        *self.writable.borrow()
    }

    /// Whether whoever writes the own log is there, or waits for its turn: without it the node never
    /// takes a submission again.
    pub fn has_writer(&self) -> bool {
        !self.queue.is_closed()
    }

    /// Follows whether the own log takes submissions.
    pub fn writability(&self) -> watch::Receiver<bool> {
        self.writable.subscribe()
    }

    fn sealing(&self) -> fold::Sealing<'_> {
        fold::Sealing {
            store: self.store.as_ref(),
            reader: &self.reader,
            random: self.random.as_ref(),
            at_rest: &self.keys.at_rest,
            index: &self.keys.index,
            judging: &self.judging,
            counting: &self.counting,
            trust: &self.trust,
        }
    }

    fn trust_has_expired(&self) -> bool {
        let expires = self.trust.borrow().newest().list.expires.as_second();
        self.clock.now().cast_signed() > expires
    }

    fn progress(&self, origin: &Origin, change: impl FnOnce(&mut Progress)) {
        let mut all = self
            .progress
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        change(all.entry(origin.clone()).or_default());
    }

    fn note_source(&self, origin: &Origin, region: &str) {
        self.progress(origin, |progress| progress.source = region.to_owned());
    }

    /// Whether the own log is frozen: it takes nothing until it is released.
    pub fn is_frozen(&self) -> bool {
        self.book
            .entry(&self.origin)
            .is_some_and(|entry| entry.state.frozen.is_some())
    }

    /// What a member was refused for since this node started.
    pub fn refusals(&self, region: &str) -> Refusals {
        self.standing.refusals(region)
    }
}
