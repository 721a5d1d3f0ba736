//! `concentrators` on the command line.

use clap::{Args, Subcommand};

/// The subcommands of `concentrators`.
#[derive(Debug, Subcommand)]
pub(crate) enum Concentrators {
    /// Show what stands behind a concentrator.
    Nodes(NodesArgs),
}

/// `concentrators nodes`.
#[derive(Debug, Args)]
pub(crate) struct NodesArgs {
    /// Serial number of the concentrator.
    pub(crate) serial: String,
    /// Ask the concentrator now, and wait for its answer.
    #[arg(long)]
    pub(crate) now: bool,
    /// Only nodes that are no meter of the inventory.
    #[arg(long)]
    pub(crate) unknown: bool,
    /// Only nodes that the concentrator does not reach.
    #[arg(long)]
    pub(crate) lost: bool,
}
