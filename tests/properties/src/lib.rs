//! What must hold for any bytes that come from outside.
//!
//! Each property is one function over bytes that panics when it is broken. The fuzz targets in
//! `fuzz/` call nothing else, and `tests/corpora.rs` runs the same functions over the seeds, over
//! damaged copies of them, and over everything that fuzzing kept in `fuzz/corpus`.
//!
//! Three things are asked of every format: no panic; what is read is written as the same bytes
//! (or, where several spellings are read, in a form that is read as the same); and what verifies
//! under keys that these functions do not hold is what the holders of those keys signed.

mod codes;
mod decisions;
mod known;
mod notes;
mod proofs;
mod receipts;
mod records;
mod seeds;
mod submissions;
#[cfg(feature = "tables")]
mod tables;
mod trust;

pub use codes::{certificate_number, code, id_number, normalise};
pub use decisions::decision;
pub use notes::{checkpoint, note, policy, verifier_key};
pub use proofs::{entry_bundle, merkle_proof, tile_path, tlog_proof};
pub use receipts::{assertion, receipt};
pub use records::{disclosure, record};
pub use seeds::seeds;
pub use submissions::submission;
#[cfg(feature = "tables")]
pub use tables::table;
pub use trust::{root_keys, trust_list};

/// A property of bytes; panics when it is broken.
pub type Property = fn(&[u8]);

/// All properties, by the names of their fuzz targets and corpora.
pub const PROPERTIES: &[(&str, Property)] = &[
    ("assertion", assertion),
    ("certificate_number", certificate_number),
    ("checkpoint", checkpoint),
    ("code", code),
    ("decision", decision),
    ("disclosure", disclosure),
    ("entry_bundle", entry_bundle),
    ("id_number", id_number),
    ("merkle_proof", merkle_proof),
    ("normalise", normalise),
    ("note", note),
    ("policy", policy),
    ("receipt", receipt),
    ("record", record),
    ("root_keys", root_keys),
    ("submission", submission),
    #[cfg(feature = "tables")]
    ("table", table),
    ("tile_path", tile_path),
    ("tlog_proof", tlog_proof),
    ("trust_list", trust_list),
    ("verifier_key", verifier_key),
];

/// The bytes as text: formats that are text are given only what is UTF-8.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
