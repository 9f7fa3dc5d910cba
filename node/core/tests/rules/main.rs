//! What the pure core promises, from records up to receipts, over one made-up federation.
//! One program, so that every module can share the federation of `common`.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should panic")]

mod common;

mod authority_changes;
mod ceremonies;
mod disclosures;
mod fold;
mod fold_properties;
mod gathering;
mod reasons;
mod receipt_tampering;
mod receipts;
mod records;
mod replication;
mod trust_lists;
mod vectors;
mod verdict_properties;
mod verdicts;
