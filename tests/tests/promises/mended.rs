//! A log whose bytes are damaged on the disk is mended by what members give, and nothing is written
//! that is not proven to the checkpoint that the log's province signed.

use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use huren_core::{
    checkpoint::Origin,
    merkle::{Hash, RightEdge, TileId, leaf_hash},
    replicate::packages,
    trust::TrustChain,
};
use huren_node::{
    engine::PeerPackage,
    fsck::{Damaged, fsck},
};
use huren_proto::v1;
use huren_store::{Advance, Head, HighWater, LogState, Notes};
use huren_tests::{
    Database, Federation, History, Lie, Machine, REGIONS, audit, certificate_in, origin,
};

use crate::support::{HOME, OTHER, empty_store, is_valid_at, issue, until_known_everywhere};

/// Certificates of home: more than a package has.
const CERTIFICATES: u32 = 290;
/// Index of the entry that is damaged.
const DAMAGED: usize = 100;

/// How members answer who mends.
#[derive(Default)]
enum Answers {
    #[default]
    Honestly,
    /// Other bytes than the log has.
    OtherEntries,
    /// The log's bytes, with a proof that proves nothing.
    NoProof,
    /// They show no more of home's log than this checkpoint has.
    Behind(Vec<u8>),
    Nothing,
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Answers>>);

impl Told {
    fn tell(&self, answers: Answers) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = answers;
    }
}

impl Lie for Told {
    fn answers(&self) -> bool {
        !matches!(*self.0.lock().expect("a lie"), Answers::Nothing)
    }

    fn heads(&self, heads: &mut Vec<v1::Head>) {
        if let Answers::Behind(checkpoint) = &*self.0.lock().expect("a lie") {
            let of_home = heads
                .iter_mut()
                .find(|head| head.origin == origin(HOME).as_str());
            of_home.expect("a head").checkpoint.clone_from(checkpoint);
        }
    }

    fn packages(&self, _: &Origin, _: u64, packages: &mut Vec<PeerPackage>) {
        for package in packages {
            match *self.0.lock().expect("a lie") {
                Answers::OtherEntries => {
                    let mut entries = package.entries.to_vec();
                    *entries.last_mut().expect("an entry") ^= 1;
                    package.entries = entries.into();
                }
                Answers::NoProof => package.proof.push(Hash([7; 32])),
                _ => {}
            }
        }
    }
}

/// Everything that is held of the leaves of all logs, in whatever state it is.
type Content = Vec<(LogState, Vec<Piece>)>;

#[derive(Debug, PartialEq)]
enum Piece {
    Bundle(Option<Vec<u8>>),
    Tile(Option<Vec<Hash>>),
    Listed(Vec<(u64, u16)>),
}

async fn content(database: &Database) -> Content {
    let store = database.store();
    let mut content = Vec::new();
    for state in store.logs().await.expect("a store") {
        let (log, size) = (&state.origin, state.head.size);
        let mut pieces = Vec::new();
        for number in 0..packages(size) {
            let bundle = store.bundle(log, number).await.ok().flatten();
            pieces.push(Piece::Bundle(bundle.map(|bundle| bundle.entries.to_vec())));
        }
        for level in 0..2 {
            for number in 0..packages(size) {
                let Some(id) = TileId::in_tree(level, number, size) else {
                    continue;
                };
                let tiles = store.tiles(log, &[id]).await.ok();
                pieces.push(Piece::Tile(tiles.and_then(|mut tiles| tiles.remove(&id))));
            }
        }
        let listed = store.held_packages(log, 0..packages(size)).await;
        pieces.push(Piece::Listed(listed.expect("a store")));
        content.push((state, pieces));
    }
    content
}

/// Four members, and home's machine; home has stopped.
struct Scene {
    federation: Federation,
    machine: Machine,
    told: Told,
    /// As it was when home stopped.
    sound: Content,
    leaves: Vec<Vec<u8>>,
}

impl Scene {
    async fn of(certificates: u32) -> Self {
        let mut machine = Machine::of(HOME);
        machine.keep_as_tried();
        let database = machine.database().await;
        let (given, told) = (database.store(), Told::default());
        let store = move |region| match region {
            HOME => Arc::clone(&given),
            region => empty_store(region),
        };
        let lie = told.clone();
        let federation = Federation::start(store, move |_, _| Arc::new(lie.clone()) as _);
        let mut federation = federation.await;
        let elsewhere = issue(&federation, OTHER, 1).await;
        until_known_everywhere(&federation, OTHER, elsewhere).await;
        for serials in (1..=certificates).collect::<Vec<_>>().chunks(50) {
            let engine = federation.engine(HOME);
            let requests: Vec<_> = serials
                .iter()
                .map(|serial| certificate_in(HOME, *serial))
                .collect();
            for placed in join_all(requests.iter().map(|request| engine.submit(request))).await {
                placed.expect("a sound submission").expect("a place");
            }
        }
        let size = federation.entry(HOME, HOME).state.head.size;
        for at in REGIONS {
            federation.until_known(at, HOME, size).await;
        }
        let leaves = audit(&federation, HOME, HOME).await.0;
        federation.stop(HOME).await;
        federation.replace_store(HOME, empty_store(HOME));
        // Waits for what was being written when home stopped.
        database.close().await;
        let mut scene = Self {
            federation,
            machine,
            told,
            sound: Content::new(),
            leaves,
        };
        scene.sound = scene.content().await;
        scene
    }

    /// Runs `fsck --repair`, with the other members to ask.
    async fn repair(&self) -> Result<String, String> {
        let peers = |_: &TrustChain| Ok(self.federation.peers_of(HOME));
        let done = fsck(&self.machine.config, None, Some(&peers)).await;
        done.map_err(|error| {
            assert!(error.is::<Damaged>(), "{error:#}");
            error.to_string()
        })
    }

    async fn content(&self) -> Content {
        let database = self.machine.database().await;
        let content = content(&database).await;
        database.close().await;
        content
    }

    /// Changes a bit of the entry at an index.
    fn damage_entry(&self, index: usize) {
        self.machine.flip("leaves", &self.leaves[index]);
    }

    /// Changes how long an entry says that it is.
    fn damage_bundle(&self) {
        let pairs = self.leaves.windows(2).enumerate();
        // Four stand in a row of the database.
        let in_a_row = pairs.filter(|(index, _)| index % 4 != 3 && *index > 256);
        let around = in_a_row.map(|(_, pair)| {
            let length = u16::try_from(pair[1].len())
                .expect("a short entry")
                .to_be_bytes();
            let before = &pair[0][pair[0].len() - 12..];
            [before, &length, &pair[1][..12]].concat()
        });
        self.machine.flip_any("leaves", &around.collect::<Vec<_>>());
    }

    /// Changes a hash of a tile.
    fn damage_tile(&self, level: u8, number: u64) {
        let leaves: Vec<Hash> = self.leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let mut tiles = RightEdge::empty().append(&leaves).into_iter();
        let tile = tiles.find(|(id, _)| (id.level(), id.index()) == (level, number));
        let (_, hashes) = tile.expect("a tile");
        // One of level 0 stands in the registers too, two in a row do not.
        let in_a_row = if level == 0 { 2 } else { 1 };
        let some = hashes.windows(in_a_row);
        let some = some.map(|hashes| hashes.iter().flat_map(|hash| hash.0).collect());
        self.machine.flip_any("tiles", &some.collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_damaged_comes_back_byte_for_byte() {
    let mut scene = Scene::of(CERTIFICATES).await;
    let (head, high_water) = (scene.sound_head(), &scene.machine.config.high_water);
    let mark = HighWater::open(high_water).expect("a place");
    mark.write(&origin(HOME), &head).expect("a mark");
    let marked = std::fs::read(high_water).expect("a file");

    scene.damage_entry(DAMAGED);
    scene.damage_bundle();
    scene.damage_tile(0, 0);
    scene.damage_tile(1, 0);
    assert_ne!(scene.content().await, scene.sound);
    let found = fsck(&scene.machine.config, None, None).await;
    let found = found.expect_err("damage");
    assert!(
        found.is::<Damaged>() && found.to_string().contains("--repair"),
        "{found:#}"
    );

    let told = scene.repair().await.expect("repaired");
    for said in ["entries 0–290", "level 1", "member 31", "certificates"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    assert_eq!(scene.content().await, scene.sound);
    assert_eq!(std::fs::read(high_water).expect("a file"), marked);
    let told = scene.repair().await.expect("in order");
    assert!(!told.contains("member"), "{told}");

    let database = scene.machine.database().await;
    let federation = &mut scene.federation;
    federation.replace_store(HOME, database.store());
    federation.open(HOME).await.expect("an engine");
    federation.until(HOME, |engine| engine.is_writable()).await;
    audit(federation, HOME, HOME).await;
    let next = issue(federation, HOME, CERTIFICATES + 1).await;
    until_known_everywhere(federation, HOME, next).await;
    is_valid_at(federation, HOME, (HOME, 100)).await;
}

#[tokio::test]
async fn tiles_are_mended_without_anybody() {
    let scene = Scene::of(4).await;
    scene.damage_tile(0, 0);
    assert_ne!(scene.content().await, scene.sound);
    let nobody = |_: &TrustChain| -> _ { panic!("nobody is needed") };
    let told = fsck(&scene.machine.config, None, Some(&nobody)).await;
    let told = told.expect("repaired");
    assert!(
        told.contains("level 0") && told.contains("held here"),
        "{told}"
    );
    assert_eq!(scene.content().await, scene.sound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_proven_is_not_written() {
    let scene = Scene::of(CERTIFICATES).await;
    scene.damage_entry(DAMAGED);
    // The hashes that would prove it here.
    scene.damage_tile(0, 1);
    let damaged = scene.content().await;
    let lies = [
        (Answers::OtherEntries, "PACKAGE_PROOF"),
        (Answers::NoProof, "PACKAGE_PROOF"),
        (Answers::Nothing, "PEER_UNREACHABLE"),
    ];
    for (lie, code) in lies {
        scene.told.tell(lie);
        let told = scene.repair().await.expect_err("damage that stays");
        assert!(told.contains(code) && told.contains("✗"), "{told}");
        assert_eq!(scene.content().await, damaged, "{told}");
    }
    scene.told.tell(Answers::Honestly);
    scene.repair().await.expect("repaired");
    assert_eq!(scene.content().await, scene.sound);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_that_are_behind_help_where_the_own_tiles_prove_it() {
    let scene = Scene::of(CERTIFICATES).await;
    scene.damage_entry(DAMAGED);
    let older = History::new(HOME, scene.leaves.clone()).checkpoint(260);
    scene
        .told
        .tell(Answers::Behind(older.to_string().into_bytes()));
    scene.repair().await.expect("repaired");
    assert_eq!(scene.content().await, scene.sound);

    // Of the last package they do not hold all.
    scene.damage_bundle();
    let damaged = scene.content().await;
    scene.repair().await.expect_err("damage that stays");
    assert_eq!(scene.content().await, damaged);
}

#[tokio::test]
async fn a_log_without_its_signed_checkpoint_is_left_alone() {
    let scene = Scene::of(4).await;
    let head = scene.sound_head();
    let database = scene.machine.database().await;
    let (store, log) = (database.store(), origin(HOME));
    let broken = Advance {
        expected: head,
        head,
        checkpoint: b"no checkpoint".to_vec(),
        tiles: Vec::new(),
    };
    store.advance(&log, broken).await.expect("a store");
    store
        .put_notes(&log, Notes::default())
        .await
        .expect("a store");
    database.close().await;
    scene.damage_entry(2);
    let damaged = scene.content().await;
    scene.told.tell(Answers::Nothing);
    let told = scene.repair().await.expect_err("damage that stays");
    assert!(told.contains("检查点签名无效"), "{told}");
    assert_eq!(scene.content().await, damaged);

    // Members show the one that the province signed.
    scene.told.tell(Answers::Honestly);
    let told = scene.repair().await.expect("repaired");
    assert!(
        told.contains("checkpoint") && told.contains("entries"),
        "{told}"
    );
    let pieces = |content: Content| {
        content
            .into_iter()
            .map(|(_, pieces)| pieces)
            .collect::<Vec<_>>()
    };
    let mended = scene.content().await;
    assert_eq!(pieces(mended), pieces(scene.sound));
    fsck(&scene.machine.config, None, None)
        .await
        .expect("in order");
}

#[tokio::test]
async fn a_tree_that_high_water_does_not_have_is_left_alone() {
    let scene = Scene::of(4).await;
    let other = Head {
        root: Hash([9; 32]),
        ..scene.sound_head()
    };
    let mark = HighWater::open(&scene.machine.config.high_water).expect("a place");
    mark.write(&origin(HOME), &other).expect("a mark");
    let found = fsck(&scene.machine.config, None, None).await;
    assert!(found.expect_err("another tree").is::<Damaged>());
    scene.damage_entry(2);
    let damaged = scene.content().await;
    let told = scene.repair().await.expect_err("damage that stays");
    assert!(told.contains("high-water"), "{told}");
    assert_eq!(scene.content().await, damaged);
    assert_eq!(mark.read().expect("a file"), Some((origin(HOME), other)));
}

impl Scene {
    fn sound_head(&self) -> Head {
        let of_home = self
            .sound
            .iter()
            .find(|(state, _)| state.origin == origin(HOME));
        of_home.expect("a log").0.head
    }
}
