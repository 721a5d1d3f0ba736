//! `cargo xtask models`: a page for each model that comes with the program, written from its file.
//!
//! What a page says stands in the file and nowhere else: values, and in comments what the datasheet says of them (`remarks`). `tidy` compares
//! the pages with what would be written.

mod page;
mod remarks;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use models::Model;
use toml::Table;

use remarks::Remarks;

/// Where the pages are.
pub(crate) const FOLDER: &str = "docs/models";
/// Where the files are.
const FILES: &str = "models";
const INDEX: &str = "README.md";

/// What is known of a model: its file laid over that of its base, and what stands in comments there.
struct Described {
    /// What the files say.
    table: Table,
    /// Name of the model that it is like but for some things.
    base: Option<String>,
    remarks: Remarks,
    model: Arc<Model>,
}

/// Writes the pages, and takes away those of models that are no more.
///
/// # Errors
/// When a file cannot be read or written.
pub(crate) fn run(root: &Path) -> anyhow::Result<usize> {
    let folder = root.join(FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("folder {}", folder.display()))?;
    let pages = pages(|path| fs::read_to_string(root.join(path)).ok())?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| format!("{FOLDER}/{}", name.to_string_lossy()));
        if name.is_some_and(|name| !pages.contains_key(&name)) {
            fs::remove_file(&path).with_context(|| format!("file {}", path.display()))?;
        }
    }
    for (path, text) in &pages {
        fs::write(root.join(path), text).with_context(|| format!("file {path}"))?;
    }
    Ok(pages.len())
}

/// The text of every page by its path; `read` gives the text of a file below the root.
///
/// # Errors
/// When the file of a model is missing or no TOML.
pub(crate) fn pages(read: impl Fn(&str) -> Option<String>) -> anyhow::Result<BTreeMap<String, String>> {
    let (models, mut tables) = (models::builtin()?, models::written()?);
    let mut all = BTreeMap::new();
    for (name, model) in models {
        let table = tables.remove(&name).unwrap_or_default();
        let (base, remarks) = remarks(&name, &read)?;
        all.insert(name, Described { table, base, remarks, model });
    }
    let mut pages: BTreeMap<String, String> = all
        .iter()
        .map(|(name, described)| (format!("{FOLDER}/{name}.md"), page::write(name, described)))
        .collect();
    pages.insert(format!("{FOLDER}/{INDEX}"), page::index(&all));
    Ok(pages)
}

/// The base of a model, and what stands in the comments of its file and of those below it.
fn remarks(name: &str, read: &impl Fn(&str) -> Option<String>) -> anyhow::Result<(Option<String>, Remarks)> {
    let mut remarks = Remarks::default();
    let (mut bases, mut above): (Vec<String>, Vec<Table>) = (Vec::new(), Vec::new());
    loop {
        let path = format!("{FILES}/{}.toml", bases.last().map_or(name, String::as_str));
        let text = read(&path).with_context(|| format!("{path} is missing"))?;
        remarks.lay_over(Remarks::read(&text), &above);
        let table: Table = text.parse().with_context(|| path)?;
        let base = table.get("base").and_then(|base| base.as_str()).map(str::to_owned);
        above.push(table);
        match base {
            Some(base) => bases.push(base),
            None => return Ok((bases.into_iter().next(), remarks)),
        }
    }
}
