//! Offline proofs that a leaf is in a log, C2SP `tlog-proof`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{CheckpointError, SignedCheckpoint, parse_decimal};
use crate::merkle::{Hash, ProofError, verify_inclusion};
use crate::policy::{Policy, PolicyError, Witnessed};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// The most hashes that an inclusion proof in a tree of less than 2^64 leaves has.
const MAX_HASHES: usize = 64;

/// Where a leaf is in a log, by which hashes, and under which checkpoint. Nothing of it
/// is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Data of the application that nothing authenticates. Empty data is written as none.
    pub extra: Option<Vec<u8>>,
    /// The leaf's place in the log, from 0.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling upwards.
    pub hashes: Vec<Hash>,
    /// The checkpoint with the log's signature and cosignatures.
    pub checkpoint: SignedCheckpoint,
}

/// Why a text is no proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Not UTF-8.
    #[error("a proof is not UTF-8")]
    Utf8,
    /// The first line is not that of this version of the format.
    #[error("a proof does not start with {HEADER}")]
    Header,
    /// The extra data is not base64, or empty.
    #[error("a proof's extra data is malformed")]
    Extra,
    /// No line with an index, or not a number below 2^64 without leading zeros.
    #[error("a proof has no index")]
    Index,
    /// A line between index and empty line is not 32 bytes in base64.
    #[error("a proof has a line that is not a hash")]
    Hash,
    /// More than 64 hashes.
    #[error("a proof has more than {MAX_HASHES} hashes")]
    TooManyHashes,
    /// No empty line.
    #[error("a proof has no empty line before its checkpoint")]
    Structure,
    /// What follows the empty line is no checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Why a proof does not show that the leaf is in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofVerifyError {
    /// The checkpoint is not good enough.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The leaf is not under the checkpoint's root.
    #[error(transparent)]
    Inclusion(#[from] ProofError),
}

impl TlogProof {
    /// Reads a proof. Displaying it gives the same bytes.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, TlogProofError> {
        let text = std::str::from_utf8(text.as_ref()).map_err(|_| TlogProofError::Utf8)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(TlogProofError::Structure)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(TlogProofError::Header);
        }
        let extra = lines
            .next_if(|line| line.starts_with("extra "))
            .map(read_extra)
            .transpose()?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(parse_decimal).ok_or(TlogProofError::Index)?;
        let mut hashes = Vec::new();
        for line in lines {
            if hashes.len() == MAX_HASHES {
                return Err(TlogProofError::TooManyHashes);
            }
            hashes.push(Hash::from_base64(line).map_err(|_| TlogProofError::Hash)?);
        }
        Ok(Self {
            extra,
            index,
            hashes,
            checkpoint: SignedCheckpoint::parse(checkpoint)?,
        })
    }

    /// Checks that the policy accepts the checkpoint and that the log has this leaf at
    /// the index: steps 2 to 4 of `tlog-proof`, "Verifying a tlog proof".
    pub fn verify(
        &self,
        leaf_hash: &Hash,
        policy: &Policy,
    ) -> Result<Witnessed, TlogProofVerifyError> {
        let witnessed = policy.evaluate(&self.checkpoint)?;
        let head = self.checkpoint.checkpoint();
        verify_inclusion(self.index, head.size, leaf_hash, &self.hashes, &head.root)?;
        Ok(witnessed)
    }
}

fn read_extra(line: &str) -> Result<Vec<u8>, TlogProofError> {
    let encoded = line.strip_prefix("extra ").ok_or(TlogProofError::Extra)?;
    let extra = STANDARD
        .decode(encoded)
        .map_err(|_| TlogProofError::Extra)?;
    // "If no extra data is present, this line is omitted."
    if extra.is_empty() {
        Err(TlogProofError::Extra)
    } else {
        Ok(extra)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = self.extra.as_ref().filter(|extra| !extra.is_empty()) {
            writeln!(f, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes
            .iter()
            .try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::cosign::Cosigner;
    use crate::merkle::{leaf_hash, root_of};
    use crate::note::NoteSigner;
    use crate::policy::PolicyName;

    const TIME: u64 = 1_700_000_000;

    fn log() -> NoteSigner {
        NoteSigner::from_seed("log.example".parse().unwrap(), &[1; 32])
    }

    fn witness(seed: u8) -> Cosigner {
        Cosigner::from_seed(format!("w{seed}.example").parse().unwrap(), &[seed; 32])
    }

    fn policy() -> Policy {
        let witnesses = [2, 3, 4].map(|seed| {
            let name = PolicyName::new(format!("w{seed}")).unwrap();
            (name, witness(seed).verifier_key().clone(), None)
        });
        Policy::quorum_of(log().verifier_key().clone(), witnesses, 2).unwrap()
    }

    fn leaf(index: u8) -> Hash {
        leaf_hash(&[index])
    }

    /// The proof of leaf 2 of 3.
    fn proof(cosigners: &[u8]) -> TlogProof {
        let leaves = [leaf(0), leaf(1), leaf(2)];
        let head = Checkpoint::new("log.example".parse().unwrap(), 3, root_of(&leaves));
        let mut checkpoint = SignedCheckpoint::sign(head.clone(), &log()).unwrap();
        for seed in cosigners {
            let time = TIME + u64::from(*seed);
            checkpoint
                .add(witness(*seed).cosign(&head, time).unwrap())
                .unwrap();
        }
        TlogProof {
            extra: None,
            index: 2,
            hashes: vec![root_of(&leaves[..2])],
            checkpoint,
        }
    }

    #[test]
    fn a_good_proof() {
        let witnessed = proof(&[2, 4]).verify(&leaf(2), &policy()).unwrap();
        assert_eq!(witnessed.quorum_time, Some(TIME + 2));
        assert_eq!(witnessed.timestamps.len(), 2);
    }

    #[test]
    fn bad_proofs() {
        let check = |proof: TlogProof, leaf| proof.verify(&leaf, &policy()).unwrap_err();
        assert!(matches!(
            check(proof(&[2]), leaf(2)),
            TlogProofVerifyError::Policy(PolicyError::QuorumNotMet(_))
        ));
        assert!(matches!(
            check(proof(&[2, 3]), leaf(1)),
            TlogProofVerifyError::Inclusion(ProofError::RootMismatch { .. })
        ));
        assert!(matches!(
            check(
                TlogProof {
                    index: 3,
                    ..proof(&[2, 3])
                },
                leaf(2)
            ),
            TlogProofVerifyError::Inclusion(ProofError::IndexOutOfRange { .. })
        ));
        assert!(matches!(
            check(
                TlogProof {
                    hashes: vec![],
                    ..proof(&[2, 3])
                },
                leaf(2)
            ),
            TlogProofVerifyError::Inclusion(ProofError::WrongLength(0))
        ));
    }

    #[test]
    fn the_text_form() {
        let plain = proof(&[2, 3]);
        let text = plain.to_string();
        assert!(
            text.starts_with("c2sp.org/tlog-proof@v1\nindex 2\n"),
            "{text}"
        );
        assert_eq!(TlogProof::parse(&text), Ok(plain.clone()));
        let extra = TlogProof {
            extra: Some(b"extra".to_vec()),
            ..plain.clone()
        };
        let text = extra.to_string();
        assert!(
            text.starts_with("c2sp.org/tlog-proof@v1\nextra ZXh0cmE=\nindex 2\n"),
            "{text}"
        );
        assert_eq!(TlogProof::parse(&text), Ok(extra));
        let empty = TlogProof {
            extra: Some(Vec::new()),
            ..plain.clone()
        };
        assert_eq!(empty.to_string(), plain.to_string());
        let no_hashes = TlogProof {
            hashes: Vec::new(),
            ..plain
        };
        assert_eq!(TlogProof::parse(no_hashes.to_string()), Ok(no_hashes));
    }

    #[test]
    fn only_one_spelling() {
        let text = proof(&[2, 3]).to_string();
        let hash = root_of(&[leaf(0), leaf(1)]).to_base64();
        let many = format!("{hash}\n").repeat(65);
        let cases = [
            (text.replace("@v1", "@v2"), TlogProofError::Header),
            (format!("\n{text}"), TlogProofError::Header),
            (text.replace("index 2", "index 02"), TlogProofError::Index),
            (text.replace("index 2", "index +2"), TlogProofError::Index),
            (text.replace("index 2\n", ""), TlogProofError::Index),
            (
                text.replace("index 2", "extra \nindex 2"),
                TlogProofError::Extra,
            ),
            (
                text.replace("index 2", "extra A\nindex 2"),
                TlogProofError::Extra,
            ),
            (
                text.replace("index 2", "extra AA==\nextra AA==\nindex 2"),
                TlogProofError::Index,
            ),
            (
                text.replace("index 2", "index 2\nextra AA=="),
                TlogProofError::Hash,
            ),
            (text.replace(&hash, "AAAA"), TlogProofError::Hash),
            (
                text.replace(&format!("{hash}\n"), &many),
                TlogProofError::TooManyHashes,
            ),
            (text.replace("\n\n", "\n"), TlogProofError::Structure),
            (
                text.replace("\n\nlog.example", "\n\n\nlog.example"),
                TlogProofError::Checkpoint(CheckpointError::Lines),
            ),
        ];
        for (text, error) in cases {
            assert_eq!(TlogProof::parse(&text), Err(error), "{text}");
        }
        assert_eq!(TlogProof::parse(b"\xff"), Err(TlogProofError::Utf8));
        // 64 hashes are still read, whatever they prove.
        let most = text.replace(&format!("{hash}\n"), &format!("{hash}\n").repeat(64));
        assert_eq!(
            TlogProof::parse(&most).map(|proof| proof.to_string()),
            Ok(most)
        );
    }
}
