//! Signing notes with plain Ed25519, signature type 0x01.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

use super::{KeyName, NoteSignature, SignatureType, VerifierKey};

/// A name and a private key that sign notes. The key is wiped from memory when dropped.
pub struct NoteSigner {
    key: SigningKey,
    verifier_key: VerifierKey,
}

impl NoteSigner {
    /// The signer of this name and key.
    pub fn new(name: KeyName, key: SigningKey) -> Self {
        let verifier_key =
            VerifierKey::of_signer(name, SignatureType::Ed25519, key.verifying_key());
        Self { key, verifier_key }
    }

    /// The signer of this name and RFC 8032 private key.
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Self {
        Self::new(name, SigningKey::from_bytes(seed))
    }

    /// The name that its signatures carry.
    pub fn name(&self) -> &KeyName {
        self.verifier_key.name()
    }

    /// What verifies its signatures.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier_key
    }

    /// Signs a note text.
    pub fn sign(&self, text: &str) -> NoteSignature {
        let signature = self.key.sign(text.as_bytes());
        NoteSignature::new(&self.verifier_key, signature.to_bytes().to_vec())
    }
}

impl fmt::Debug for NoteSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteSigner({})", self.verifier_key)
    }
}
