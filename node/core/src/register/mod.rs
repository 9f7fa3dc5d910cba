//! The register: the current state folded from a log, the same on every node.
//!
//! The fold's inputs are a log's leaves in order and the trust-list chain, nothing else: no
//! clock and no disclosure. So every node comes to the same register, and it can be dropped
//! and rebuilt at any time.

mod changes;
mod fold;
mod institution_keys;

pub use changes::*;
pub use fold::{CheckedLeaf, Fold, NeedsTrustList};
pub use institution_keys::{InstitutionKeyRow, InstitutionKeys, KeysWanted};
