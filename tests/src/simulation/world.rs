//! The members, what they stand on, and what is between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use huren_core::{codes::Region, merkle::empty_root};
use huren_node::engine::{Clock, Engine, Options, Parts, Peer, Peers, Placed};
use huren_store::{Head, HighWater, Memory, Store};
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Run,
    clock::SkewedClock,
    dice::Dice,
    disk::Disk,
    keys::Keyring,
    liar::Liar,
    network::{Network, SlowWire},
    trace::Trace,
    truth::Truth,
};
use crate::{
    FaultyStore, Fork, Honest, Lie, Place, Wire,
    members::{REGIONS, origin, signing_keys, writer_keys},
};

/// Seconds after which an unchanged head is cosigned again.
pub(super) const RECOSIGN: u64 = 60;

/// A running member.
struct Running {
    /// The version of the trust list without which its record key would not be listed.
    key: usize,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What stays when a member's process ends.
pub(super) struct Site {
    pub(super) store: Arc<dyn Store>,
    pub(super) disk: Disk,
    pub(super) clock: Arc<SkewedClock>,
    pub(super) high_water: PathBuf,
    /// Where the others find its engine.
    pub(super) place: Place,
    random: Arc<Dice>,
    running: Option<Running>,
}

impl Site {
    /// Its engine, if it runs.
    pub(super) fn engine(&self) -> Option<Arc<Engine>> {
        let place = self.place.read().unwrap_or_else(PoisonError::into_inner);
        place.clone()
    }

    fn set_engine(&self, engine: Option<Arc<Engine>>) {
        *self.place.write().unwrap_or_else(PoisonError::into_inner) = engine;
    }
}

/// A certificate that somebody wanted to be issued, and where it went.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) home: Region,
    pub(super) serial: u32,
    /// Where it is, once that was acknowledged: at one place, and at one more whenever a list
    /// has taken the last one's effect away.
    pub(super) placed: Vec<Placed>,
    /// Submissions that are not answered yet.
    pub(super) pending: u32,
    /// Whether one failed since the last acknowledgement: it may be in the log all the same.
    pub(super) in_doubt: bool,
}

/// What clients were told.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) certificates: Vec<Certificate>,
    /// Every acknowledgement.
    pub(super) placed: Vec<(Region, Placed)>,
}

/// Everything that there is.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) trace: Trace,
    pub(super) start: Instant,
    pub(super) network: Arc<Network>,
    pub(super) sites: BTreeMap<Region, Site>,
    pub(super) keyring: Keyring,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    pub(super) clients: TaskTracker,
    pub(super) truth: Truth,
    /// The member that lies, if one does.
    pub(super) liar: Option<Region>,
    lies: Option<BTreeMap<Region, Liar>>,
    /// The other history that the liar shows to one member.
    pub(super) fork: Fork,
    /// The most by which a clock was ever ahead, in seconds.
    pub(super) skewed: u64,
    pub(super) crashes: u64,
    pub(super) verdicts: u64,
    /// Keys that were closed before records which they had signed.
    pub(super) thefts: u64,
    _folder: TempDir,
}

impl World {
    /// Four members that do not run yet.
    pub(super) fn new(seed: u64, kept: usize) -> Self {
        let (dice, trace, start) = (Dice::new(seed), Trace::new(kept), Instant::now());
        let folder = folder();
        let site = |region: Region| {
            let high_water = folder.path().join(format!("high-water-{region}"));
            let nothing = Head {
                size: 0,
                root: empty_root(),
            };
            HighWater::open(&high_water)
                .and_then(|file| file.write(&origin(region), &nothing))
                .expect("a high-water file");
            let disk = Disk::new(region, dice.apart(), trace.clone());
            let store = FaultyStore::with(Arc::new(Memory::new()), disk.clone());
            Site {
                store: Arc::new(store),
                disk,
                clock: Arc::new(SkewedClock::new(start)),
                high_water,
                place: Place::default(),
                random: Arc::new(dice.apart()),
                running: None,
            }
        };
        let sites = REGIONS.map(|region| (region, site(region))).into();
        let network = Arc::new(Network::new(dice.apart(), trace.clone()));
        let liar = dice.percent(50).then(|| *dice.one_of(&REGIONS));
        let fork = Fork::default();
        let lies = liar.map(|liar| lies(liar, &dice, &fork));
        trace.note(format_args!("seed {seed}, liar {liar:?}"));
        Self {
            dice,
            trace,
            start,
            network,
            sites,
            keyring: Keyring::new(),
            ledger: Arc::default(),
            clients: TaskTracker::new(),
            truth: Truth::new(liar),
            liar,
            lies,
            fork,
            skewed: 0,
            crashes: 0,
            verdicts: 0,
            thefts: 0,
            _folder: folder,
        }
    }

    /// Starts all members.
    pub(super) async fn open_all(&mut self) {
        for region in REGIONS {
            self.open(region).await;
        }
    }

    pub(super) fn is_running(&self, region: Region) -> bool {
        self.sites[&region].running.is_some()
    }

    /// Members that run with a record key which is not theirs any more.
    pub(super) fn with_former_keys(&self) -> Vec<Region> {
        let mut all = REGIONS.to_vec();
        all.retain(|region| {
            let running = self.sites[region].running.as_ref();
            running.is_some_and(|running| running.key != self.keyring.needed(*region))
        });
        all
    }

    /// Members that run or do not.
    pub(super) fn members(&self, running: bool) -> Vec<Region> {
        let mut all = REGIONS.to_vec();
        all.retain(|region| self.is_running(*region) == running);
        all
    }

    /// Starts a member over its store. Where that fails it stays down: its operator would
    /// start it again.
    pub(super) async fn open(&mut self, region: Region) {
        let site = &self.sites[&region];
        let held = site.store.trust_lists().await.unwrap_or_default();
        let trust = self.keyring.held(region, &held);
        self.open_with(region, trust).await;
    }

    /// Starts a member with the newest trust list.
    pub(super) async fn open_newest(&mut self, region: Region) {
        let trust = self.keyring.chain().clone();
        self.open_with(region, trust).await;
    }

    async fn open_with(&mut self, region: Region, trust: huren_core::trust::TrustChain) {
        let version = trust.newest().list.version;
        let key = self.keyring.needed(region);
        let site = &self.sites[&region];
        let others = self.sites.iter().filter(|(other, _)| **other != region);
        let peers: Peers = others
            .map(|(other, there)| {
                let wire = Wire::new(Arc::clone(&there.place), self.lie(*other, region));
                let wire = SlowWire::new(Arc::clone(&self.network), region, *other, wire);
                (other.to_string(), Arc::new(wire) as Arc<dyn Peer>)
            })
            .collect();
        let mut signing = signing_keys(region);
        signing.record.current = self.keyring.signer(region);
        let parts = Parts {
            region,
            origin: origin(region),
            store: Arc::clone(&site.store),
            high_water: HighWater::open(&site.high_water).expect("a high-water file"),
            trust,
            peers,
            keys: writer_keys(region),
            signing,
            outside: Vec::new(),
            clock: Arc::clone(&site.clock) as Arc<dyn Clock>,
            random: Arc::clone(&site.random) as _,
            options: Options {
                batch_max: 16,
                queue: 16,
                packages_in_flight: 2,
                cache_bytes: 1 << 20,
                poll_seconds: 5,
                recosign_seconds: RECOSIGN,
                hold_publish_ms: 200,
                accept_loss: None,
                // Longer than any game.
                anchor_seconds: 7 * 24 * 60 * 60,
            },
        };
        let opened = Engine::open(parts).await;
        let outcome = opened.as_ref().err().map(ToString::to_string);
        self.trace.note(format_args!(
            "{region} starts with list {version}: {outcome:?}"
        ));
        if let Ok((engine, runner)) = opened {
            let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
            engine.start(runner, &tasks, &stop);
            site.set_engine(Some(engine));
            let site = self.sites.get_mut(&region).expect("a member");
            site.running = Some(Running { key, tasks, stop });
        }
    }

    /// Ends a member's process where it stands.
    pub(super) async fn crash(&mut self, region: Region) {
        let site = self.sites.get_mut(&region).expect("a member");
        site.set_engine(None);
        if let Some(Running { tasks, stop, .. }) = site.running.take() {
            stop.cancel();
            tasks.close();
            tasks.wait().await;
            self.crashes += 1;
            self.trace.note(format_args!("{region} is down"));
        }
    }

    /// Ends everything.
    pub(super) async fn close(&mut self) {
        for region in REGIONS {
            self.crash(region).await;
        }
    }

    /// How a member answers another.
    fn lie(&self, from: Region, to: Region) -> Arc<dyn Lie> {
        match &self.lies {
            Some(lies) if self.liar == Some(from) => Arc::new(lies[&to].clone()),
            _ => Arc::new(Honest),
        }
    }

    /// What the run was like.
    pub(super) fn run(&self) -> Run {
        let (digest, events) = self.trace.digest();
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        Run {
            digest,
            events,
            leaves: self.truth.leaves(),
            acknowledged: ledger.placed.len() as u64,
            verdicts: self.verdicts,
            crashes: self.crashes,
            frozen: self.truth.frozen(),
            thefts: self.thefts,
        }
    }
}

/// How a liar answers each of the others: all of them with lies, and one with a fork too.
fn lies(liar: Region, dice: &Dice, fork: &Fork) -> BTreeMap<Region, Liar> {
    let chance = *dice.one_of(&[0, 5, 30]);
    let others: BTreeSet<Region> = REGIONS.into_iter().filter(|r| *r != liar).collect();
    let victim = *dice.one_of(&others.iter().copied().collect::<Vec<_>>());
    let how = |to: Region| {
        let fork = match to == victim {
            true => fork.clone(),
            false => Fork::default(),
        };
        Liar::new(Arc::new(dice.apart()), chance, fork)
    };
    others.into_iter().map(|to| (to, how(to))).collect()
}

/// Where high-water files go: into memory where the system has files there, as hundreds of
/// games would otherwise wait for the disk all the time.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a folder")
}
