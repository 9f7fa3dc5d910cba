//! What of the audit trail and of tokens goes through the contract.

use std::ops::Range;

use huren_core::audit::{Link, Subject};

/// An entry of the audit trail, and what it is found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// The entry with its place and hash.
    pub link: Link,
    /// When, in seconds since 1970.
    pub time: u64,
    /// Number as in `huren.v1.AuditAction`.
    pub action: i32,
    /// Who acted, as in `huren.v1.AuditEntry`.
    pub actor: String,
}

/// Which entries of the audit trail: those that all of it holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditQuery {
    /// Their places.
    pub sequences: Range<u64>,
    /// When, in seconds since 1970.
    pub times: Range<u64>,
    /// What was done.
    pub action: Option<i32>,
    /// Who did it.
    pub actor: Option<String>,
    /// Whom it was about: one of these, or anybody if there are none. Reads every entry that the
    /// rest holds for.
    pub subjects: Vec<Subject>,
    /// Whether the newest come first.
    pub newest_first: bool,
    /// How many at most.
    pub limit: u32,
}

impl AuditQuery {
    /// All entries, oldest first.
    pub const fn all(limit: u32) -> Self {
        Self {
            sequences: 0..u64::MAX,
            times: 0..u64::MAX,
            action: None,
            actor: None,
            subjects: Vec::new(),
            newest_first: false,
            limit,
        }
    }
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// By what it is named.
    pub id: String,
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// What its operator calls it.
    pub name: String,
    /// Roles, with spaces between.
    pub roles: String,
    /// Kinds that it may write, with spaces between.
    pub kinds: String,
    /// Regions, with spaces between.
    pub regions: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// From when on it is of no use.
    pub expires: u64,
    /// When it was revoked.
    pub revoked: Option<u64>,
}
