//! `huren`: the operator's, caller's and auditor's tool.

use std::process::ExitCode;

use clap::Parser;
use huren::cli::{Cli, run};

#[tokio::main]
async fn main() -> ExitCode {
    run(Cli::parse()).await
}
