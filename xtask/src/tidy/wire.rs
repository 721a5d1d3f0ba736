//! Protocol crates turn bytes into bytes: no socket, no clock, no randomness, no task, no file.

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
    fn a_package_that_reaches_outside_is_found() {
        let found = check(&Tree::of(&[("wire/dlms/Cargo.toml", "[dependencies]\ntokio.workspace = true")]));
        assert!(found[0].what.starts_with("`tokio` reaches outside"));
    }
}
