//! The folder with a folder for each concentrator: what lies there, and where it goes.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tokio::fs;

use super::Error;

/// Where files go that were taken, and those with which something is wrong.
const TAKEN: &str = "taken";
const QUARANTINE: &str = "quarantine";
/// What result files end with. Whoever writes one gives it another name as long as it is not whole, where he can.
const ENDING: &str = ".xml";
/// Letters of a name at most.
const NAME_LIMIT: usize = 255;
/// Files of one concentrator that are taken in one pass.
const FILES_LIMIT: usize = 1_000;

/// The folder.
pub(super) struct Folder(PathBuf);

/// A file in it.
pub(super) struct ResultPath {
    /// Its name.
    pub(super) name: String,
    /// Its length.
    pub(super) octets: u64,
    /// When it was changed last, where that is known.
    pub(super) changed: Option<SystemTime>,
}

/// Where a file goes.
pub(super) enum Whereto {
    /// To those that were taken.
    Taken,
    /// To those with which something is wrong, with its number behind its name.
    Quarantine(i64),
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The names of the folders in it, in ascending order.
    pub(super) async fn concentrators(&self) -> Result<Vec<String>, Error> {
        let entries = list(&self.0).await?;
        Ok(entries.into_iter().filter(|entry| entry.is_folder).map(|entry| entry.file.name).collect())
    }

    /// The result files of a concentrator, in the order of their names, some at a time.
    pub(super) async fn files(&self, serial: &str) -> Result<Vec<ResultPath>, Error> {
        let entries = list(&self.0.join(serial)).await?.into_iter();
        let files = entries.filter(|entry| entry.is_file && entry.file.name.ends_with(ENDING));
        Ok(files.map(|entry| entry.file).take(FILES_LIMIT).collect())
    }

    /// The octets of a file.
    pub(super) async fn read(&self, serial: &str, file: &ResultPath) -> Result<Vec<u8>, Error> {
        let path = self.0.join(serial).join(&file.name);
        fs::read(&path).await.map_err(at(&path))
    }

    /// Whether a file of that name was taken and moved before.
    pub(super) async fn has_taken(&self, serial: &str, name: &str) -> Result<bool, Error> {
        let path = self.0.join(serial).join(TAKEN).join(name);
        fs::try_exists(&path).await.map_err(at(&path))
    }

    /// Moves a file out of the way.
    pub(super) async fn put_away(
        &self,
        serial: &str,
        file: &ResultPath,
        whereto: &Whereto,
    ) -> Result<(), Error> {
        let own = self.0.join(serial);
        let (folder, name) = match whereto {
            Whereto::Taken => (own.join(TAKEN), file.name.clone()),
            Whereto::Quarantine(number) => (own.join(QUARANTINE), format!("{}.{number}", file.name)),
        };
        fs::create_dir_all(&folder).await.map_err(at(&folder))?;
        let from = own.join(&file.name);
        fs::rename(&from, folder.join(name)).await.map_err(at(&from))
    }
}

/// What lies in a folder.
struct Entry {
    file: ResultPath,
    is_folder: bool,
    is_file: bool,
}

/// What lies in a folder, in the order of the names; what has a name that is no text, or too long a one, is left where it is.
async fn list(path: &Path) -> Result<Vec<Entry>, Error> {
    let mut entries = fs::read_dir(path).await.map_err(at(path))?;
    let mut found = Vec::new();
    while let Some(entry) = entries.next_entry().await.map_err(at(path))? {
        let Some(name) =
            entry.file_name().to_str().map(str::to_owned).filter(|name| name.len() <= NAME_LIMIT)
        else {
            continue;
        };
        // Links are not followed: they could lead anywhere.
        let about = match entry.metadata().await {
            Ok(about) => about,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(at(path)(error)),
        };
        let file = ResultPath { name, octets: about.len(), changed: about.modified().ok() };
        found.push(Entry { file, is_folder: about.is_dir(), is_file: about.is_file() });
    }
    found.sort_by(|one, other| one.file.name.cmp(&other.file.name));
    Ok(found)
}

fn at(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.display().to_string();
    move |error| Error::File { path: path.clone(), error }
}
