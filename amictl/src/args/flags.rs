//! `flags` on the command line.

use ami_proto::v1::FlagRule;
use clap::Args;
use prost_types::Timestamp;

use super::word;
use crate::{output::Format, time};

/// `flags`.
#[derive(Debug, Args)]
pub(crate) struct FlagsArgs {
    /// Only of these meters; none = all.
    #[arg(value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// Only of this rule, for example decreased; may be repeated.
    #[arg(long, value_name = "RULE", value_parser = word::<FlagRule>)]
    pub(crate) rule: Vec<FlagRule>,
    /// Only about readings of this time or later.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) from: Option<Timestamp>,
    /// Only about readings of this time or earlier.
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub(crate) to: Option<Timestamp>,
    /// Also flags that were withdrawn, because a later read changed the reading or its neighbours.
    #[arg(long)]
    pub(crate) withdrawn: bool,
    /// At most so many flags.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// How flags are written.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: Format,
}
