//! How much of each crate is documentation.

use std::collections::BTreeMap;

use super::Violation;
use super::tree::Tree;

/// Documentation lines per thousand code lines in the protocol crates, where every constant comes from a standard.
const WIRE_PER_MILLE: usize = 200;

/// The same everywhere else.
const PER_MILLE: usize = 100;

/// Names every crate with too little documentation.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let crates = crates(tree).into_iter();
    crates
        .filter_map(|(name, lines)| {
            let needed = if name.starts_with("wire/") { WIRE_PER_MILLE } else { PER_MILLE };
            (lines.per_mille() < needed).then(|| {
                let what = format!(
                    "{} documentation lines for {} lines of code, {needed} per 1000 at least: say meaning, units, errors, clauses.",
                    lines.documentation, lines.code
                );
                Violation::whole(&name, what)
            })
        })
        .collect()
}

/// The figures of this check, for a line of text.
pub(super) fn measure(tree: &Tree) -> String {
    let (mut wire, mut rest) = (Lines::default(), Lines::default());
    for (name, lines) in crates(tree) {
        (if name.starts_with("wire/") { &mut wire } else { &mut rest }).add(lines);
    }
    format!(
        "documentation per 1000 lines of code: {} in wire, {} elsewhere",
        wire.per_mille(),
        rest.per_mille()
    )
}

#[derive(Clone, Copy, Default)]
struct Lines {
    documentation: usize,
    code: usize,
}

impl Lines {
    fn add(&mut self, other: Lines) {
        self.documentation += other.documentation;
        self.code += other.code;
    }

    /// A crate without code needs no documentation.
    fn per_mille(self) -> usize {
        (self.documentation * 1000).checked_div(self.code).unwrap_or(1000)
    }
}

fn crates(tree: &Tree) -> BTreeMap<String, Lines> {
    let mut crates: BTreeMap<String, Lines> = BTreeMap::new();
    for (path, text) in &tree.rust {
        let name = path.split("/src/").next().unwrap_or(path);
        let lines = Lines { documentation: text.documentation.len(), code: text.code_lines() };
        crates.entry(name.to_owned()).or_default().add(lines);
    }
    crates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_needs_twice_as_much() {
        let text = format!("/// One.\n{}", "x();\n".repeat(8));
        assert!(check(&Tree::of(&[("headend/src/lib.rs", &text)])).is_empty());
        let found = check(&Tree::of(&[("wire/dlms/src/lib.rs", &text)]));
        assert_eq!(found[0].path, "wire/dlms");
        assert!(found[0].what.starts_with("1 documentation lines for 8 lines of code"));
    }

    #[test]
    fn it_is_the_crate_that_counts_not_the_file() {
        let bare = "x();\n".repeat(8);
        assert_eq!(check(&Tree::of(&[("headend/src/a.rs", &bare)])).len(), 1);
        assert!(
            check(&Tree::of(&[("headend/src/a.rs", &bare), ("headend/src/b.rs", "//! Much.\n")])).is_empty()
        );
    }
}
