//! `amictl`: the head-end at a terminal.
//!
//! A client of the public API `ami.v1` and nothing else; only `decode` asks nobody. `args` says what can be asked, `command/` holds one file per question,
//! `view` turns answers into rows, `output` writes rows as a table, as CSV or as JSON lines, `error` knows the exit codes,
//! `order` is what all orders have in common, `connection` reaches the server, `trust` explains why it may not, `time`, `decimal`, `hex`
//! and `progress` serve them all.

mod args;
mod command;
mod connection;
mod decimal;
mod error;
mod hex;
mod order;
mod output;
mod progress;
mod time;
mod trust;
mod view;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use crate::{args::Cli, error::Error};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(command::run(cli)),
        Err(error) => Err(Error::Local(format!("the program cannot start: {error}"))),
    };
    match outcome {
        Ok(()) | Err(Error::OutputClosed) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed as well; the exit code still tells.
            let _ = writeln!(io::stderr(), "amictl: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
