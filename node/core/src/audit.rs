//! The audit trail: a chain of entries, each bound to the one before it.
//!
//! An entry is the message `huren.v1.AuditEntry`. [`Act`] is the only way to make one, and takes
//! nothing that could be personal: codes, names of the configuration, versions, digests, and
//! [`Subject`], which is a keyed tag.
//!
//! The chain shows that an entry was changed, dropped or moved. That its end was cut off, or all
//! of it written anew, shows against an [`Anchor`] in the public log.
mod act;
mod chain;
mod check;

pub use act::{ACCEPTED, Act, Actor, DONE, FURTHER, MAX_ENTRY_BYTES, MAX_SUBJECTS, Subject};
pub use chain::{Broken, ChainHead, Fault, Link};
pub use check::{Anchor, Check, CheckedChain, Restored};
pub use huren_proto::v1::{AuditAction, Purpose};
