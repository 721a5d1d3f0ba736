//! `alarms` on the command line.

use ami_proto::v1::{AlarmSeverity, PushFate};
use clap::{Args, Subcommand};
use prost_types::Timestamp;

use super::word;
use crate::{output::Format, time};

/// The subcommands of `alarms`.
#[derive(Debug, Subcommand)]
pub(crate) enum Alarms {
    /// Follow alarms as they are stored, until interrupted.
    Watch(WatchAlarmsArgs),
    /// List alarms, the newest first.
    List(ListAlarmsArgs),
    /// Say that you took notice of alarms, all of them or none.
    Ack {
        /// Numbers of the alarms, at most 1,000.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<i64>,
        /// What to write down with it.
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
    },
    /// List the latest pushes that became no alarm, the newest first.
    Quarantine(QuarantineArgs),
}

/// Which alarms.
#[derive(Debug, Args)]
pub(crate) struct AlarmFilter {
    /// Only of these meters; none = all.
    #[arg(value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// Only with this key, for example power.last_gasp; may be repeated.
    #[arg(long, value_name = "KEY")]
    pub(crate) alarm_key: Vec<String>,
    /// Only as urgent as this (info, warning, critical), or more.
    #[arg(long, value_name = "SEVERITY", value_parser = word::<AlarmSeverity>)]
    pub(crate) min_severity: Option<AlarmSeverity>,
}

/// `alarms watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchAlarmsArgs {
    /// Which ones.
    #[command(flatten)]
    pub(crate) filter: AlarmFilter,
    /// Go on from here; the token is told when a watch ends, and in JSON whenever it changes.
    #[arg(long, value_name = "TOKEN", default_value = "")]
    pub(crate) resume: String,
    /// How alarms are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `alarms list`.
#[derive(Debug, Args)]
pub(crate) struct ListAlarmsArgs {
    /// Which ones.
    #[command(flatten)]
    pub(crate) filter: AlarmFilter,
    /// Only those that nobody took notice of.
    #[arg(long, conflicts_with = "acknowledged")]
    pub(crate) open: bool,
    /// Only those that somebody took notice of.
    #[arg(long)]
    pub(crate) acknowledged: bool,
    /// First time of arrival, inclusive.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) from: Option<Timestamp>,
    /// Last time of arrival, inclusive.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) to: Option<Timestamp>,
    /// At most so many alarms.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// How alarms are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `alarms quarantine`.
#[derive(Debug, Args)]
pub(crate) struct QuarantineArgs {
    /// Only for this reason (unknown_sender, wrong_tag, replayed_counter, undecodable, too_many); may be repeated.
    #[arg(long, value_name = "REASON", value_parser = word::<PushFate>)]
    pub(crate) reason: Vec<PushFate>,
    /// Count what became of all pushes since the beginning, instead.
    #[arg(long, conflicts_with = "reason")]
    pub(crate) counts: bool,
    /// At most so many pushes.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// How pushes are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}
