//! The harness of the end-to-end tests: whole engines in one process, over stores in memory (or of
//! another back end: [`BACK_END`]) and an in-memory wire, with places to lie on that wire and to
//! fail in those stores.

mod audit;
mod clock;
mod damage;
mod faulty;
mod federation;
mod forge;
mod fork;
mod history;
mod machine;
mod members;
mod peer;
mod plant;
pub mod registers;
pub mod release;
mod samples;
pub mod simulation;
mod stores;

pub use audit::{Leaves, audit};
pub use clock::ManualClock;
pub use faulty::{Fault, FaultyStore, Operation, Outcome};
pub use federation::{Federation, Place};
pub use forge::{Draft, Leaf, Pen};
pub use fork::{Fork, Shown};
pub use history::History;
pub use machine::{Database, Machine};
pub use members::{
    Closed, REGIONS, RETIRED_AT, county, county_pen, log_signer, member, mirror, newer_pen,
    next_list, next_member, next_record_key, next_signing_keys, origin, outside_signer, record_pen,
    record_signer, retired_pen, signing_keys, tls_key, trust_list_notes, unlisted_pen, witness,
    writer_keys,
};
pub use peer::{Honest, Lie, Wire};
pub use samples::{
    certificate, certificate_in, change, change_in, erasure, erasure_in, groups, groups_in,
    question, question_in,
};
pub use stores::{BACK_END, store};
