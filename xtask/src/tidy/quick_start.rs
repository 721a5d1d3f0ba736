//! The quick start of the README is two commands, and stays two.

use super::Violation;
use super::tree::Tree;

const README: &str = "README.md";
const HEADING: &str = "## Quick start";
const COMMANDS: [&str; 2] = ["./run", "./test"];

/// Compares the code blocks below the heading with the two commands.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let Some(readme) = tree.files.get(README) else {
        return vec![Violation::whole(README, "There is none: write it, with a quick start.")];
    };
    let shown = commands(readme);
    if shown == COMMANDS {
        return Vec::new();
    }
    let what = format!("`{HEADING}` shows {shown:?}: it must be exactly {COMMANDS:?}.");
    vec![Violation::whole(README, what)]
}

/// Every line in a code block of the section.
fn commands(readme: &str) -> Vec<&str> {
    let section = readme.lines().skip_while(|line| *line != HEADING).skip(1);
    let mut inside = false;
    let mut found = Vec::new();
    for line in section.take_while(|line| !line.starts_with("## ")) {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside && !line.trim().is_empty() {
            found.push(line);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(readme: &str) -> usize {
        check(&Tree::of(&[(README, readme)])).len()
    }

    #[test]
    fn exactly_the_two_commands_pass() {
        assert_eq!(
            found("# x\n## Quick start\n```\n./run\n```\nor\n```sh\n./test\n```\n## More\n```\nls\n```\n"),
            0
        );
        assert_eq!(found("# x\n## Quick start\n```\napt install y\n./run\n./test\n```\n"), 1);
        assert_eq!(found("# x\n## Quick start\n```\n./run\n```\n"), 1);
        assert_eq!(found("# x\n"), 1);
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
