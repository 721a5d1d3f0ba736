//! `tariff` on the command line.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};

use crate::order::OrderArgs;

/// The subcommands of `tariff`.
#[derive(Debug, Subcommand)]
pub(crate) enum Tariff {
    /// Tell everything that is wrong with a tariff file; nothing is sent.
    Check(CheckTariffArgs),
    /// Read what a meter holds and compare it with a tariff file; exit code 1 when its active calendar or its special days differ.
    Diff(DiffTariffArgs),
    /// Bring a tariff into force in meters.
    Push(PushTariffArgs),
    /// Show what became of pushed tariffs, the newest first.
    Status(TariffStatusArgs),
}

/// `tariff check`.
#[derive(Debug, Args)]
pub(crate) struct CheckTariffArgs {
    /// The file, in YAML or JSON.
    pub(crate) file: PathBuf,
    /// Against what meters of this model take.
    #[arg(long, value_name = "NAME", required_unless_present = "meter")]
    pub(crate) model: Option<String>,
    /// Against what this meter takes.
    #[arg(long, value_name = "SERIAL", conflicts_with = "model")]
    pub(crate) meter: Option<String>,
}

/// `tariff diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffTariffArgs {
    /// The file, in YAML or JSON.
    pub(crate) file: PathBuf,
    /// Serial number of the meter.
    #[arg(value_name = "SERIAL")]
    pub(crate) serial: String,
    /// How long to wait for the meter, 1s to 5m.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) wait: Duration,
}

/// `tariff push`.
#[derive(Debug, Args)]
pub(crate) struct PushTariffArgs {
    /// The file, in YAML or JSON.
    pub(crate) file: PathBuf,
    /// Serial numbers of the meters, at most 100.
    #[arg(required = true, value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// The terms.
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

/// `tariff status`.
#[derive(Debug, Args)]
pub(crate) struct TariffStatusArgs {
    /// Only of this meter.
    #[arg(long, value_name = "SERIAL", default_value = "")]
    pub(crate) meter: String,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
}
