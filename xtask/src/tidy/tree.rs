//! The files of the project, read once.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use super::rust_text::RustText;

/// Folders that are not the project's own text, wherever they are; in a second work tree `.git` is a file.
const NOT_OURS: [&str; 5] = ["target", ".git", "node_modules", ".venv", "__pycache__"];

/// Where the demonstration keeps its database.
const DEMO_DATA: &str = "data";

/// The project's text files by path below the root (with `/`).
pub(crate) struct Tree {
    /// Text of every file that is UTF-8.
    pub(crate) files: BTreeMap<String, String>,
    /// Production Rust: everything below a `src` folder that is compiled outside tests.
    pub(crate) rust: BTreeMap<String, RustText>,
}

impl Tree {
    /// Reads the tree at `root`, without build output and without other people's data.
    ///
    /// # Errors
    /// When a folder or a file cannot be read.
    pub(crate) fn read(root: &Path) -> anyhow::Result<Tree> {
        let mut files = BTreeMap::new();
        collect(root, "", &mut files)?;
        Ok(Tree::new(files))
    }

    fn new(files: BTreeMap<String, String>) -> Tree {
        let rust = files
            .iter()
            .filter(|(path, _)| is_production(path))
            .map(|(path, text)| (path.clone(), RustText::read(text)))
            .collect();
        Tree { files, rust }
    }

    /// A tree made of the given files, for the tests of the checks.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        Tree::new(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }
}

/// True for Rust that ends in a program: in a `src` folder, and no file of tests.
fn is_production(path: &str) -> bool {
    let in_src = path.contains("/src/") && path.ends_with(".rs");
    in_src && !path.ends_with("/tests.rs") && !path.contains("/tests/")
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| format!("folder {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() && path != DEMO_DATA {
            collect(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file() {
            let bytes = std::fs::read(entry.path()).with_context(|| format!("file {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.insert(path, text);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_source_outside_tests_is_production() {
        assert!(is_production("wire/dlms/src/lib.rs"));
        assert!(!is_production("wire/dlms/tests/vectors.rs"));
        assert!(!is_production("headend/src/plan/tests.rs"));
        assert!(!is_production("migrations/0001_meters.sql"));
    }
}
