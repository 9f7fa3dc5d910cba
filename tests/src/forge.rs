//! Leaves that a test writes and signs by itself: what the log of a hostile or broken province
//! could contain, whatever a sound node would have refused to write.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer as _, SigningKey};
use huren_core::{
    codes::Region,
    disclosure::{self, Group, GroupDigests, Opening, Values},
    keys::key_id,
    merkle::Hash,
    normalise,
};
use huren_proto::v1;
use prost::Message as _;

use crate::{groups_in, origin};

/// A record key in a test's hand.
pub struct Pen {
    key: SigningKey,
    name: &'static str,
    number: i32,
}

impl Pen {
    /// An Ed25519 key.
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self {
            key: SigningKey::from_bytes(&seed),
            name: "ed25519",
            number: v1::SignatureAlgorithm::Ed25519 as i32,
        }
    }

    /// A key of an algorithm that the program does not know. What it signs is no signature of
    /// that algorithm, which is for those to notice who know it.
    pub(crate) fn of_newer_algorithm(seed: [u8; 32]) -> Self {
        Self {
            name: "ml-dsa-44",
            number: 9,
            ..Self::new(seed)
        }
    }

    /// The name of its algorithm.
    pub(crate) const fn algorithm(&self) -> &'static str {
        self.name
    }

    /// Its public key.
    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// Signs the bytes of a record for the log of a province, as `SignedRecord` says.
    pub fn sign(&self, log: Region, record: Vec<u8>) -> v1::SignedRecord {
        let id = key_id(self.name, &self.public_key());
        let log = origin(log);
        let mut input = b"huren/record/v1\n".to_vec();
        for part in [
            self.name.as_bytes(),
            &id.0,
            log.as_str().as_bytes(),
            &record,
        ] {
            let length = u32::try_from(part.len()).expect("a short part");
            input.extend(length.to_be_bytes());
            input.extend(part);
        }
        v1::SignedRecord {
            signature: self.key.sign(&input).to_bytes().to_vec(),
            record,
            alg: self.number,
            key_id: id.0.to_vec(),
        }
    }
}

/// A record before it is signed, and what opens its digests.
#[derive(Clone)]
pub struct Draft {
    /// The record.
    pub record: v1::Record,
    /// What opens it.
    pub openings: Vec<Opening>,
}

/// A leaf as it is put into a log, whether or not it is a record.
pub struct Leaf {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What its province holds to open its digests.
    pub openings: Vec<Opening>,
}

impl From<Vec<u8>> for Leaf {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            openings: Vec::new(),
        }
    }
}

impl Draft {
    /// A record of any kind, written on behalf of a region.
    pub fn new(writer: Region, kind: v1::Kind, body: Vec<u8>) -> Self {
        let envelope = v1::Envelope {
            schema: 1,
            kind: kind as i32,
            writer_region: writer.to_string(),
            provenance: v1::Provenance::Issued as i32,
            effective_date: 20_240_401,
            target: Vec::new(),
            previous: Vec::new(),
        };
        Self {
            record: v1::Record {
                envelope: Some(envelope),
                body,
            },
            openings: Vec::new(),
        }
    }

    /// A certificate with the number of that province and serial, of 张三, written on behalf
    /// of a region. The same number gives the same record.
    pub fn certificate(writer: Region, province: Region, serial: u32) -> Self {
        let groups: BTreeMap<Group, Values> = groups_in(province, serial)
            .into_iter()
            .map(|group| {
                let fields = group.fields.into_iter().map(|f| (f.name, f.value));
                let name = Group::from_number(group.group).expect("a group");
                (name, Values::new(fields))
            })
            .collect();
        let openings = disclosure::open(groups, || {
            [serial.to_le_bytes(); 4]
                .concat()
                .try_into()
                .expect("16 bytes")
        });
        let body = v1::Certificate {
            normaliser: normalise::VERSION,
            groups: GroupDigests::of(&openings).to_proto(),
        };
        let mut draft = Self::new(writer, v1::Kind::Certificate, body.encode_to_vec());
        draft.envelope().effective_date = 0;
        draft.openings = openings;
        draft
    }

    /// A change of a certificate's status that names no predecessor.
    pub fn change(writer: Region, action: v1::StatusAction, target: Hash) -> Self {
        let body = v1::StatusChange {
            action: action as i32,
            reason: v1::StatusReason::Decision as i32,
            normaliser: 0,
            replaced: Vec::new(),
        };
        Self::new(writer, v1::Kind::StatusChange, body.encode_to_vec()).of(target)
    }

    /// The same about that certificate.
    pub fn of(mut self, target: Hash) -> Self {
        self.envelope().target = target.0.to_vec();
        self
    }

    /// Its envelope.
    pub fn envelope(&mut self) -> &mut v1::Envelope {
        self.record.envelope.as_mut().expect("an envelope")
    }

    /// Signed for the log of a province.
    pub fn sign(&self, pen: &Pen, log: Region) -> Leaf {
        self.sign_bytes(pen, log, self.record.encode_to_vec())
    }

    /// Signed in the form of these bytes.
    pub fn sign_bytes(&self, pen: &Pen, log: Region, record: Vec<u8>) -> Leaf {
        Leaf {
            bytes: pen.sign(log, record).encode_to_vec(),
            openings: self.openings.clone(),
        }
    }
}
