//! Who the members are, what they sign with, and the trust lists that say so.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use huren_core::{
    checkpoint::Origin,
    codes::Region,
    cosign::Cosigner,
    disclosure::SecretKey,
    keys::RecordSigner,
    note::{Note, NoteSigner},
    trust::{self, LogKey, RecordKey, RootKeys, RootRole, TrustChain, TrustList},
};
use huren_node::{
    engine::{Rotating, SigningKeys, WriterKeys},
    tls::SpkiSha256,
};
use huren_proto::v1;
use jiff::Timestamp;

use crate::Pen;

/// The provinces.
pub const REGIONS: [Region; 4] = [
    Region::SHANGHAI,
    Region::JIANGSU,
    Region::ZHEJIANG,
    Region::ANHUI,
];

/// Index from which a member's [`retired_pen`] signs nothing any more.
pub const RETIRED_AT: u64 = 3;

pub(crate) fn seed(region: Region, role: u8) -> [u8; 32] {
    let mut seed = [role; 32];
    seed[..4].copy_from_slice(&region.number().to_be_bytes());
    seed
}

/// Origin of a member's log.
pub fn origin(region: Region) -> Origin {
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

/// Signs a member's checkpoints.
pub fn log_signer(region: Region) -> NoteSigner {
    signer(origin(region).to_string(), seed(region, 1))
}

/// Signs a member's checkpoints once a trust list has closed the key of [`log_signer`].
pub(crate) fn next_log_signer(region: Region) -> NoteSigner {
    signer(origin(region).to_string(), seed(region, 14))
}

/// A decision of the federation: version 2 of the trust list closes a log's key.
#[derive(Clone, Copy, Debug)]
pub struct Closed {
    /// Whose log it is.
    pub of: Region,
    /// The size up to which the old key is valid, and behind which the next one is.
    pub until: u64,
}

impl Closed {
    fn apply(self, members: &mut [trust::Member]) {
        let region = self.of.to_string();
        for member in members.iter_mut().filter(|m| m.region == region) {
            member.log_keys[0].until_index = Some(self.until);
            member.log_keys.push(LogKey {
                key: next_log_signer(self.of).verifier_key().to_string(),
                from_index: self.until,
                until_index: None,
            });
        }
    }
}

/// Cosigns other members' logs as a mirror.
pub fn mirror(region: Region) -> Cosigner {
    cosigner(region, "mirror", 3)
}

/// Cosigns what is submitted to a member as a witness.
pub fn witness(region: Region) -> Cosigner {
    cosigner(region, "witness", 2)
}

/// Signs the checkpoints of a log outside of the federation that every member witnesses too.
pub fn outside_signer() -> NoteSigner {
    signer("outside.test/log".into(), [14; 32])
}

/// Signs a member's answers.
pub(crate) fn answer_key(region: Region) -> NoteSigner {
    signer(format!("{}/answer", origin(region)), seed(region, 4))
}

pub(crate) fn record_seed(region: Region) -> [u8; 32] {
    seed(region, 5)
}

pub(crate) fn next_record_seed(region: Region) -> [u8; 32] {
    seed(region, 18)
}

/// Signs any record of a member, for the whole province.
pub fn record_signer(region: Region) -> RecordSigner {
    RecordSigner::from_seed(&record_seed(region))
}

/// The same key in a test's hand.
pub fn record_pen(region: Region) -> Pen {
    Pen::new(record_seed(region))
}

/// The key that takes its place when a list says so, for a member's whole province.
pub fn next_record_key(region: Region) -> RecordKey {
    let signer = next_record_signer(region);
    RecordKey {
        alg: signer.algorithm().name().into(),
        public_key: BASE64_STANDARD.encode(signer.public_key()),
        kinds: vec!["*".into()],
        regions: vec![region.to_string()],
        from_index: 0,
        until_index: None,
    }
}

/// Signs certificates and their changes alone, and on behalf of [`county`] alone.
pub fn county_pen(region: Region) -> Pen {
    Pen::new(seed(region, 10))
}

/// The county of [`county_pen`].
pub fn county(region: Region) -> Region {
    Region::from_number(region.number() + 206).expect("a county")
}

/// Signs any record before index [`RETIRED_AT`].
pub fn retired_pen(region: Region) -> Pen {
    Pen::new(seed(region, 11))
}

/// Signs any record, by an algorithm that came after this program.
pub fn newer_pen(region: Region) -> Pen {
    Pen::of_newer_algorithm(seed(region, 12))
}

/// Stands in no list.
pub fn unlisted_pen(region: Region) -> Pen {
    Pen::new(seed(region, 13))
}

/// The keys with which a member writes its log.
pub fn writer_keys(region: Region) -> WriterKeys {
    WriterKeys {
        index: SecretKey::new(seed(region, 6)).into(),
        holder: SecretKey::new([7; 32]),
        at_rest: SecretKey::new(seed(region, 8)).into(),
    }
}

/// The keys that it signs with.
pub fn signing_keys(region: Region) -> SigningKeys {
    SigningKeys {
        log: log_signer(region).into(),
        record: record_signer(region).into(),
        answer: answer_key(region).into(),
        mirror: Some(mirror(region).into()),
        witness: Some(witness(region).into()),
    }
}

/// The same with the next one beside each.
pub fn next_signing_keys(region: Region) -> SigningKeys {
    fn both<K>(held: Rotating<K>, next: K) -> Rotating<K> {
        Rotating {
            next: Some(next),
            ..held
        }
    }
    let held = signing_keys(region);
    let cosigners = |held: Option<Rotating<Cosigner>>, next| held.map(|held| both(held, next));
    SigningKeys {
        log: both(held.log, next_log_signer(region)),
        record: both(held.record, next_record_signer(region)),
        answer: both(held.answer, next_answer_key(region)),
        mirror: cosigners(held.mirror, next_mirror(region)),
        witness: cosigners(held.witness, next_witness(region)),
    }
}

fn next_record_signer(region: Region) -> RecordSigner {
    RecordSigner::from_seed(&next_record_seed(region))
}

fn next_answer_key(region: Region) -> NoteSigner {
    signer(format!("{}/answer", origin(region)), seed(region, 17))
}

fn next_mirror(region: Region) -> Cosigner {
    cosigner(region, "mirror", 16)
}

fn next_witness(region: Region) -> Cosigner {
    cosigner(region, "witness", 15)
}

/// A member as it describes itself when it has made its next keys.
pub fn next_member(region: Region) -> trust::Member {
    trust::Member {
        log_keys: vec![LogKey {
            key: next_log_signer(region).verifier_key().to_string(),
            from_index: 0,
            until_index: None,
        }],
        witness_key: next_witness(region).verifier_key().to_string(),
        mirror_key: next_mirror(region).verifier_key().to_string(),
        answer_keys: vec![next_answer_key(region).verifier_key().to_string()],
        record_keys: vec![next_record_key(region)],
        ..member(region)
    }
}

/// The secrets of a member that its key files hold, by purpose.
pub(crate) fn key_files(region: Region) -> [(&'static str, [u8; 32]); 3] {
    [
        ("answer", seed(region, 4)),
        ("index", seed(region, 6)),
        ("at-rest", seed(region, 8)),
    ]
}

/// The key of a member's TLS certificate, which nothing here presents.
pub fn tls_key(region: Region) -> SpkiSha256 {
    SpkiSha256(seed(region, 21))
}

/// A member as every version of the trust list has it.
pub fn member(region: Region) -> trust::Member {
    let key = |pen: &Pen| RecordKey {
        alg: pen.algorithm().into(),
        public_key: BASE64_STANDARD.encode(pen.public_key()),
        kinds: vec!["*".into()],
        regions: vec![region.to_string()],
        from_index: 0,
        until_index: None,
    };
    trust::Member {
        region: region.to_string(),
        name: region.full_name(),
        origin: origin(region).to_string(),
        grpc: "https://127.0.0.1:1".into(),
        http: "https://127.0.0.1:1".into(),
        log_keys: vec![LogKey {
            key: log_signer(region).verifier_key().to_string(),
            from_index: 0,
            until_index: None,
        }],
        witness_key: witness(region).verifier_key().to_string(),
        mirror_key: mirror(region).verifier_key().to_string(),
        answer_keys: vec![answer_key(region).verifier_key().to_string()],
        record_keys: vec![
            key(&record_pen(region)),
            RecordKey {
                kinds: [v1::Kind::Certificate, v1::Kind::StatusChange]
                    .map(|kind| trust::kind_name(kind as i32))
                    .to_vec(),
                regions: vec![county(region).to_string()],
                ..key(&county_pen(region))
            },
            RecordKey {
                until_index: Some(RETIRED_AT),
                ..key(&retired_pen(region))
            },
            key(&newer_pen(region)),
        ],
        tls_keys: vec![tls_key(region).to_string()],
        tls_ca: String::new(),
    }
}

/// The root keys, and the first `versions` of the trust list.
pub(crate) fn trust_lists(versions: u64, closed: Option<Closed>) -> (RootKeys, TrustChain) {
    let roots = roots();
    let chain = verified(&roots, &trust_list_notes(versions, closed));
    (roots, chain)
}

/// The root keys.
pub(crate) fn roots() -> RootKeys {
    RootKeys::new(&root_role()).expect("root keys")
}

fn root() -> NoteSigner {
    signer("huren.test/root".into(), [9; 32])
}

fn root_role() -> RootRole {
    RootRole {
        threshold: 1,
        keys: vec![root().verifier_key().to_string()],
    }
}

/// The first `versions` of the trust list, as signed notes.
pub fn trust_list_notes(versions: u64, closed: Option<Closed>) -> Vec<String> {
    let (root, role, roots) = (root(), root_role(), roots());
    let mut notes: Vec<String> = Vec::new();
    let mut previous = String::new();
    for version in 1..=versions {
        let mut members = REGIONS.map(member).to_vec();
        if let Some(closed) = closed.filter(|_| version > 1) {
            closed.apply(&mut members);
        }
        let list = TrustList {
            version,
            previous,
            issued: Timestamp::from_second(1_700_000_000).expect("a time"),
            expires: Timestamp::from_second(4_000_000_000).expect("a time"),
            root: role.clone(),
            quorum: 2,
            members,
            former_members: Vec::new(),
            witnesses: Vec::new(),
        };
        let mut note = Note::new(list.to_text().expect("a list")).expect("a note");
        note.add(root.sign(note.text())).expect("room for one");
        notes.push(note.to_string());
        previous = verified(&roots, &notes).newest().digest.to_hex();
    }
    notes
}

/// The list that follows a chain's newest one, with changes, as a signed note.
pub fn next_list(chain: &TrustChain, change: impl FnOnce(&mut TrustList)) -> Vec<u8> {
    let (newest, root) = (chain.newest(), root());
    let mut list = TrustList::successor(newest, newest.list.issued, newest.list.expires);
    change(&mut list);
    let mut note = Note::new(list.to_text().expect("a list")).expect("a note");
    note.add(root.sign(note.text())).expect("room for one");
    note.to_string().into_bytes()
}

/// The chain of these notes.
pub(crate) fn verified<N: AsRef<[u8]>>(roots: &RootKeys, notes: &[N]) -> TrustChain {
    TrustChain::verify(roots, notes.iter().map(AsRef::as_ref)).expect("a chain")
}
