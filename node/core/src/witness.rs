//! C2SP `tlog-witness`: what a witness is asked, and what it may cosign.
//!
//! The rules are those of "add-checkpoint" in their order. A witness remembers, for each log,
//! the latest checkpoint that it cosigned; whoever calls keeps that memory by compare-and-swap.

mod answer;

use std::fmt;
use std::str::FromStr;

use crate::{
    checkpoint::{Checkpoint, SignedCheckpoint, parse_decimal},
    cosign::{Cosigner, TimestampError},
    evidence::Evidence,
    merkle::{self, Hash},
    note::{MAX_SIGNATURES, NoteSignature, SignatureType, VerifierKey},
};

pub use answer::{Answer, AnswerError, MAX_ANSWER_LEN, answer};

/// The most lines of a consistency proof.
pub const MAX_PROOF_LINES: usize = 63;

/// The longest request that is read, in bytes: a proof, and a note whose 16 signatures are
/// post-quantum ones of nearly 5 kB each (`signed-note`, "Format").
pub const MAX_REQUEST_LEN: usize = 128 << 10;

/// A request to cosign a checkpoint; nothing in it is verified yet.
///
/// Displaying it gives the body of the request, reading that gives an equal one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the tree from which the proof leads.
    pub old_size: u64,
    /// Consistency proof from there to the checkpoint.
    pub proof: Vec<Hash>,
    /// What is to be cosigned.
    pub checkpoint: SignedCheckpoint,
}

impl FromStr for AddCheckpoint {
    type Err = Refusal;

    fn from_str(body: &str) -> Result<Self, Refusal> {
        // Neither the size nor a hash is an empty line: the first one ends the proof.
        let (lines, note) = body.split_once("\n\n").ok_or(Refusal::Malformed)?;
        let mut lines = lines.split('\n');
        let old_size = lines
            .next()
            .and_then(|line| parse_decimal(line.strip_prefix("old ")?))
            .ok_or(Refusal::Malformed)?;
        let proof: Vec<Hash> = lines
            .map(|line| Hash::from_base64(line).map_err(|_| Refusal::Malformed))
            .collect::<Result<_, _>>()?;
        if proof.len() > MAX_PROOF_LINES {
            return Err(Refusal::Malformed);
        }
        let checkpoint = SignedCheckpoint::parse(note).map_err(|_| Refusal::Malformed)?;
        Ok(Self {
            old_size,
            proof,
            checkpoint,
        })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        for hash in &self.proof {
            writeln!(f, "{}", hash.to_base64())?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

/// A checkpoint that its log signed and that continues all that the witness cosigned before:
/// what a witness may cosign once that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// Under the log's own signatures only.
    checkpoint: SignedCheckpoint,
}

impl Accepted {
    /// What was accepted.
    pub fn checkpoint(&self) -> &Checkpoint {
        self.checkpoint.checkpoint()
    }

    /// The cosignature, and the checkpoint under the log's signatures and it: what is to be on
    /// disk before the cosignature leaves.
    ///
    /// # Errors
    /// If the time (seconds since 1970) is none that a cosignature may state.
    pub fn cosign(
        &self,
        witness: &Cosigner,
        unix_seconds: u64,
    ) -> Result<(NoteSignature, SignedCheckpoint), TimestampError> {
        let cosignature = witness.cosign(self.checkpoint(), unix_seconds)?;
        let mut cosigned = self.checkpoint.clone();
        // There is room: see `signed_by_log`.
        cosigned.add(cosignature.clone()).ok();
        Ok((cosignature, cosigned))
    }
}

/// Why a witness does not cosign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a request of the form that the specification gives.
    #[error("not an old size, a proof, an empty line and a signed checkpoint")]
    Malformed,
    /// Longer than [`MAX_REQUEST_LEN`].
    #[error("the request is longer than {MAX_REQUEST_LEN} bytes")]
    Oversize,
    /// This witness does not know the log.
    #[error("this node does not witness that log")]
    UnknownLog,
    /// No key of the log signed, or one of them signed wrongly.
    #[error("the checkpoint is not signed by a trusted key of its log")]
    Signature,
    /// The old size is larger than the checkpoint's.
    #[error("the old size is larger than the checkpoint's")]
    OldSize,
    /// The old size is not the one of the latest checkpoint that was cosigned.
    #[error("the latest cosigned checkpoint has {size} leaves")]
    Conflict {
        /// Size of the latest cosigned checkpoint; 0 if none was.
        size: u64,
    },
    /// A tree without leaves has another root than the empty tree.
    #[error("the root of size 0 is not that of the empty tree")]
    EmptyRoot,
    /// The proof does not lead from the old tree to the new one, or there is one where none
    /// may be.
    #[error("the consistency proof does not verify")]
    Proof,
    /// Another root than the one that was cosigned at the same size.
    #[error("another root was cosigned at this size")]
    OtherRoot,
}

impl Refusal {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "WITNESS_MALFORMED",
            Self::Oversize => "WITNESS_OVERSIZE",
            Self::UnknownLog => "WITNESS_LOG_UNKNOWN",
            Self::Signature => "WITNESS_SIGNATURE",
            Self::OldSize => "WITNESS_OLD_SIZE",
            Self::Conflict { .. } => "WITNESS_CONFLICT",
            Self::EmptyRoot => "WITNESS_EMPTY_ROOT",
            Self::Proof => "WITNESS_PROOF",
            Self::OtherRoot => "WITNESS_OTHER_ROOT",
        }
    }

    /// What it says in Chinese; in English it displays itself.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Malformed => "请求不是“旧大小、证明、空行、检查点”的形式",
            Self::Oversize => "请求过长",
            Self::UnknownLog => "本节点不见证该日志",
            Self::Signature => "检查点未由该日志的可信密钥签名，或签名有误",
            Self::OldSize => "旧大小大于检查点大小",
            Self::Conflict { .. } => "旧大小与最近一次见证的检查点不符",
            Self::EmptyRoot => "大小为零的检查点不是空树的根",
            Self::Proof => "一致性证明不成立",
            Self::OtherRoot => "该大小已见证过另一个根",
        }
    }
}

/// A refusal, and what the request proves against its log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// That the log signed two histories, if the request shows it.
    pub evidence: Option<Box<Evidence>>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            evidence: None,
        }
    }
}

/// Whether a witness may cosign what it is asked to, where `latest` is the latest checkpoint
/// of that log that it cosigned and `keys` are those that may sign for the log.
///
/// # Errors
/// [`Refused`], with evidence where the log signed what contradicts `latest`.
pub fn judge(
    latest: Option<&SignedCheckpoint>,
    request: &AddCheckpoint,
    keys: &[VerifierKey],
) -> Result<Accepted, Refused> {
    let AddCheckpoint {
        old_size,
        ref proof,
        ref checkpoint,
    } = *request;
    let accepted = signed_by_log(checkpoint, keys)?;
    let new = checkpoint.checkpoint();
    if old_size > new.size {
        return Err(Refusal::OldSize.into());
    }
    let (size, root) = latest.map_or((0, merkle::empty_root()), |signed| {
        (signed.checkpoint().size, signed.checkpoint().root)
    });
    if old_size != size {
        return Err(Refusal::Conflict { size }.into());
    }
    if new.size == 0 && new.root != merkle::empty_root() {
        return Err(Refusal::EmptyRoot.into());
    }
    if new.size == size && new.root != root {
        let evidence = latest.map(|latest| Evidence::of_one_size(latest, &accepted.checkpoint));
        return Err(Refused {
            refusal: Refusal::OtherRoot,
            evidence: evidence.map(Box::new),
        });
    }
    let proven = if size == 0 {
        proof.is_empty()
    } else {
        merkle::verify_consistency(size, new.size, &root, &new.root, proof).is_ok()
    };
    if proven {
        return Ok(accepted);
    }
    // A proof to the signed root from another root than the one cosigned shows a fork. Where
    // the old tree is one full subtree proofs leave its root out, and nothing can be shown.
    let other = merkle::consistency_roots(size, new.size, &root, proof).ok();
    let other = other.filter(|(old, led_to)| *led_to == new.root && *old != root);
    let evidence = other.zip(latest).map(|((old, _), latest)| {
        Box::new(Evidence::of_history(
            latest,
            &accepted.checkpoint,
            &old,
            proof,
        ))
    });
    Err(Refused {
        refusal: Refusal::Proof,
        evidence,
    })
}

/// "The witness MUST verify the checkpoint signature against the public key(s) it trusts for
/// the checkpoint origin, and it MUST ignore signatures from unknown keys."
fn signed_by_log(checkpoint: &SignedCheckpoint, keys: &[VerifierKey]) -> Result<Accepted, Refusal> {
    let Checkpoint { origin, size, .. } = checkpoint.checkpoint();
    // No tree is that large, and what is kept of sizes are signed numbers.
    if i64::try_from(*size).is_err() {
        return Err(Refusal::Malformed);
    }
    // A key that is trusted for one log cannot speak for another.
    let is_of_log = |key: &&VerifierKey| {
        key.name().as_str() == origin.as_str() && key.signature_type() == SignatureType::Ed25519
    };
    let keys: Vec<VerifierKey> = keys.iter().filter(is_of_log).cloned().collect();
    let note = checkpoint.note();
    let signers = note.verify(&keys).map_err(|_| Refusal::Signature)?;
    // One line for each key, and room left for the cosignature.
    let lines = signers.into_iter().take(MAX_SIGNATURES - 1);
    let lines = lines.filter_map(|key| note.signatures().iter().find(|line| line.is_by(key)));
    let checkpoint = checkpoint
        .with_signatures(lines.cloned())
        .map_err(|_| Refusal::Malformed)?;
    Ok(Accepted { checkpoint })
}
