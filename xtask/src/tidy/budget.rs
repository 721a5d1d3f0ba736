//! How long files may be. (Functions are clippy's: `too_many_lines`.)

use super::Violation;
use super::tree::Tree;

/// Lines that a file of production Rust may have, its unit tests included.
const FILE_LINES: usize = 500;

/// Lines of code and comment, without unit tests, that the middle file of all may have.
const MEDIAN_LINES: usize = 200;

/// Names every file over the budget, and the tree when its files as a whole are too long.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let long = tree.rust.iter().filter(|(_, text)| text.total_lines > FILE_LINES);
    let mut found: Vec<Violation> = long
        .map(|(path, text)| {
            let what =
                format!("{} lines, {FILE_LINES} at most: give each subject its own file.", text.total_lines);
            Violation::whole(path, what)
        })
        .collect();
    let median = median(tree);
    if median > MEDIAN_LINES {
        let what =
            format!("The median file has {median} lines, {MEDIAN_LINES} at most: split the longest ones.");
        found.push(Violation::whole("Cargo.toml", what));
    }
    found
}

/// The figures of this check, for a line of text.
pub(super) fn measure(tree: &Tree) -> String {
    format!("{} files of production Rust, median {} lines", tree.rust.len(), median(tree))
}

/// Production lines of the middle file; 0 when there is none.
fn median(tree: &Tree) -> usize {
    let mut lengths: Vec<usize> = tree.rust.values().map(|text| text.code.len()).collect();
    lengths.sort_unstable();
    lengths.get(lengths.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_at_the_limit_passes_and_one_line_more_does_not() {
        let limit = "x\n".repeat(FILE_LINES);
        let over = "x\n".repeat(FILE_LINES + 1);
        let short = [("a/src/1.rs", "x\n"), ("a/src/2.rs", "x\n")];
        assert!(check(&Tree::of(&[short[0], short[1], ("a/src/lib.rs", &limit)])).is_empty());
        let found = check(&Tree::of(&[short[0], short[1], ("a/src/lib.rs", &over)]));
        assert_eq!(
            found[0].to_string(),
            "a/src/lib.rs: 501 lines, 500 at most: give each subject its own file."
        );
    }

    #[test]
    fn many_middling_files_are_too_much_as_well() {
        let text = "x\n".repeat(MEDIAN_LINES + 1);
        let found = check(&Tree::of(&[("a/src/1.rs", &text), ("a/src/2.rs", &text)]));
        assert!(found[0].what.starts_with("The median file has 202 lines"));
    }

    #[test]
    fn files_of_tests_may_be_long() {
        let long = "x\n".repeat(2 * FILE_LINES);
        assert!(check(&Tree::of(&[("a/tests/all.rs", &long)])).is_empty());
    }
}
