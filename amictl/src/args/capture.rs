//! `capture`: what goes over lines, as files.

use std::{path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, Subcommand};

/// The subcommands of `capture`.
#[derive(Debug, Subcommand)]
pub(crate) enum Capture {
    /// Begin to capture what goes over the lines to a meter, or at an address; passwords and keys are made unreadable.
    Start(StartCaptureArgs),
    /// Show the captures, the newest first.
    List,
    /// Write what was captured so far to a file (pcapng), which Wireshark and `amictl decode --capture` read.
    Save {
        /// Number of the capture.
        id: i64,
        /// The file.
        file: PathBuf,
    },
    /// End a capture before its time.
    Stop {
        /// Number of the capture.
        id: i64,
    },
    /// Take a capture away with all that is in it.
    Forget {
        /// Number of the capture.
        id: i64,
    },
}

/// `capture start`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("whose").required(true).args(["serial", "line"])))]
pub(crate) struct StartCaptureArgs {
    /// Serial number of the meter.
    pub(crate) serial: Option<String>,
    /// What goes to this address, whichever meter is behind it.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) line: Option<String>,
    /// For how long (90s, 15m, 24h at most); then it ends by itself.
    #[arg(long = "for", value_name = "DURATION", default_value = "10m", value_parser = humantime::parse_duration)]
    pub(crate) time: Duration,
    /// With how many octets it is full (1024 to 16777216).
    #[arg(long, value_name = "OCTETS", default_value_t = 1 << 20)]
    pub(crate) max_octets: u32,
}
