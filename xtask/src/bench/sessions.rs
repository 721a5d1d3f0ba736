//! What a meter that called, was read, and keeps its connection and association open costs: in our processes, and in the kernel.
//!
//! A process may have so many files open, so several head-ends share one database, each with its part of the meters, which are played by as
//! many processes of this program.

mod meters;

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Args;

use super::fleet::{self, Set};
use super::machine;
use super::process::Process;

pub(super) use meters::{MetersArguments, play};

/// Meters in one file of the inventory.
const IMPORT: u32 = 10_000;
/// Serial number of the first meter.
const FIRST: u32 = 50_000_000;
/// Connections to the database of each head-end but the first.
const CONNECTIONS: u32 = 8;
const POLL: Duration = Duration::from_secs(1);
/// Longer than a channel lingers: from then on a connection is parked.
const PARKED: Duration = Duration::from_secs(5);

/// How much of it.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Meters that call
    #[arg(long, default_value_t = 100_000)]
    sessions: u32,
    /// Head-ends that they call; each may have 20000 files open at most
    #[arg(long, default_value_t = 6)]
    processes: u32,
    /// How long they may take to be connected and read, in seconds
    #[arg(long, default_value_t = 1800)]
    limit_s: u64,
}

/// Memory at one time, in octets.
#[derive(Clone, Copy)]
struct Memory {
    ours: u64,
    kernel: u64,
}

/// Runs it and prints what was measured.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { sessions, processes, .. } = *arguments;
    ensure!(processes > 0 && sessions >= processes, "there are fewer meters than processes");
    fleet::build(root)?;
    println!("{sessions} meters call {processes} processes; {}", machine::describe());
    let places = (0..processes).map(|_| free_address()).collect::<anyhow::Result<Vec<_>>>()?;
    let roles = "[roles]\nplanner = false\nlistener = true\n";
    let simulator = ["--count", "1", "--days", "1", "--model", "generic-dlms", "--security", "none"];
    // The server of the first has room for its own connections, and so for those of the others.
    let connections = fleet::CONNECTIONS + CONNECTIONS * (processes - 1);
    let sections = format!("{roles}{}", listener(places[0]));
    let mut set = Set::start(root, 0, &simulator, (connections, &sections))?;
    register(&set, sessions)?;
    let others = places.iter().enumerate().skip(1).map(|(number, place)| another(root, &set, number, *place));
    let others = others.collect::<anyhow::Result<Vec<_>>>()?;
    sleep(PARKED);
    let before = memory(&set, &others)?;
    let begun = Instant::now();
    let callers = call(&set, &places, sessions)?;
    let until = begun + Duration::from_secs(arguments.limit_s);
    let present = "SELECT count(*) FROM caller WHERE left_at IS NULL";
    wait(&mut set, present, sessions, until)?;
    println!("connected after {:.1?}", begun.elapsed());
    set.psql("INSERT INTO job (meter_id, kind) SELECT id, 'identify' FROM meter")?;
    wait(&mut set, "SELECT count(*) FROM job WHERE state = 'done'", sessions, until)?;
    println!("associated and read after {:.1?}", begun.elapsed());
    sleep(PARKED);
    let after = memory(&set, &others)?;
    ensure!(set.psql(present)? == sessions.to_string(), "some have hung up");
    report(before, after, u64::from(sessions));
    drop(callers);
    for other in others {
        other.stop()?;
    }
    set.stop()
}

/// The kernel holds both ends of each connection here, of which a head-end has one.
fn report(before: Memory, after: Memory, sessions: u64) {
    let ours = after.ours.saturating_sub(before.ours) / sessions;
    let kernel = after.kernel.saturating_sub(before.kernel) / (2 * sessions);
    println!("our processes: {ours} octets for each session (goal: 6144 at most)");
    println!("kernel: {kernel} octets for each end of a connection");
    println!("together: {} octets (goal: 12288 at most)", ours + kernel);
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn listener(place: SocketAddr) -> String {
    format!(
        "[collector]\nlinger = \"1s\"\n[listener]\ntcp = \"{place}\"\nudp = \"{place}\"\nmax_connections = 19000\n\
         connections_per_address = 100000\nconnections_per_second = 100000\nconnections_per_second_and_address = 100000\n\
         first_reads_per_second = 100000\n"
    )
}

/// Another head-end over the same database.
fn another(root: &Path, set: &Set, number: usize, place: SocketAddr) -> anyhow::Result<Process> {
    let file = fs::read_to_string(set.folder().join("data/postgres/postmaster.pid"))?;
    let socket = file.lines().nth(4).context("no socket in postmaster.pid")?;
    let config = format!(
        "[database]\nurl = \"postgres://headend@localhost/headend?host={socket}\"\nmax_connections = {CONNECTIONS}\n\
         [log]\nlevel = \"warn\"\n[roles]\napi = false\nplanner = false\nlistener = true\n{}",
        listener(place)
    );
    let name = format!("headend-{number}.toml");
    fs::write(set.folder().join(&name), config)?;
    let program = root.join("target/release/headend");
    Process::start("another-headend", &program, &["serve", "--config", &name], set.folder())
}

fn register(set: &Set, sessions: u32) -> anyhow::Result<()> {
    let mut from = 0;
    while from < sessions {
        let to = sessions.min(from + IMPORT);
        let mut csv = String::from("serial,model,address,zone,security\n");
        for number in FIRST + from..FIRST + to {
            writeln!(csv, "{number},generic-dlms,inbound://{number},UTC,none")?;
        }
        fs::write(set.folder().join("callers.csv"), csv)?;
        set.amictl(&["meters", "import", "callers.csv"])?;
        from = to;
    }
    Ok(())
}

/// Starts those who call, each process with its part of the meters.
fn call(set: &Set, places: &[SocketAddr], sessions: u32) -> anyhow::Result<Vec<Process>> {
    let program = std::env::current_exe()?;
    let share = sessions.div_ceil(u32::try_from(places.len())?);
    let parts = places.iter().zip(0_u32..).map(|(place, part)| {
        let from = part * share;
        let count = share.min(sessions.saturating_sub(from)).to_string();
        let (place, first) = (place.to_string(), (FIRST + from).to_string());
        let arguments = ["bench", "session-meters", "--to", &place, "--first", &first, "--count", &count];
        Process::start("meters", &program, &arguments, set.folder())
    });
    parts.collect()
}

fn wait(set: &mut Set, question: &str, sessions: u32, until: Instant) -> anyhow::Result<()> {
    while set.psql(question)? != sessions.to_string() {
        ensure!(Instant::now() < until, "{question}: {} of {sessions}", set.psql(question)?);
        set.check()?;
        sleep(POLL);
    }
    Ok(())
}

fn memory(set: &Set, others: &[Process]) -> anyhow::Result<Memory> {
    let processes = std::iter::once(&set.headend).chain(others);
    let ours = processes.map(Process::anonymous_memory).sum::<anyhow::Result<u64>>()?;
    let information = fs::read_to_string("/proc/meminfo")?;
    let slab = information.lines().find_map(|line| line.strip_prefix("Slab:")).context("no Slab")?;
    Ok(Memory { ours: ours * 1024, kernel: slab.trim().trim_end_matches(" kB").parse::<u64>()? * 1024 })
}
