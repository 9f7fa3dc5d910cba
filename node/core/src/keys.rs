//! Keys that sign records. Log, witness, mirror and answer keys sign notes: see [`crate::note`].

mod sm2;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use huren_proto::v1::SignatureAlgorithm;
use sha2::{Digest as _, Sha256};

use self::sm2::{Sm2Signer, Sm2Verifier};
use crate::{framing::frame, merkle::Hash};

/// Algorithms of record signatures that this version can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 8032, verified strictly.
    Ed25519,
    /// GB/T 32918 with SM3 and the default user ID.
    Sm2Sm3,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ed25519, Self::Sm2Sm3];

    /// The name that is signed and that stands in trust lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
            Self::Sm2Sm3 => "sm2-sm3",
        }
    }

    /// The number in `huren.v1.SignatureAlgorithm`.
    pub const fn number(self) -> i32 {
        match self {
            Self::Ed25519 => SignatureAlgorithm::Ed25519 as i32,
            Self::Sm2Sm3 => SignatureAlgorithm::Sm2Sm3 as i32,
        }
    }

    /// The algorithm of a name, if this version can check it.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The algorithm of a number, if this version can check it.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.number() == number)
    }
}

/// Names a record key: SHA-256 over the algorithm's name and the public key, each
/// length-prefixed; whole, so that nobody can make a second key of the same name.
pub fn key_id(algorithm: &str, public_key: &[u8]) -> Hash {
    Hash(Sha256::digest(frame([algorithm.as_bytes(), public_key])).into())
}

/// A key that checks record signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordVerifier(Verifier);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verifier {
    Ed25519(VerifyingKey),
    Sm2(Sm2Verifier),
}

impl RecordVerifier {
    /// Reads a public key: 32 bytes of Ed25519, or 65 of SM2 (`04 || x || y`).
    ///
    /// # Errors
    /// [`KeyError`] unless it is a valid key of that algorithm in the one form that it has.
    pub fn new(algorithm: Algorithm, public_key: &[u8]) -> Result<Self, KeyError> {
        Ok(Self(match algorithm {
            Algorithm::Ed25519 => {
                let bytes: &[u8; 32] = public_key.try_into().map_err(|_| KeyError)?;
                Verifier::Ed25519(VerifyingKey::from_bytes(bytes).map_err(|_| KeyError)?)
            }
            Algorithm::Sm2Sm3 => Verifier::Sm2(Sm2Verifier::new(public_key)?),
        }))
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        match self.0 {
            Verifier::Ed25519(_) => Algorithm::Ed25519,
            Verifier::Sm2(_) => Algorithm::Sm2Sm3,
        }
    }

    /// Whether the signature is one by this key over the message. Ed25519 is judged by
    /// `verify_strict`: the lenient and the batched check accept signatures that other
    /// implementations refuse.
    pub fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Verifier::Ed25519(key) => Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
            Verifier::Sm2(key) => key.accepts(message, signature),
        }
    }
}

/// Not a valid key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid key of its algorithm")]
pub struct KeyError;

/// A key that signs records. An Ed25519 key's memory is wiped when it is dropped.
pub struct RecordSigner {
    key: Signer,
    id: Hash,
}

enum Signer {
    Ed25519(Box<SigningKey>),
    Sm2(Box<Sm2Signer>),
}

impl RecordSigner {
    /// The Ed25519 key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::of(Signer::Ed25519(Box::new(SigningKey::from_bytes(seed))))
    }

    /// The key of 32 secret bytes: the seed of an Ed25519 key, or the private key of an SM2 key
    /// (big-endian).
    ///
    /// # Errors
    /// [`KeyError`] if an SM2 key is not in [1, n-2]: of random bytes, one in 2^32.
    pub fn new(algorithm: Algorithm, secret: &[u8; 32]) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::Ed25519 => Ok(Self::from_seed(secret)),
            Algorithm::Sm2Sm3 => Ok(Self::of(Signer::Sm2(Box::new(Sm2Signer::new(secret)?)))),
        }
    }

    fn of(key: Signer) -> Self {
        let mut signer = Self {
            key,
            id: Hash([0; Hash::LEN]),
        };
        signer.id = key_id(signer.algorithm().name(), &signer.public_key());
        signer
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        match self.key {
            Signer::Ed25519(_) => Algorithm::Ed25519,
            Signer::Sm2(_) => Algorithm::Sm2Sm3,
        }
    }

    /// Its id.
    pub const fn id(&self) -> &Hash {
        &self.id
    }

    /// Its public key, in the form that [`RecordVerifier::new`] reads.
    pub fn public_key(&self) -> Vec<u8> {
        match &self.key {
            Signer::Ed25519(key) => key.verifying_key().as_bytes().to_vec(),
            Signer::Sm2(key) => key.public_key.to_vec(),
        }
    }

    /// Signs a message. The same message gives the same signature.
    ///
    /// # Errors
    /// [`KeyError`] for one message in 2^255, under SM2.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        match &self.key {
            Signer::Ed25519(key) => Ok(key.sign(message).to_bytes()),
            Signer::Sm2(key) => key.sign(message),
        }
    }
}

impl std::fmt::Debug for RecordSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordSigner")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
