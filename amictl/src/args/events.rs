//! `events` on the command line.

use ami_proto::v1::AlarmSeverity;
use clap::{Args, Subcommand};
use prost_types::Timestamp;

use super::word;
use crate::{output::Format, time};

/// The subcommands of `events`.
#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// Follow events as they are stored, until interrupted.
    Watch(WatchEventsArgs),
    /// List events, those that were stored last first.
    List(ListEventsArgs),
    /// List logs of which entries may be lost, what was noticed last first.
    Losses(LossesArgs),
}

/// Which events.
#[derive(Debug, Args)]
pub(crate) struct EventFilter {
    /// Only of these meters; none = all.
    #[arg(value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// Only with this key, for example tamper.magnet_on; may be repeated.
    #[arg(long, value_name = "KEY")]
    pub(crate) event_key: Vec<String>,
    /// Only as urgent as this (info, warning, critical), or more.
    #[arg(long, value_name = "SEVERITY", value_parser = word::<AlarmSeverity>)]
    pub(crate) min_severity: Option<AlarmSeverity>,
    /// Only of this log, for example 0.0.99.98.1.255.
    #[arg(long, value_name = "OBIS", default_value = "")]
    pub(crate) log: String,
}

/// `events watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchEventsArgs {
    /// Which ones.
    #[command(flatten)]
    pub(crate) filter: EventFilter,
    /// Go on from here; the token is told when a watch ends, and in JSON whenever it changes.
    #[arg(long, value_name = "TOKEN", default_value = "")]
    pub(crate) resume: String,
    /// How events are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `events list`.
#[derive(Debug, Args)]
pub(crate) struct ListEventsArgs {
    /// Which ones.
    #[command(flatten)]
    pub(crate) filter: EventFilter,
    /// First time by the meter's clock, inclusive.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) from: Option<Timestamp>,
    /// Last time by the meter's clock, inclusive.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) to: Option<Timestamp>,
    /// At most so many events.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// How events are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `events losses`.
#[derive(Debug, Args)]
pub(crate) struct LossesArgs {
    /// Only of these meters; none = all.
    #[arg(value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// How they are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}
