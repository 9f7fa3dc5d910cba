//! Trust policies, C2SP `tlog-policy`: which logs, which witnesses, and which sets of
//! witnesses are enough to believe a checkpoint.

mod build;
mod evaluate;
mod name;
mod parse;

pub use build::{PolicyBuildError, PolicyBuilder, Threshold};
pub use evaluate::{PolicyError, QuorumNotMet, Witnessed};
pub use name::{InvalidOctets, PolicyName, PolicyUrl};
pub use parse::{PolicyParseError, PolicyParseReason};

use crate::note::VerifierKey;

/// The most logs, witnesses and groups, each, that a policy may have. `tlog-policy`
/// recommends at least 32.
pub const MAX_DEFINITIONS: usize = 256;

/// A policy that keeps all rules of the specification.
///
/// Reading the text that it writes gives an equal policy; comments, blank space and the
/// order of logs before witnesses are normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    /// In the order of their definition. Invariant: a group's members come before it.
    nodes: Vec<Node>,
    quorum: Quorum,
}

/// A log whose checkpoints are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    key: VerifierKey,
    url: Option<PolicyUrl>,
}

/// Somebody whose cosignatures count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    name: PolicyName,
    key: VerifierKey,
    url: Option<PolicyUrl>,
}

/// What a name in a group or in the quorum can stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Witness(Box<PolicyWitness>),
    Group(Group),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    name: PolicyName,
    /// Invariant: at least 1 and at most the number of members.
    threshold: usize,
    /// Indexes of earlier nodes.
    members: Vec<usize>,
}

/// The rule that a set of cosignatures must satisfy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quorum {
    /// No cosignature is needed.
    None,
    /// This node must have witnessed the checkpoint.
    Node(usize),
}

impl Policy {
    /// One log, and `threshold` of these witnesses.
    ///
    /// A witness that signs with two keys counts twice here: build a group of its keys
    /// with [`PolicyBuilder`] instead.
    pub fn quorum_of(
        log: VerifierKey,
        witnesses: impl IntoIterator<Item = (PolicyName, VerifierKey, Option<PolicyUrl>)>,
        threshold: usize,
    ) -> Result<Self, PolicyBuildError> {
        const QUORUM: &str = "quorum";
        let mut builder = PolicyBuilder::new();
        builder.log(log, None)?;
        let mut members = Vec::new();
        for (name, key, url) in witnesses {
            builder.witness(name.clone(), key, url)?;
            members.push(name);
        }
        let quorum = PolicyName::literal(QUORUM);
        builder.group(quorum.clone(), Threshold::AtLeast(threshold), &members)?;
        builder.quorum(&quorum)?;
        builder.build()
    }

    /// The accepted logs.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// All witnesses, whether the quorum mentions them or not.
    pub fn witnesses(&self) -> impl Iterator<Item = &PolicyWitness> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Witness(witness) => Some(&**witness),
            Node::Group(_) => None,
        })
    }
}

impl PolicyLog {
    /// The log's key; its name is the log's origin.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Where to reach the log, if the policy says so.
    pub fn url(&self) -> Option<&PolicyUrl> {
        self.url.as_ref()
    }
}

impl PolicyWitness {
    /// The witness's name within the policy.
    pub fn name(&self) -> &PolicyName {
        &self.name
    }

    /// The key of its cosignatures.
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// Where to reach the witness, if the policy says so.
    pub fn url(&self) -> Option<&PolicyUrl> {
        self.url.as_ref()
    }
}

impl Node {
    fn name(&self) -> &PolicyName {
        match self {
            Self::Witness(witness) => &witness.name,
            Self::Group(group) => &group.name,
        }
    }
}

#[cfg(test)]
mod tests;
