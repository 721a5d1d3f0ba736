//! The tests that `docs/faults.md` names for a case exist, and say so themselves; those that `docs/requirements.md` names exist.

use super::Violation;
use super::references::{between, names_a_file};
use super::tree::Tree;

/// The table of cases: each line has a case, files between backticks, and behind each of them names of tests.
const TABLE: &str = "docs/faults.md";

/// The tables of what datasheets ask for: the same in the third column, without cases.
const REQUIREMENTS: &str = "docs/requirements.md";

/// Names every test of the tables that its file does not have, and every file that does not name the case.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = cases(tree);
    let lines = tree.files.get(REQUIREMENTS).map_or("", String::as_str).lines();
    for (at, tests) in lines.enumerate().filter_map(|(at, line)| Some((at, line.split(" | ").nth(2)?))) {
        let mut text = "";
        for name in between(tests, "`", "`") {
            if names_a_file(name) {
                text = tree.files.get(name).map_or("", String::as_str);
            } else if !text.contains(&format!("fn {name}(")) {
                let what = format!("`{name}` is no test in the file before it: mend the table.");
                found.push(Violation::at(REQUIREMENTS, at + 1, what));
            }
        }
    }
    found
}

fn cases(tree: &Tree) -> Vec<Violation> {
    let Some(table) = tree.files.get(TABLE) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, line) in table.lines().enumerate() {
        let Some(case) = case(line) else { continue };
        let (mut path, mut text) = ("", "");
        for name in between(line, "`", "`") {
            if names_a_file(name) {
                // That it exists is another check.
                (path, text) = (name, tree.files.get(name).map_or("", String::as_str));
                if !names(text, case) {
                    found
                        .push(violation(at, format!("`{name}` does not name {case}: write it to the test.")));
                }
            } else if !text.contains(&format!("fn {name}(")) {
                found.push(violation(at, format!("`{name}` is no test in `{path}`: mend the table.")));
            }
        }
    }
    found
}

/// The case of a line: `| C-07 …` or `| X-13 …`.
fn case(line: &str) -> Option<&str> {
    let case = line.strip_prefix("| ")?.get(..4)?;
    let digits = case.strip_prefix("C-").or(case.strip_prefix("X-"))?;
    digits.chars().all(|digit| digit.is_ascii_digit()).then_some(case)
}

/// Whether a case stands in a docstring, or in the name of a function or module.
fn names(text: &str, case: &str) -> bool {
    text.contains(case) || text.contains(&format!("{}_", case.to_lowercase().replace('-', "_")))
}

fn violation(at: usize, what: String) -> Violation {
    Violation::at(TABLE, at + 1, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<String> {
        let test = "/// C-07: bombs.\n#[test]\nfn bombs() {}\nfn c_08_cut() {}";
        let tree = Tree::of(&[(TABLE, line), ("wire/tests/a.rs", test)]);
        check(&tree).into_iter().map(|violation| violation.to_string()).collect()
    }

    #[test]
    fn tests_that_exist_and_say_so_pass() {
        assert!(found("| C-07 bombs | `wire/tests/a.rs`: `bombs` |").is_empty());
        assert!(found("| C-08 cuts | `wire/tests/a.rs`: `c_08_cut`, `bombs` |").is_empty());
        assert!(found("Case `gone` of another table.").is_empty());
    }

    #[test]
    fn tests_of_requirements_exist() {
        let found = |line: &str| {
            check(&Tree::of(&[(REQUIREMENTS, line), ("wire/tests/a.rs", "fn bombs() {}")])).len()
        };
        assert_eq!(found("| Energy | `[alarms]` | `wire/tests/a.rs`: `bombs` | Names |"), 0);
        assert_eq!(found("| Energy | `[alarms]` | `wire/tests/a.rs`: `gone`, `bombs` | Names |"), 1);
    }

    #[test]
    fn tests_that_are_gone_or_do_not_say_so_do_not() {
        assert_eq!(
            found("| C-07 bombs | `wire/tests/a.rs`: `gone` |"),
            ["docs/faults.md:1: `gone` is no test in `wire/tests/a.rs`: mend the table."]
        );
        assert_eq!(
            found("| C-09 blocks | `wire/tests/a.rs`: `bombs` |"),
            ["docs/faults.md:1: `wire/tests/a.rs` does not name C-09: write it to the test."]
        );
    }
}
