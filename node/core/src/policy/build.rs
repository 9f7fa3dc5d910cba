//! Making policies. Each method is a line of the text form, and checks its rules.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Group, MAX_DEFINITIONS, Node, Policy, PolicyLog, PolicyName, PolicyUrl, PolicyWitness, Quorum,
};
use crate::note::{KeyName, SignatureType, VerifierKey};

/// The name that stands for 'no witness needed' in the quorum.
pub(super) const NONE: &str = "none";

/// How many members of a group must have witnessed a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// One of them.
    Any,
    /// Each of them.
    All,
    /// This many.
    AtLeast(usize),
}

/// A rule of `tlog-policy` that a definition breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyBuildError {
    /// A log's key is not for notes, or a witness's not for cosignatures.
    #[error("the key {0} has the wrong signature type for its role")]
    KeyType(KeyName),
    /// Two logs, or two witnesses, with one public key.
    #[error("the public key of {0} is listed twice")]
    DuplicateKey(KeyName),
    /// A name is defined twice, or `none` is defined.
    #[error("the name {0} is already defined")]
    DuplicateName(PolicyName),
    /// A member or the quorum is not defined before.
    #[error("the name {0} is not defined before its use")]
    UnknownName(PolicyName),
    /// A name is a member twice, of one group or of two.
    #[error("the name {0} is a group member twice")]
    MemberTwice(PolicyName),
    /// A threshold of 0, or of more members than there are.
    #[error("the threshold of group {group} is not between 1 and {members}")]
    Threshold {
        /// The group.
        group: PolicyName,
        /// Its members.
        members: usize,
    },
    /// More than one quorum.
    #[error("the quorum is defined twice")]
    DuplicateQuorum,
    /// No quorum.
    #[error("the quorum is not defined")]
    NoQuorum,
    /// More than [`MAX_DEFINITIONS`] logs, or witnesses and groups together.
    #[error("more than {MAX_DEFINITIONS} logs, or witnesses and groups")]
    TooMany,
}

/// Collects definitions in order: names must be defined before they are used.
///
/// After an error the builder is as it was before the call.
#[derive(Debug, Clone, Default)]
pub struct PolicyBuilder {
    logs: Vec<PolicyLog>,
    nodes: Vec<Node>,
    names: BTreeMap<PolicyName, usize>,
    /// Nodes that are members of a group already.
    members: BTreeSet<usize>,
    quorum: Option<Quorum>,
}

impl PolicyBuilder {
    /// A builder without definitions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Accepts checkpoints of a log. The key's name is the log's origin.
    pub fn log(
        &mut self,
        key: VerifierKey,
        url: Option<PolicyUrl>,
    ) -> Result<&mut Self, PolicyBuildError> {
        expect_type(&key, SignatureType::Ed25519)?;
        if self
            .logs
            .iter()
            .any(|log| log.key.public_key() == key.public_key())
        {
            return Err(PolicyBuildError::DuplicateKey(key.name().clone()));
        }
        if self.logs.len() == MAX_DEFINITIONS {
            return Err(PolicyBuildError::TooMany);
        }
        self.logs.push(PolicyLog { key, url });
        Ok(self)
    }

    /// Defines a witness by the key of its cosignatures.
    pub fn witness(
        &mut self,
        name: PolicyName,
        key: VerifierKey,
        url: Option<PolicyUrl>,
    ) -> Result<&mut Self, PolicyBuildError> {
        expect_type(&key, SignatureType::CosignatureV1)?;
        let same_key = |node: &Node| matches!(node, Node::Witness(other) if other.key.public_key() == key.public_key());
        if self.nodes.iter().any(same_key) {
            return Err(PolicyBuildError::DuplicateKey(key.name().clone()));
        }
        self.define(Node::Witness(Box::new(PolicyWitness { name, key, url })))
    }

    /// Defines a group of witnesses and groups. Each can be a member only once, so
    /// that it counts in only one way.
    pub fn group(
        &mut self,
        name: PolicyName,
        threshold: Threshold,
        members: &[PolicyName],
    ) -> Result<&mut Self, PolicyBuildError> {
        let threshold = match threshold {
            Threshold::Any => 1,
            Threshold::All => members.len(),
            Threshold::AtLeast(count) => count,
        };
        if threshold == 0 || threshold > members.len() {
            return Err(PolicyBuildError::Threshold {
                group: name,
                members: members.len(),
            });
        }
        let mut indexes = Vec::new();
        for member in members {
            let index = self.index_of(member)?;
            if self.members.contains(&index) || indexes.contains(&index) {
                return Err(PolicyBuildError::MemberTwice(member.clone()));
            }
            indexes.push(index);
        }
        self.define(Node::Group(Group {
            name,
            threshold,
            members: indexes.clone(),
        }))?;
        self.members.extend(indexes);
        Ok(self)
    }

    /// Makes a witness or group the quorum.
    pub fn quorum(&mut self, name: &PolicyName) -> Result<&mut Self, PolicyBuildError> {
        let quorum = Quorum::Node(self.index_of(name)?);
        self.set_quorum(quorum)
    }

    /// Lets checkpoints be accepted without any cosignature.
    pub fn no_quorum(&mut self) -> Result<&mut Self, PolicyBuildError> {
        self.set_quorum(Quorum::None)
    }

    /// The policy.
    pub fn build(self) -> Result<Policy, PolicyBuildError> {
        let quorum = self.quorum.ok_or(PolicyBuildError::NoQuorum)?;
        Ok(Policy {
            logs: self.logs,
            nodes: self.nodes,
            quorum,
        })
    }

    fn define(&mut self, node: Node) -> Result<&mut Self, PolicyBuildError> {
        let name = node.name().clone();
        if name.as_bytes() == NONE.as_bytes() || self.names.contains_key(&name) {
            return Err(PolicyBuildError::DuplicateName(name));
        }
        if self.nodes.len() == MAX_DEFINITIONS {
            return Err(PolicyBuildError::TooMany);
        }
        self.names.insert(name, self.nodes.len());
        self.nodes.push(node);
        Ok(self)
    }

    fn index_of(&self, name: &PolicyName) -> Result<usize, PolicyBuildError> {
        self.names
            .get(name)
            .copied()
            .ok_or_else(|| PolicyBuildError::UnknownName(name.clone()))
    }

    fn set_quorum(&mut self, quorum: Quorum) -> Result<&mut Self, PolicyBuildError> {
        if self.quorum.is_some() {
            return Err(PolicyBuildError::DuplicateQuorum);
        }
        self.quorum = Some(quorum);
        Ok(self)
    }
}

fn expect_type(key: &VerifierKey, expected: SignatureType) -> Result<(), PolicyBuildError> {
    if key.signature_type() == expected {
        Ok(())
    } else {
        Err(PolicyBuildError::KeyType(key.name().clone()))
    }
}
