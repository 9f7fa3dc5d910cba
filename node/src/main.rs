//! `huren-node`: a province's node.

use std::process::ExitCode;

use clap::Parser;
use huren_node::cli::{NodeArgs, run};

#[tokio::main]
async fn main() -> ExitCode {
    run(NodeArgs::parse()).await
}
