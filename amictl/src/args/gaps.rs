//! `gaps` on the command line.

use clap::{Args, Subcommand};

use crate::output::Format;

/// The subcommands of `gaps`.
#[derive(Debug, Subcommand)]
pub(crate) enum Gaps {
    /// List what is missing of profiles and may still be had, why, and from when on the meter overwrites it.
    List(GapsArgs),
    /// List what is lost of profiles, what was noticed last first.
    Lost(LostArgs),
}

/// `gaps list`.
#[derive(Debug, Args)]
pub(crate) struct GapsArgs {
    /// Only of these meters; none = all.
    #[arg(value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// Only holes: something later is there.
    #[arg(long)]
    pub(crate) holes: bool,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// How they are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}

/// `gaps lost`.
#[derive(Debug, Args)]
pub(crate) struct LostArgs {
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
