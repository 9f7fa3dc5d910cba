//! Verifier keys ("vkeys"), `signed-note`, "Verifier keys".

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use super::{KeyName, KeyNameError, NoteSignature, SignatureError};
use crate::cosign;

/// The signature types that this crate verifies (`signed-note`, "Signature types").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureType {
    /// Ed25519 over the note text.
    Ed25519 = 0x01,
    /// Timestamped Ed25519 cosignature of a checkpoint, C2SP `tlog-cosignature`.
    CosignatureV1 = 0x04,
}

/// A key that verifies signatures of one type under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    signature_type: SignatureType,
    key: VerifyingKey,
    /// Follows from the other three.
    key_id: u32,
}

/// Why a text is no verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifierKeyError {
    /// Not `name+8 lowercase hex digits+base64`.
    #[error("a verifier key is not name+id+key")]
    Structure,
    /// The name is not one.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// A signature type other than 0x01 and 0x04.
    #[error("a verifier key has the signature type 0x{0:02x}, which is not supported")]
    UnsupportedType(u8),
    /// Not an encoding of an Ed25519 public key.
    #[error("a verifier key holds no Ed25519 public key")]
    PublicKey,
    /// A point of small order: anybody can sign for it, and strict verification
    /// refuses whatever they sign.
    #[error("a verifier key holds an Ed25519 public key of small order")]
    SmallOrder,
    /// The ID is not the one of this name, type and key.
    #[error("a verifier key has the ID {found:08x} and should have {computed:08x}")]
    KeyId {
        /// The ID as written.
        found: u32,
        /// The ID as it follows from the rest.
        computed: u32,
    },
}

impl VerifierKey {
    /// The key for a name, type and public key.
    pub fn new(
        name: KeyName,
        signature_type: SignatureType,
        key: VerifyingKey,
    ) -> Result<Self, VerifierKeyError> {
        if key.is_weak() {
            return Err(VerifierKeyError::SmallOrder);
        }
        Ok(Self::of_signer(name, signature_type, key))
    }

    /// The key of somebody who holds the private key, which is never of small order.
    pub(crate) fn of_signer(
        name: KeyName,
        signature_type: SignatureType,
        key: VerifyingKey,
    ) -> Self {
        let key_id = key_id(&name, signature_type, &key);
        Self {
            name,
            signature_type,
            key,
            key_id,
        }
    }

    /// The name that its signatures carry.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key ID that its signatures carry: the first four bytes of a SHA-256 over
    /// name, type and public key, big-endian. Not collision resistant.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// What it verifies.
    pub fn signature_type(&self) -> SignatureType {
        self.signature_type
    }

    /// The Ed25519 public key.
    pub fn public_key(&self) -> &VerifyingKey {
        &self.key
    }

    /// Verifies a signature of this key over a note text. The time of a cosignature is
    /// not looked at: [`cosign::verify_cosignature`] returns it.
    pub fn verify(&self, text: &str, signature: &NoteSignature) -> Result<(), SignatureError> {
        if !signature.is_by(self) {
            return Err(SignatureError::OtherKey);
        }
        match self.signature_type {
            SignatureType::Ed25519 => self.verify_bytes(text.as_bytes(), signature.signature()),
            SignatureType::CosignatureV1 => {
                cosign::verify_cosignature(text, signature, self).map(drop)
            }
        }
    }

    /// Always strict: other verifiers must never see a signature refused that we accepted.
    pub(crate) fn verify_bytes(
        &self,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let signature = Signature::from_slice(signature)
            .map_err(|_| SignatureError::Length(signature.len()))?;
        self.key
            .verify_strict(message, &signature)
            .map_err(|_| SignatureError::Ed25519)
    }
}

fn key_id(name: &KeyName, signature_type: SignatureType, key: &VerifyingKey) -> u32 {
    let hash = Sha256::new()
        .chain_update(name.as_str())
        .chain_update([b'\n', signature_type as u8])
        .chain_update(key.as_bytes())
        .finalize();
    let [a, b, c, d, ..] = <[u8; 32]>::from(hash);
    u32::from_be_bytes([a, b, c, d])
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        // The base64 may contain plus signs, the name may not.
        let mut fields = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (fields.next(), fields.next(), fields.next())
        else {
            return Err(VerifierKeyError::Structure);
        };
        let found = parse_key_id(id).ok_or(VerifierKeyError::Structure)?;
        let bytes = STANDARD
            .decode(encoded)
            .map_err(|_| VerifierKeyError::Structure)?;
        let (signature_type, key) = bytes.split_first().ok_or(VerifierKeyError::Structure)?;
        let signature_type = match signature_type {
            0x01 => SignatureType::Ed25519,
            0x04 => SignatureType::CosignatureV1,
            other => return Err(VerifierKeyError::UnsupportedType(*other)),
        };
        let key = VerifyingKey::try_from(key).map_err(|_| VerifierKeyError::PublicKey)?;
        let parsed = Self::new(name.parse()?, signature_type, key)?;
        if parsed.key_id != found {
            return Err(VerifierKeyError::KeyId {
                found,
                computed: parsed.key_id,
            });
        }
        Ok(parsed)
    }
}

fn parse_key_id(text: &str) -> Option<u32> {
    let digits = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digits && text.len() == 8 {
        u32::from_str_radix(text, 16).ok()
    } else {
        None
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = [&[self.signature_type as u8], self.key.as_bytes().as_slice()].concat();
        write!(
            f,
            "{}+{:08x}+{}",
            self.name,
            self.key_id,
            STANDARD.encode(key)
        )
    }
}
