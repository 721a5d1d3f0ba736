//! `concentrators` on the command line.

use clap::{Args, Subcommand};

/// The subcommands of `concentrators`.
#[derive(Debug, Subcommand)]
pub(crate) enum Concentrators {
    /// List concentrators: their clocks, firmware, and how many stand behind each.
    List,
    /// Show what stands behind a concentrator.
    Nodes(NodesArgs),
    /// List the files that concentrators handed over, and what became of them.
    Results(ResultsArgs),
}

/// `concentrators results`.
#[derive(Debug, Args)]
pub(crate) struct ResultsArgs {
    /// Serial number of the concentrator; all of them when it is left out.
    pub(crate) serial: Option<String>,
    /// Only files that are in quarantine.
    #[arg(long)]
    pub(crate) quarantine: bool,
    /// Show this many at most.
    #[arg(long, value_name = "FILES", default_value_t = 100)]
    pub(crate) limit: u32,
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
