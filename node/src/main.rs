//! `huren-node`: a province's node.

use std::process::ExitCode;

use clap::Parser;
use huren_node::cli::{NodeArgs, run};

/// A node makes and drops many small values on several threads: the system's allocator takes a
/// fifth of its time for that, and keeps more memory than is in use.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    run(NodeArgs::parse()).await
}
