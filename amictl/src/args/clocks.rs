//! `clocks` on the command line.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::order::OrderArgs;

/// The subcommands of `clocks`.
#[derive(Debug, Subcommand)]
pub(crate) enum Clocks {
    /// List the clocks of meters as they were seen last, the one that is farthest off first.
    List(ListClocksArgs),
    /// Show what was kept of the clock of one meter, the newest first. Looking at it now: `read SERIAL --clock`.
    Show(ShowClockArgs),
    /// Put clocks right. Nothing is moved around midnight, or over the end of an interval of a profile; that is waited for.
    Sync(SyncClocksArgs),
}

/// `clocks list`.
#[derive(Debug, Args)]
pub(crate) struct ListClocksArgs {
    /// Only those that are off by at least so much (10s, 5m).
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) off_by: Option<Duration>,
    /// Only of meters of this model.
    #[arg(long, default_value = "")]
    pub(crate) model: String,
    /// Only those that are set up for another zone than that of their place: standard time, or summer time that is missing or comes on other days.
    #[arg(long)]
    pub(crate) zone_faults: bool,
    /// At most so many clocks.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
}

/// `clocks show`.
#[derive(Debug, Args)]
pub(crate) struct ShowClockArgs {
    /// Serial number.
    pub(crate) serial: String,
    /// At most so many readings.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
}

/// `clocks sync`.
#[derive(Debug, Args)]
pub(crate) struct SyncClocksArgs {
    /// Serial numbers of the meters, at most 100.
    #[arg(required = true, value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// How far a clock may be off and is left alone, up to 1h.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = humantime::parse_duration)]
    pub(crate) tolerance: Duration,
    /// Let clocks jump over ends of intervals, which leaves a hole in a profile or makes rows come twice.
    #[arg(long)]
    pub(crate) across_boundaries: bool,
    /// The terms.
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}
