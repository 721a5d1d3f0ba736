//! `worklist` on the command line.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::output::Format;

/// The subcommands of `worklist`.
#[derive(Debug, Subcommand)]
pub(crate) enum Worklist {
    /// List meters that cannot be read, why, and where that most likely comes from, what began first first.
    List(WorklistArgs),
    /// Say that the troubles of a meter were put right: all that is due of it is read at once.
    Resolve(ResolveArgs),
}

/// `worklist list`.
#[derive(Debug, Args)]
pub(crate) struct WorklistArgs {
    /// Only of these meters; none = all.
    #[arg(value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// Only what time does not heal.
    #[arg(long)]
    pub(crate) needs_person: bool,
    /// Only what has lasted at least so long (90m, 2days).
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub(crate) lasting: Option<Duration>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// How they are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `worklist resolve`.
#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// Serial number of the meter.
    pub(crate) serial: String,
    /// What was done, for the audit.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}
