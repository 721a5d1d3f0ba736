//! Goal: the power line behind a concentrator is never idle while there is something to read.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use clap::Args;

/// How much.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Nodes behind the concentrator
    #[arg(long, default_value_t = 100)]
    nodes: u32,
}

/// Reads nodes by each back-end and prints how much of the line's time was used; the goal is 97 %.
pub(super) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    println!(
        "bench concentrator: 1200 bit/s, up to 3 repeaters, one transaction at a time; goal: 97 % of the line's time in use"
    );
    let ran = Command::new(env!("CARGO"))
        .args(["bench", "--quiet", "--package", "collectors", "--bench", "concentrator"])
        .current_dir(root)
        .env("CONCENTRATOR_NODES", arguments.nodes.to_string())
        .status()
        .context("cargo cannot be run")?;
    ensure!(ran.success(), "the benchmark failed");
    Ok(())
}
