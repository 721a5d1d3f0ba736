//! `disconnect`, `reconnect`, `release-tamper-lock`, `snapshot` and `buy-credit` on the command line.

use clap::Args;

use crate::order::OrderArgs;

/// `disconnect`.
#[derive(Debug, Args)]
pub(crate) struct SwitchArgs {
    /// Serial numbers of the meters, at most 100.
    #[arg(required = true, value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// The terms.
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

/// `snapshot`.
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// Everybody on the line of each meter takes one at the same instant; whether it was taken is looked at in the meter.
    #[arg(long)]
    pub(crate) everybody: bool,
    /// The meters, and the terms.
    #[command(flatten)]
    pub(crate) meters: SwitchArgs,
}

/// `reconnect`.
#[derive(Debug, Args)]
pub(crate) struct ReconnectArgs {
    /// Also where the meter locked the switch because its load was too high too often; needs a reason.
    #[arg(long, requires = "reason")]
    pub(crate) force: bool,
    /// The meters, and the terms.
    #[command(flatten)]
    pub(crate) meters: SwitchArgs,
}

/// `buy-credit`.
#[derive(Debug, Args)]
pub(crate) struct BuyCreditArgs {
    /// Serial number of the meter.
    pub(crate) serial: String,
    /// Number of the purchase, higher than that of the last one for this meter.
    #[arg(value_name = "N")]
    pub(crate) number: u32,
    /// How much, in Wh.
    #[arg(value_name = "AMOUNT")]
    pub(crate) amount: String,
    /// The terms.
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

/// `release-tamper-lock`: nobody does that without a reason.
#[derive(Debug, Args)]
#[command(mut_arg("reason", |reason| reason.required(true)))]
pub(crate) struct ReleaseArgs {
    /// What is released, and the terms.
    #[command(flatten)]
    pub(crate) switch: SwitchArgs,
}
