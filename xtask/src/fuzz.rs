//! Fuzzing: builds the targets of `fuzz/` with coverage counters, gives each the vectors to begin with, and runs them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use serde_json::Value;

/// Where the vectors of DLMS are.
const DLMS: &[&str] = &["wire/dlms/tests/vectors/dlms.json"];
/// The targets, the octets that each wants in front of an input (how a stream is cut, which bit is altered, how a server begins), and
/// where its vectors are.
const TARGETS: [(&str, &[u8], &[&str]); 13] = [
    ("frames", &[0xFF], DLMS),
    ("apdus", &[], DLMS),
    ("ciphered", &[0, 0], DLMS),
    ("decode", &[], DLMS),
    ("sequences", &[2, 0, 0xFF, 0xFF], DLMS),
    // SNRM, and UA to it.
    ("stations", &[6, 0, 5, 0x73, 0, 5, 0x93, 0], DLMS),
    ("dlt645", &[0xFF], &["wire/dlt645/tests/vectors.rs"]),
    (
        "iec62056_21",
        &[0xFF],
        &[
            "wire/iec62056-21/tests/vectors.rs",
            "wire/iec62056-21/tests/session.rs",
            "wire/iec62056-21/tests/mode_e.rs",
        ],
    ),
    // To server 1, for two registers.
    ("modbus", &[0xFF, 1, 2], &["wire/modbus/tests/vectors.rs"]),
    ("gdw376", &[0xFF], &["wire/gdw376/tests/vectors.rs"]),
    ("heartbeat", &[0xFF], &["wire/heartbeat/tests/vectors.rs"]),
    ("p2lpc", &[0xFF], &["wire/p2lpc/tests/documents.rs", "wire/p2lpc/tests/soap.rs"]),
    ("pcapng", &[], &["wire/pcapng/tests/file.rs"]),
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
        .filter(|(name, ..)| arguments.target.as_deref().is_none_or(|target| target == *name))
        .collect();
    ensure!(
        !chosen.is_empty(),
        "there is no such target; there are {}",
        TARGETS.map(|(name, ..)| name).join(", ")
    );
    let place = root.join("target/fuzz");
    let programs = build(root, &place)?;
    for (name, prefix, files) in chosen {
        let corpus = place.join("corpus").join(name);
        let seeds = seed(root, &corpus, prefix, files)?;
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
fn seed(root: &Path, corpus: &Path, prefix: &[u8], files: &[&str]) -> anyhow::Result<usize> {
    fs::create_dir_all(corpus)?;
    let mut seeds = 0;
    for file in files {
        let text = fs::read_to_string(root.join(file)).with_context(|| format!("{file} cannot be read"))?;
        let vectors = match file.strip_suffix(".rs") {
            Some(_) => literals(&text),
            None => vectors(&text).with_context(|| format!("{file} has no vectors"))?,
        };
        let stem = Path::new(file).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for (name, octets) in &vectors {
            fs::write(corpus.join(format!("{stem}-{name}")), [prefix, octets].concat())?;
        }
        seeds += vectors.len();
    }
    ensure!(seeds > 0, "there are no vectors in {}", files.join(", "));
    Ok(seeds)
}

/// The vectors of a file of them, by their ids.
fn vectors(text: &str) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
    let vectors: Vec<Value> = serde_json::from_str(text)?;
    let read = |vector: &Value| {
        let (id, digits) = vector["id"].as_str().zip(vector["hex"].as_str())?;
        Some((id.to_owned(), octets(digits)?))
    };
    vectors.iter().map(|vector| read(vector).context("one without id or octets")).collect()
}

/// What stands between quotation marks in a test, by its number: octets where it is digits, else the text. One that is taken for another where a mark
/// stands in a comment does no harm: it is only what the fuzzer begins with.
fn literals(code: &str) -> Vec<(String, Vec<u8>)> {
    let (mut found, mut rest) = (Vec::new(), code);
    while let Some((before, behind)) = rest.split_once('"') {
        let (text, next) = match before.ends_with("r#") {
            true => behind.split_once("\"#").unwrap_or((behind, "")),
            false => quoted(behind),
        };
        rest = next;
        let digits: String = text.chars().filter(|char| *char != ' ').collect();
        let seed = octets(&digits).unwrap_or_else(|| unescaped(text));
        found.push((found.len().to_string(), seed));
    }
    found
}

/// Splits behind the mark that ends a literal.
fn quoted(text: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = text.find(|char| {
        let is_end = char == '"' && !is_escaped;
        is_escaped = char == '\\' && !is_escaped;
        is_end
    });
    end.map_or((text, ""), |end| (&text[..end], &text[end + 1..]))
}

/// The octets of a literal.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split('\\');
    let mut octets = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (octet, taken) = match part.as_bytes() {
            [b'r', ..] => (b'\r', 1),
            [b'n', ..] => (b'\n', 1),
            [b'0', ..] => (0, 1),
            [b'x', ..] => {
                (part.get(1..3).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or(0), 3)
            }
            _ => (b'\\', 0),
        };
        octets.push(octet);
        octets.extend_from_slice(part.as_bytes().get(taken..).unwrap_or_default());
    }
    octets
}

/// Octets out of digits, if that is what they are.
fn octets(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    let octet = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    digits.len().is_multiple_of(2).then(|| pairs.map(octet).collect())?
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_test_holds_is_what_the_fuzzer_begins_with() {
        let code = r##"octets("68 01 16"), b"\x06\r\n/?!", r#"<a b="c"/>"#, "a \"b\\2""##;
        let found: Vec<_> = literals(code).into_iter().map(|(_, octets)| octets).collect();
        let text = [&b"\x06\r\n/?!"[..], br#"<a b="c"/>"#];
        assert_eq!(found[0], [0x68, 1, 0x16]);
        assert_eq!(found[1..3], text);
        assert_eq!(found.len(), 4);
    }
}
