//! The trust list: who the members are, which keys speak for them and how many must agree.
//!
//! A list is a signed note whose text is one line and a JSON document, so that people can
//! read what they sign and any signed-note tool can check it. Lists form a chain: each names
//! its predecessor's digest and is signed by a threshold of the predecessor's root keys and
//! of its own (the rules of The Update Framework for its root role).

mod authority;
mod chain;
mod changes;
mod edit;
mod error;
mod list;
mod roots;
mod rules;
mod signature;
mod witness;

pub use authority::{Authority, Refusal};
pub use chain::{SignedTrustList, TrustChain};
pub use changes::{Change, changes};
pub use edit::{Edit, EditError, Role};
pub use error::TrustError;
pub use list::{KeyWindow, LogKey, Member, RecordKey, RootRole, TrustList, kind_name};
pub use roots::RootKeys;
pub use signature::{Assembled, DetachedSignature, SignatureError, Signed, assemble};
pub use witness::ForeignWitness;
