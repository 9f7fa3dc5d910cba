//! A province's node: engine, gRPC and HTTP around the pure core.

pub mod config;
pub mod engine;
pub mod keys;
pub mod tls;
pub mod rpc;
