//! What the pure core promises, from records up to receipts, over one made-up federation.
//! One program, so that every module can share the federation of `common`.

#![expect(clippy::unwrap_used, reason = "a failed step of a test should panic")]

mod common;

mod ceremonies;
mod detached;
mod disclosures;
mod erasures;
mod evidence;
mod fold;
mod fold_properties;
mod foreign_witnesses;
mod gathering;
mod institution_receipts;
mod institutions;
mod reasons;
mod receipt_tampering;
mod receipts;
mod records;
mod registers;
mod replication;
mod trust_lists;
mod uploads;
mod vectors;
mod verdict_properties;
mod verdicts;
mod witnessing;
