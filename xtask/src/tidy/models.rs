//! The pages of the models say what the files of the models say.

use super::Violation;
use super::tree::Tree;
use crate::models::{FOLDER, pages};

/// Names every page that is missing, stale or of no model.
pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    // A tree without models is that of a test.
    if !tree.files.keys().any(|path| path.starts_with("models/")) {
        return Vec::new();
    }
    let due = match pages(|path| tree.files.get(path).cloned()) {
        Ok(due) => due,
        Err(error) => return vec![Violation::whole("models", format!("{error:#}: mend it."))],
    };
    let stale = due.iter().filter(|(path, text)| tree.files.get(*path) != Some(text)).map(|(path, _)| path);
    let folder = format!("{FOLDER}/");
    let left = tree.files.keys().filter(|path| path.starts_with(&folder) && !due.contains_key(*path));
    stale
        .chain(left)
        .map(|path| Violation::whole(path, "Not what the model's file says: run `cargo xtask models`."))
        .collect()
}
