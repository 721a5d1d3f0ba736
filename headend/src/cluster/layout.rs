//! The folders of a private cluster, and the account that owns them.

use std::fs::{self, DirBuilder, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Error, binaries};

/// The number in the socket's file name, `.s.PGSQL.5432`. It is not a TCP port: none is opened.
pub(super) const SOCKET_NUMBER: u16 = 5432;

/// Longest path that `sockaddr_un.sun_path` takes on Linux (108 with the final NUL).
const LONGEST_SOCKET_PATH: usize = 107;

/// How long a server whose headend just died is given to finish its own shutdown.
const HANDOVER_LIMIT: Duration = Duration::from_secs(15);

/// Who runs the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Account {
    /// Name, as `peer` authentication sees it.
    pub(super) name: String,
    /// Name of the account that runs this program, which connects.
    pub(super) caller: String,
    uid: u32,
    gid: u32,
    /// Whether the server has to be started under another account than ours.
    pub(super) switch: bool,
}

impl Account {
    /// Ourselves, or `postgres` when we are root.
    pub(super) fn choose() -> Result<Self, Error> {
        let caller = identity(&["-un"])?;
        if rustix::process::geteuid().is_root() {
            let uid = number(&identity(&["-u", "postgres"])?)?;
            let gid = number(&identity(&["-g", "postgres"])?)?;
            return Ok(Self { name: "postgres".into(), caller, uid, gid, switch: true });
        }
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Ok(Self { name: caller.clone(), caller, uid, gid, switch: false })
    }

    /// Makes `path` the account's own.
    pub(super) fn own(&self, path: &Path) -> Result<(), Error> {
        if self.switch {
            chown(path, Some(self.uid), Some(self.gid))
                .map_err(system(format!("give {} away", path.display())))?;
        }
        Ok(())
    }

    /// Whether the account may pass through a folder with these attributes.
    fn may_enter(&self, folder: &fs::Metadata) -> bool {
        let mode = folder.mode();
        if folder.uid() == self.uid {
            mode & 0o100 != 0
        } else if folder.gid() == self.gid {
            mode & 0o010 != 0
        } else {
            mode & 0o001 != 0
        }
    }
}

/// Where everything of one private cluster is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// PostgreSQL's own data folder.
    pub(super) data: PathBuf,
    /// Where `initdb` builds before the folder takes its name: a half-made one is never mistaken for data.
    pub(super) unfinished: PathBuf,
    /// Folder of the socket.
    pub(super) socket_dir: PathBuf,
    /// What the server prints.
    pub(super) log: PathBuf,
}

impl Layout {
    /// Creates the folders below `root` and gives them to `account`.
    pub(super) fn prepare(root: &Path, account: &Account) -> Result<Self, Error> {
        let root = std::path::absolute(root).map_err(system(format!("resolve {}", root.display())))?;
        if !root.exists() {
            fs::create_dir_all(&root).map_err(system(format!("create {}", root.display())))?;
            fs::set_permissions(&root, Permissions::from_mode(0o755))
                .map_err(system(format!("set the mode of {}", root.display())))?;
        }
        let root = root.canonicalize().map_err(system(format!("resolve {}", root.display())))?;
        check_traversable(&root, account)?;
        let layout = Self {
            data: root.join("postgres"),
            unfinished: root.join("postgres.unfinished"),
            socket_dir: socket_dir(&root),
            log: root.join("postgres.log"),
        };
        private_folder(&layout.socket_dir, account)?;
        Ok(layout)
    }

    /// Whether the data were created already.
    pub(super) fn exists(&self) -> bool {
        self.data.join("PG_VERSION").exists()
    }

    /// The major version that wrote the data.
    pub(super) fn existing_major(&self) -> Result<Option<u32>, Error> {
        match fs::read_to_string(self.data.join("PG_VERSION")) {
            Ok(text) => number(text.trim()).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(system("read PG_VERSION".into())(error)),
        }
    }

    /// Waits for a server that is just shutting down; refuses when one stays. Removes a lock file whose process is gone
    /// and whose number now belongs to something else, which PostgreSQL itself would stumble over.
    pub(super) async fn wait_until_free(&self) -> Result<(), Error> {
        let lock = self.data.join("postmaster.pid");
        let started = tokio::time::Instant::now();
        loop {
            let Some(pid) =
                fs::read_to_string(&lock).ok().and_then(|text| text.lines().next()?.trim().parse().ok())
            else {
                return Ok(());
            };
            if !is_server(pid) {
                fs::remove_file(&lock)
                    .or_else(ignore_missing)
                    .map_err(system("remove a stale postmaster.pid".into()))?;
                return Ok(());
            }
            if started.elapsed() > HANDOVER_LIMIT || has_living_parent(pid) {
                return Err(Error::AlreadyRunning { pid, data_dir: self.data.clone() });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The error for a server that ended, with the end of its log.
    pub(super) fn ended(&self, status: String) -> Error {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        let tail = lines.into_iter().rev().collect::<Vec<_>>().join(" | ");
        Error::Ended { status, log: self.log.clone(), tail }
    }
}

/// Turns an I/O error into ours.
pub(super) fn system(what: String) -> impl FnOnce(std::io::Error) -> Error {
    move |error| Error::System { what, detail: error.to_string() }
}

/// Creates a folder that only `account` may use, or checks that an existing one is its own.
pub(super) fn private_folder(folder: &Path, account: &Account) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => account.own(folder),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let found =
                fs::symlink_metadata(folder).map_err(system(format!("look at {}", folder.display())))?;
            if found.is_dir() && found.uid() == account.uid {
                return Ok(());
            }
            Err(Error::ForeignFolder { folder: folder.to_path_buf() })
        }
        Err(error) => Err(system(format!("create {}", folder.display()))(error)),
    }
}

/// Beside the data when the path is short enough for a socket, else a short folder of the machine named after the data.
fn socket_dir(root: &Path) -> PathBuf {
    let beside = root.join("run");
    let name = format!(".s.PGSQL.{SOCKET_NUMBER}");
    if beside.join(&name).as_os_str().len() <= LONGEST_SOCKET_PATH {
        return beside;
    }
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    let short = format!("headend-{:016x}", hasher.finish());
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(dir) if !rustix::process::geteuid().is_root() => PathBuf::from(dir).join(short),
        _ => std::env::temp_dir().join(short),
    }
}

fn check_traversable(root: &Path, account: &Account) -> Result<(), Error> {
    let folders: Vec<&Path> = root.ancestors().collect();
    for folder in folders.into_iter().rev() {
        let found = fs::metadata(folder).map_err(system(format!("look at {}", folder.display())))?;
        if !account.may_enter(&found) {
            return Err(Error::NotTraversable { user: account.name.clone(), folder: folder.to_path_buf() });
        }
    }
    Ok(())
}

/// Whether a process is a PostgreSQL server, and not a stranger that got a recycled number.
fn is_server(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "postgres")
}

/// Whether a running program like this one still holds that server. One whose starter died has been handed to another
/// parent and is already shutting down.
fn has_living_parent(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let Some(parent) = status.lines().find_map(|line| line.strip_prefix("PPid:")) else {
        return false;
    };
    let program = fs::read_link(format!("/proc/{}/exe", parent.trim()));
    matches!((program, fs::read_link("/proc/self/exe")), (Ok(theirs), Ok(ours)) if theirs == ours)
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Asks `id`, which knows every name service of the machine.
fn identity(arguments: &[&str]) -> Result<String, Error> {
    let what = || format!("id {} (an account for the database server)", arguments.join(" "));
    let output = Command::new("id").args(arguments).output().map_err(system(what()))?;
    if !output.status.success() {
        let detail = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::System { what: what(), detail });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn number(text: &str) -> Result<u32, Error> {
    text.parse().map_err(|_| Error::System { what: "read a number".into(), detail: format!("got '{text}'") })
}

/// Refuses early when the helper that binds the server's life to ours is missing.
pub(super) fn require_setpriv() -> Result<(), Error> {
    if binaries::in_path("setpriv") {
        return Ok(());
    }
    Err(Error::System {
        what: "find the program setpriv".into(),
        detail: "not in PATH: install util-linux, or set database.url".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deep_data_folder_gets_a_short_socket_folder() {
        let shallow = Path::new("/srv/headend");
        assert_eq!(socket_dir(shallow), Path::new("/srv/headend/run"));
        let deep = PathBuf::from("/srv").join("d".repeat(120));
        let short = socket_dir(&deep);
        assert!(short.as_os_str().len() + ".s.PGSQL.5432".len() < LONGEST_SOCKET_PATH, "{}", short.display());
        assert_eq!(short, socket_dir(&deep), "the same data find the same socket again");
        assert_ne!(short, socket_dir(&deep.join("other")));
    }

    #[test]
    fn a_folder_that_the_server_can_not_enter_is_named() {
        let folder = std::env::temp_dir().join(format!("headend-closed-{}", std::process::id()));
        fs::create_dir_all(folder.join("data")).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
        let stranger = Account {
            name: "stranger".into(),
            caller: "root".into(),
            uid: 64_000,
            gid: 64_000,
            switch: true,
        };
        let outcome = check_traversable(&folder.join("data"), &stranger);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(outcome, Err(Error::NotTraversable { user: "stranger".into(), folder }));
    }

    #[test]
    fn a_number_that_belongs_to_another_program_is_no_server() {
        assert!(!is_server(std::process::id().cast_signed()));
        assert!(!is_server(0));
    }
}
