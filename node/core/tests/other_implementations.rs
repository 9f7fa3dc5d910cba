//! Checkpoints, cosignatures and policies against the crates `sigsum` and `tlog_tiles`.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should panic")]

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey};
use huren_core::checkpoint::{Checkpoint, SignedCheckpoint};
use huren_core::cosign::Cosigner;
use huren_core::merkle::{Hash, leaf_hash, node_hash, root_of};
use huren_core::note::{KeyName, NoteSigner};
use huren_core::policy::{Policy, PolicyBuilder, PolicyName, Threshold};
use huren_core::tlog_proof::TlogProof;
use huren_core::witness::{AddCheckpoint, judge};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

fn sha256(data: &[u8]) -> Hash {
    Hash(Sha256::digest(data).into())
}

fn public(seed: u8) -> [u8; 32] {
    SigningKey::from_bytes(&[seed; 32])
        .verifying_key()
        .to_bytes()
}

fn policy_name(text: &str) -> PolicyName {
    PolicyName::new(text).unwrap()
}

/// A log of three leaves with two cosignatures, the first leaf in Sigsum's format.
struct SigsumLog {
    log: NoteSigner,
    witnesses: [Cosigner; 2],
    leaf: Vec<u8>,
    proof: TlogProof,
}

const LOG: u8 = 1;
const SUBMITTER: u8 = 9;
const MESSAGE: &[u8] = b"message";

fn sigsum_log() -> SigsumLog {
    // A Sigsum checkpoint is one of tlog-checkpoint whose origin has the log's key hash.
    let origin = format!("sigsum.org/v1/tree/{}", sha256(&public(LOG)));
    let log = NoteSigner::from_seed(origin.parse().unwrap(), &[LOG; 32]);
    let checksum = sha256(sha256(MESSAGE).as_bytes());
    let signed = [b"sigsum.org/v1/tree-leaf\0".as_slice(), checksum.as_bytes()].concat();
    let signature = SigningKey::from_bytes(&[SUBMITTER; 32])
        .sign(&signed)
        .to_bytes();
    let key_hash = sha256(&public(SUBMITTER));
    let leaf = [
        checksum.as_bytes(),
        signature.as_slice(),
        key_hash.as_bytes(),
    ]
    .concat();
    let leaves = [leaf_hash(&leaf), leaf_hash(b"1"), leaf_hash(b"2")];
    let head = Checkpoint::new(origin.parse().unwrap(), 3, root_of(&leaves));
    let mut checkpoint = SignedCheckpoint::sign(head.clone(), &log).unwrap();
    let witnesses = [2, 3].map(|seed| {
        let name: KeyName = format!("w{seed}.example").parse().unwrap();
        Cosigner::from_seed(name, &[seed; 32])
    });
    for (witness, time) in witnesses.iter().zip([1_700_000_000, 1_700_000_060]) {
        checkpoint
            .add(witness.cosign(&head, time).unwrap())
            .unwrap();
    }
    let proof = TlogProof {
        extra: None,
        index: 0,
        hashes: vec![leaves[1], leaves[2]],
        checkpoint,
    };
    assert_eq!(
        node_hash(&node_hash(&leaves[0], &leaves[1]), &leaves[2]),
        head.root
    );
    SigsumLog {
        log,
        witnesses,
        leaf,
        proof,
    }
}

impl SigsumLog {
    /// The same proof in Sigsum's own format, with our signatures.
    fn to_sigsum(&self) -> String {
        let head = self.proof.checkpoint.checkpoint();
        let signatures = self.proof.checkpoint.note().signatures();
        let (key_hash, signature) = (&self.leaf[96..], &self.leaf[32..96]);
        let mut text = format!(
            "version=2\nlog={}\nleaf={} {}\n\nsize={}\nroot_hash={}\nsignature={}\n",
            sha256(&public(LOG)),
            hex::encode(key_hash),
            hex::encode(signature),
            head.size,
            head.root,
            hex::encode(signatures[0].signature()),
        );
        for (witness, cosignature) in self.witnesses.iter().zip(&signatures[1..]) {
            let (time, ed25519) = cosignature.signature().split_first_chunk().unwrap();
            let key = sha256(witness.verifier_key().public_key().as_bytes());
            let time = u64::from_be_bytes(*time);
            text += &format!("cosignature={key} {time} {}\n", hex::encode(ed25519));
        }
        text += &format!("\nleaf_index={}\n", self.proof.index);
        self.proof
            .hashes
            .iter()
            .for_each(|hash| text += &format!("node_hash={hash}\n"));
        text
    }
}

#[test]
fn sigsum_verifies_our_log_and_witnesses() {
    let ours = sigsum_log();
    let members = ours.witnesses.iter().enumerate().map(|(index, witness)| {
        (
            policy_name(&format!("w{index}")),
            witness.verifier_key().clone(),
            None,
        )
    });
    let policy = Policy::quorum_of(ours.log.verifier_key().clone(), members, 2).unwrap();
    let witnessed = ours.proof.verify(&leaf_hash(&ours.leaf), &policy).unwrap();
    assert_eq!(witnessed.quorum_time, Some(1_700_000_000));

    let their_policy = |threshold: usize, witness: [u8; 32]| {
        let mut policy = sigsum::PolicyBuilder::new();
        policy.add_log(public(LOG).into(), None).unwrap();
        policy
            .add_witness("w0".into(), public(2).into(), None)
            .unwrap();
        policy
            .add_witness("w1".into(), witness.into(), None)
            .unwrap();
        policy
            .add_group("q".into(), threshold, vec!["w0".into(), "w1".into()])
            .unwrap();
        policy.set_quorum("q".into()).unwrap();
        policy.build()
    };
    let signature = sigsum::SigsumSignature::from_ascii(&ours.to_sigsum()).unwrap();
    let verify = |policy: &sigsum::Policy| {
        let message = sigsum::Hash::new(MESSAGE);
        sigsum::verify(&message, &signature, &[public(SUBMITTER).into()], policy).is_ok()
    };
    assert!(verify(&their_policy(2, public(3))));
    assert!(!verify(&their_policy(2, public(4))));
    assert!(verify(&their_policy(1, public(4))));
}

/// Six witnesses in three groups of two, and a quorum over the groups.
fn both_policies(thresholds: [usize; 4]) -> (Policy, sigsum::Policy) {
    let mut ours = PolicyBuilder::new();
    let mut theirs = sigsum::PolicyBuilder::new();
    let mut groups = Vec::new();
    for (index, threshold) in thresholds[..3].iter().enumerate() {
        let mut members = Vec::new();
        for seed in [2 * index as u8 + 1, 2 * index as u8 + 2] {
            let name = format!("w{seed}");
            let cosigner = Cosigner::from_seed(name.parse().unwrap(), &[seed; 32]);
            let key = cosigner.verifier_key().clone();
            ours.witness(policy_name(&name), key, None).unwrap();
            theirs
                .add_witness(name.clone(), public(seed).into(), None)
                .unwrap();
            members.push(name);
        }
        let group = format!("g{index}");
        let names: Vec<_> = members.iter().map(|name| policy_name(name)).collect();
        ours.group(policy_name(&group), Threshold::AtLeast(*threshold), &names)
            .unwrap();
        theirs
            .add_group(group.clone(), *threshold, members)
            .unwrap();
        groups.push(group);
    }
    let names: Vec<_> = groups.iter().map(|name| policy_name(name)).collect();
    ours.group(policy_name("q"), Threshold::AtLeast(thresholds[3]), &names)
        .unwrap();
    theirs.add_group("q".into(), thresholds[3], groups).unwrap();
    ours.quorum(&policy_name("q")).unwrap();
    theirs.set_quorum("q".into()).unwrap();
    (ours.build().unwrap(), theirs.build())
}

proptest! {
    #[test]
    fn quorums_agree_with_sigsum(
        a in 1usize..=2, b in 1usize..=2, c in 1usize..=2, top in 1usize..=3, signers in 0u8..64,
    ) {
        let (ours, theirs) = both_policies([a, b, c, top]);
        let seeds: Vec<u8> = (1..=6).filter(|seed| signers >> (seed - 1) & 1 == 1).collect();
        let times: BTreeMap<_, _> =
            seeds.iter().map(|seed| (policy_name(&format!("w{seed}")), 1)).collect();
        let keys: Vec<_> = seeds.iter().map(|seed| sigsum::Hash::new(public(*seed))).collect();
        prop_assert_eq!(ours.quorum_timestamp(&times).is_ok(), theirs.check_quorum(&keys));
    }

    #[test]
    fn checkpoints_agree_with_tlog_tiles(
        origin in "[^\\x00-\\x1f]{1,20}", size: u64, root: [u8; 32], extensions in "([a-z ]{1,5}\n){0,3}",
    ) {
        let hash = tlog_tiles::tlog::Hash(root);
        let theirs = tlog_tiles::checkpoint::Checkpoint::new(&origin, size, hash, &extensions).unwrap();
        let text = String::from_utf8(theirs.to_bytes()).unwrap();
        let ours = Checkpoint::parse(&text).unwrap();
        prop_assert_eq!(ours.origin.as_str(), origin);
        prop_assert_eq!((ours.size, ours.root), (size, Hash(root)));
        prop_assert_eq!(ours.extensions().iter().map(|line| format!("{line}\n")).collect::<String>(), extensions);
        prop_assert_eq!(ours.to_text(), text);
    }
}

/// A log in the crate `tlog_tiles`: its stored hashes.
#[derive(Default)]
struct TilesLog {
    hashes: Vec<tlog_tiles::tlog::Hash>,
    size: u64,
}

impl tlog_tiles::tlog::HashReader for TilesLog {
    fn read_hashes(
        &self,
        indexes: &[u64],
    ) -> Result<Vec<tlog_tiles::tlog::Hash>, tlog_tiles::tlog::Error> {
        let at = |index: &u64| self.hashes[usize::try_from(*index).unwrap()];
        Ok(indexes.iter().map(at).collect())
    }
}

impl TilesLog {
    fn append(&mut self, leaf: &[u8]) {
        let stored = tlog_tiles::tlog::stored_hashes(self.size, leaf, self).unwrap();
        self.hashes.extend(stored);
        self.size += 1;
    }

    fn root(&self, size: u64) -> Hash {
        Hash(tlog_tiles::tlog::tree_hash(size, self).unwrap().0)
    }
}

/// Somebody else's log asks our witness, with its own roots and consistency proofs.
#[test]
fn a_log_of_tlog_tiles_is_witnessed() {
    const SIZE: u64 = 40;
    let signer = NoteSigner::from_seed("log.example".parse().unwrap(), &[LOG; 32]);
    let witness = Cosigner::from_seed("w.example".parse().unwrap(), &[2; 32]);
    let keys = [signer.verifier_key().clone()];
    let mut log = TilesLog::default();
    (0..SIZE).for_each(|n| log.append(&n.to_be_bytes()));
    let body = |old: u64, new: u64| {
        let root = tlog_tiles::tlog::Hash(log.root(new).0);
        let text = tlog_tiles::checkpoint::Checkpoint::new("log.example", new, root, "").unwrap();
        let text = String::from_utf8(text.to_bytes()).unwrap();
        let signature = signer.sign(&text);
        let proof = match old {
            0 => Vec::new(),
            old => tlog_tiles::tlog::prove_tree(new, old, &log).unwrap(),
        };
        let lines: String = proof
            .iter()
            .map(|hash| format!("{}\n", Hash(hash.0).to_base64()))
            .collect();
        format!("old {old}\n{lines}\n{text}\n{signature}\n")
    };
    for first in 0..=SIZE {
        for second in first..=SIZE {
            let request: AddCheckpoint = body(0, first).parse().unwrap();
            let accepted = judge(None, &request, &keys).unwrap();
            let (_, latest) = accepted.cosign(&witness, 1).unwrap();
            let request: AddCheckpoint = body(first, second).parse().unwrap();
            let accepted = judge(Some(&latest), &request, &keys).unwrap();
            assert_eq!(accepted.checkpoint().size, second);
        }
    }
}
