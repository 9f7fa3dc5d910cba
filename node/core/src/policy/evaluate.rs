//! Judging checkpoints by a policy.

use std::collections::BTreeMap;

use super::{Node, Policy, PolicyName, Quorum};
use crate::checkpoint::SignedCheckpoint;
use crate::cosign::verify_cosignature;
use crate::note::SignatureError;

/// A checkpoint that satisfies a policy: whose cosignatures it has, and of when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The latest time, in seconds since the epoch, that each witness states.
    pub timestamps: BTreeMap<PolicyName, u64>,
    /// The quorum's time, see [`Policy::quorum_timestamp`]; `None` if the policy needs
    /// no cosignature.
    pub quorum_time: Option<u64>,
}

/// Why a policy rejects a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No log of the policy has this origin.
    #[error("the policy does not know this log")]
    UnknownLog,
    /// The policy knows the log, and the checkpoint has no signature of its keys.
    #[error("a checkpoint is not signed by its log")]
    NoLogSignature,
    /// A signature under one of the log's keys is wrong.
    #[error("the log's signature under a checkpoint is wrong")]
    BadLogSignature(#[source] SignatureError),
    /// A cosignature under a witness's key is wrong.
    #[error("the cosignature of {witness} is wrong")]
    BadCosignature {
        /// The witness.
        witness: PolicyName,
        /// What is wrong with it.
        source: SignatureError,
    },
    /// All signatures are right, and too few.
    #[error(transparent)]
    QuorumNotMet(#[from] QuorumNotMet),
}

/// The cosignatures do not satisfy the quorum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {} cosignatures do not make the quorum", have.len())]
pub struct QuorumNotMet {
    /// The times, in seconds since the epoch, of the cosignatures there are.
    pub have: BTreeMap<PolicyName, u64>,
}

impl Policy {
    /// Whether a listed log signed the checkpoint and a quorum cosigned it.
    ///
    /// Signatures by unknown keys are ignored, and one wrong signature by a known key
    /// rejects the checkpoint (`signed-note`, "Signatures"). Times are not judged.
    pub fn evaluate(&self, signed: &SignedCheckpoint) -> Result<Witnessed, PolicyError> {
        self.verify_log(signed)?;
        self.evaluate_cosignatures(signed)
    }

    /// Only whether a quorum cosigned the checkpoint, for callers that know its log from
    /// elsewhere and have verified the log's signature.
    pub fn evaluate_cosignatures(
        &self,
        signed: &SignedCheckpoint,
    ) -> Result<Witnessed, PolicyError> {
        let timestamps = self.cosignature_times(signed)?;
        let quorum_time = self.quorum_timestamp(&timestamps)?;
        Ok(Witnessed {
            timestamps,
            quorum_time,
        })
    }

    /// The largest time `t` such that the cosignatures of `t` or later satisfy the
    /// quorum: for k of n the k-th newest. `None` if no cosignature is needed.
    ///
    /// Names that are no witnesses of this policy count for nothing.
    pub fn quorum_timestamp(
        &self,
        timestamps: &BTreeMap<PolicyName, u64>,
    ) -> Result<Option<u64>, QuorumNotMet> {
        let Quorum::Node(quorum) = self.quorum else {
            return Ok(None);
        };
        // A group has witnessed at `t` when enough members have: it gets the
        // threshold-th newest of their times. Members come before their groups.
        let mut times: Vec<Option<u64>> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let time = match node {
                Node::Witness(witness) => timestamps.get(&witness.name).copied(),
                Node::Group(group) => {
                    let mut members: Vec<u64> = group
                        .members
                        .iter()
                        .filter_map(|index| times[*index])
                        .collect();
                    members.sort_unstable_by(|a, b| b.cmp(a));
                    members.get(group.threshold - 1).copied()
                }
            };
            times.push(time);
        }
        match times[quorum] {
            Some(time) => Ok(Some(time)),
            None => Err(QuorumNotMet {
                have: timestamps.clone(),
            }),
        }
    }

    fn verify_log(&self, signed: &SignedCheckpoint) -> Result<(), PolicyError> {
        let origin = signed.checkpoint().origin.as_str();
        let keys: Vec<_> = self
            .logs
            .iter()
            .map(|log| &log.key)
            .filter(|key| key.name().as_str() == origin)
            .collect();
        if keys.is_empty() {
            return Err(PolicyError::UnknownLog);
        }
        let mut any = false;
        for signature in signed.note().signatures() {
            for key in keys.iter().filter(|key| signature.is_by(key)) {
                key.verify(signed.note().text(), signature)
                    .map_err(PolicyError::BadLogSignature)?;
                any = true;
            }
        }
        if any {
            Ok(())
        } else {
            Err(PolicyError::NoLogSignature)
        }
    }

    fn cosignature_times(
        &self,
        signed: &SignedCheckpoint,
    ) -> Result<BTreeMap<PolicyName, u64>, PolicyError> {
        let mut times = BTreeMap::new();
        for signature in signed.note().signatures() {
            for witness in self
                .witnesses()
                .filter(|witness| signature.is_by(&witness.key))
            {
                let time = verify_cosignature(signed.note().text(), signature, &witness.key)
                    .map_err(|source| PolicyError::BadCosignature {
                        witness: witness.name.clone(),
                        source,
                    })?;
                let latest = times.entry(witness.name.clone()).or_insert(time);
                *latest = time.max(*latest);
            }
        }
        Ok(times)
    }
}
