//! The server process: created once by `initdb`, then run as a child that dies with us.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::{oneshot, watch};

use super::binaries::Binaries;
use super::layout::{Account, Layout, private_folder, require_setpriv, system};
use super::{Error, NAME};

/// How long a server may take to write everything out and stop.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// How long dropping a cluster blocks for that.
const DROP_LIMIT: Duration = Duration::from_secs(10);

/// The server's log is started anew above this size, in bytes.
const LONGEST_LOG: u64 = 16 << 20;

/// Connections for maintenance and people, besides those of the pool.
const SPARE_CONNECTIONS: u32 = 8;

/// A running server and the thread that holds it.
#[derive(Debug)]
pub(super) struct Server {
    pid: Pid,
    /// `None` while it runs, then its exit status.
    status: watch::Receiver<Option<String>>,
}

impl Server {
    /// Starts the server from a thread of its own that lives as long as the server: the kernel sends the death signal
    /// when the *thread* that spawned a child ends, so a pool thread would stop the database at its leisure.
    pub(super) async fn spawn(
        found: &Binaries,
        layout: &Layout,
        account: &Account,
        connections: u32,
    ) -> Result<Self, Error> {
        require_setpriv()?;
        let mut command = serve_command(found, layout, account, connections)?;
        let (started, start) = oneshot::channel();
        let (ended, status) = watch::channel(None);
        std::thread::Builder::new()
            .name("postgres-keeper".into())
            .spawn(move || keep(&mut command, started, &ended))
            .map_err(system("start a thread for the database server".into()))?;
        let pid = start.await.map_err(|_| gone())?.map_err(system("start the database server".into()))?;
        Ok(Self { pid, status })
    }

    /// Process id.
    pub(super) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits for the process to end and returns its status.
    pub(super) async fn ended(&self) -> String {
        let mut status = self.status.clone();
        let ended = status.wait_for(Option::is_some).await;
        ended.ok().and_then(|status| status.clone()).unwrap_or_else(|| "unknown status".into())
    }

    /// Fast shutdown, then waits.
    pub(super) async fn stop(&self, log: PathBuf) -> Result<(), Error> {
        self.interrupt();
        match tokio::time::timeout(STOP_LIMIT, self.ended()).await {
            Ok(_) => Ok(()),
            Err(_) => Err(Error::TooSlow { what: "stop", limit: STOP_LIMIT, log }),
        }
    }

    /// SIGINT is PostgreSQL's fast shutdown. A process that already ended is not signalled: its number may be taken.
    fn interrupt(&self) {
        if self.status.borrow().is_none() {
            let _gone_meanwhile = kill_process(self.pid, Signal::INT);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.interrupt();
        let started = Instant::now();
        while self.status.borrow().is_none() && started.elapsed() < DROP_LIMIT {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Body of the keeper thread.
fn keep(
    command: &mut Command,
    started: oneshot::Sender<std::io::Result<Pid>>,
    ended: &watch::Sender<Option<String>>,
) {
    let mut child: Child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            ended.send_replace(Some("not started".into()));
            let _nobody_waits = started.send(Err(error));
            return;
        }
    };
    let _nobody_waits = started.send(Ok(Pid::from_child(&child)));
    let status = child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
    ended.send_replace(Some(status));
}

/// Runs `initdb` and writes who may connect. The folder takes its final name last.
pub(super) fn create(found: &Binaries, layout: &Layout, account: &Account) -> Result<(), Error> {
    require_setpriv()?;
    if layout.unfinished.exists() {
        fs::remove_dir_all(&layout.unfinished).map_err(system("remove an unfinished data folder".into()))?;
    }
    private_folder(&layout.unfinished, account)?;
    let output = as_account(account, &found.program("initdb"))
        .args(["-U", NAME, "-A", "peer", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums", "-D"])
        .arg(&layout.unfinished)
        .output()
        .map_err(system("run initdb".into()))?;
    if !output.status.success() {
        let detail = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(Error::System { what: "initdb".into(), detail });
    }
    let rules = format!("local all {NAME} peer map={NAME}\n");
    let mut names = format!("{NAME} {} {NAME}\n", account.name);
    if account.caller != account.name {
        names.push_str(&format!("{NAME} {} {NAME}\n", account.caller));
    }
    for (file, text) in [("pg_hba.conf", rules), ("pg_ident.conf", names)] {
        fs::write(layout.unfinished.join(file), text).map_err(system(format!("write {file}")))?;
    }
    fs::rename(&layout.unfinished, &layout.data).map_err(system("name the data folder".into()))
}

/// The server's command line: every setting is given here, so a new version of the program brings its own.
fn serve_command(
    found: &Binaries,
    layout: &Layout,
    account: &Account,
    connections: u32,
) -> Result<Command, Error> {
    let log = open_log(&layout.log)?;
    let mut command = as_account(account, &found.program("postgres"));
    command.arg("-D").arg(&layout.data).arg("-k").arg(&layout.socket_dir);
    let limit = (connections + SPARE_CONNECTIONS).to_string();
    let buffers = format!("{}MB", shared_buffers_mb());
    let mut settings = vec![
        ("listen_addresses", ""),
        ("unix_socket_permissions", "0700"),
        ("max_connections", &limit),
        ("shared_buffers", &buffers),
        // Batches of readings are written once and rarely touched again: few checkpoints, compressed page images.
        ("max_wal_size", "4GB"),
        ("min_wal_size", "256MB"),
        ("checkpoint_timeout", "15min"),
        ("wal_compression", "on"),
        // What is acknowledged is on the disk.
        ("synchronous_commit", "on"),
        ("jit", "off"),
        ("timezone", "UTC"),
        ("log_timezone", "UTC"),
        ("log_min_messages", "warning"),
        ("log_line_prefix", "%m [%p] %a "),
    ];
    if found.has_timescale() {
        settings.push(("shared_preload_libraries", "timescaledb"));
        settings.push(("timescaledb.telemetry_level", "off"));
    }
    for (name, value) in settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    let errors = log.try_clone().map_err(system("open the server's log".into()))?;
    command.stdin(Stdio::null()).stdout(log).stderr(errors);
    Ok(command)
}

/// `setpriv` makes the kernel end the server when we die, however we die, and drops root where we have it.
fn as_account(account: &Account, program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    if account.switch {
        command.args(["--reuid", &account.name, "--regid", &account.name, "--init-groups"]);
    }
    command.args(["--pdeathsig", "INT", "--"]).arg(program).current_dir("/").env_remove("PGDATA");
    command
}

fn open_log(path: &Path) -> Result<File, Error> {
    let failed = || system(format!("open {}", path.display()));
    let mut log = OpenOptions::new().create(true).append(true).read(true).open(path).map_err(failed())?;
    if log.metadata().map_err(failed())?.len() > LONGEST_LOG {
        log.set_len(0).map_err(failed())?;
        log.rewind().map_err(failed())?;
    }
    Ok(log)
}

/// An eighth of the machine's memory, between 128 MB and 2 GB: the rest caches files and runs the program.
fn shared_buffers_mb() -> u64 {
    let mut text = String::new();
    let read = File::open("/proc/meminfo").and_then(|mut file| file.read_to_string(&mut text));
    let total_kb = read.ok().and_then(|_| text.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0);
    (total_kb / 1024 / 8).clamp(128, 2048)
}

fn gone() -> Error {
    Error::System { what: "start the database server".into(), detail: "its thread ended early".into() }
}
