//! `parameters` on the command line.

use clap::{Args, Subcommand};

use crate::order::OrderArgs;

/// The subcommands of `parameters`.
#[derive(Debug, Subcommand)]
pub(crate) enum Parameters {
    /// Show what can be set in a meter. What it holds now: `read SERIAL --obis OBIS`.
    Show {
        /// Serial number.
        serial: String,
    },
    /// Set a parameter of meters.
    Set(SetArgs),
}

/// `parameters set`.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The parameter by its name, and its value in the unit that `show` tells, such as 'low-credit alarm level=20000'.
    #[arg(value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) assignment: (String, String),
    /// Serial numbers of the meters, at most 100.
    #[arg(required = true, value_name = "SERIAL")]
    pub(crate) serials: Vec<String>,
    /// The terms.
    #[command(flatten)]
    pub(crate) order: OrderArgs,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a name, `=` and a value are expected")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}
