//! A province's node: engine, gRPC and HTTP around the pure core.

pub mod config;
pub mod engine;
pub mod http;
pub mod init;
pub mod keys;
pub mod telemetry;
pub mod tls;
