//! Goal: what a day of a load profile costs the processor, beside a client that this project did not write.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use clap::Args;
use serde_json::Value;

use super::machine;

/// The client in Python; `INTEROP_PYTHON` names an interpreter that has its package.
const PEER: &str = "interop/decode_profile.py";
/// Keys and titles of the meter of `wire/dlms/tests/common`.
const SECRETS: [&str; 8] = [
    "--key",
    "E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1E1",
    "--auth-key",
    "A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1",
    "--system-title",
    "4D4D4D0000BC614E",
    "--client-title",
    "4845530000000001",
];

/// A benchmark of `wire/dlms/benches/codec`: its name, what it is, its goal in microseconds and whether the peer can do it, too.
const LINES: [(&str, &str, Option<u64>, bool); 6] = [
    ("buffer", "rows from the buffer alone", None, false),
    ("plain", "rows from wrapper PDUs, plain", Some(8), true),
    ("ciphered", "rows from wrapper PDUs, suite 0", Some(15), true),
    ("hdlc", "rows from HDLC frames of 128 octets, suite 0", Some(20), false),
    ("session", "whole session over loopback TCP, HLS with GMAC", Some(110), false),
    ("round_trips", "the system calls of that session alone", None, false),
];

/// How often.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How often everything is repeated, the two programs in turn
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds that each benchmark of a round takes
    #[arg(long, default_value_t = 2)]
    seconds: u32,
}

/// Measures and prints one table: the median of the rounds, the least and the most, in microseconds of processor time.
pub(super) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let octets = root.join("target/codec");
    fs::create_dir_all(&octets)?;
    println!("bench codec: a day of 96 rows, 3.7 kB; {} rounds", arguments.rounds);
    println!("machine: {}", machine::describe());
    let python = std::env::var_os("INTEROP_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("INTEROP_PYTHON is not set: nothing to compare with");
    }
    let mut ours: Vec<Vec<u64>> = vec![Vec::new(); LINES.len()];
    let mut peers: Vec<Vec<u64>> = vec![Vec::new(); LINES.len()];
    for _ in 0..arguments.rounds {
        measure(root, &octets, arguments.seconds)?;
        for (at, (name, _, _, comparable)) in LINES.iter().enumerate() {
            ours[at].push(median_of(root, name)?);
            if let (Some(python), true) = (&python, comparable) {
                peers[at].push(peer(root, python, &octets.join(name), *name == "ciphered")?);
            }
        }
    }
    println!(
        "{:48} {:>8} {:>17} {:>6} {:>12} {:>7}",
        "", "median", "least – most", "goal", "gurux-dlms", "ratio"
    );
    for (at, (_, title, goal, _)) in LINES.iter().enumerate() {
        let (median, least, most) = spread(&mut ours[at]);
        let goal = goal.map_or(String::new(), |goal| goal.to_string());
        let (peer, ratio) = match peers[at].is_empty() {
            true => (String::new(), String::new()),
            false => {
                let peer = spread(&mut peers[at]).0;
                (microseconds(peer), (peer / median.max(1)).to_string())
            }
        };
        let range = format!("{} – {}", microseconds(least), microseconds(most));
        let median = microseconds(median);
        println!("{title:48} {median:>8} {range:>17} {goal:>6} {peer:>12} {ratio:>7}");
    }
    Ok(())
}

/// Runs the benchmarks once.
fn measure(root: &Path, octets: &Path, seconds: u32) -> anyhow::Result<()> {
    let ran = Command::new(env!("CARGO"))
        .args(["bench", "--quiet", "--package", "dlms", "--bench", "codec", "--", "--warm-up-time", "1"])
        .args(["--quiet", "--noplot", "--measurement-time", &seconds.to_string()])
        .current_dir(root)
        .env("CODEC_OCTETS", octets)
        .stdout(Stdio::null())
        .status()
        .context("cargo cannot be run")?;
    ensure!(ran.success(), "the benchmarks failed");
    Ok(())
}

/// What criterion noted down last, in nanoseconds.
fn median_of(root: &Path, name: &str) -> anyhow::Result<u64> {
    let path = root.join("target/criterion").join(name).join("new/estimates.json");
    let noted = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let noted: Value = serde_json::from_str(&noted)?;
    let nanoseconds = noted["median"]["point_estimate"].as_f64().context("criterion noted no median")?;
    Ok(nanoseconds as u64)
}

/// What the client in Python takes for the same octets, in nanoseconds.
fn peer(root: &Path, python: &Path, octets: &Path, ciphered: bool) -> anyhow::Result<u64> {
    let ran = Command::new(python)
        .arg(root.join(PEER))
        .args(SECRETS.iter().filter(|_| ciphered))
        .stdin(fs::File::open(octets)?)
        .output()
        .context("the interpreter of INTEROP_PYTHON cannot be run")?;
    ensure!(ran.status.success(), "{PEER}: {}", String::from_utf8_lossy(&ran.stderr));
    // The package writes remarks of its own in front.
    let told = String::from_utf8_lossy(&ran.stdout);
    Ok(told.lines().last().unwrap_or_default().trim().parse()?)
}

/// The median, the least and the most.
fn spread(figures: &mut [u64]) -> (u64, u64, u64) {
    figures.sort_unstable();
    let at = |place: usize| figures.get(place).copied().unwrap_or_default();
    (at(figures.len() / 2), at(0), at(figures.len().saturating_sub(1)))
}

/// Nanoseconds as microseconds with one digit behind the point.
fn microseconds(nanoseconds: u64) -> String {
    let tenths = (nanoseconds + 50) / 100;
    format!("{}.{}", tenths / 10, tenths % 10)
}
