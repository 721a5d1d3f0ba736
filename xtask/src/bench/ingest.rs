//! Goal: what storing costs the database beside a raw `COPY`, also where some of it is known already.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use clap::Args;

use super::machine;

/// How often.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often everything is repeated
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Runs the benchmark of the store, which prints its table itself.
pub(super) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    println!("machine: {}", machine::describe());
    let mut cargo = Command::new("cargo");
    cargo.args(["bench", "--package", "headend", "--bench", "ingest"]);
    let status = cargo.current_dir(root).env("ROUNDS", arguments.rounds.to_string()).status()?;
    ensure!(status.success(), "the benchmark failed");
    Ok(())
}
