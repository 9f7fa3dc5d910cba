//! A province's node: engine, gRPC and HTTP around the pure core

pub mod keys;
pub mod tls;
