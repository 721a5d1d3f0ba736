//! `commands` on the command line.

use ami_proto::v1::{CommandKind, CommandState};
use clap::{Args, Subcommand};

use super::word;
use crate::output::Format;

/// The subcommands of `commands`.
#[derive(Debug, Subcommand)]
pub(crate) enum Commands {
    /// List commands, the newest first.
    List(CommandsArgs),
    /// Show one command and everything that its attempts found out.
    Show {
        /// Number of the command.
        id: i64,
    },
    /// Follow the lives of commands, until interrupted.
    Watch(WatchCommandsArgs),
    /// Approve a command that somebody else ordered and that waits for a second person.
    Approve {
        /// Number of the command.
        id: i64,
        /// Why; it stands in the audit.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
    /// Take back a command that was not begun.
    Cancel {
        /// Number of the command.
        id: i64,
        /// Why; it stands in the audit.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// `commands list`.
#[derive(Debug, Args)]
pub(crate) struct CommandsArgs {
    /// Only in this state (accepted, awaiting_approval, quarantined, sending, unknown, confirmed, refused, expired, cancelled); may be
    /// repeated.
    #[arg(long, value_name = "STATE", value_parser = word::<CommandState>)]
    pub(crate) state: Vec<CommandState>,
    /// Only of this kind (disconnect, reconnect, release_tamper_lock, push_tariff, install_firmware, set_parameter, sync_clock, close_billing_period, reset_demand, take_snapshot, buy_credit, force_reconnect, set_times, clear); may be repeated.
    #[arg(long, value_name = "KIND", value_parser = word::<CommandKind>)]
    pub(crate) kind: Vec<CommandKind>,
    /// Only of this meter.
    #[arg(long, value_name = "SERIAL", default_value = "")]
    pub(crate) meter: String,
    /// Only of this order.
    #[arg(long, value_name = "UUID", default_value = "")]
    pub(crate) order: String,
    /// At most so many commands.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// How commands are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `commands watch`.
#[derive(Debug, Args)]
pub(crate) struct WatchCommandsArgs {
    /// Only these commands, with their lives so far; none = all, from now on.
    #[arg(value_name = "ID")]
    pub(crate) ids: Vec<i64>,
    /// Only of this meter; may be repeated.
    #[arg(long, value_name = "SERIAL")]
    pub(crate) meter: Vec<String>,
    /// Go on from here; the token is told when a watch ends, and in JSON whenever it changes.
    #[arg(long, value_name = "TOKEN", default_value = "")]
    pub(crate) resume: String,
    /// How entries are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}
