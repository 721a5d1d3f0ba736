//! Goals: what a read costs does not grow with the number of meters; a head-end that knows a million of them starts at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::Value;

use super::machine;

/// How many, and how often.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Registered meters, the size that others are compared with second
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000,1000000")]
    sizes: Vec<u64>,
    /// Meters that come due at a time
    #[arg(long, default_value_t = 1000)]
    reads: u32,
    /// How often they do, the sizes in turn
    #[arg(long, default_value_t = 7)]
    rounds: u32,
    /// Meters that come due are strewn over the fleet, not a piece of it
    #[arg(long)]
    strewn: bool,
    /// Further meters whose work is due and cannot be done: they do not call, or their lines, groups or buses are taken
    #[arg(long, default_value_t = 0)]
    blocked: u32,
}

/// Measures and prints one table, in microseconds of processor time for each read.
pub(super) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    println!(
        "bench fleet: {} reads at a time of a day of 96 captures with 4 values, {}, {} rounds, {} meters blocked",
        arguments.reads,
        if arguments.strewn { "of meters here and there" } else { "one piece of the fleet after the other" },
        arguments.rounds,
        arguments.blocked
    );
    println!("machine: {}", machine::describe());
    let sizes: Vec<_> = arguments.sizes.iter().map(u64::to_string).collect();
    let ran = Command::new(env!("CARGO"))
        .args(["bench", "--quiet", "--package", "headend", "--bench", "fleet", "--"])
        .args(["--sizes", &sizes.join(","), "--reads", &arguments.reads.to_string()])
        .args(["--rounds", &arguments.rounds.to_string(), "--blocked", &arguments.blocked.to_string()])
        .args(arguments.strewn.then_some("--strewn"))
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo cannot be run")?;
    ensure!(ran.status.success(), "the benchmark failed");
    let mut figures: BTreeMap<(u64, String, &str), Vec<u64>> = BTreeMap::new();
    for line in String::from_utf8(ran.stdout)?.lines().filter(|line| line.starts_with('{')) {
        let told: Value = serde_json::from_str(line)?;
        let meters = told["meters"].as_u64().context("no number of meters")?;
        let what = told["what"].as_str().context("no subject")?;
        for name in [
            "database_us",
            "program_us",
            "planning_database_us",
            "planning_program_us",
            "wall_ms",
            "memory_kib",
        ] {
            let figure = told[name].as_u64();
            figures.entry((meters, what.to_owned(), name)).or_default().extend(figure);
        }
    }
    let base = *arguments.sizes.get(1).or(arguments.sizes.first()).context("no size")?;
    let mut of =
        |meters, what: &str, name| spread(figures.entry((meters, what.to_owned(), name)).or_default());
    let base = of(base, "read", "database_us").0 + of(base, "read", "program_us").0;
    println!(
        "{:>9} {:>9} {:>13} {:>8} {:>7} {:>9} {:>10} {:>11}",
        "meters", "database", "least – most", "program", "ratio", "planning", "memory KiB", "restart ms"
    );
    for meters in &arguments.sizes {
        let (database, least, most) = of(*meters, "read", "database_us");
        let program = of(*meters, "read", "program_us").0;
        let planning =
            of(*meters, "read", "planning_database_us").0 + of(*meters, "read", "planning_program_us").0;
        let ratio = (database + program) * 100 / base.max(1);
        println!(
            "{meters:>9} {database:>9} {:>13} {program:>8} {:>4}.{:02} {planning:>9} {:>10} {:>11}",
            format!("{least} – {most}"),
            ratio / 100,
            ratio % 100,
            of(*meters, "read", "memory_kib").0,
            of(*meters, "restart", "wall_ms").0,
        );
    }
    Ok(())
}

/// The median, the least and the most.
fn spread(figures: &mut [u64]) -> (u64, u64, u64) {
    figures.sort_unstable();
    let at = |place: usize| figures.get(place).copied().unwrap_or_default();
    (at(figures.len() / 2), at(0), at(figures.len().saturating_sub(1)))
}
