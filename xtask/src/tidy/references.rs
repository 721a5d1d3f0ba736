//! What the documents point at exists.

use std::path::{Component, Path, PathBuf};

use super::Violation;
use super::tree::Tree;

/// Endings that tell the path of a file from other text between backticks.
const FILES: [&str; 7] = [".rs", ".toml", ".md", ".proto", ".sql", ".py", ".sh"];

/// Names every link and every path between backticks, in Markdown, that leads nowhere.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let documents = tree.files.iter().filter(|(path, _)| path.ends_with(".md"));
    let mut found = Vec::new();
    for (path, text) in documents {
        for (at, line) in text.lines().enumerate() {
            let links =
                between(line, "](", ")").filter(|link| !link.contains("://") && !link.starts_with('#'));
            let paths = between(line, "`", "`").filter(|text| names_a_file(text));
            let missing =
                links.map(|link| (link, beside(path, link))).chain(paths.map(|text| (text, text.to_owned())));
            let missing = missing.filter(|(_, target)| !exists(tree, target));
            found.extend(missing.map(|(shown, _)| {
                Violation::at(path, at + 1, format!("`{shown}` does not exist: mend the text."))
            }));
        }
    }
    found
}

/// Every text between an opening and the next closing mark, without overlap.
pub(super) fn between<'a>(line: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let start = rest.find(open)? + open.len();
        let length = rest[start..].find(close)?;
        let text = &rest[start..start + length];
        rest = &rest[start + length + close.len()..];
        Some(text)
    })
}

/// A path with a folder and a known ending, without blanks and placeholders.
pub(super) fn names_a_file(text: &str) -> bool {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    plain && text.contains('/') && !text.starts_with('/') && FILES.iter().any(|ending| text.ends_with(ending))
}

/// The target of a relative link, as a path below the root.
fn beside(document: &str, link: &str) -> String {
    let link = link.split('#').next().unwrap_or(link);
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let mut target = PathBuf::new();
    for part in folder.join(link).components() {
        match part {
            Component::ParentDir => drop(target.pop()),
            Component::Normal(name) => target.push(name),
            _ => {}
        }
    }
    target.to_string_lossy().into_owned()
}

/// True for a file, and for a folder with a file in it.
fn exists(tree: &Tree, target: &str) -> bool {
    let folder = format!("{target}/");
    tree.files.contains_key(target) || tree.files.keys().any(|path| path.starts_with(&folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let files = [("docs/guide.md", text), ("docs/other.md", ""), ("headend/src/plan.rs", "")];
        check(&Tree::of(&files)).into_iter().map(|violation| violation.to_string()).collect()
    }

    #[test]
    fn links_and_paths_that_lead_somewhere_pass() {
        assert!(
            found(
                "[a](other.md#part), [b](../headend/src), [c](https://x.y/z), `headend/src/plan.rs`, `a/b c`"
            )
            .is_empty()
        );
    }

    #[test]
    fn links_and_paths_that_lead_nowhere_do_not() {
        assert_eq!(found("x\n[a](gone.md)"), ["docs/guide.md:2: `gone.md` does not exist: mend the text."]);
        assert_eq!(
            found("`headend/src/gone.rs`"),
            ["docs/guide.md:1: `headend/src/gone.rs` does not exist: mend the text."]
        );
    }
}
