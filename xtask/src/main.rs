//! The project's own checks: what the compiler and clippy cannot know about the rules of this house, and its benchmarks.
//!
//! `cargo xtask tidy` reads the tree and names every line that breaks a rule, one line each, with what to do about it.
//! `cargo xtask models` writes the pages of the models (`models`), `cargo xtask bench` measures (`bench`), `cargo xtask fuzz` looks for input that the protocol cannot bear (`fuzz`).
//! Layers: `main` (command line) → `tidy` (which checks there are) → one file per check → `tree` and `rust_text`
//! (the files, and Rust source told apart into code, strings and documentation).
#![allow(clippy::print_stdout, reason = "a program at a terminal")]

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

mod bench;
mod fuzz;
mod models;
mod tidy;

/// Checks of the house's own rules.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Holds the tree against the rules of CONTRIBUTING.md.
    Tidy,
    /// Writes a page for each model that comes with the program.
    Models,
    /// Feeds the protocol octets that nobody meant, from the vectors on.
    Fuzz(fuzz::Arguments),
    /// Measures; every figure beside the limit that it is to be compared with.
    #[command(subcommand)]
    Bench(bench::Bench),
}

fn main() -> anyhow::Result<ExitCode> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no folder above it")?;
    match Arguments::parse().command {
        Command::Bench(bench) => {
            bench::run(root, &bench)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Fuzz(arguments) => {
            fuzz::run(root, &arguments)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Models => {
            println!("models: {} pages written", models::run(root)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Tidy => {
            let findings = tidy::run(root)?;
            for violation in &findings.violations {
                println!("{violation}");
            }
            println!("tidy: {}, {} to mend", findings.measure, findings.violations.len());
            Ok(if findings.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
