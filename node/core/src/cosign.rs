//! Timestamped Ed25519 cosignatures of checkpoints, C2SP `tlog-cosignature`: somebody
//! other than the log saw this checkpoint, consistent with all earlier ones, at a time.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey};

use crate::checkpoint::Checkpoint;
use crate::note::{KeyName, NoteSignature, SignatureError, SignatureType, VerifierKey};

/// The latest time that a cosignature may state, in seconds since the epoch.
pub const MAX_TIMESTAMP: u64 = i64::MAX as u64;

/// Bytes of a cosignature before its Ed25519 signature: the time.
const TIMESTAMP_LEN: usize = 8;

/// The time is above [`MAX_TIMESTAMP`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cosignature's time is above 2^63 - 1")]
pub struct TimestampError;

/// A witness or mirror: a name and a private key that cosign checkpoints. The key is
/// wiped from memory when dropped.
///
/// The signed message does not name the cosigner, so no two of them may share a key.
pub struct Cosigner {
    key: SigningKey,
    verifier_key: VerifierKey,
}

impl Cosigner {
    /// The cosigner of this name and key.
    pub fn new(name: KeyName, key: SigningKey) -> Self {
        let verifier_key =
            VerifierKey::of_signer(name, SignatureType::CosignatureV1, key.verifying_key());
        Self { key, verifier_key }
    }

    /// The cosigner of this name and RFC 8032 private key.
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Self {
        Self::new(name, SigningKey::from_bytes(seed))
    }

    /// The name that its cosignatures carry.
    pub fn name(&self) -> &KeyName {
        self.verifier_key.name()
    }

    /// What verifies its cosignatures: signature type 0x04.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier_key
    }

    /// Cosigns a checkpoint as of `unix_seconds`.
    ///
    /// It states that this is the largest consistent tree of the log seen so far:
    /// the caller has made sure of that, and has stored the checkpoint durably.
    pub fn cosign(
        &self,
        checkpoint: &Checkpoint,
        unix_seconds: u64,
    ) -> Result<NoteSignature, TimestampError> {
        if unix_seconds > MAX_TIMESTAMP {
            return Err(TimestampError);
        }
        let signature = self
            .key
            .sign(message(&checkpoint.to_text(), unix_seconds).as_bytes());
        let bytes = [&unix_seconds.to_be_bytes()[..], &signature.to_bytes()].concat();
        Ok(NoteSignature::new(&self.verifier_key, bytes))
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({})", self.verifier_key)
    }
}

/// Verifies a cosignature over a checkpoint's note text, and returns its time in
/// seconds since the epoch.
///
/// Whether that time is in the future is for the caller to judge, who has a clock.
/// A key of signature type 0x01 is refused as another key.
pub fn verify_cosignature(
    text: &str,
    signature: &NoteSignature,
    key: &VerifierKey,
) -> Result<u64, SignatureError> {
    if key.signature_type() != SignatureType::CosignatureV1 || !signature.is_by(key) {
        return Err(SignatureError::OtherKey);
    }
    let bytes = signature.signature();
    let (time, ed25519) = bytes
        .split_first_chunk::<TIMESTAMP_LEN>()
        .ok_or(SignatureError::Length(bytes.len()))?;
    let time = u64::from_be_bytes(*time);
    if time > MAX_TIMESTAMP {
        return Err(TimestampError.into());
    }
    key.verify_bytes(message(text, time).as_bytes(), ed25519)?;
    Ok(time)
}

/// The time that a cosignature states, in seconds since the epoch, before anything is verified.
pub(crate) fn stated_time(signature: &NoteSignature) -> Option<u64> {
    let time = signature.signature().first_chunk::<TIMESTAMP_LEN>()?;
    Some(u64::from_be_bytes(*time))
}

/// `tlog-cosignature`, "Ed25519 signed message".
fn message(text: &str, unix_seconds: u64) -> String {
    format!("cosignature/v1\ntime {unix_seconds}\n{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::leaf_hash;
    use crate::note::NoteSigner;

    fn cosigner(seed: u8) -> Cosigner {
        Cosigner::from_seed("w.example".parse().unwrap(), &[seed; 32])
    }

    fn checkpoint() -> Checkpoint {
        Checkpoint::new("log.example".parse().unwrap(), 1, leaf_hash(b""))
    }

    #[test]
    fn the_message_of_the_specification() {
        let text =
            "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        let expected = "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";
        assert_eq!(message(text, 1_679_315_147), expected);
    }

    #[test]
    fn cosignatures_verify_and_state_their_time() {
        for time in [0, 1_679_315_147, MAX_TIMESTAMP] {
            let signature = cosigner(1).cosign(&checkpoint(), time).unwrap();
            let text = checkpoint().to_text();
            let key = cosigner(1).verifier_key().clone();
            assert_eq!(verify_cosignature(&text, &signature, &key), Ok(time));
            assert_eq!(key.verify(&text, &signature), Ok(()));
            let read: NoteSignature = signature.to_string().parse().unwrap();
            assert_eq!(verify_cosignature(&text, &read, &key), Ok(time));
        }
        assert_eq!(
            cosigner(1).cosign(&checkpoint(), MAX_TIMESTAMP + 1),
            Err(TimestampError)
        );
    }

    #[test]
    fn every_changed_bit_is_refused() {
        let key = cosigner(1).verifier_key().clone();
        let good = cosigner(1).cosign(&checkpoint(), 1_700_000_000).unwrap();
        for bit in 0..72 * 8 {
            let mut bytes = good.signature().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let changed = NoteSignature::new(&key, bytes);
            let error = verify_cosignature(&checkpoint().to_text(), &changed, &key).unwrap_err();
            // The highest bit of the time makes it one that cannot be.
            let expected = if bit == 7 {
                TimestampError.into()
            } else {
                SignatureError::Ed25519
            };
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn lengths_keys_and_texts() {
        let key = cosigner(1).verifier_key().clone();
        let text = checkpoint().to_text();
        for length in [1usize, 7, 71, 73] {
            let signature = NoteSignature::new(&key, vec![0; length]);
            assert!(matches!(
                verify_cosignature(&text, &signature, &key),
                Err(SignatureError::Length(_))
            ));
        }
        let good = cosigner(1).cosign(&checkpoint(), 1).unwrap();
        assert_eq!(
            verify_cosignature(&text, &good, cosigner(2).verifier_key()),
            Err(SignatureError::OtherKey)
        );
        assert_eq!(
            verify_cosignature("other.example\n1\n", &good, &key),
            Err(SignatureError::Ed25519)
        );
        // The same name and private key with another type is another key.
        let plain = NoteSigner::from_seed("w.example".parse().unwrap(), &[1; 32]);
        assert_ne!(plain.verifier_key().key_id(), key.key_id());
        assert_eq!(
            verify_cosignature(&text, &plain.sign(&text), plain.verifier_key()),
            Err(SignatureError::OtherKey)
        );
    }
}
