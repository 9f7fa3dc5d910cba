//! Signed notes, C2SP `signed-note`: a text, an empty line, and signature lines.

mod key;
mod name;
mod signer;

pub use key::{SignatureType, VerifierKey, VerifierKeyError};
pub use name::{KeyName, KeyNameError};
pub use signer::NoteSigner;

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::cosign::TimestampError;

/// The most signatures that a note may carry; `signed-note` asks for at least 16.
pub const MAX_SIGNATURES: usize = 64;

/// The longest note text accepted, in bytes.
pub const MAX_TEXT_LEN: usize = 1 << 20;

/// A text with signatures, none of them verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Invariant: ends in a newline and has no other control character.
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: KeyName,
    key_id: u32,
    /// Invariant: not empty.
    signature: Vec<u8>,
}

/// Why bytes are no note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not UTF-8.
    #[error("a note is not UTF-8")]
    Utf8,
    /// A character below U+0020 other than newline.
    #[error("a note has a control character")]
    ControlCharacter,
    /// No empty line between text and signatures, or no newline at the end of either.
    #[error("a note is not a text, an empty line and signature lines")]
    Structure,
    /// A text above [`MAX_TEXT_LEN`].
    #[error("a note text is longer than {MAX_TEXT_LEN} bytes")]
    TextTooLong,
    /// More than [`MAX_SIGNATURES`].
    #[error("a note has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// A line that should be a signature is none.
    #[error(transparent)]
    SignatureLine(#[from] SignatureLineError),
}

/// The line is not an em dash, a key name, and base64 of a key ID and a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signature line is malformed")]
pub struct SignatureLineError;

/// Why a note is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteVerifyError {
    /// None of the keys signed it.
    #[error("a note has no signature of a known key")]
    NoKnownSignature,
    /// A known key's signature is wrong, so the whole note is rejected.
    #[error("the signature of {name} under a note is wrong")]
    BadSignature {
        /// The key's name.
        name: KeyName,
        /// What is wrong with it.
        source: SignatureError,
    },
    /// Two different known keys share name and ID, so that signatures cannot be told apart.
    #[error("two known keys of {0} have the same ID")]
    AmbiguousKey(KeyName),
}

/// Why one signature does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Name and key ID on the line are not the key's.
    #[error("the signature is of another key")]
    OtherKey,
    /// The signature has not the length that its type has.
    #[error("a signature has {0} bytes")]
    Length(usize),
    /// Strict Ed25519 verification refused it.
    #[error("the signature does not verify")]
    Ed25519,
    /// A cosignature with a time above 2^63 - 1.
    #[error(transparent)]
    Timestamp(#[from] TimestampError),
}

impl Note {
    /// A note without signatures yet. The text must end in a newline.
    pub fn new(text: String) -> Result<Self, NoteError> {
        if text.len() > MAX_TEXT_LEN {
            return Err(NoteError::TextTooLong);
        }
        if has_control_character(&text) {
            return Err(NoteError::ControlCharacter);
        }
        if !text.ends_with('\n') {
            return Err(NoteError::Structure);
        }
        Ok(Self {
            text,
            signatures: Vec::new(),
        })
    }

    /// Reads a note with at least one signature. Displaying it gives the same bytes.
    pub fn parse(note: impl AsRef<[u8]>) -> Result<Self, NoteError> {
        let note = std::str::from_utf8(note.as_ref()).map_err(|_| NoteError::Utf8)?;
        if has_control_character(note) {
            return Err(NoteError::ControlCharacter);
        }
        // The text may have empty lines itself: the last one separates.
        let blank = note.rfind("\n\n").ok_or(NoteError::Structure)?;
        let (text, signatures) = note.split_at(blank + 1);
        let lines = signatures[1..]
            .strip_suffix('\n')
            .ok_or(NoteError::Structure)?;
        let mut parsed = Self::new(text.to_owned())?;
        for line in lines.split('\n') {
            parsed.add(line.parse()?)?;
        }
        Ok(parsed)
    }

    /// The signed text, with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures in the order of their lines.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature line at the end.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.len() == MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// The same text under these signatures instead.
    pub fn with_signatures(
        &self,
        signatures: impl IntoIterator<Item = NoteSignature>,
    ) -> Result<Self, NoteError> {
        let mut note = Self {
            text: self.text.clone(),
            signatures: Vec::new(),
        };
        signatures
            .into_iter()
            .try_for_each(|signature| note.add(signature))?;
        Ok(note)
    }

    /// The keys that signed, out of the known ones, each once, in the order of `keys`.
    ///
    /// As `signed-note`, "Signatures", demands: signatures of other keys are ignored,
    /// one wrong signature of a known key rejects the note, and so does having none.
    pub fn verify<'k>(
        &self,
        keys: &'k [VerifierKey],
    ) -> Result<Vec<&'k VerifierKey>, NoteVerifyError> {
        let mut signed = vec![false; keys.len()];
        for signature in &self.signatures {
            let mut known = keys
                .iter()
                .zip(&mut signed)
                .filter(|(key, _)| signature.is_by(key));
            let Some((key, signed)) = known.next() else {
                continue;
            };
            if known.any(|(other, _)| other != key) {
                return Err(NoteVerifyError::AmbiguousKey(key.name().clone()));
            }
            key.verify(&self.text, signature)
                .map_err(|source| NoteVerifyError::BadSignature {
                    name: key.name().clone(),
                    source,
                })?;
            *signed = true;
        }
        let signers: Vec<_> = keys
            .iter()
            .zip(signed)
            .filter_map(|(key, signed)| signed.then_some(key))
            .collect();
        if signers.is_empty() {
            Err(NoteVerifyError::NoKnownSignature)
        } else {
            Ok(signers)
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl NoteSignature {
    /// The name on the line.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key ID on the line.
    pub fn key_id(&self) -> u32 {
        self.key_id
    }

    /// What follows the key ID: for Ed25519 notes 64 bytes, for cosignatures 72.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether name and key ID are this key's; nothing is verified.
    pub fn is_by(&self, key: &VerifierKey) -> bool {
        self.key_id == key.key_id() && self.name == *key.name()
    }

    pub(crate) fn new(key: &VerifierKey, signature: Vec<u8>) -> Self {
        Self {
            name: key.name().clone(),
            key_id: key.key_id(),
            signature,
        }
    }
}

/// Reads a line without its newline.
impl FromStr for NoteSignature {
    type Err = SignatureLineError;

    fn from_str(line: &str) -> Result<Self, SignatureLineError> {
        let fields = line
            .strip_prefix("— ")
            .and_then(|fields| fields.split_once(' '));
        let (name, encoded) = fields.ok_or(SignatureLineError)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SignatureLineError)?;
        match bytes.split_first_chunk() {
            Some((key_id, signature)) if !signature.is_empty() => Ok(Self {
                name: name.parse().map_err(|_| SignatureLineError)?,
                key_id: u32::from_be_bytes(*key_id),
                signature: signature.to_vec(),
            }),
            _ => Err(SignatureLineError),
        }
    }
}

/// The line without its newline.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [&self.key_id.to_be_bytes(), self.signature.as_slice()].concat();
        write!(f, "— {} {}", self.name, STANDARD.encode(bytes))
    }
}

pub(crate) fn has_control_character(text: &str) -> bool {
    text.bytes().any(|byte| byte < b' ' && byte != b'\n')
}

#[cfg(test)]
mod tests;
