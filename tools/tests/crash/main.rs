//! Real nodes, killed with SIGKILL at seeded points and started again. Whatever the point:
//! what was acknowledged is in the log, once, where it was said to be; a replica goes on from
//! what it holds; and no log ever shows two roots for one size.
//!
//! A seed decides every choice that a test can make: how many acknowledgements or packages are
//! awaited before a kill, how many microseconds follow, what is imported. It cannot decide what
//! the operating system does meanwhile. A failure prints the seed, and
//! `CRASH_SEED=7 cargo test -p huren --test crash` plays with another one.

mod acks;
mod audit;
mod backup;
mod client;
mod cluster;
mod held;
mod import;
mod plan;
mod publish;
mod replicate;
mod stage;
mod tables;
mod watch;
