//! What Huren decides, and nothing else: no file, no socket, no clock, no randomness.
//!
//! Everything here is a function of its arguments, so that an auditor's machine and
//! a province's node come to the same answer from the same bytes.

mod framing;

pub mod codes;
pub mod monitoring;
pub mod normalise;

pub mod merkle;

pub mod access;
pub mod audit;
pub mod checkpoint;
pub mod cosign;
pub mod data;
pub mod disclosure;
pub mod evidence;
pub mod gather;
pub mod keys;
pub mod mirror;
pub mod note;
pub mod policy;
pub mod reason;
pub mod receipt;
pub mod recognition;
pub mod record;
pub mod register;
pub mod registry;
pub mod replicate;
pub mod statistics;
pub mod status_list;
pub mod submission;
pub mod tlog_proof;
pub mod token;
pub mod trust;
pub mod verdict;
pub mod witness;
