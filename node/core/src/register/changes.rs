//! What folding leaves into the register changes: plain rows, ready to be kept.

use std::collections::HashMap;

use super::InstitutionKeyRow;
use crate::merkle::Hash;

/// Everything that one fold step over a range of leaves changes. Rows are in index order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New certificates.
    pub certificates: Vec<CertificateRow>,
    /// Status changes that took effect.
    pub statuses: Vec<StatusRow>,
    /// Entries of institutions and of the other public registers, and anchors.
    pub directory: Vec<DirectoryRow>,
    /// Keys that entries of institutions in `directory` name.
    pub institution_keys: Vec<InstitutionKeyRow>,
    /// Erasures.
    pub erasures: Vec<ErasureRow>,
    /// Adoptions of trust-list versions.
    pub adoptions: Vec<AdoptionRow>,
    /// Leaves without effect, and why.
    pub quarantined: Vec<QuarantineRow>,
}

/// A certificate in the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRow {
    /// Index of its leaf in its log.
    pub index: u64,
    /// Its leaf hash: what changes name as their target.
    pub leaf: Hash,
    /// On whose behalf it was written, as six digits: who may change it depends on it.
    pub writer_region: u32,
}

/// A status change that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRow {
    /// Index of the change's own leaf.
    pub index: u64,
    /// Leaf hash of the change: what the next change names as its predecessor.
    pub leaf: Hash,
    /// Index of the certificate that it changes, in the same log.
    pub target_index: u64,
    /// What it does.
    pub effect: Effect,
    /// Reason number as in `huren.v1.StatusReason`.
    pub reason: u32,
    /// Day from which it holds, yyyymmdd in Asia/Shanghai; 0 for a record that is newer than this node.
    pub effective_date: u32,
}

/// What a status change does to its target. The numbers are kept in databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Effect {
    /// 撤销.
    Revoke = 1,
    /// 作废.
    Void = 2,
    /// Under investigation.
    Suspend = 3,
    /// In force again.
    Reinstate = 4,
    /// Groups replaced.
    Correct = 5,
    /// Printed again.
    Reissue = 6,
    /// Another certificate took its place.
    Supersede = 7,
    /// A record that this node does not understand targets the certificate.
    Newer = 255,
}

impl Effect {
    /// The effect of a number, if it is one.
    pub fn from_number(number: u8) -> Option<Self> {
        use Effect::*;
        [
            Revoke, Void, Suspend, Reinstate, Correct, Reissue, Supersede, Newer,
        ]
        .into_iter()
        .find(|effect| *effect as u8 == number)
    }
}

/// A public directory entry, kept as the record's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectoryRow {
    /// Index of its leaf.
    pub index: u64,
    /// Kind number as in `huren.v1.Kind`.
    pub kind: u32,
    /// What it is found by, for instance an institution's code.
    pub key: String,
    /// Day from which it holds, yyyymmdd.
    pub effective_date: u32,
    /// The encoded body.
    pub body: Vec<u8>,
}

/// An erasure of disclosures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasureRow {
    /// Index of the erasure's leaf.
    pub index: u64,
    /// Index of the certificate whose disclosures are erased.
    pub target_index: u64,
    /// Group numbers, ascending.
    pub groups: Vec<u32>,
}

/// A log's adoption of a trust-list version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptionRow {
    /// Index of the adoption's leaf: the list holds for the leaves behind it.
    pub index: u64,
    /// Version adopted.
    pub version: u64,
}

/// A leaf that is stored and has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRow {
    /// Its index.
    pub index: u64,
    /// Stable reason code.
    pub code: String,
}

/// Certificates that a range of leaves refers to, as the register has them before the range.
pub type Targets = HashMap<Hash, TargetState>;

/// A certificate as a change finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetState {
    /// Index of the certificate's leaf.
    pub index: u64,
    /// On whose behalf it was written, as six digits.
    pub writer_region: u32,
    /// Leaf hash of the last status change that took effect, if any.
    pub last_status: Option<Hash>,
}
