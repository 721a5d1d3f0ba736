//! `cargo xtask tidy`: every check over the whole tree.

use std::fmt;
use std::path::Path;

mod budget;
mod documentation;
mod faults;
mod floats;
mod models;
mod quick_start;
mod references;
mod rooms;
mod rust_text;
mod sql;
mod tree;
mod wire;
mod words;

use tree::Tree;

/// What a run of all checks found.
pub(crate) struct Findings {
    /// Every broken rule, sorted by place.
    pub(crate) violations: Vec<Violation>,
    /// One line of figures about the whole tree.
    pub(crate) measure: String,
}

/// One place that breaks one rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// Path below the root of the project, with `/`.
    pub(crate) path: String,
    /// Line, counted from 1; 0 when the whole file is meant.
    pub(crate) line: usize,
    /// What is wrong and what to do, one sentence each.
    pub(crate) what: String,
}

impl Violation {
    /// A broken rule at one line.
    pub(crate) fn at(path: &str, line: usize, what: impl Into<String>) -> Violation {
        Violation { path: path.to_owned(), line, what: what.into() }
    }

    /// A broken rule of a whole file or folder.
    pub(crate) fn whole(path: &str, what: impl Into<String>) -> Violation {
        Violation::at(path, 0, what)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

/// Runs every check over the tree at `root`.
///
/// # Errors
/// When a file cannot be read; a broken rule is not an error but a [`Violation`].
pub(crate) fn run(root: &Path) -> anyhow::Result<Findings> {
    let tree = Tree::read(root)?;
    let checks: [fn(&Tree) -> Vec<Violation>; 11] = [
        rooms::check,
        budget::check,
        documentation::check,
        sql::check,
        floats::check,
        words::check,
        wire::check,
        quick_start::check,
        references::check,
        faults::check,
        models::check,
    ];
    let mut violations: Vec<Violation> = checks.iter().flat_map(|check| check(&tree)).collect();
    violations.extend(wire::dependencies(root, &tree)?);
    violations.sort();
    let measure = format!("{}; {}", budget::measure(&tree), documentation::measure(&tree));
    Ok(Findings { violations, measure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_is_one_line_with_its_place() {
        assert_eq!(Violation::at("a/b.rs", 7, "Too long.").to_string(), "a/b.rs:7: Too long.");
        assert_eq!(Violation::whole("a/b.rs", "Too long.").to_string(), "a/b.rs: Too long.");
    }
}
