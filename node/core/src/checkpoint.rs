//! Checkpoints, C2SP `tlog-checkpoint`: which log, how many leaves, which root.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::merkle::Hash;
use crate::note::{
    Note, NoteError, NoteSignature, NoteSigner, NoteVerifyError, SignatureType, VerifierKey,
    has_control_character,
};

/// What names a log: the first line of its checkpoints.
///
/// Any non-empty line; `tlog-checkpoint` only recommends that it looks like a URL
/// without scheme. Cheap to clone: it goes along with everything that is looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(Arc<str>);

/// The text is empty or has a line break or another control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an origin must be one line without control characters, and not empty")]
pub struct OriginError;

impl Origin {
    /// The origin as text, without newline.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        if is_line(text) {
            Ok(Self(text.into()))
        } else {
            Err(OriginError)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The statement that a log has `size` leaves under this root; signed by nobody yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: Origin,
    /// Leaves in the tree.
    pub size: u64,
    /// Merkle Tree Hash of these leaves.
    pub root: Hash,
    /// Invariant: each is one non-empty line.
    extensions: Vec<String>,
}

/// Why a text is no checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not signed in the form of a note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Fewer than three lines, an empty one, or no newline at the end.
    #[error("a checkpoint is not at least three non-empty lines")]
    Lines,
    /// The first line is no origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The second line is no decimal number below 2^64 without leading zeros.
    #[error("a checkpoint's size is not a number")]
    Size,
    /// The third line is not 32 bytes in base64.
    #[error("a checkpoint's root is not a hash")]
    Root,
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    pub fn new(origin: Origin, size: u64, root: Hash) -> Self {
        Self {
            origin,
            size,
            root,
            extensions: Vec::new(),
        }
    }

    /// Reads a note text. Only one spelling is accepted, so [`Checkpoint::to_text`]
    /// gives the same bytes.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = lines.split('\n');
        let mut next = || lines.next().filter(|line| !line.is_empty());
        let (Some(origin), Some(size), Some(root)) = (next(), next(), next()) else {
            return Err(CheckpointError::Lines);
        };
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if !extensions.iter().all(|line| is_line(line)) {
            return Err(CheckpointError::Lines);
        }
        Ok(Self {
            origin: origin.parse()?,
            size: parse_decimal(size).ok_or(CheckpointError::Size)?,
            root: Hash::from_base64(root).map_err(|_| CheckpointError::Root)?,
            extensions,
        })
    }

    /// The note text, with its final newline.
    pub fn to_text(&self) -> String {
        let mut text = format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            self.root.to_base64()
        );
        for extension in &self.extensions {
            text.push_str(extension);
            text.push('\n');
        }
        text
    }

    /// Lines after the third: signed, and without meaning here.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

/// A checkpoint in its note, none of the signatures verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// Invariant: what the note's text says.
    checkpoint: Checkpoint,
    note: Note,
}

/// Why a checkpoint is not the log's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogSignatureError {
    /// The key's name is not the checkpoint's origin.
    #[error("a checkpoint is of another log than the key")]
    OtherLog,
    /// The key is one for cosignatures.
    #[error("a log's key must be for Ed25519 signatures of notes")]
    KeyType,
    /// The log's signature is absent or wrong.
    #[error(transparent)]
    Signature(#[from] NoteVerifyError),
}

impl SignedCheckpoint {
    /// Reads a note whose text is a checkpoint. Displaying it gives the same bytes.
    pub fn parse(note: impl AsRef<[u8]>) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        Ok(Self {
            checkpoint: Checkpoint::parse(note.text())?,
            note,
        })
    }

    /// Signs a checkpoint as its log.
    pub fn sign(checkpoint: Checkpoint, signer: &NoteSigner) -> Result<Self, CheckpointError> {
        let mut note = Note::new(checkpoint.to_text())?;
        note.add(signer.sign(note.text()))?;
        Ok(Self { checkpoint, note })
    }

    /// What is signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note.
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// Adds a signature or cosignature.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        self.note.add(signature)
    }

    /// The same checkpoint under these signatures instead.
    pub fn with_signatures(
        &self,
        signatures: impl IntoIterator<Item = NoteSignature>,
    ) -> Result<Self, NoteError> {
        let note = self.note.with_signatures(signatures)?;
        Ok(Self {
            checkpoint: self.checkpoint.clone(),
            note,
        })
    }

    /// Checks that the log itself signed. The key's name must be the origin, so that a
    /// key trusted for one log cannot speak for another.
    pub fn verify_log(&self, key: &VerifierKey) -> Result<(), LogSignatureError> {
        if key.signature_type() != SignatureType::Ed25519 {
            return Err(LogSignatureError::KeyType);
        }
        if key.name().as_str() != self.checkpoint.origin.as_str() {
            return Err(LogSignatureError::OtherLog);
        }
        self.note.verify(std::slice::from_ref(key))?;
        Ok(())
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

fn is_line(text: &str) -> bool {
    !text.is_empty() && !text.contains('\n') && !has_control_character(text)
}

/// Reads an ASCII decimal below 2^64 without sign and leading zeros, as these formats
/// write numbers.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if digits && canonical {
        text.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cosign::Cosigner;
    use crate::merkle::{empty_root, leaf_hash};

    const ROOT: &str = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=";

    #[test]
    fn the_example_of_the_specification() {
        let text = format!("example.com/behind-the-sofa\n20852163\n{ROOT}\n");
        let checkpoint = Checkpoint::parse(&text).unwrap();
        assert_eq!(checkpoint.origin.as_str(), "example.com/behind-the-sofa");
        assert_eq!(checkpoint.size, 20_852_163);
        assert_eq!(checkpoint.root.to_base64(), ROOT);
        assert_eq!(checkpoint.to_text(), text);
    }

    #[test]
    fn only_one_spelling() {
        let cases = [
            ("", CheckpointError::Lines),
            ("o\n1\n", CheckpointError::Lines),
            ("o\n1\nROOT", CheckpointError::Lines),
            ("\n1\nROOT\n", CheckpointError::Lines),
            ("o\n1\nROOT\n\n", CheckpointError::Lines),
            ("o\n1\nROOT\nx\n\n", CheckpointError::Lines),
            ("o\n1\nROOT\n\nx\n", CheckpointError::Lines),
            ("o\n1\nROOT\nx\ty\n", CheckpointError::Lines),
            ("o\r\n1\nROOT\n", CheckpointError::Origin(OriginError)),
            ("o\n01\nROOT\n", CheckpointError::Size),
            ("o\n+1\nROOT\n", CheckpointError::Size),
            ("o\n-1\nROOT\n", CheckpointError::Size),
            ("o\n00\nROOT\n", CheckpointError::Size),
            ("o\n 1\nROOT\n", CheckpointError::Size),
            ("o\n18446744073709551616\nROOT\n", CheckpointError::Size),
            ("o\n1\nAAAA\n", CheckpointError::Root),
            ("o\n1\nROOT \n", CheckpointError::Root),
        ];
        for (text, error) in cases {
            let text = text.replace("ROOT", ROOT);
            assert_eq!(Checkpoint::parse(&text), Err(error), "{text:?}");
        }
        for text in [
            "o o+\n0\nROOT\n",
            "源\n18446744073709551615\nROOT\nan extension\nand another\n",
        ] {
            let text = text.replace("ROOT", ROOT);
            assert_eq!(Checkpoint::parse(&text).unwrap().to_text(), text);
        }
    }

    #[test]
    fn a_log_speaks_for_itself_only() {
        let signer = |name: &str, seed| NoteSigner::from_seed(name.parse().unwrap(), &[seed; 32]);
        let (log, other_key, other_log) = (
            signer("log.example", 1),
            signer("log.example", 2),
            signer("other.example", 1),
        );
        let checkpoint = Checkpoint::new("log.example".parse().unwrap(), 0, empty_root());
        let signed = SignedCheckpoint::sign(checkpoint.clone(), &log).unwrap();
        assert_eq!(signed.verify_log(log.verifier_key()), Ok(()));
        assert_eq!(
            signed.verify_log(other_key.verifier_key()),
            Err(LogSignatureError::Signature(
                NoteVerifyError::NoKnownSignature
            ))
        );
        let foreign = SignedCheckpoint::sign(checkpoint, &other_log).unwrap();
        assert_eq!(
            foreign.verify_log(other_log.verifier_key()),
            Err(LogSignatureError::OtherLog)
        );
        let cosigner = Cosigner::from_seed("log.example".parse().unwrap(), &[1; 32]);
        assert_eq!(
            signed.verify_log(cosigner.verifier_key()),
            Err(LogSignatureError::KeyType)
        );
        assert_eq!(SignedCheckpoint::parse(signed.to_string()), Ok(signed));
    }

    proptest! {
        #[test]
        fn checkpoints_read_back(origin in "[^\\x00-\\x1f]{1,20}", size: u64, leaf: [u8; 4]) {
            let checkpoint = Checkpoint::new(origin.parse().unwrap(), size, leaf_hash(&leaf));
            prop_assert_eq!(Checkpoint::parse(&checkpoint.to_text()), Ok(checkpoint));
        }

        #[test]
        fn what_is_read_is_written(text in "[ao]{0,2}\n[0-9]{1,3}\n[A-D+/]{42,43}=\n([a\n]{0,3}\n)?") {
            if let Ok(checkpoint) = Checkpoint::parse(&text) {
                prop_assert_eq!(checkpoint.to_text(), text);
            }
        }
    }
}
