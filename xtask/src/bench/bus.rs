//! Goal: the wires of an RS485 bus are never idle while there is something to read, on one bus and on a thousand.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Args;

/// How much.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Buses in one process
    #[arg(long, default_value_t = 1000)]
    buses: u32,
    /// Seconds that they are read
    #[arg(long, default_value_t = 20)]
    seconds: u32,
}

/// Reads days over one bus and over many and prints how much of the time was needed; the goals are 97 % and a gap of 5 ms a turn, and 99 % of
/// 1,000 buses with 30 % of a core.
pub(super) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    println!("bench bus: 9600 bit/s; goals: 97 % of theory and a gap of our own of 5 ms a turn");
    println!("machine: {}", super::machine::describe());
    let ran = Command::new(env!("CARGO"))
        .args(["bench", "--quiet", "--package", "collectors", "--bench", "bus"])
        .current_dir(root)
        .env("BUS_COUNT", arguments.buses.to_string())
        .env("BUS_SECONDS", arguments.seconds.to_string())
        .status()
        .context("cargo cannot be run")?;
    ensure!(ran.success(), "the benchmark failed");
    Ok(())
}
