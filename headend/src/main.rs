//! The program `headend`: `serve`, `migrate`, `check-config`, `print-config`, `demo-certificates`.
#![allow(clippy::print_stdout, reason = "answers go to the terminal")]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use headend::config::Config;
use headend::{certificates, serve, telemetry};
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The server of an advanced metering infrastructure.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run until SIGINT or SIGTERM
    Serve(ConfigFile),
    /// Bring the schema of the database up to date
    Migrate(ConfigFile),
    /// Say whether a configuration is usable, and if not, why
    CheckConfig(ConfigFile),
    /// Print the configuration in effect, defaults included, secrets hidden
    PrintConfig(ConfigFile),
    /// Make certificates to try the program with: an authority, a server on this machine, and a client for each role
    DemoCertificates {
        /// The folder to make; nothing is overwritten
        folder: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration; without one the defaults are in effect
    #[arg(long, env = "HEADEND_CONFIG")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    fn load(&self) -> anyhow::Result<Config> {
        match &self.config {
            Some(path) => Config::load(path).with_context(|| path.display().to_string()),
            None => Ok(Config::default()),
        }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            // The log may not run yet.
            if !tracing::dispatcher::has_been_set() {
                let _ =
                    std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("headend: {error:#}\n"));
            }
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(file) => {
            let config = file.load()?;
            runtime()?.block_on(async {
                let telemetry = telemetry::start(&config.log, &config.telemetry).await?;
                let stop = stop_on_signal()?;
                let served = serve::run(config, stop).await;
                telemetry.stop().await;
                Ok(served?)
            })
        }
        Command::Migrate(file) => {
            let config = file.load()?;
            runtime()?.block_on(async {
                let telemetry = telemetry::start(&config.log, &config.telemetry).await?;
                let database = serve::Database::open(&config.database).await?;
                let migrated = database.store.migrate().await;
                database.close().await?;
                telemetry.stop().await;
                Ok(migrated?)
            })
        }
        Command::CheckConfig(file) => {
            let config = file.load()?;
            let models = serve::load_models(&config.models)?;
            serve::load_cim(&config.models)?;
            serve::entrance(&config)?;
            println!("the configuration is usable; {} models: {}", models.len(), names(&models));
            Ok(())
        }
        Command::PrintConfig(file) => {
            print!("{}", file.load()?.render()?);
            Ok(())
        }
        Command::DemoCertificates { folder } => {
            certificates::make(&folder, Timestamp::now())?;
            println!("certificates for 30 days are in {}", folder.display());
            Ok(())
        }
    }
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime could not be started")
}

/// Cancelled by the first SIGINT or SIGTERM; a second one ends the program at once.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let token = stop.clone();
    tokio::spawn(async move {
        for round in 0..2 {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if round == 0 {
                tracing::info!("stopping; once more stops at once");
                token.cancel();
            } else {
                std::process::exit(130);
            }
        }
    });
    Ok(stop)
}

fn names<V>(models: &std::collections::BTreeMap<String, V>) -> String {
    models.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
        assert!(ConfigFile { config: Some("/no/such/file".into()) }.load().is_err());
    }
}
