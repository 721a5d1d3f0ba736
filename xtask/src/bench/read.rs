//! Goal: what arrives in the store from meters, against what the store itself can take.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;

use super::fleet::{self, Set};
use super::machine;
use super::process::cpu_of_family;

const POLL: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_secs(600);
/// Captures of a day.
const DAY: u64 = 96;
/// Microseconds of a hundredth of a second.
const HUNDREDTH: u64 = 10_000;

/// What is read.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Meters of the fleet
    #[arg(long, default_value_t = 1000)]
    meters: u32,
    /// Days of history that each meter has; no more than 30 are read
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// Model of the meters; the energy profile of generic-dlms has 8 channels
    #[arg(long, default_value = "generic-dlms")]
    model: String,
    /// Security of the meters: none, lls, gmac or mixed
    #[arg(long, default_value = "mixed")]
    security: String,
    /// How often the whole is repeated
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// What one round measured. Times in milliseconds, processor times in hundredths of a second.
struct Round {
    rows: u64,
    values: u64,
    bytes: u64,
    read_ms: u64,
    headend_cpu: u64,
    postgres_cpu: u64,
    simulator_cpu: u64,
    memory_kib: u64,
    /// What all else on the machine took meanwhile, in thousandths of its time.
    others: u64,
    copy_ms: [u64; 2],
    copy_cpu: u64,
}

/// Runs the rounds and prints one table.
pub(super) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    fleet::build(root)?;
    println!(
        "bench read: {} meters of {}, {} days, security {}, {} rounds",
        arguments.meters, arguments.model, arguments.days, arguments.security, arguments.rounds
    );
    println!("machine: {}", machine::describe());
    let rounds = (0..arguments.rounds).map(|number| {
        let round = round(root, number, arguments)?;
        println!(
            "round {}: {} values in {} ms, raw COPY of the same rows {} ms (1 connection), {} ms (2)",
            number + 1,
            round.values,
            round.read_ms,
            round.copy_ms[0],
            round.copy_ms[1]
        );
        Ok(round)
    });
    report(&rounds.collect::<anyhow::Result<Vec<_>>>()?)
}

fn round(root: &Path, number: u32, arguments: &Arguments) -> anyhow::Result<Round> {
    let (meters, days) = (arguments.meters.to_string(), arguments.days.to_string());
    let simulator =
        ["--count", &meters, "--days", &days, "--model", &arguments.model, "--security", &arguments.security];
    let mut set = Set::start(root, number, &simulator, (fleet::CONNECTIONS, ""))?;
    let (before, times) = (cpu(&set)?, machine::times()?);
    set.amictl(&["meters", "import", "fleet.csv"])?;
    wait(&mut set)?;
    let (after, times) = (cpu(&set)?, times.until(&machine::times()?));
    let [headend_cpu, postgres_cpu, simulator_cpu] = [0, 1, 2].map(|of| after[of] - before[of]);
    let others = times.busy.saturating_sub(headend_cpu + postgres_cpu + simulator_cpu);
    let counts = numbers(&set.psql(&format!(
        "SELECT count(*), sum(num_nonnulls({})) FROM profile_row",
        (0..16).map(|slot| format!("v{slot}")).collect::<Vec<_>>().join(", ")
    ))?)?;
    let job = numbers(&set.psql(
        "SELECT (extract(epoch FROM max(finished_at) - min(started_at)) * 1000)::bigint, sum(bytes_on_wire)::bigint FROM job",
    )?)?;
    let (copy_ms, copy_cpu) = raw_copy(&set)?;
    let round = Round {
        rows: counts[0],
        values: counts[1],
        bytes: job[1],
        read_ms: job[0].max(1),
        headend_cpu,
        postgres_cpu,
        simulator_cpu,
        memory_kib: set.headend.peak_memory()?,
        others: others * 1000 / times.all.max(1),
        copy_ms,
        copy_cpu,
    };
    set.stop()?;
    Ok(round)
}

/// Processor time of head-end, database and simulator.
fn cpu(set: &Set) -> anyhow::Result<[u64; 3]> {
    Ok([set.headend.cpu()?, cpu_of_family(set.postgres()?)?, set.simulator.cpu()?])
}

/// Until every job has ended; none may have failed.
fn wait(set: &mut Set) -> anyhow::Result<()> {
    let until = Instant::now() + LIMIT;
    loop {
        let jobs = numbers(&set.psql(
            "SELECT count(*), count(*) FILTER (WHERE state IN ('due', 'running')), count(*) FILTER (WHERE state = 'failed') FROM job",
        )?)?;
        ensure!(jobs[2] == 0, "{} jobs failed", jobs[2]);
        if jobs[0] > 0 && jobs[1] == 0 {
            return Ok(());
        }
        ensure!(Instant::now() < until, "the jobs did not end in {LIMIT:?}");
        set.check()?;
        sleep(POLL);
    }
}

/// The same rows once more in the order in which they came, by `psql` and `COPY BINARY` into the emptied table, over one connection and over two at the same
/// time. The head-end and the simulator stand still meanwhile.
fn raw_copy(set: &Set) -> anyhow::Result<([u64; 2], u64)> {
    set.headend.signal("STOP")?;
    set.simulator.signal("STOP")?;
    for half in 0..2 {
        set.psql(&format!(
            "\\copy (SELECT * FROM profile_row WHERE meter_id % 2 = {half} ORDER BY stored_at, meter_id, layout_id, ts) TO half{half} (FORMAT binary)"
        ))?;
    }
    let postgres = set.postgres()?;
    let load = |half: u32| set.psql_command(&format!("\\copy profile_row FROM half{half} (FORMAT binary)"));
    set.psql("TRUNCATE profile_row")?;
    set.psql("CHECKPOINT")?;
    let cpu = cpu_of_family(postgres)?;
    let begun = Instant::now();
    for half in 0..2 {
        ensure!(load(half)?.status()?.success(), "raw COPY failed");
    }
    let one = begun.elapsed();
    let cpu = cpu_of_family(postgres)? - cpu;
    set.psql("TRUNCATE profile_row")?;
    set.psql("CHECKPOINT")?;
    let begun = Instant::now();
    let loads = [load(0)?.spawn()?, load(1)?.spawn()?];
    for mut load in loads {
        ensure!(load.wait()?.success(), "raw COPY failed");
    }
    let two = begun.elapsed();
    Ok(([one, two].map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)), cpu))
}

fn numbers(line: &str) -> anyhow::Result<Vec<u64>> {
    line.split('|')
        .map(|cell| cell.parse().with_context(|| format!("{cell:?} in {line:?} is no number")))
        .collect()
}

fn report(rounds: &[Round]) -> anyhow::Result<()> {
    let first = rounds.first().context("no round")?;
    let figure = |name: &str, unit: &str, of: &dyn Fn(&Round) -> u64| {
        let mut all: Vec<u64> = rounds.iter().map(of).collect();
        all.sort_unstable();
        println!("{name:44} {:>12} {unit}  ({} … {})", all[all.len() / 2], all[0], all[all.len() - 1]);
    };
    println!(
        "median of {} rounds (least … most); {} captures, {} values",
        rounds.len(),
        first.rows,
        first.values
    );
    let each_day = |cpu: u64, round: &Round| cpu * HUNDREDTH * DAY / round.rows.max(1);
    figure("days of 96 captures", "1/s", &|round| round.rows * 1000 / DAY / round.read_ms);
    figure("values stored", "1/s", &|round| round.values * 1000 / round.read_ms);
    figure("head-end CPU per day", "µs", &|round| each_day(round.headend_cpu, round));
    figure("PostgreSQL CPU per day", "µs", &|round| each_day(round.postgres_cpu, round));
    figure("simulator CPU per day", "µs", &|round| each_day(round.simulator_cpu, round));
    figure("PostgreSQL CPU per day, raw COPY", "µs", &|round| each_day(round.copy_cpu, round));
    figure("time of the machine taken by others", "/1000", &|round| round.others);
    figure("octets on the wire per 1000 values", "", &|round| round.bytes * 1000 / round.values);
    figure("peak memory of the head-end", "KiB", &|round| round.memory_kib);
    figure("raw COPY, 1 connection", "values/s", &|round| round.values * 1000 / round.copy_ms[0]);
    figure("raw COPY, 2 connections", "values/s", &|round| round.values * 1000 / round.copy_ms[1]);
    figure("ratio to raw COPY, 1 connection", "/1000", &|round| round.copy_ms[0] * 1000 / round.read_ms);
    figure("ratio to raw COPY, 2 connections", "/1000", &|round| round.copy_ms[1] * 1000 / round.read_ms);
    figure("head-end CPU to PostgreSQL CPU", "/1000", &|round| {
        round.headend_cpu * 1000 / round.postgres_cpu.max(1)
    });
    Ok(())
}
