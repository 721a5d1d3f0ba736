//! `trace`: what a meter and the head-end say to each other, in the log of the head-end.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};

/// `trace`: sets what is logged, unless a subcommand is given.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(group(ArgGroup::new("whose").required(true).args(["serial", "line"])))]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["application", "frame", "bytes", "off"])))]
pub(crate) struct TraceArgs {
    /// A closer question.
    #[command(subcommand)]
    pub(crate) command: Option<TraceCommand>,
    /// Serial number of the meter.
    pub(crate) serial: Option<String>,
    /// The line to this address, whichever meter is behind it.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) line: Option<String>,
    /// Each request and what came of it, without values.
    #[arg(long)]
    pub(crate) application: bool,
    /// Each frame.
    #[arg(long)]
    pub(crate) frame: bool,
    /// The octets on the line; passwords and keys are hidden.
    #[arg(long)]
    pub(crate) bytes: bool,
    /// Nothing any more.
    #[arg(long, conflicts_with_all = ["application", "frame", "bytes", "time"])]
    pub(crate) off: bool,
    /// For how long (90s, 15m, 24h at most); then it ends by itself.
    #[arg(long = "for", value_name = "DURATION", default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) time: Duration,
}

/// The subcommands of `trace`.
#[derive(Debug, Subcommand)]
pub(crate) enum TraceCommand {
    /// Show what is logged now.
    List,
}
