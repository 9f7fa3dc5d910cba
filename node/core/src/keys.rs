//! Keys that sign records. Log, witness, mirror and answer keys sign notes: see [`crate::note`].

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use huren_proto::v1::SignatureAlgorithm;
use sha2::{Digest as _, Sha256};

use crate::{framing::frame, merkle::Hash};

/// Algorithms of record signatures that this version can check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RFC 8032, verified strictly.
    Ed25519,
}

impl Algorithm {
    /// The name that is signed and that stands in trust lists.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ed25519 => "ed25519",
        }
    }

    /// The number in `huren.v1.SignatureAlgorithm`.
    pub const fn number(self) -> i32 {
        match self {
            Self::Ed25519 => SignatureAlgorithm::Ed25519 as i32,
        }
    }

    /// The algorithm of a name, if this version can check it.
    pub fn from_name(name: &str) -> Option<Self> {
        (name == Self::Ed25519.name()).then_some(Self::Ed25519)
    }

    /// The algorithm of a number, if this version can check it.
    pub fn from_number(number: i32) -> Option<Self> {
        (number == Self::Ed25519.number()).then_some(Self::Ed25519)
    }
}

/// Names a record key: SHA-256 over the algorithm's name and the public key, each
/// length-prefixed; whole, so that nobody can make a second key of the same name.
pub fn key_id(algorithm: &str, public_key: &[u8]) -> Hash {
    Hash(Sha256::digest(frame([algorithm.as_bytes(), public_key])).into())
}

/// A key that checks record signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordVerifier {
    key: VerifyingKey,
}

impl RecordVerifier {
    /// Reads a public key.
    ///
    /// # Errors
    /// [`KeyError`] unless it is a valid key of that algorithm.
    pub fn new(algorithm: Algorithm, public_key: &[u8]) -> Result<Self, KeyError> {
        let Algorithm::Ed25519 = algorithm;
        let bytes: &[u8; 32] = public_key.try_into().map_err(|_| KeyError)?;
        Ok(Self {
            key: VerifyingKey::from_bytes(bytes).map_err(|_| KeyError)?,
        })
    }

    /// Whether the signature is one by this key over the message, judged by `verify_strict`:
    /// the lenient and the batched check accept signatures that other implementations refuse.
    pub fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

/// Not a valid public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid public key of its algorithm")]
pub struct KeyError;

/// A key that signs records (Ed25519). Its memory is wiped when it is dropped.
pub struct RecordSigner {
    key: SigningKey,
    id: Hash,
}

impl RecordSigner {
    /// The key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let id = key_id(Algorithm::Ed25519.name(), key.verifying_key().as_bytes());
        Self { key, id }
    }

    /// Its algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    /// Its id.
    pub const fn id(&self) -> &Hash {
        &self.id
    }

    /// Its public key.
    pub fn public_key(&self) -> [u8; 32] {
        *self.key.verifying_key().as_bytes()
    }

    /// Signs a message.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl std::fmt::Debug for RecordSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordSigner")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
