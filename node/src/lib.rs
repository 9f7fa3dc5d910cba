//! A province's node: engine, gRPC and HTTP around the pure core.

pub mod backup;
pub mod cli;
pub mod config;
pub mod data_key;
pub mod doctor;
pub mod engine;
pub mod fsck;
pub mod http;
pub mod init;
pub mod keys;
pub mod migrate;
pub mod rpc;
mod serve;
pub mod startup;
pub mod telemetry;
pub mod tls;

pub use serve::serve;
