//! Protocol crates turn bytes into bytes: no socket, no clock, no randomness, no task, no file.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use toml::{Table, Value};

use super::Violation;
use super::tree::Tree;

/// Where the rule holds.
const ROOM: &str = "wire/";

/// Text of code that reaches outside, and what to do instead.
const OUTSIDE: [(&str, &str); 12] = [
    ("std::net", "the caller owns the socket: take and return bytes"),
    ("std::io", "the caller owns the line: take and return bytes"),
    ("std::fs", "take the text as an argument"),
    ("std::env", "take the setting as an argument"),
    ("std::thread", "the caller decides what runs where"),
    ("std::process", "nothing in here starts a program"),
    ("SystemTime", "take the time as an argument"),
    ("Instant::now", "take the time as an argument"),
    ("Timestamp::now", "take the time as an argument"),
    ("tokio", "the async shell is in `collectors`"),
    ("getrandom", "take the random octets as an argument"),
    ("thread_rng", "take the random octets as an argument"),
];

/// Packages that reach outside.
const PACKAGES: [&str; 12] = [
    "async-std",
    "chrono",
    "futures-util",
    "getrandom",
    "jiff",
    "mio",
    "rand",
    "smol",
    "socket2",
    "sqlx",
    "time",
    "tokio",
];

/// Names every way out of the protocol crates.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.rust.iter().filter(|(path, _)| path.starts_with(ROOM)) {
        for (at, line) in text.code.iter().enumerate() {
            let hits = OUTSIDE.iter().filter(|(outside, _)| line.contains(outside));
            found.extend(
                hits.map(|(outside, advice)| Violation::at(path, at + 1, format!("`{outside}`: {advice}."))),
            );
        }
    }
    for (path, text) in
        tree.files.iter().filter(|(path, _)| path.starts_with(ROOM) && path.ends_with("/Cargo.toml"))
    {
        let manifest = text.parse::<Table>().unwrap_or_default();
        let dependencies =
            manifest.get("dependencies").and_then(Value::as_table).into_iter().flat_map(Table::keys);
        let hits = dependencies.filter(|name| PACKAGES.contains(&name.as_str()));
        found.extend(hits.map(|name| {
            Violation::whole(
                path,
                format!(
                    "`{name}` reaches outside: a protocol crate gets time, chance and bytes as arguments."
                ),
            )
        }));
    }
    found
}

/// Names every package that reaches outside and comes in with the dependencies of a protocol crate. What is looked at is what a machine
/// without an operating system would get.
///
/// # Errors
/// When cargo does not tell the dependencies.
pub(super) fn dependencies(root: &Path, tree: &Tree) -> anyhow::Result<Vec<Violation>> {
    let mut found = Vec::new();
    let manifests = tree.files.keys().filter(|path| path.starts_with(ROOM) && path.ends_with("/Cargo.toml"));
    for manifest in manifests {
        let told = Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--edges", "normal", "--target", "wasm32-unknown-unknown"])
            .args(["--prefix", "none", "--format", "{p}", "--manifest-path"])
            .arg(root.join(manifest))
            .output()
            .context("cargo tree cannot be run")?;
        ensure!(told.status.success(), "cargo tree: {}", String::from_utf8_lossy(&told.stderr));
        found.extend(outside(manifest, &String::from_utf8_lossy(&told.stdout)));
    }
    Ok(found)
}

/// The packages of the table among lines of the form `name version`.
fn outside(manifest: &str, told: &str) -> Vec<Violation> {
    let names: BTreeSet<&str> = told.lines().filter_map(|line| line.split(' ').next()).collect();
    let hits = names.into_iter().filter(|name| PACKAGES.contains(name));
    hits.map(|name| {
        let what = format!(
            "`{name}` comes in with a dependency and reaches outside: switch the feature off that brings it."
        );
        Violation::whole(manifest, what)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_out_is_found() {
        for (outside, advice) in OUTSIDE {
            let found = check(&Tree::of(&[("wire/dlms/src/lib.rs", &format!("\nuse {outside};"))]));
            assert_eq!(found, [Violation::at("wire/dlms/src/lib.rs", 2, format!("`{outside}`: {advice}."))]);
        }
    }

    #[test]
    fn comments_tests_and_other_rooms_may() {
        let files = [
            ("wire/dlms/src/lib.rs", "//! No tokio in here.\n#[cfg(test)]\nmod tests { use std::fs; }\n"),
            ("collectors/src/lib.rs", "use tokio;"),
            ("wire/dlms/Cargo.toml", "[dev-dependencies]\nrand = '1'"),
        ];
        assert!(check(&Tree::of(&files)).is_empty());
    }

    #[test]
    fn a_package_that_comes_in_with_another_one_is_found() {
        let told = "dlms v0.1.0 (here)\naes-gcm v0.11.1\ngetrandom v0.4.3\ngetrandom v0.4.3 (*)\n";
        let found = outside("wire/dlms/Cargo.toml", told);
        assert_eq!(found.len(), 1);
        assert!(found[0].what.starts_with("`getrandom` comes in"));
        assert!(outside("wire/dlms/Cargo.toml", "rand_core v0.9.3\n").is_empty());
    }

    #[test]
    fn a_package_that_reaches_outside_is_found() {
        let found = check(&Tree::of(&[("wire/dlms/Cargo.toml", "[dependencies]\ntokio.workspace = true")]));
        assert!(found[0].what.starts_with("`tokio` reaches outside"));
    }
}
