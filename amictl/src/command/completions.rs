//! `completions`: the script of a shell.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{args::Cli, error::Error};

/// Writes the completion script of `shell`.
pub(crate) fn run(shell: Shell) -> Result<(), Error> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "amictl", &mut script);
    Ok(io::stdout().write_all(&script)?)
}
