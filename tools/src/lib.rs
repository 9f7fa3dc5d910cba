//! The operator's, caller's and auditor's tool.

pub mod files;
pub mod generate;
pub mod import;
