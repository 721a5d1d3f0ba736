//! `billing` on the command line.

use clap::{Args, Subcommand};
use prost_types::Timestamp;

use crate::{order::OrderArgs, output::Format, time};

/// The subcommands of `billing`.
#[derive(Debug, Subcommand)]
pub(crate) enum Billing {
    /// Show the billing sets of meters for a cycle: registers at both ends, consumption, maximum demands, intervals, and what is missing.
    ///
    /// The same question with the same --known-at has the same answer at any later time.
    Show(ShowBillingArgs),
    /// End the billing period of meters: they freeze their registers and begin a new one. It cannot be taken back.
    Close(ResetArgs),
    /// Reset the maximum demands of meters. It cannot be taken back.
    ResetDemand(ResetArgs),
}

/// `billing close` and `reset-demand`: nobody does that without a reason.
#[derive(Debug, Args)]
#[command(mut_arg("reason", |reason| reason.required(true)))]
pub(crate) struct ResetArgs {
    /// Serial numbers of the meters, at most 100.
    #[arg(required = true, value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// The terms.
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

/// `billing show`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("when").required(true).args(["cycle", "from"]))]
pub(crate) struct ShowBillingArgs {
    /// Serial numbers of the meters, at most 1,000; none = all.
    #[arg(value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// The cycle: a calendar month, such as 2026-10, in the time zone of each meter.
    #[arg(long, value_name = "MONTH")]
    pub(crate) cycle: Option<String>,
    /// The first day of the cycle, such as 2026-10-01, instead of a month.
    #[arg(long, value_name = "DATE", requires = "to")]
    pub(crate) from: Option<String>,
    /// The first day behind the cycle.
    #[arg(long, value_name = "DATE", requires = "from")]
    pub(crate) to: Option<String>,
    /// As it was known at this time.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) known_at: Option<Timestamp>,
    /// Only of this model.
    #[arg(long, default_value = "")]
    pub(crate) model: String,
    /// Only with a serial number that begins so.
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
    /// Only of this throttle group.
    #[arg(long, default_value = "")]
    pub(crate) group: String,
    /// Only of this line, such as a bus or a concentrator.
    #[arg(long, default_value = "")]
    pub(crate) line: String,
    /// Only sets from which something is missing.
    #[arg(long)]
    pub(crate) incomplete: bool,
    /// Only sets in which something is doubtful.
    #[arg(long)]
    pub(crate) flagged: bool,
    /// How sets are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}
