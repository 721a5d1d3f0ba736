//! Where models come from: the files that are part of the program, and a folder of the operator's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::check::check;
use crate::{Error, Model};

/// Files in one folder at most.
const MODELS_LIMIT: usize = 256;
/// Octets in one file at most.
const FILE_LIMIT: usize = 256 * 1024;

const BUILTIN: [(&str, &str); 2] = [
    ("sed302.toml", include_str!("../sed302.toml")),
    ("generic-dlms.toml", include_str!("../generic-dlms.toml")),
];

/// The models that come with the program, by name.
///
/// # Errors
/// Never with the files as they were tested; the error is that of [`parse`].
pub fn builtin() -> Result<BTreeMap<String, Arc<Model>>, Error> {
    let mut models = BTreeMap::new();
    for (file, text) in BUILTIN {
        let model = parse(file, text)?;
        models.insert(model.name.clone(), Arc::new(model));
    }
    Ok(models)
}

/// The models of all `*.toml` files of a folder, by name. Other files are left alone.
///
/// # Errors
/// The first file that cannot be read or used, in the order of their names.
pub fn load_dir(folder: impl AsRef<Path>) -> Result<BTreeMap<String, Arc<Model>>, Error> {
    let folder = folder.as_ref();
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    if files.len() > MODELS_LIMIT {
        let what = format!("a number of {} models", files.len());
        return Err(Error::Limit { file: folder.display().to_string(), what, limit: MODELS_LIMIT });
    }
    files.sort();
    let mut models = BTreeMap::new();
    for path in files {
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        let model = parse(&path.display().to_string(), &text)?;
        models.insert(model.name.clone(), Arc::new(model));
    }
    Ok(models)
}

/// One model from the text of its file. `file` is only used to name it in errors and to compare the model's name.
///
/// # Errors
/// [`Error::Syntax`] with the line, [`Error::Invalid`] with the key, or [`Error::Limit`].
pub fn parse(file: &str, text: &str) -> Result<Model, Error> {
    if text.len() > FILE_LIMIT {
        let what = format!("a size of {} octets", text.len());
        return Err(Error::Limit { file: file.to_owned(), what, limit: FILE_LIMIT });
    }
    let model: Model = toml::from_str(text).map_err(|error| Error::Syntax {
        file: file.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    })?;
    check(file, &model)?;
    Ok(model)
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Unreadable { file: path.display().to_string(), kind: error.kind() }
}
