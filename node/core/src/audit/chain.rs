//! The chain itself.

use huren_proto::v1;
use prost::Message as _;

use crate::{framing, merkle::Hash};

use super::Act;

/// The line that chain hashes start with.
const DOMAIN: &[u8] = b"huren/audit/v1\n";

/// How far a chain goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainHead {
    /// Sequence number of its newest entry; 0 for none.
    pub sequence: u64,
    /// Hash of that entry; zeros for none.
    pub hash: Hash,
}

impl ChainHead {
    /// The head of a chain without entries.
    pub const EMPTY: Self = Self {
        sequence: 0,
        hash: Hash([0; 32]),
    };

    /// The link that an act becomes behind this head.
    pub fn link(&self, act: &Act, time: u64) -> Link {
        let entry = act.entry(self.sequence + 1, time).encode_to_vec();
        Link {
            sequence: self.sequence + 1,
            hash: self.next_hash(&entry),
            entry,
        }
    }

    fn next_hash(&self, entry: &[u8]) -> Hash {
        Hash(framing::hash([DOMAIN, self.hash.as_bytes(), entry]))
    }

    /// Follows the chain by one link.
    ///
    /// # Errors
    /// [`Broken`] if the link does not follow this head.
    pub fn follow(&self, link: &Link) -> Result<Self, Broken> {
        let broken = |fault| Broken {
            sequence: self.sequence + 1,
            fault,
        };
        if link.sequence != self.sequence + 1 {
            return Err(broken(Fault::Missing));
        }
        let entry = v1::AuditEntry::decode(link.entry.as_slice());
        let entry = entry.map_err(|_| broken(Fault::Unreadable))?;
        if entry.sequence != link.sequence || self.next_hash(&link.entry) != link.hash {
            return Err(broken(Fault::Altered));
        }
        Ok(Self {
            sequence: link.sequence,
            hash: link.hash,
        })
    }
}

/// One entry of a chain, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its place, from 1.
    pub sequence: u64,
    /// The bytes of its `huren.v1.AuditEntry`, never encoded anew.
    pub entry: Vec<u8>,
    /// What stands for it and all before it.
    pub hash: Hash,
}

impl Link {
    /// What it says.
    ///
    /// # Errors
    /// [`Broken`] if its bytes are no entry.
    pub fn read(&self) -> Result<v1::AuditEntry, Broken> {
        v1::AuditEntry::decode(self.entry.as_slice()).map_err(|_| Broken {
            sequence: self.sequence,
            fault: Fault::Unreadable,
        })
    }
}

impl From<&Link> for ChainHead {
    fn from(link: &Link) -> Self {
        Self {
            sequence: link.sequence,
            hash: link.hash,
        }
    }
}

/// Where a chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit trail does not hold at entry {sequence}: {fault}")]
pub struct Broken {
    /// The first entry that does not follow.
    pub sequence: u64,
    /// How.
    pub fault: Fault,
}

/// How a chain does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Another entry stands in its place.
    #[error("it is missing or out of its order")]
    Missing,
    /// It, or one before it, is not what was written.
    #[error("it was changed, or does not follow the one before it")]
    Altered,
    /// Its bytes are no entry.
    #[error("it cannot be read")]
    Unreadable,
    /// The log holds an anchor for it, and the chain ends before.
    #[error("the log anchors it, and the trail ends before it")]
    Truncated,
    /// The log's anchor has another hash.
    #[error("the log anchors another entry in its place")]
    OtherAnchored,
}

impl Fault {
    /// The stable reason code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "AUDIT_MISSING",
            Self::Altered => "AUDIT_ALTERED",
            Self::Unreadable => "AUDIT_UNREADABLE",
            Self::Truncated => "AUDIT_TRUNCATED",
            Self::OtherAnchored => "AUDIT_OTHER_ANCHORED",
        }
    }

    /// The sentence in Chinese.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Missing => "该条缺失或次序不对。",
            Self::Altered => "该条被改动，或与前一条不衔接。",
            Self::Unreadable => "该条无法读取。",
            Self::Truncated => "日志已锚定该条，而审计记录在此之前就结束了。",
            Self::OtherAnchored => "日志锚定的是另一条内容。",
        }
    }
}
