//! `read`, `readings`, `days` and `watch` on the command line.

use std::time::Duration;

use clap::Args;
use prost_types::Timestamp;

use crate::{output::Format, time};

/// `read`: registers, unless something else is asked for.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// Serial number.
    pub(crate) serial: String,
    /// Read the registers (the default).
    #[arg(long, group = "target")]
    pub(crate) registers: bool,
    /// Read only this register.
    #[arg(long, value_name = "OBIS", default_value = "", conflicts_with_all = ["profile", "clock", "identify"])]
    pub(crate) obis: String,
    /// Read a range of this profile, by its logical name or its name in the model.
    #[arg(long, value_name = "OBIS|NAME", group = "target", requires_all = ["from", "to"])]
    pub(crate) profile: Option<String>,
    /// First time of the range.
    #[arg(long, value_name = "TIME", requires = "profile", value_parser = time::parse)]
    pub(crate) from: Option<Timestamp>,
    /// Last time of the range, inclusive.
    #[arg(long, value_name = "TIME", requires = "profile", value_parser = time::parse)]
    pub(crate) to: Option<Timestamp>,
    /// Read the clock.
    #[arg(long, group = "target")]
    pub(crate) clock: bool,
    /// Ask the meter who it is.
    #[arg(long, group = "target")]
    pub(crate) identify: bool,
    /// Wait at most this long for the outcome (1s to 5m).
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) wait: Duration,
    /// How readings are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `readings`.
#[derive(Debug, Args)]
pub(crate) struct ReadingsArgs {
    /// Serial numbers.
    #[arg(required = true, value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// Only this logical name; may be repeated.
    #[arg(long)]
    pub(crate) obis: Vec<String>,
    /// First time, inclusive.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) from: Option<Timestamp>,
    /// Last time, inclusive.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) to: Option<Timestamp>,
    /// As they were known at this time, whatever was read anew or came late since.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) known_at: Option<Timestamp>,
    /// How readings are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `days`.
#[derive(Debug, Args)]
pub(crate) struct DaysArgs {
    /// Serial numbers.
    #[arg(required = true, value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// Only this logical name; may be repeated.
    #[arg(long)]
    pub(crate) obis: Vec<String>,
    /// First day, inclusive, such as 2026-10-01, in the time zone of each meter.
    #[arg(long, value_name = "DATE", default_value = "")]
    pub(crate) from: String,
    /// Last day, inclusive.
    #[arg(long, value_name = "DATE", default_value = "")]
    pub(crate) to: String,
    /// How days are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Only these meters; none = all.
    #[arg(value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// Only this logical name; may be repeated.
    #[arg(long)]
    pub(crate) obis: Vec<String>,
    /// Go on from here; the token is told when a watch ends, and in JSON whenever it changes.
    #[arg(long, value_name = "TOKEN", default_value = "")]
    pub(crate) resume: String,
    /// How readings are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}
