//! A node's witness and mirror over HTTP (C2SP `tlog-witness`, `tlog-mirror`), as a log and its
//! helpers use them, and what they do to the node's own replication.

mod checkpoints;
mod foreign;
mod over_tls;
mod support;
mod together;
mod uploads;
