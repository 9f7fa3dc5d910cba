//! What the tests of running nodes have in common.

pub(crate) mod callers;
pub(crate) mod collector;
pub(crate) mod http;
pub(crate) mod nodes;
pub(crate) mod refusal;
pub(crate) mod samples;
