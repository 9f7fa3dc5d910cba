//! Four provinces with fixed keys, logs in memory, and whoever writes records into them.

mod case;
pub(crate) mod evidence;
mod federation;
mod log;
mod writer;

pub(crate) use case::{Case, correction};
pub(crate) use federation::{Federation, Province, record_key, seed, sign, sign_text, successor};
pub(crate) use log::Log;
pub(crate) use writer::{Writer, frame, hash, institution_writer, openings, values};

/// Seconds since 1970 at which everything happens: 2025-06-01 00:00 UTC.
pub(crate) const NOW: u64 = 1_748_736_000;

/// An institution of Zhejiang's.
pub(crate) const INSTITUTION: &str = "Y000133020600";

/// A number of Zhejiang's (22 positions, province code at 6 and 7).
pub(crate) const NUMBER: &str = "Y000133020600243000001";
