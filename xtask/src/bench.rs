//! Benchmarks: figures that are measured side by side in one run, so that a ratio means something on a noisy machine.

mod alarms;
mod bus;
mod codec;
mod concentrator;
mod fleet;
mod growth;
mod ingest;
mod machine;
mod process;
mod read;
mod sessions;
mod switch;

use clap::Subcommand;

/// The benchmarks.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Reads load profiles of a simulated fleet into the store and compares with a raw `COPY BINARY` of the same rows.
    Read(read::Arguments),
    /// Stores captures, some of them known already, and compares with a raw `COPY BINARY` of the same rows.
    Ingest(ingest::Arguments),
    /// Decodes a day of a load profile, plain, ciphered and from HDLC frames, and compares with a client in Python.
    Codec(codec::Arguments),
    /// Reads meters over RS485 buses and measures how much of the time of the wires was needed.
    Bus(bus::Arguments),
    /// Reads nodes behind a concentrator and measures how much of the power line's time is in use.
    Concentrator(concentrator::Arguments),
    /// Reads meters of fleets of different sizes and measures what a read costs in each.
    Fleet(growth::Arguments),
    /// Pushes a storm of last gasps at the head-end and measures when they reach subscribers.
    Alarms(alarms::Arguments),
    /// Lets meters call, be read and stay, and measures the memory that each idle session takes.
    Sessions(sessions::Arguments),
    /// Plays the meters of that.
    #[command(hide = true)]
    SessionMeters(sessions::MetersArguments),
    /// Disconnects and reconnects meters, idle and while a fleet is read, and measures when the outcome is known.
    Switch(switch::Arguments),
}

/// Runs a benchmark and prints what it measured.
pub(crate) fn run(root: &std::path::Path, bench: &Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Read(arguments) => read::run(root, arguments),
        Bench::Ingest(arguments) => ingest::run(root, arguments),
        Bench::Codec(arguments) => codec::run(root, arguments),
        Bench::Bus(arguments) => bus::run(root, arguments),
        Bench::Concentrator(arguments) => concentrator::run(root, arguments),
        Bench::Fleet(arguments) => growth::run(root, arguments),
        Bench::Alarms(arguments) => alarms::run(root, arguments),
        Bench::Sessions(arguments) => sessions::run(root, arguments),
        Bench::SessionMeters(arguments) => sessions::play(arguments),
        Bench::Switch(arguments) => switch::run(root, arguments),
    }
}
