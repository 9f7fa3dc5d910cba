//! Whoever signs records for a log, and the facts that they are about.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey};
use huren_core::{
    checkpoint::Origin,
    codes::Region,
    disclosure::{self, Group, GroupDigests, Opening, Values},
    keys::{Algorithm, RecordSigner},
    merkle::{Hash, leaf_hash},
    normalise,
    record::{Draft, Envelope},
};
use huren_proto::v1;
use prost::Message;
use sm2::dsa::SigningKey as Sm2Key;

use super::{Province, seed};

/// A record key at work for a region.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) seed: [u8; 32],
    pub(crate) region: Region,
    pub(crate) algorithm: Algorithm,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(origin: &'a Origin, seed: [u8; 32], region: Region) -> Self {
        Self {
            origin,
            seed,
            region,
            algorithm: Algorithm::Ed25519,
        }
    }

    /// The same secret bytes as an SM2 key.
    pub(crate) const fn with_sm2(self) -> Self {
        Self {
            algorithm: Algorithm::Sm2Sm3,
            ..self
        }
    }

    pub(crate) fn signer(&self) -> RecordSigner {
        RecordSigner::new(self.algorithm, &self.seed).unwrap()
    }

    pub(crate) const fn for_region(self, region: Region) -> Self {
        Self { region, ..self }
    }

    /// An envelope without target; certificates bear no date.
    pub(crate) fn envelope(&self, kind: v1::Kind) -> Envelope {
        Envelope {
            kind: kind as i32,
            writer_region: self.region,
            provenance: v1::Provenance::Issued,
            effective_date: if kind == v1::Kind::Certificate {
                0
            } else {
                20_250_601
            },
            target: None,
            previous: None,
        }
    }

    pub(crate) fn sign(&self, envelope: Envelope, body: &impl Message) -> Vec<u8> {
        let draft = Draft {
            envelope,
            body: body.encode_to_vec(),
        };
        draft.sign(self.origin.as_str(), &self.signer()).unwrap()
    }

    pub(crate) fn certificate(&self, openings: &[Opening]) -> Vec<u8> {
        let groups = GroupDigests::of(openings).to_proto();
        let body = v1::Certificate {
            normaliser: normalise::VERSION,
            groups,
        };
        self.sign(self.envelope(v1::Kind::Certificate), &body)
    }

    pub(crate) fn status(
        &self,
        action: v1::StatusAction,
        target: Hash,
        previous: Option<Hash>,
    ) -> Vec<u8> {
        self.change(action, target, previous, &[])
    }

    /// A status change that replaces the digests of some groups.
    pub(crate) fn change(
        &self,
        action: v1::StatusAction,
        target: Hash,
        previous: Option<Hash>,
        replaced: &[Opening],
    ) -> Vec<u8> {
        let replaced = GroupDigests::of(replaced).to_proto();
        let body = v1::StatusChange {
            action: action as i32,
            reason: v1::StatusReason::Decision as i32,
            normaliser: if replaced.is_empty() {
                0
            } else {
                normalise::VERSION
            },
            replaced,
        };
        let envelope = self.envelope(v1::Kind::StatusChange);
        self.sign(
            Envelope {
                target: Some(target),
                previous,
                ..envelope
            },
            &body,
        )
    }

    pub(crate) fn erasure(&self, target: Hash, groups: &[Group]) -> Vec<u8> {
        let body = v1::Erasure {
            groups: groups.iter().map(|group| group.number()).collect(),
        };
        let envelope = self.envelope(v1::Kind::Erasure);
        self.sign(
            Envelope {
                target: Some(target),
                ..envelope
            },
            &body,
        )
    }

    pub(crate) fn institution(&self, code: &str) -> Vec<u8> {
        self.entry(code, v1::InstitutionState::Active, &[])
    }

    /// An institution's entry that names keys.
    pub(crate) fn entry(
        &self,
        code: &str,
        state: v1::InstitutionState,
        keys: &[&RecordSigner],
    ) -> Vec<u8> {
        let mut keys: Vec<_> = keys
            .iter()
            .map(|key| v1::InstitutionKey {
                alg: key.algorithm().number(),
                public_key: key.public_key(),
            })
            .collect();
        keys.sort_by(|a, b| (a.alg, &a.public_key).cmp(&(b.alg, &b.public_key)));
        let body = v1::Institution {
            code: code.to_owned(),
            name: "宁波职业技能评价中心".to_owned(),
            kind: v1::InstitutionKind::Social as i32,
            home_region: self.region.to_string(),
            state: state as i32,
            keys,
            ..Default::default()
        };
        self.sign(self.envelope(v1::Kind::Institution), &body)
    }

    pub(crate) fn adoption(&self, version: u64, digest: Hash) -> Vec<u8> {
        let body = v1::TrustListAdoption {
            version,
            digest: digest.0.to_vec(),
        };
        self.sign(self.envelope(v1::Kind::TrustListAdoption), &body)
    }

    pub(crate) fn anchor(&self, sequence: u64, digest: Hash) -> Vec<u8> {
        let body = v1::AuditAnchor {
            sequence,
            digest: digest.0.to_vec(),
        };
        self.sign(self.envelope(v1::Kind::AuditAnchor), &body)
    }

    /// An entry of a public register.
    pub(crate) fn register(&self, kind: v1::Kind, body: &impl Message) -> Vec<u8> {
        self.sign(self.envelope(kind), body)
    }

    /// What a record's signature covers, put together from the specification of the leaf.
    pub(crate) fn signing_input(&self, record: &[u8]) -> Vec<u8> {
        let key_id = self.signer().id().0;
        let mut input = b"huren/record/v1\n".to_vec();
        input.extend(frame(&[
            self.algorithm.name().as_bytes(),
            &key_id,
            self.origin.as_str().as_bytes(),
            record,
        ]));
        input
    }

    /// Signs a record message as it is, whatever rule it breaks.
    pub(crate) fn sign_anything(&self, record: Vec<u8>) -> v1::SignedRecord {
        let input = self.signing_input(&record);
        let signature = match self.algorithm {
            Algorithm::Ed25519 => {
                let key = SigningKey::from_bytes(&self.seed);
                key.sign(&input).to_bytes().to_vec()
            }
            Algorithm::Sm2Sm3 => {
                let key = Sm2Key::from_slice("1234567812345678", &self.seed).unwrap();
                let signature: sm2::dsa::Signature = key.sign(&input);
                signature.to_bytes().to_vec()
            }
        };
        v1::SignedRecord {
            alg: self.algorithm.number(),
            key_id: self.signer().id().0.to_vec(),
            signature,
            record,
        }
    }
}

/// Whoever signs with the SM2 key of an institution of a province.
pub(crate) fn institution_writer(province: &Province) -> Writer<'_> {
    let key = seed("institution", &province.region.to_string());
    Writer::new(&province.origin, key, province.region).with_sm2()
}

/// Parts behind their lengths (uint32, big-endian).
pub(crate) fn frame(parts: &[&[u8]]) -> Vec<u8> {
    let length = |part: &[u8]| u32::try_from(part.len()).unwrap().to_be_bytes();
    parts
        .iter()
        .flat_map(|part| [&length(part), *part].concat())
        .collect()
}

/// The hash under which a leaf is a target or predecessor.
pub(crate) fn hash(leaf: &[u8]) -> Hash {
    leaf_hash(leaf)
}

pub(crate) fn values(fields: &[(&str, &str)]) -> Values {
    Values::new(fields.iter().copied())
}

/// What opens a made-up certificate of 张三 with all groups; salts depend on `salt` alone.
pub(crate) fn openings(number: &str, salt: u8) -> Vec<Opening> {
    let certificate = [
        ("number", number),
        ("track", "L"),
        ("occupation_edition", "2022"),
        ("occupation_code", "6-31-01-03"),
        ("occupation_name", "电工"),
        ("level", "3"),
        ("institution_name", "宁波职业技能评价中心"),
        ("issue_date", "2024-03-01"),
    ];
    let holder_id = [
        ("id_kind", "resident_id"),
        ("id_number", "11010519491231002X"),
    ];
    let groups = BTreeMap::from([
        (Group::Certificate, values(&certificate)),
        (Group::HolderName, values(&[("name", "张三")])),
        (Group::HolderId, values(&holder_id)),
        (Group::Statistics, values(&[("activity", "regular")])),
        (
            Group::Scores,
            values(&[("theory", "86"), ("skills", "91.5")]),
        ),
    ]);
    let mut next = salt;
    disclosure::open(groups, || {
        next = next.wrapping_add(1);
        [next; 16]
    })
}
