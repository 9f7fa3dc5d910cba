//! Four provinces in one process.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::{
    checkpoint::Origin,
    codes::Region,
    cosign::Cosigner,
    disclosure::SecretKey,
    keys::RecordSigner,
    merkle::empty_root,
    note::{Note, NoteSigner},
    trust::{self, LogKey, RecordKey, RootKeys, RootRole, TrustChain, TrustList},
};
use huren_node::engine::{
    Engine, Options, Parts, Peer, Peers, SystemClock, SystemRandom, WriterKeys,
};
use huren_proto::v1;
use huren_store::{Head, HighWater, Store};
use jiff::Timestamp;
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Lie, Wire};

/// The provinces.
pub const REGIONS: [Region; 4] = [
    Region::SHANGHAI,
    Region::JIANGSU,
    Region::ZHEJIANG,
    Region::ANHUI,
];

/// How long a condition is waited for before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running member.
pub struct Member {
    /// Its engine.
    pub engine: Arc<Engine>,
    /// Its store.
    pub store: Arc<dyn Store>,
}

/// Running members and what they trust.
pub struct Federation {
    /// By province.
    pub members: BTreeMap<Region, Member>,
    /// The root keys.
    pub roots: RootKeys,
    stop: CancellationToken,
    _folder: TempDir,
}

impl Drop for Federation {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn seed(region: Region, role: u8) -> [u8; 32] {
    let mut seed = [role; 32];
    seed[..4].copy_from_slice(&region.number().to_be_bytes());
    seed
}

fn origin(region: Region) -> Origin {
    format!("huren.test/log/{region}")
        .parse()
        .expect("an origin")
}

fn signer(name: String, seed: [u8; 32]) -> NoteSigner {
    NoteSigner::from_seed(name.parse().expect("a key name"), &seed)
}

fn cosigner(region: Region, role: &str, number: u8) -> Cosigner {
    let name = format!("{}/{role}", origin(region));
    Cosigner::from_seed(name.parse().expect("a key name"), &seed(region, number))
}

fn answer_key(region: Region) -> NoteSigner {
    signer(format!("{}/answer", origin(region)), seed(region, 4))
}

fn member(region: Region) -> trust::Member {
    let record = RecordSigner::from_seed(&seed(region, 5));
    trust::Member {
        region: region.to_string(),
        name: region.full_name(),
        origin: origin(region).to_string(),
        grpc: "https://127.0.0.1:1".into(),
        http: "https://127.0.0.1:1".into(),
        log_keys: vec![LogKey {
            key: signer(origin(region).to_string(), seed(region, 1))
                .verifier_key()
                .to_string(),
            from_index: 0,
            until_index: None,
        }],
        witness_key: cosigner(region, "witness", 2).verifier_key().to_string(),
        mirror_key: cosigner(region, "mirror", 3).verifier_key().to_string(),
        answer_keys: vec![answer_key(region).verifier_key().to_string()],
        record_keys: vec![RecordKey {
            alg: "ed25519".into(),
            public_key: BASE64_STANDARD.encode(record.public_key()),
            kinds: vec!["*".into()],
            regions: vec![region.to_string()],
            from_index: 0,
            until_index: None,
        }],
        tls_keys: Vec::new(),
        tls_ca: String::new(),
    }
}

fn trust_list() -> (RootKeys, TrustChain) {
    let root = signer("huren.test/root".into(), [9; 32]);
    let list = TrustList {
        version: 1,
        previous: String::new(),
        issued: Timestamp::from_second(1_700_000_000).expect("a time"),
        expires: Timestamp::from_second(4_000_000_000).expect("a time"),
        root: RootRole {
            threshold: 1,
            keys: vec![root.verifier_key().to_string()],
        },
        quorum: 2,
        members: REGIONS.map(member).to_vec(),
    };
    let mut note = Note::new(list.to_text().expect("a list")).expect("a note");
    note.add(root.sign(note.text())).expect("room for one");
    let roots = RootKeys::new(&list.root).expect("root keys");
    let chain = TrustChain::verify(&roots, [note.to_string().as_bytes()]).expect("a chain");
    (roots, chain)
}

impl Federation {
    /// Starts four members; `store` makes each one's store, `lie` says how member `from`
    /// answers member `to`.
    pub async fn start(
        store: impl Fn(Region) -> Arc<dyn Store>,
        lie: impl Fn(Region, Region) -> Arc<dyn Lie>,
    ) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (roots, chain) = trust_list();
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let places: BTreeMap<Region, Arc<OnceLock<Arc<Engine>>>> =
            REGIONS.map(|region| (region, Arc::default())).into();
        let mut members = BTreeMap::new();
        for region in REGIONS {
            let peers: Peers = REGIONS
                .into_iter()
                .filter(|other| *other != region)
                .map(|other| {
                    let wire = Wire::new(Arc::clone(&places[&other]), lie(other, region));
                    (other.to_string(), Arc::new(wire) as Arc<dyn Peer>)
                })
                .collect();
            let path = folder.path().join(format!("high-water-{region}"));
            let high_water = HighWater::open(path).expect("high-water file");
            let nothing = Head {
                size: 0,
                root: empty_root(),
            };
            high_water
                .write(&origin(region), &nothing)
                .expect("high-water file");
            let store = store(region);
            let parts = Parts {
                region,
                origin: origin(region),
                store: Arc::clone(&store),
                high_water,
                trust: chain.clone(),
                peers,
                keys: WriterKeys {
                    record: RecordSigner::from_seed(&seed(region, 5)),
                    index: SecretKey::new(seed(region, 6)),
                    holder: SecretKey::new([7; 32]),
                    at_rest: SecretKey::new(seed(region, 8)),
                },
                log_key: signer(origin(region).to_string(), seed(region, 1)),
                answer_key: answer_key(region),
                mirror: Some(cosigner(region, "mirror", 3)),
                clock: Arc::new(SystemClock),
                random: Arc::new(SystemRandom),
                options: Options {
                    batch_max: 64,
                    queue: 64,
                    packages_in_flight: 2,
                    cache_bytes: 1 << 20,
                    poll_seconds: 1,
                    recosign_seconds: 60,
                    hold_publish_ms: 200,
                },
            };
            let (engine, runner) = Engine::open(parts).await.expect("an engine");
            engine.start(runner, &tasks, &stop);
            let _ = places[&region].set(Arc::clone(&engine));
            members.insert(region, Member { engine, store });
        }
        let federation = Self {
            members,
            roots,
            stop,
            _folder: folder,
        };
        for region in REGIONS {
            federation
                .until(region, |engine| engine.is_writable())
                .await;
        }
        federation
    }

    /// A member's engine.
    pub fn engine(&self, region: Region) -> &Arc<Engine> {
        &self.members[&region].engine
    }

    /// Waits for a condition on a member.
    pub async fn until(&self, at: Region, holds: impl Fn(&Engine) -> bool) {
        let engine = self.engine(at);
        let waiting = async {
            let mut changes = engine.book().changes();
            // A condition may change without the book: look again now and then.
            while !holds(engine) {
                let _ = tokio::time::timeout(Duration::from_millis(50), changes.changed()).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(waited.is_ok(), "waited too long at {at}");
    }

    /// Waits until a member has folded another's log up to a size that a quorum cosigned.
    pub async fn until_known(&self, at: Region, of: Region, size: u64) {
        self.until(at, |engine| {
            let entry = engine.book().entry(&origin(of));
            entry.is_some_and(|e| e.view.size >= size && e.view.witnessed_size >= size)
        })
        .await;
    }
}

/// A certificate of Zhejiang with that serial, of 张三.
pub fn certificate(serial: u32) -> v1::SubmitRequest {
    let group = |group: v1::Group, fields: &[(&str, &str)]| v1::GroupValues {
        group: group as i32,
        fields: fields
            .iter()
            .map(|(name, value)| v1::Field {
                name: (*name).into(),
                value: (*value).into(),
            })
            .collect(),
    };
    let number = format!("S000033010006243{serial:06}");
    let facts = [
        ("number", number.as_str()),
        ("track", "L"),
        ("occupation_edition", "2022"),
        ("occupation_code", "4-03-02-01"),
        ("occupation_name", "中式烹调师"),
        ("level", "4"),
        ("institution_code", "S000033010006"),
        ("institution_name", "浙江某某评价有限公司"),
        ("issue_date", "2024-03-01"),
    ];
    let id = [
        ("id_kind", "resident_id"),
        ("id_number", "11010519491231002X"),
    ];
    let groups = vec![
        group(v1::Group::Certificate, &facts),
        group(v1::Group::HolderName, &[("name", "张三")]),
        group(v1::Group::HolderId, &id),
    ];
    v1::SubmitRequest {
        writer_region: "33".into(),
        provenance: v1::Provenance::Issued as i32,
        body: Some(v1::submit_request::Body::Certificate(
            v1::CertificateSubmission { groups },
        )),
        ..Default::default()
    }
}

/// A question about that certificate, answered from what is held alone.
pub fn question(serial: u32, name: &str) -> v1::VerifyRequest {
    v1::VerifyRequest {
        number: format!("S000033010006243{serial:06}"),
        holder_name: name.into(),
        want_receipt: true,
        local_only: true,
        ..Default::default()
    }
}
