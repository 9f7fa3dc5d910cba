//! What a lying member achieves: nothing where others tell the truth, and where its own log
//! contradicts itself that this log is frozen, alone, everywhere and with evidence.

mod disclosures;
mod evidence;
mod forks;
mod heads;
mod lost;
mod packages;
mod support;
mod trust_lists;
