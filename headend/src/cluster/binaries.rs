//! Which PostgreSQL server to run: the configured one, else the newest installed, else the one in `PATH`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;

/// Multiranges, which coverage is kept in, came with this version.
const OLDEST_MAJOR: u32 = 14;

/// Where Debian, Ubuntu and their relatives install the servers, one folder per major version.
const PACKAGED: &str = "/usr/lib/postgresql";

/// An installed server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    /// Folder with `initdb` and `postgres`.
    pub(super) dir: PathBuf,
    /// Major version, which a data folder is bound to.
    pub(super) major: u32,
}

impl Binaries {
    /// Path of one program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether the TimescaleDB library is installed beside this server; it has to be loaded at start to be usable.
    pub(super) fn has_timescale(&self) -> bool {
        self.dir.parent().is_some_and(|root| root.join("lib/timescaledb.so").exists())
    }
}

/// Finds a server; `required` is the version of the data that already exist.
pub(super) fn find(configured: Option<&Path>, required: Option<u32>) -> Result<Binaries, Error> {
    let candidates = match configured {
        Some(dir) => probe(dir).into_iter().collect(),
        None => installed(),
    };
    let searched = match configured {
        Some(dir) => dir.display().to_string(),
        None => format!("{PACKAGED}/*/bin and PATH"),
    };
    choose(candidates, required).ok_or_else(|| Error::NoServer {
        wanted: required.map_or_else(|| format!("{OLDEST_MAJOR} or later"), |major| major.to_string()),
        searched,
    })
}

/// The newest candidate that can serve the data.
fn choose(candidates: Vec<Binaries>, required: Option<u32>) -> Option<Binaries> {
    candidates
        .into_iter()
        .filter(|found| found.major >= OLDEST_MAJOR && required.is_none_or(|major| major == found.major))
        .reduce(|best, next| if next.major > best.major { next } else { best })
}

fn installed() -> Vec<Binaries> {
    let packaged =
        std::fs::read_dir(PACKAGED).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    packaged.chain(std::env::split_paths(&path)).filter_map(|dir| probe(&dir)).collect()
}

/// Reads the version of the server in `dir`, when there is one.
fn probe(dir: &Path) -> Option<Binaries> {
    let server = dir.join("postgres");
    if !server.is_file() || !dir.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(server).arg("--version").output().ok()?;
    let major = major(std::str::from_utf8(&output.stdout).ok()?)?;
    Some(Binaries { dir: dir.to_path_buf(), major })
}

/// The 15 of "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)" and the 18 of "postgres (PostgreSQL) 18beta1".
fn major(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    let digits = number.find(|c: char| !c.is_ascii_digit()).map_or(number, |end| &number[..end]);
    digits.parse().ok()
}

/// Whether a program of this name is in `PATH`.
pub(super) fn in_path(name: impl AsRef<OsStr>) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(name.as_ref()).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_what_the_server_prints() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("something else\n"), None);
        assert_eq!(major(""), None);
    }

    #[test]
    fn existing_data_bind_the_version_and_new_data_take_the_newest() {
        let at = |major| Binaries { dir: PathBuf::from(format!("/x/{major}")), major };
        let all = || vec![at(15), at(17), at(13), at(16)];
        assert_eq!(choose(all(), None), Some(at(17)));
        assert_eq!(choose(all(), Some(15)), Some(at(15)));
        assert_eq!(choose(all(), Some(14)), None);
        assert_eq!(choose(vec![at(13)], None), None, "too old for multiranges");
    }

    #[test]
    fn a_missing_server_names_the_version_and_the_way_out() {
        let error = find(Some(Path::new("/nowhere")), Some(15)).unwrap_err();
        assert_eq!(error, Error::NoServer { wanted: "15".into(), searched: "/nowhere".into() });
        assert!(error.to_string().contains("database.bin_dir"), "{error}");
    }
}
