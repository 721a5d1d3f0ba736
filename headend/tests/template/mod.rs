//! The folder `database.data_dir` as the program makes it, the whole schema in it: made once for all tests, and copied for each.
//!
//! `initdb` and the migrations are most of what a test with a database of its own would cost. A test that is about them starts on an
//! empty folder instead.

#![allow(clippy::unwrap_used, reason = "helpers of tests stand outside the test functions")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where tests put their folders. It is the same one for all packages.
const ROOM: &str = env!("CARGO_TARGET_TMPDIR");

/// The folders of templates begin so.
const NAME: &str = "template-";

/// What a template comes from, beside the server that makes it.
const SOURCES: [&str; 3] = ["migrations", "headend/src/cluster", "headend/src/cluster.rs"];

/// Where the program looks for servers, one folder for each major version, before it looks in `PATH`.
const SERVERS: &str = "/usr/lib/postgresql";

/// Names the folder with `initdb` and `postgres` of the server that tests run over. Without it the program chooses, as it does for everybody.
const SERVER: &str = "POSTGRES_BIN";

/// How long the program may take to make one.
const LIMIT: Duration = Duration::from_secs(180);

/// Files are copied a thousand at a time: what no test looks at does not lie there, and the write-ahead log begins anew. That a server
/// survives the death of its process asks nothing of the disk, only that of the machine does, which no test brings about.
const SLIM: [&str; 7] = [
    "ALTER SYSTEM SET fsync = off",
    "ALTER SYSTEM SET wal_recycle = off",
    "SELECT pg_reload_conf()",
    "UPDATE pg_database SET datistemplate = false",
    "DROP DATABASE template0",
    "DROP DATABASE template1",
    "SELECT pg_switch_wal()",
];

/// Folder of the server that tests run over; `None` lets the program choose.
pub(crate) fn bin_dir() -> Option<PathBuf> {
    std::env::var_os(SERVER).map(PathBuf::from)
}

/// The section `[database]` of a configuration with this folder for the data; what follows may add to it.
pub(crate) fn section(data_dir: &Path) -> String {
    let server = bin_dir().map(|bin| format!("bin_dir = {bin:?}\n")).unwrap_or_default();
    format!("[database]\ndata_dir = {data_dir:?}\n{server}")
}

/// Makes `data_dir`, which is not there yet, such as `headend` would have made it. The first test to call makes what is copied.
pub(crate) fn copy_to(data_dir: &Path, headend: &Path) {
    let template = Path::new(ROOM).join(format!("{NAME}{:016x}", fingerprint()));
    let lock = File::create(Path::new(ROOM).join("template.lock")).unwrap();
    // Released when it is closed: also when a test is killed.
    lock.lock_shared().unwrap();
    if !template.exists() {
        lock.unlock().unwrap();
        lock.lock().unwrap();
        if !template.exists() {
            remove_others();
            make(&template, headend);
        }
    }
    let mut copy = Command::new("cp");
    copy.args(["-a", "--reflink=auto", "--sparse=always"]).args([&template, data_dir]);
    assert!(copy.status().unwrap().success(), "{copy:?}");
}

/// Of everything that a template depends on.
fn fingerprint() -> u64 {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut hasher = DefaultHasher::new();
    for source in SOURCES.map(|source| project.join(source)) {
        let files = if source.is_dir() { entries(&source) } else { vec![source] };
        for file in files {
            (&file, fs::read(&file).unwrap()).hash(&mut hasher);
        }
    }
    let path = std::env::var_os("PATH").unwrap();
    let packaged = entries(Path::new(SERVERS)).into_iter().map(|server| server.join("bin"));
    let installed = packaged.chain(std::env::split_paths(&path)).filter(|bin| bin.join("postgres").exists());
    for bin in bin_dir().map_or_else(|| installed.collect(), |bin| BTreeSet::from([bin])) {
        // They change with what is installed, extensions among it.
        for part in ["postgres", "../lib"].map(|part| bin.join(part)) {
            let changed = fs::metadata(&part).and_then(|found| found.modified()).ok();
            (part, changed).hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// What lies in a folder, in the order of names; nothing when there is none.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// Templates that are made from something else by now, and those whose makers were killed.
fn remove_others() {
    for entry in entries(Path::new(ROOM)) {
        if entry.file_name().is_some_and(|name| name.to_string_lossy().starts_with(NAME)) {
            fs::remove_dir_all(entry).unwrap();
        }
    }
}

/// Lets the program make a template. It takes its name last: a half-made one is never mistaken for one.
fn make(template: &Path, headend: &Path) {
    let folder = Path::new(ROOM).join(format!("{NAME}{}", std::process::id()));
    let data = folder.join("data");
    fs::create_dir_all(&folder).unwrap();
    let config = folder.join("headend.toml");
    let roles = "[roles]\napi = false\nplanner = false\ncollector = false\ningest = false\n";
    fs::write(&config, section(&data) + roles).unwrap();
    let log = folder.join("headend.log");
    let mut program = Command::new(headend);
    program.args(["serve", "--config"]).arg(&config).stdin(Stdio::null());
    let mut program = Running(program.stderr(File::create(&log).unwrap()).spawn().unwrap());
    let begun = Instant::now();
    while !fs::read_to_string(&log).unwrap().contains("the head-end runs") {
        let ended = program.0.try_wait().unwrap();
        let log = || fs::read_to_string(&log).unwrap();
        assert!(ended.is_none() && begun.elapsed() < LIMIT, "{}", log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let server = fs::read_to_string(data.join("postgres/postmaster.pid")).unwrap();
    let socket = server.lines().nth(4).unwrap();
    let mut psql = Command::new("psql");
    psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "headend", "-d", "postgres", "-h", socket]);
    psql.args(SLIM.into_iter().flat_map(|statement| ["-c", statement])).stdout(Stdio::null());
    assert!(psql.status().unwrap().success());
    let asked = Command::new("kill").args(["-INT", &program.0.id().to_string()]).status().unwrap();
    assert!(asked.success() && program.0.wait().unwrap().success());
    fs::rename(&data, template).unwrap();
    fs::remove_dir_all(&folder).unwrap();
}

/// Dropping it kills it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _ = self.0.wait();
    }
}
