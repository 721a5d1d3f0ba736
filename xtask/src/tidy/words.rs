//! Words that have no place in a finished text: notes to oneself, and the places of one machine.

use super::Violation;
use super::tree::Tree;

/// Each forbidden text and what to do. Written in two halves, so that this file may contain them.
const FORBIDDEN: [(&str, &str); 6] = [
    (concat!("TO", "DO"), "do it or leave it"),
    (concat!("FIX", "ME"), "mend it or explain it"),
    (concat!("issue", " #"), "say the reason itself, not where it was discussed"),
    (concat!("/wo", "rk/"), "a path of one machine: make it relative or an argument"),
    (concat!("/ro", "ot/"), "a path of one machine: make it relative or an argument"),
    (concat!("/ho", "me/"), "a path of one machine: make it relative or an argument"),
];

/// Files that others wrote.
const NOT_OURS: [&str; 2] = ["Cargo.lock", "LICENSE"];

/// Names every line with a forbidden text.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let ours = tree.files.iter().filter(|(path, _)| !NOT_OURS.contains(&path.as_str()));
    ours.flat_map(|(path, text)| text.lines().enumerate().map(move |(at, line)| (path, at + 1, line)))
        .flat_map(|(path, at, line)| {
            let hits = FORBIDDEN.iter().filter(move |(text, _)| line.contains(text));
            hits.map(move |(text, advice)| Violation::at(path, at, format!("`{text}`: {advice}.")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_forbidden_text_is_found_in_every_kind_of_file() {
        for (text, advice) in FORBIDDEN {
            let found = check(&Tree::of(&[("deploy/run.sh", &format!("# fine\n# {text}x\n"))]));
            assert_eq!(found, [Violation::at("deploy/run.sh", 2, format!("`{text}`: {advice}."))]);
        }
    }

    #[test]
    fn the_lock_file_may_contain_anything() {
        assert!(check(&Tree::of(&[("Cargo.lock", FORBIDDEN[0].0)])).is_empty());
    }
}
