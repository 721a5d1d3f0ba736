//! Where models come from: the files that are part of the program, and a folder of the operator's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use toml::Table;

use crate::base::{self, Library};
use crate::check::check;
use crate::{Error, Model};

/// Lines that are quoted of a table in an error.
const QUOTED_MAX: usize = 8;

/// Files in one folder at most.
const MODELS_LIMIT: usize = 256;
/// Octets in one file at most.
pub(crate) const FILE_LIMIT: usize = 256 * 1024;

const BUILTIN: [(&str, &str); 24] = [
    ("ble-lls.toml", include_str!("../ble-lls.toml")),
    ("dlms-concentrator.toml", include_str!("../dlms-concentrator.toml")),
    ("dlms-gateway.toml", include_str!("../dlms-gateway.toml")),
    ("gdw376-terminal.toml", include_str!("../gdw376-terminal.toml")),
    ("generic-dlms.toml", include_str!("../generic-dlms.toml")),
    ("generic-dlt645.toml", include_str!("../generic-dlt645.toml")),
    ("generic-dlt645-1997.toml", include_str!("../generic-dlt645-1997.toml")),
    ("huabang-dual.toml", include_str!("../huabang-dual.toml")),
    ("huabang-dual-switched.toml", include_str!("../huabang-dual-switched.toml")),
    ("huabang-modbus.toml", include_str!("../huabang-modbus.toml")),
    ("huabang-single.toml", include_str!("../huabang-single.toml")),
    ("huabang-triple.toml", include_str!("../huabang-triple.toml")),
    ("huabang-triple-switched.toml", include_str!("../huabang-triple-switched.toml")),
    ("joy311.toml", include_str!("../joy311.toml")),
    ("mbus-device.toml", include_str!("../mbus-device.toml")),
    ("mt371.toml", include_str!("../mt371.toml")),
    ("multi-user-dlt645.toml", include_str!("../multi-user-dlt645.toml")),
    ("multi-user-modbus.toml", include_str!("../multi-user-modbus.toml")),
    ("p2lpc.toml", include_str!("../p2lpc.toml")),
    ("sed102.toml", include_str!("../sed102.toml")),
    ("sed302.toml", include_str!("../sed302.toml")),
    ("sm120b2.toml", include_str!("../sm120b2.toml")),
    ("sm306.toml", include_str!("../sm306.toml")),
    ("sm307.toml", include_str!("../sm307.toml")),
];

/// The models that come with the program, by name.
///
/// # Errors
/// Never with the files as they were tested; the error is that of [`parse`].
pub fn builtin() -> Result<BTreeMap<String, Arc<Model>>, Error> {
    let files = BUILTIN.map(|(file, text)| (file.to_owned(), text.to_owned()));
    all(&files, &Library::default())
}

/// What the files of the models that come with the program say, by name: each with what it takes from its base.
///
/// # Errors
/// As of [`builtin`].
pub fn written() -> Result<BTreeMap<String, Table>, Error> {
    let library = shipped()?;
    let whole = |(file, text): &(&str, &str)| {
        Ok((name_of(file), base::complete(file, table(file, text)?, &library)?))
    };
    BUILTIN.iter().map(whole).collect()
}

/// The models of all `*.toml` files of a folder, by name. Other files are left alone. The base of a model is another one of the folder, or one
/// that comes with the program.
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
    let mut texts = Vec::with_capacity(files.len());
    for path in files {
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        texts.push((path.display().to_string(), text));
    }
    all(&texts, &shipped()?)
}

/// One model from the text of its file. `file` is only used to name it in errors and to compare the model's name; its base, when it has one, is
/// a model that comes with the program.
///
/// # Errors
/// [`Error::Syntax`] with the line, [`Error::Base`], [`Error::Invalid`] with the key, or [`Error::Limit`].
pub fn parse(file: &str, text: &str) -> Result<Model, Error> {
    model(file, text, &shipped()?)
}

/// The models of these files; their bases are among them, or in the library.
fn all(files: &[(String, String)], library: &Library) -> Result<BTreeMap<String, Arc<Model>>, Error> {
    let mut library = library.clone();
    for (file, text) in files {
        library.insert(name_of(file), table(file, text)?);
    }
    let mut models = BTreeMap::new();
    for (file, text) in files {
        let model = model(file, text, &library)?;
        models.insert(model.name.clone(), Arc::new(model));
    }
    Ok(models)
}

/// The tables of the files that come with the program.
fn shipped() -> Result<Library, Error> {
    BUILTIN.iter().map(|(file, text)| Ok((name_of(file), table(file, text)?))).collect()
}

fn model(file: &str, text: &str, library: &Library) -> Result<Model, Error> {
    let own = table(file, text)?;
    let model: Model = match own.get(base::BASE) {
        // Without a base the error has the line.
        None => toml::from_str(text).map_err(|error| syntax(file, text, &error))?,
        Some(_) => {
            let whole = base::complete(file, own, library)?.to_string();
            toml::from_str(&whole).map_err(|error| based(file, &whole, &error))?
        }
    };
    check(file, &model)?;
    Ok(model)
}

fn table(file: &str, text: &str) -> Result<Table, Error> {
    if text.len() > FILE_LIMIT {
        let what = format!("a size of {} octets", text.len());
        return Err(Error::Limit { file: file.to_owned(), what, limit: FILE_LIMIT });
    }
    text.parse().map_err(|error| syntax(file, text, &error))
}

pub(crate) fn syntax(file: &str, text: &str, error: &toml::de::Error) -> Error {
    Error::Syntax {
        file: file.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    }
}

/// An error of a model with its base, which as a whole stands in no file: it quotes the table instead of a line.
fn based(file: &str, whole: &str, error: &toml::de::Error) -> Error {
    let at = line_of(whole, error.span().map_or(0, |span| span.start)) - 1;
    let lines: Vec<&str> = whole.lines().collect();
    let is_header = |line: &&str| line.starts_with('[');
    let begin = lines.iter().take(at + 1).rposition(is_header).unwrap_or(0);
    let rest = lines.get(begin..).unwrap_or_default();
    let own = rest.iter().enumerate().take_while(|(place, line)| *place == 0 || !is_header(line));
    let quoted: Vec<&str> =
        own.map(|(_, line)| *line).filter(|line| !line.is_empty()).take(QUOTED_MAX).collect();
    let message = format!("{} (in {})", error.message(), quoted.join("; "));
    Error::Base { file: file.to_owned(), message }
}

/// The name of the model in a file of this name.
fn name_of(file: &str) -> String {
    Path::new(file).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&byte| byte == b'\n').count() + 1
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::Unreadable { file: path.display().to_string(), kind: error.kind() }
}
