//! The harness of the end-to-end tests: whole engines in one process, over memory stores and
//! an in-memory wire, with a place to lie on that wire.

mod federation;
mod peer;

pub use federation::{Federation, Member, REGIONS, certificate, question};
pub use peer::{Honest, Lie, Wire};
