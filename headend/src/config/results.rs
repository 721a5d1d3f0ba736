//! The part of the configuration about result files.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `[results]`: result files of concentrators that read their meters by themselves and hand over what they read as files, for example by FTP. They are taken
/// over where the role `ingest` is on and a folder is named.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Results {
    /// The folder. Each concentrator has one of its own in it, by its serial number, and in that the program makes the folders `taken` and `quarantine`.
    /// Default: none, no files are looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// How often it is looked into. Default 10s, from 1s to 1h.
    #[serde(with = "humantime_serde")]
    pub every: Duration,
    /// How long a file that is not whole may go unchanged before it is taken as it is: until then it may still be on its way. Default 2m, from 1s to 1day.
    #[serde(with = "humantime_serde")]
    pub settle: Duration,
    /// How long it is remembered what became of a file. Default 90days, from 1day to 3650days.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
}

impl Default for Results {
    fn default() -> Self {
        Self {
            folder: None,
            every: Duration::from_secs(10),
            settle: Duration::from_secs(120),
            keep: Duration::from_secs(90 * 24 * 60 * 60),
        }
    }
}
