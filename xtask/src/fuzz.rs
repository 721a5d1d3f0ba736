//! Fuzzing: builds the targets of `fuzz/` with coverage counters, gives each the vectors to begin with, and runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::Value;

/// Where the vectors are.
const VECTORS: &str = "wire/dlms/tests/vectors/dlms.json";
/// The targets, and the octets that each wants in front of an input: how a stream is cut, which bit is altered, how a server begins.
const TARGETS: [(&str, &[u8]); 6] = [
    ("frames", &[0xFF]),
    ("apdus", &[]),
    ("ciphered", &[0, 0]),
    ("decode", &[]),
    ("sequences", &[2, 0, 0xFF, 0xFF]),
    // SNRM, and UA to it.
    ("stations", &[6, 0, 5, 0x73, 0, 5, 0x93, 0]),
];
/// What the compiler adds so that the fuzzer sees which way an input took. All of it is stable.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cllvm-args=-simplifycfg-branch-fold-threshold=0 \
    -Ccodegen-units=1 --cfg fuzzing";
/// Longest input, in octets.
const INPUT_MAX: usize = 4096;
/// Most memory that a target may take, in MiB: itself, its corpus and what one input makes it allocate.
const MEMORY_MAX: usize = 512;
/// Seconds after which an input counts as one that never ends. Most take microseconds; this machine may be busy.
const INPUT_SECONDS: usize = 10;

/// Which targets, and for how long.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only this target.
    #[arg(long)]
    target: Option<String>,
}

/// Runs the targets one after the other.
///
/// # Errors
/// When one cannot be built, or found something: the input is then named and can be run again.
pub(crate) fn run(root: &Path, arguments: &Arguments) -> anyhow::Result<()> {
    let chosen: Vec<_> = TARGETS
        .iter()
        .filter(|(name, _)| arguments.target.as_deref().is_none_or(|target| target == *name))
        .collect();
    ensure!(
        !chosen.is_empty(),
        "there is no such target; there are {}",
        TARGETS.map(|(name, _)| name).join(", ")
    );
    let place = root.join("target/fuzz");
    let programs = build(root, &place)?;
    for (name, prefix) in chosen {
        let corpus = place.join("corpus").join(name);
        let seeds = seed(root, &corpus, prefix)?;
        println!("fuzz: {name}, from {seeds} vectors, for {} s", arguments.seconds);
        search(&programs.join(name), &corpus, &place.join("found").join(name), arguments.seconds)?;
    }
    Ok(())
}

/// Builds all targets; returns the folder with the programs.
fn build(root: &Path, place: &Path) -> anyhow::Result<PathBuf> {
    let host = Command::new("rustc").arg("-vV").output().context("rustc cannot be run")?;
    let host = String::from_utf8(host.stdout)?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
    // With a target that is named, programs that run while building are left alone.
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--target", host, "--manifest-path"])
        .arg(root.join("fuzz/Cargo.toml"))
        .env("RUSTFLAGS", COVERAGE)
        .env("CARGO_TARGET_DIR", place)
        .status()
        .context("cargo cannot be run")?;
    ensure!(built.success(), "the fuzz targets cannot be built");
    Ok(place.join(host).join("release"))
}

/// Writes the octets of every vector into the corpus; returns how many there are.
fn seed(root: &Path, corpus: &Path, prefix: &[u8]) -> anyhow::Result<usize> {
    fs::create_dir_all(corpus)?;
    let vectors: Vec<Value> = serde_json::from_str(&fs::read_to_string(root.join(VECTORS))?)?;
    for vector in &vectors {
        let (Some(id), Some(digits)) = (vector["id"].as_str(), vector["hex"].as_str()) else {
            bail!("{VECTORS}: a vector without id or octets");
        };
        fs::write(corpus.join(id), [prefix, &octets(digits)?].concat())?;
    }
    Ok(vectors.len())
}

fn octets(digits: &str) -> anyhow::Result<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Ok(u8::from_str_radix(str::from_utf8(pair)?, 16)?)).collect()
}

/// Runs one target; what it finds is written into `found`.
fn search(program: &Path, corpus: &Path, found: &Path, seconds: u32) -> anyhow::Result<()> {
    fs::create_dir_all(found)?;
    let ran = Command::new(program)
        .arg(corpus)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={INPUT_MAX}"))
        .arg(format!("-rss_limit_mb={MEMORY_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .args(["-verbosity=0", "-print_final_stats=1"])
        .output()
        .with_context(|| format!("{} cannot be run", program.display()))?;
    let told = String::from_utf8_lossy(&ran.stderr);
    if !ran.status.success() {
        bail!("{told}\nan input was found that the protocol cannot bear; it is in {}", found.display());
    }
    let inputs = told.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let memory = told.lines().find_map(|line| line.strip_prefix("stat::peak_rss_mb:"));
    let figure = |figure: Option<&str>| figure.unwrap_or("?").trim().to_owned();
    println!("fuzz: {} inputs, at most {} MiB, nothing found", figure(inputs), figure(memory));
    Ok(())
}
