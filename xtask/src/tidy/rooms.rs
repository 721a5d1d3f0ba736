//! Who may use whom, from the `Cargo.toml` of every member of the workspace.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Violation;
use super::tree::Tree;

/// Each room and the rooms that its programs may be built from. A name that ends in `/` stands for all crates below it.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("wire/heartbeat", &["wire/dlms", "wire/gdw376"]),
    ("wire/", &[]),
    ("models", &["wire/"]),
    ("collectors", &["wire/", "models"]),
    ("headend", &["wire/", "models", "collectors", "proto"]),
    ("simulator", &["wire/", "models"]),
    ("proto", &[]),
    ("amictl", &["wire/", "proto"]),
    ("fuzz", &["wire/"]),
    ("xtask", &["wire/", "models", "collectors", "headend", "proto", "simulator"]),
];

/// The room that tests, and only tests, of every room above the wire may use.
const FOR_TESTS: &str = "simulator";

/// Holds the dependencies between the rooms against the table above.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let (manifests, mut found) = manifests(tree);
    let rooms: BTreeMap<&str, &str> =
        manifests.iter().filter_map(|(room, manifest)| Some((package(manifest)?, *room))).collect();
    for (room, manifest) in &manifests {
        let path = format!("{room}/Cargo.toml");
        let Some(allowed) = allowed(room) else {
            found.push(Violation::whole(
                &path,
                "A room without a rule: say in xtask/src/tidy/rooms.rs whom it may use.",
            ));
            continue;
        };
        for (name, only_tests) in dependencies(manifest) {
            let Some(other) = rooms.get(name.as_str()) else { continue };
            let may = allowed.iter().any(|entry| covers(entry, other)) || (only_tests && *other == FOR_TESTS);
            if !may {
                let kind = if only_tests { "even in tests" } else { "in what it builds" };
                found.push(Violation::whole(
                    &path,
                    format!("`{room}` may not use `{other}` {kind}: take `{name}` out or move the code to a room that may."),
                ));
            }
        }
    }
    found
}

/// The manifests of all members by room; a member without a readable manifest is a violation.
fn manifests(tree: &Tree) -> (BTreeMap<&str, Table>, Vec<Violation>) {
    let mut manifests = BTreeMap::new();
    let mut found = Vec::new();
    for (path, text) in &tree.files {
        let Some(room) = path.strip_suffix("/Cargo.toml") else { continue };
        match text.parse::<Table>() {
            Ok(manifest) => drop(manifests.insert(room, manifest)),
            Err(error) => found.push(Violation::whole(path, format!("Not TOML: {}.", error.message()))),
        }
    }
    (manifests, found)
}

fn package(manifest: &Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

fn allowed(room: &str) -> Option<&'static [&'static str]> {
    MAY_USE.iter().find(|(entry, _)| covers(entry, room)).map(|(_, allowed)| *allowed)
}

/// True when a table entry means this room.
fn covers(entry: &str, room: &str) -> bool {
    if entry.ends_with('/') { room.starts_with(entry) } else { room == entry }
}

/// Names of all packages that a manifest depends on; true for those that only tests see.
fn dependencies(manifest: &Table) -> Vec<(String, bool)> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let tables = std::iter::once(manifest).chain(targets.filter_map(Value::as_table));
    let mut names = Vec::new();
    for table in tables {
        for (section, only_tests) in
            [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
        {
            let entries = table.get(section).and_then(Value::as_table).into_iter().flatten();
            names.extend(entries.map(|(name, entry)| (real_name(name, entry), only_tests)));
        }
    }
    names
}

/// The package's own name, which `package = "…"` tells when the dependency has been renamed.
fn real_name(name: &str, entry: &Value) -> String {
    entry.get("package").and_then(Value::as_str).unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DLMS: (&str, &str) = ("wire/dlms/Cargo.toml", "[package]\nname = 'dlms'");
    const HEADEND: (&str, &str) =
        ("headend/Cargo.toml", "[package]\nname = 'headend'\n[dependencies]\ndlms.workspace = true");
    const SIMULATOR: (&str, &str) = ("simulator/Cargo.toml", "[package]\nname = 'simulator'");

    fn what(files: &[(&str, &str)]) -> Vec<String> {
        check(&Tree::of(files)).into_iter().map(|violation| violation.to_string()).collect()
    }

    #[test]
    fn the_allowed_direction_passes_and_the_other_does_not() {
        assert!(what(&[DLMS, HEADEND]).is_empty());
        let upwards = (
            "wire/dlms/Cargo.toml",
            "[package]\nname = 'dlms'\n[dependencies]\nheadend.path = '../../headend'",
        );
        assert!(
            what(&[upwards, HEADEND])[0]
                .starts_with("wire/dlms/Cargo.toml: `wire/dlms` may not use `headend`")
        );
    }

    #[test]
    fn the_simulator_is_for_tests_only() {
        let tests = ("headend/Cargo.toml", "[package]\nname = 'headend'\n[dev-dependencies]\nsimulator = {}");
        let built = ("headend/Cargo.toml", "[package]\nname = 'headend'\n[dependencies]\nsimulator = {}");
        assert!(what(&[tests, SIMULATOR]).is_empty());
        assert_eq!(what(&[built, SIMULATOR]).len(), 1);
    }

    #[test]
    fn a_renamed_or_target_only_dependency_is_seen() {
        let renamed =
            "[package]\nname = 'amictl'\n[target.'cfg(unix)'.dependencies]\nother = { package = 'headend' }";
        assert_eq!(what(&[HEADEND, DLMS, ("amictl/Cargo.toml", renamed)]).len(), 1);
    }

    #[test]
    fn a_new_room_needs_a_rule_and_a_broken_manifest_is_said() {
        assert!(what(&[("console/Cargo.toml", "[package]\nname = 'console'")])[0].contains("without a rule"));
        assert!(what(&[("models/Cargo.toml", "[package")])[0].contains("Not TOML"));
    }
}
