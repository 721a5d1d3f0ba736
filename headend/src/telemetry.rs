//! What the program says about itself: one subscriber, written to standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// Why the log could not be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The filter is not understood.
    #[error("log.level '{level}' is not understood: {detail}")]
    Level {
        /// What was given.
        level: String,
        /// What the filter said.
        detail: String,
    },
    /// A log is running already.
    #[error("the log was started twice")]
    Twice,
}

/// Starts the log for the whole process.
///
/// # Errors
/// [`Error::Level`] for a filter that is not understood, [`Error::Twice`] on a second call.
pub fn start(log: &Log) -> Result<(), Error> {
    let filter = EnvFilter::try_new(&log.level)
        .map_err(|error| Error::Level { level: log.level.clone(), detail: error.to_string() })?;
    let builder =
        fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let started = match log.format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().finish().try_init(),
    };
    started.map_err(|_| Error::Twice)
}
