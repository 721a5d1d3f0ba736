//! The simulator program: serves a fleet of meters, lets them push, or prints what a correct reader must have stored.
#![allow(clippy::print_stdout, reason = "the program's output goes to the terminal")]

mod args;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};
use jiff::Timestamp;
use simulator::{
    Buses, CallConfig, ConcentratorConfig, Concentrators, Fleet, FleetConfig, Framing, Meter, Modems,
    PushOptions, Pusher, Transport, inventory, inventory_of_buses, inventory_of_callers,
    inventory_of_concentrators,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{BusArgs, CallArgs, ConcentratorArgs, FleetArgs, TransportArg};

/// Simulated DLMS meters over TCP (wrapper or HDLC) or UDP on 127.0.0.1, on pseudo terminals, or behind concentrators.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a fleet until SIGINT or SIGTERM; prints one line when all meters accept connections, and at the end one
    /// that says what happened to them
    Serve {
        #[command(flatten)]
        fleet: FleetArgs,
        #[command(flatten)]
        bus: BusArgs,
        #[command(flatten)]
        concentrator: Box<ConcentratorArgs>,
        #[command(flatten)]
        call: Box<CallArgs>,
        /// Port of the first line, the others follow; 0 takes any free ports
        #[arg(long, default_value_t = 20_000)]
        port: u16,
        /// Write the list of meters with addresses and keys to this file, as CSV
        #[arg(long)]
        inventory: Option<PathBuf>,
        /// Append everything that happens to the meters to this file, a JSON object on each line
        #[arg(long)]
        ledger: Option<PathBuf>,
    },
    /// Let meters of such a fleet push an event to a head-end, one after the other
    Push {
        #[command(flatten)]
        fleet: FleetArgs,
        /// Number of the first meter, counted from 0
        #[arg(long, default_value_t = 0)]
        meter: u32,
        /// How many meters push, from that one on
        #[arg(long, default_value_t = 1)]
        meters: u32,
        /// What is pushed: a key of the model's tables
        #[arg(long, default_value = "power.last_gasp")]
        key: String,
        /// Where the head-end listens
        #[arg(long, default_value = "127.0.0.1:4059")]
        to: SocketAddr,
        /// How it is sent
        #[arg(long, value_enum, default_value = "udp")]
        over: TransportArg,
        /// In the clear, though the meters could cipher it
        #[arg(long)]
        plain: bool,
        /// Ask for a confirmation and wait for it; over TCP only
        #[arg(long)]
        confirmed: bool,
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

// The meters share one thread with room to spare; a second one would only take it from what is being tested.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(io::stderr)
        .init();
    match Cli::parse().command {
        Command::Serve { fleet, bus, concentrator, call, port, inventory, ledger } => {
            let config = FleetConfig { ledger, ..fleet.config(port)? };
            match (&bus.pty, concentrator.config()) {
                (Some(folder), _) => serve_buses(config, &bus, folder, inventory).await,
                (None, Some(concentrator)) => serve_concentrators(config, concentrator, inventory).await,
                (None, None) => serve(config, call.config(), inventory).await,
            }
        }
        Command::Push { fleet, meter, meters, key, to, over, plain, confirmed } => {
            let options = PushOptions { plain, confirmed };
            push(&fleet.config(0)?, meter..meter.saturating_add(meters), &key, (to, over.into()), options)
                .await
        }
        Command::Expect { fleet, meter, profile, from, to } => {
            expect(&fleet.config(0)?, meter, &profile, from, to)
        }
    }
}

async fn serve(config: FleetConfig, call: Option<CallConfig>, file: Option<PathBuf>) -> anyhow::Result<()> {
    let model = config.model.name.clone();
    let end = end()?;
    let fleet = Fleet::start(config).await?;
    write_inventory(file, || match &call {
        Some(call) => inventory_of_callers(&fleet, call.dialect),
        None => inventory(&fleet),
    })?;
    let _modems = call.map(|call| Modems::start(&fleet, &call));
    let (Some(first), Some(last)) = (fleet.addresses().first(), fleet.addresses().last()) else {
        bail!("the fleet has no meters");
    };
    println!("{} meters of {model} from {first} to {last}", fleet.meters().len());
    io::stdout().flush()?;
    end.await;
    println!("{}", fleet.counts());
    fleet.shutdown().await;
    Ok(())
}

async fn serve_buses(
    config: FleetConfig,
    bus: &BusArgs,
    folder: &Path,
    file: Option<PathBuf>,
) -> anyhow::Result<()> {
    if config.framing == Framing::Wrapper {
        bail!("the wrapper is not spoken on a bus: say how many meters each has with --hdlc");
    }
    let model = config.model.name.clone();
    let end = end()?;
    let buses = Buses::start(config, bus.into(), &bus.twins.iter().copied().collect())?;
    buses.link(folder).with_context(|| format!("{} takes no links", folder.display()))?;
    write_inventory(file, || inventory_of_buses(&buses))?;
    let mut devices = buses.devices().to_vec();
    devices.dedup();
    println!("{} meters of {model} on {}", buses.meters().len(), devices.join(" "));
    io::stdout().flush()?;
    end.await;
    println!("{}", buses.counts());
    buses.shutdown().await;
    Ok(())
}

async fn serve_concentrators(
    config: FleetConfig,
    concentrator: ConcentratorConfig,
    file: Option<PathBuf>,
) -> anyhow::Result<()> {
    let model = config.model.name.clone();
    let end = end()?;
    let concentrators = Concentrators::start(config, concentrator).await?;
    write_inventory(file, || inventory_of_concentrators(&concentrators))?;
    let places: Vec<_> = concentrators.addresses().iter().map(ToString::to_string).collect();
    println!("{} meters of {model} behind {}", concentrators.meters().len(), places.join(" "));
    io::stdout().flush()?;
    end.await;
    println!("{}", concentrators.counts());
    concentrators.shutdown().await;
    Ok(())
}

/// Waits for a signal to end. Signals that come before are not lost.
fn end() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn write_inventory(file: Option<PathBuf>, list: impl FnOnce() -> String) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    std::fs::write(&file, list()).with_context(|| format!("{} cannot be written", file.display()))
}

async fn push(
    config: &FleetConfig,
    meters: Range<u32>,
    key: &str,
    (to, transport): (SocketAddr, Transport),
    options: PushOptions,
) -> anyhow::Result<()> {
    let mut pusher = Pusher::new();
    for number in meters {
        let meter = Meter::offline(config.clone(), number)?;
        let frame = pusher.frame(&meter, key, options)?;
        let confirmed = simulator::send(&frame, to, transport, options.confirmed).await?;
        println!("{} pushed {key}{}", meter.serial(), if confirmed { ", confirmed" } else { "" });
    }
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
