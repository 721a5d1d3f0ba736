//! The simulator program: serves a fleet of meters, or prints what a correct reader must have stored.
#![allow(clippy::print_stdout, reason = "the program's output goes to the terminal")]

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use models::Model;
use simulator::{Clock, FaultRule, Fleet, FleetConfig, Meter, Security, inventory};
use tokio::signal::unix::{SignalKind, signal};

/// Simulated DLMS meters over TCP (wrapper), on 127.0.0.1 only.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a fleet until SIGINT or SIGTERM; prints one line when all meters accept connections
    Serve {
        #[command(flatten)]
        fleet: FleetArgs,
        /// Port of meter 0, the others follow; 0 takes any free ports
        #[arg(long, default_value_t = 20_000)]
        port: u16,
        /// Write the list of meters with addresses and keys to this file, as CSV
        #[arg(long)]
        inventory: Option<PathBuf>,
    },
    /// Print the rows that a meter of such a fleet holds of a profile, as CSV
    Expect {
        #[command(flatten)]
        fleet: FleetArgs,
        /// Number of the meter, counted from 0
        #[arg(long, default_value_t = 0)]
        meter: u32,
        /// Name of the profile in the model
        #[arg(long, default_value = "energy")]
        profile: String,
        /// First instant, such as 2026-03-01T00:00:00Z
        #[arg(long)]
        from: Timestamp,
        /// Last instant
        #[arg(long)]
        to: Timestamp,
    },
}

/// What a fleet is made of; the same arguments give the same meters.
#[derive(Debug, Args)]
struct FleetArgs {
    /// Name of the model
    #[arg(long, default_value = "sed302")]
    model: String,
    /// Folder with further models
    #[arg(long)]
    models: Option<PathBuf>,
    /// Number of meters
    #[arg(long, default_value_t = 1)]
    count: u32,
    /// Everything that looks random comes from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What the meters demand of readers
    #[arg(long, value_enum, default_value = "gmac")]
    security: SecurityArg,
    /// Age of the oldest capture, in days
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Zone of the meters' clocks
    #[arg(long, default_value = "UTC")]
    zone: String,
    /// The meters' time at the start; it runs on from there. Without it, the clock of this computer
    #[arg(long)]
    now: Option<Timestamp>,
    /// What is wrong with whom: silent:0.01, slow=250ms:0.1, cut=4:#3, tag=1:0.05, serial:#2, layout=<instant>:#1
    #[arg(long)]
    fault: Vec<FaultRule>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SecurityArg {
    None,
    Lls,
    Gmac,
    Mixed,
}

// The meters share one thread with room to spare; a second one would only take it from what is being tested.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(io::stderr)
        .init();
    match Cli::parse().command {
        Command::Serve { fleet, port, inventory } => serve(fleet.config(port)?, inventory).await,
        Command::Expect { fleet, meter, profile, from, to } => {
            expect(&fleet.config(0)?, meter, &profile, from, to)
        }
    }
}

async fn serve(config: FleetConfig, file: Option<PathBuf>) -> anyhow::Result<()> {
    let model = config.model.name.clone();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let fleet = Fleet::start(config).await?;
    if let Some(file) = file {
        std::fs::write(&file, inventory(&fleet))
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let (Some(first), Some(last)) = (fleet.addresses().first(), fleet.addresses().last()) else {
        bail!("the fleet has no meters");
    };
    println!("{} meters of {model} from {first} to {last}", fleet.meters().len());
    io::stdout().flush()?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    fleet.shutdown().await;
    Ok(())
}

fn expect(
    config: &FleetConfig,
    number: u32,
    profile: &str,
    from: Timestamp,
    to: Timestamp,
) -> anyhow::Result<()> {
    let meter = Meter::offline(config.clone(), number)?;
    let rows = meter.expected(profile, from, to)?;
    let mut out = io::stdout().lock();
    write!(out, "at,status")?;
    for (obis, attribute) in meter.columns(profile)? {
        write!(out, ",{obis}/{attribute}")?;
    }
    writeln!(out)?;
    for row in rows {
        write!(out, "{},{}", row.at, row.status.map(|status| status.to_string()).unwrap_or_default())?;
        for value in row.values {
            write!(out, ",{value}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

impl FleetArgs {
    fn config(self, port: u16) -> anyhow::Result<FleetConfig> {
        let mut models = models::builtin()?;
        if let Some(folder) = &self.models {
            models.extend(models::load_dir(folder)?);
        }
        let mut config = FleetConfig::new(model(&models, &self.model)?);
        config.count = self.count;
        config.base_port = port;
        config.seed = self.seed;
        config.security = self.security.into();
        config.clock = self.now.map_or_else(Clock::wall, Clock::starting_at);
        config.zone = TimeZone::get(&self.zone)?;
        config.history_days = self.days;
        config.faults = self.fault;
        Ok(config)
    }
}

fn model(models: &BTreeMap<String, Arc<Model>>, name: &str) -> anyhow::Result<Arc<Model>> {
    let Some(model) = models.get(name) else {
        let known: Vec<&str> = models.keys().map(String::as_str).collect();
        bail!("there is no model `{name}`; known are {}", known.join(", "));
    };
    Ok(Arc::clone(model))
}

impl From<SecurityArg> for Security {
    fn from(security: SecurityArg) -> Self {
        match security {
            SecurityArg::None => Self::None,
            SecurityArg::Lls => Self::Lls,
            SecurityArg::Gmac => Self::Gmac,
            SecurityArg::Mixed => Self::Mixed,
        }
    }
}
