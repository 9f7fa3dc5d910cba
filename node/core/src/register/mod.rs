//! The register: the current state folded from a log, the same on every node.

mod changes;

pub use changes::*;
