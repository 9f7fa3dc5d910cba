//! Four provinces in one process.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use huren_core::{
    audit::Actor,
    codes::Region,
    disclosure::KeyRing,
    keys::RecordSigner,
    merkle::empty_root,
    trust::{RootKeys, TrustChain, TrustList},
};
use huren_node::engine::{
    Clock, DataKeysError, Engine, Entry, Options, Parts, Peer, Peers, SystemRandom, WriterKeys,
    take_data_keys,
};
use huren_store::{Head, HighWater, Store};
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Lie, ManualClock, Wire,
    members::{
        self, Closed, REGIONS, next_signing_keys, origin, outside_signer, signing_keys,
        trust_lists, writer_keys,
    },
};

/// How long a condition is waited for before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing happens before the members' clock is moved.
const STANDSTILL: Duration = Duration::from_millis(20);
/// By how much it is moved then.
const STEP: Duration = Duration::from_millis(100);
/// Seconds after which an entry of an audit trail is anchored: beyond the ages that evidence has
/// in tests.
const ANCHOR: u64 = 7 * 24 * 60 * 60;

/// Where the others find a member's engine: empty while it does not run.
pub type Place = Arc<RwLock<Option<Arc<Engine>>>>;

/// A running member.
struct Running {
    engine: Arc<Engine>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What stays when a member's process ends.
struct Site {
    store: Arc<dyn Store>,
    high_water: PathBuf,
    place: Place,
    /// Versions of the trust list that its operator gave it.
    versions: u64,
    /// The lists that a member was given that joined later.
    given: Option<TrustChain>,
    /// Seed of the key that its operator has it sign records with.
    record_seed: [u8; 32],
    /// What seals and tags its database: the at-rest keys and the index keys.
    data_keys: (KeyRing, KeyRing),
    /// Its operator's order for its next start.
    accept_loss: Option<u64>,
    /// Whether its process follows another one.
    follows: bool,
}

impl Site {
    fn new(region: Region, high_water: PathBuf, store: Arc<dyn Store>) -> Self {
        let nothing = Head {
            size: 0,
            root: empty_root(),
        };
        HighWater::open(&high_water)
            .and_then(|file| file.write(&origin(region), &nothing))
            .expect("a high-water file");
        Self {
            store,
            high_water,
            place: Place::default(),
            versions: 1,
            given: None,
            record_seed: members::record_seed(region),
            data_keys: {
                let keys = writer_keys(region);
                (keys.at_rest, keys.index)
            },
            accept_loss: None,
            follows: false,
        }
    }
}

/// Members and what they trust.
pub struct Federation {
    /// The root keys.
    pub roots: RootKeys,
    /// What time it is at every member. Waiting for a condition moves it on, by little: pauses
    /// and timed pulls are part of how conditions come about.
    pub clock: Arc<ManualClock>,
    sites: BTreeMap<Region, Site>,
    running: BTreeMap<Region, Running>,
    lie: Box<dyn Fn(Region, Region) -> Arc<dyn Lie> + Send + Sync>,
    /// What version 2 of the trust list decides.
    closed: Option<Closed>,
    folder: TempDir,
}

/// Members hold each other over the wire: unless somebody lets go, none ever goes, nor what it
/// has open.
impl Drop for Federation {
    fn drop(&mut self) {
        for site in self.sites.values() {
            *site.place.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

impl Federation {
    /// Starts four members; `store` makes each one's store, `lie` says how member `from`
    /// answers member `to`.
    pub async fn start(
        store: impl Fn(Region) -> Arc<dyn Store>,
        lie: impl Fn(Region, Region) -> Arc<dyn Lie> + Send + Sync + 'static,
    ) -> Self {
        let mut federation = Self::new(store, lie);
        federation.open_all().await;
        federation
    }

    /// Four members that do not run yet.
    pub fn new(
        store: impl Fn(Region) -> Arc<dyn Store>,
        lie: impl Fn(Region, Region) -> Arc<dyn Lie> + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let site = |region: Region| {
            let high_water = folder.path().join(format!("high-water-{region}"));
            Site::new(region, high_water, store(region))
        };
        let sites = REGIONS.map(|region| (region, site(region))).into();
        let (roots, _) = trust_lists(1, None);
        Self {
            roots,
            clock: Arc::default(),
            sites,
            running: BTreeMap::new(),
            lie: Box::new(lie),
            closed: None,
            folder,
        }
    }

    /// Gives a member, for its next start, the first `versions` of the trust list.
    pub fn give_trust_lists(&mut self, region: Region, versions: u64) {
        self.site_mut(region).versions = versions;
    }

    /// Closes a log's key by version 2 of the trust list, which every member is given for its
    /// next start; its province signs with the next key from then on.
    pub fn close_log_key(&mut self, closed: Closed) {
        self.closed = Some(closed);
        for site in self.sites.values_mut() {
            site.versions = 2;
        }
    }

    /// Gives a member the key of [`members::next_record_key`] to sign with, from its next start on.
    pub fn give_next_record_key(&mut self, region: Region) {
        self.site_mut(region).record_seed = members::next_record_seed(region);
    }

    /// Gives a member other keys for its database, for its next start.
    pub fn give_data_keys(&mut self, region: Region, at_rest: KeyRing, index: KeyRing) {
        self.site_mut(region).data_keys = (at_rest, index);
    }

    /// The list that would come behind the newest one that a member holds.
    pub fn next_list(&self, at: Region, change: impl FnOnce(&mut TrustList)) -> Vec<u8> {
        members::next_list(&self.engine(at).trust(), change)
    }

    /// A member's operator gives it a list while it runs.
    pub async fn install(&self, at: Region, note: &[u8]) {
        let taken = self
            .engine(at)
            .take_trust_lists(&[note], Actor::Machine)
            .await;
        taken.expect("a list that follows");
    }

    /// Waits until every running member holds a version of the trust list, and every member's log
    /// has adopted it everywhere.
    pub async fn until_adopted(&self, version: u64) {
        for at in self.running.keys() {
            self.until_found(*at, async |engine: &Engine| {
                let chain = engine.trust();
                let list = &chain.newest().list;
                let mut adopted = list.version >= version;
                for member in &list.members {
                    let origin = member.origin.parse().expect("an origin");
                    let rows = engine.store().adoptions(&origin).await.expect("a store");
                    adopted &= rows.iter().any(|row| row.version == version);
                }
                adopted
            })
            .await;
        }
    }

    /// A new member's node starts, with the trust lists that another one holds by now; and all
    /// reach each other by what the list says of them.
    pub async fn join(&mut self, region: Region, store: Arc<dyn Store>, from: Region) {
        let high_water = self.folder.path().join(format!("high-water-{region}"));
        let given = TrustChain::clone(&self.engine(from).trust());
        let site = Site {
            given: Some(given),
            ..Site::new(region, high_water, store)
        };
        self.sites.insert(region, site);
        self.open(region).await.expect("an engine");
        self.connect();
    }

    /// All running members reach each other by what the newest list that each holds says: as a
    /// node's wires do whenever a list counts.
    pub fn connect(&self) {
        for (at, running) in &self.running {
            running.engine.set_peers(self.peers_of(*at));
        }
    }

    /// Every other member, of the list that one holds if it runs.
    pub fn peers_of(&self, region: Region) -> Peers {
        let chain = self.running.get(&region).map(|at| at.engine.trust());
        let is_member = |other: &Region| {
            let list = chain.as_ref().map(|chain| &chain.newest().list);
            list.is_none_or(|list| list.member(other).is_some())
        };
        let others = self.sites.iter().filter(|(other, _)| **other != region);
        others
            .filter(|(other, _)| is_member(other))
            .map(|(other, there)| {
                let wire = Wire::new(Arc::clone(&there.place), (self.lie)(*other, region));
                (other.to_string(), Arc::new(wire) as Arc<dyn Peer>)
            })
            .collect()
    }

    /// Puts another store in the place of a member's, for its next start.
    pub fn replace_store(&mut self, region: Region, store: Arc<dyn Store>) {
        self.site_mut(region).store = store;
    }

    /// Starts four members over their stores.
    pub async fn open_all(&mut self) {
        for region in REGIONS {
            self.open(region).await.expect("an engine");
        }
        for region in REGIONS {
            self.until(region, |engine| engine.is_writable()).await;
        }
    }

    /// Loses a member's high-water file.
    pub fn lose_high_water(&self, region: Region) {
        std::fs::remove_file(&self.sites[&region].high_water).expect("a file");
    }

    /// Has a member's next processes follow another one that is in charge of its logs.
    pub fn follow(&mut self, region: Region) {
        self.site_mut(region).follows = true;
    }

    /// Tells a member for its next starts to go on at a size though more was signed.
    pub fn accept_loss(&mut self, region: Region, size: Option<u64>) {
        self.site_mut(region).accept_loss = size;
    }

    /// What a member has written down about lowering its high-water mark.
    pub fn lowered(&self, region: Region) -> String {
        let file = &self.sites[&region].high_water;
        std::fs::read_to_string(format!("{}.lowered", file.display())).unwrap_or_default()
    }

    fn site_mut(&mut self, region: Region) -> &mut Site {
        self.sites.get_mut(&region).expect("a member")
    }

    /// Starts a member over its store.
    ///
    /// # Errors
    /// If the store fails, where its operator would start it again; or if a key is missing.
    pub async fn open(&mut self, region: Region) -> Result<(), DataKeysError> {
        let site = &self.sites[&region];
        let peers = self.peers_of(region);
        let held = site.store.trust_lists().await?;
        let trust = match &site.given {
            _ if held.len() as u64 > site.versions => members::verified(&self.roots, &held),
            Some(given) => given.clone(),
            None => trust_lists(site.versions, self.closed).1,
        };
        let mut signing = signing_keys(region);
        signing.record.current = RecordSigner::from_seed(&site.record_seed);
        if self.closed.is_some_and(|closed| closed.of == region) {
            signing.log = next_signing_keys(region).log;
        }
        let (at_rest, index) = site.data_keys.clone();
        let keys = WriterKeys {
            at_rest,
            index,
            ..writer_keys(region)
        };
        take_data_keys(site.store.as_ref(), &keys).await?;
        let parts = Parts {
            region,
            origin: origin(region),
            store: Arc::clone(&site.store),
            high_water: HighWater::open(&site.high_water).expect("a high-water file"),
            trust,
            peers,
            keys,
            signing,
            outside: vec![outside_signer().verifier_key().clone()],
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            random: Arc::new(SystemRandom),
            options: Options {
                batch_max: 64,
                queue: 64,
                packages_in_flight: 2,
                cache_bytes: 1 << 20,
                poll_seconds: 1,
                recosign_seconds: 3600,
                hold_publish_ms: 200,
                accept_loss: site.accept_loss,
                anchor_seconds: ANCHOR,
            },
        };
        let (engine, runner) = Engine::open(parts).await?;
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        if site.follows {
            engine.start_following(&tasks, &stop);
        } else {
            engine.start(runner, &tasks, &stop);
        }
        *site.place.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&engine));
        let running = Running {
            engine,
            tasks,
            stop,
        };
        self.running.insert(region, running);
        Ok(())
    }

    /// Ends a member's process.
    pub async fn stop(&mut self, region: Region) {
        let site = &self.sites[&region];
        *site.place.write().unwrap_or_else(PoisonError::into_inner) = None;
        if let Some(running) = self.running.remove(&region) {
            running.stop.cancel();
            running.tasks.close();
            running.tasks.wait().await;
        }
    }

    /// Ends a member's process and starts another over the same store.
    pub async fn restart(&mut self, region: Region) {
        self.stop(region).await;
        self.open(region).await.expect("an engine");
    }

    /// Whether a member's process runs.
    pub fn runs(&self, region: Region) -> bool {
        self.is_running(region)
    }

    pub(crate) fn is_running(&self, region: Region) -> bool {
        self.running.contains_key(&region)
    }

    /// A member's engine.
    pub fn engine(&self, region: Region) -> &Arc<Engine> {
        &self.running[&region].engine
    }

    /// A member's store.
    pub fn store(&self, region: Region) -> &Arc<dyn Store> {
        &self.sites[&region].store
    }

    /// What a member knows of another's log.
    pub fn entry(&self, at: Region, of: Region) -> Arc<Entry> {
        let entry = self.engine(at).book().entry(&origin(of));
        entry.expect("every member has every log")
    }

    /// Waits for a condition on a member.
    pub async fn until(&self, at: Region, holds: impl Fn(&Engine) -> bool) {
        self.until_found(at, async |engine: &Engine| holds(engine))
            .await;
    }

    /// Waits for a condition on a member that takes asking.
    pub async fn until_found(&self, at: Region, holds: impl AsyncFn(&Engine) -> bool) {
        let engine = self.engine(at);
        let waiting = async {
            let mut changes = engine.book().changes();
            // A condition may change without the book: look again now and then.
            while !holds(engine).await {
                let change = tokio::time::timeout(STANDSTILL, changes.changed()).await;
                if change.is_err() {
                    self.clock.advance(STEP);
                }
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "waited too long at {at}");
    }

    /// Waits until a member has folded another's log, or its own, up to a size that a quorum cosigned,
    /// and shows it.
    pub async fn until_known(&self, at: Region, of: Region, size: u64) {
        self.until(at, |engine| {
            let entry = engine.book().shown(&origin(of));
            entry.is_some_and(|e| e.view.size >= size && e.view.witnessed_size >= size)
        })
        .await;
    }

    /// Waits until a member has counted all logs as far as their homes have written them.
    pub async fn until_counted(&self, at: Region) {
        for of in REGIONS {
            let size = self.entry(of, of).state.head.size;
            let counted = async |engine: &Engine| {
                let counted = engine.counted().await.expect("a store");
                counted.get(&origin(of)).is_some_and(|at| *at >= size)
            };
            self.until_found(at, counted).await;
        }
    }
}
