//! The programs of the project as one set: simulator, head-end with a private database, terminal client.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::process::Process;

const START_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
/// Connections of a head-end to its database, as in its defaults.
pub(super) const CONNECTIONS: u32 = 16;
/// Port of the first meter: below those that the system hands out, of which the head-end gets some.
const FIRST_PORT: &str = "10000";

/// Builds the programs.
pub(super) fn build(root: &Path) -> anyhow::Result<()> {
    let built = Command::new("cargo")
        .args(["build", "--quiet", "--release", "-p", "headend", "-p", "simulator", "-p", "amictl"])
        .current_dir(root)
        .status()?;
    ensure!(built.success(), "the programs do not build");
    Ok(())
}

/// A running set in a folder of its own, which is removed when it is dropped.
pub(super) struct Set {
    pub(super) headend: Process,
    pub(super) simulator: Process,
    folder: PathBuf,
    binaries: PathBuf,
    server: String,
}

impl Set {
    /// Starts simulator and head-end, which may have so many connections to its database and whose configuration has these further
    /// sections; no meter is registered yet.
    pub(super) fn start(
        root: &Path,
        number: u32,
        simulator: &[&str],
        (connections, sections): (u32, &str),
    ) -> anyhow::Result<Self> {
        let binaries = root.join("target/release");
        let folder = root.join("target/bench").join(format!("{}-{number}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let arguments = [&["serve", "--port", FIRST_PORT, "--inventory", "fleet.csv"], simulator].concat();
        let simulator = Process::start("simulator", &binaries.join("simulator"), &arguments, &folder)?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = format!(
            "[database]\ndata_dir = \"data\"\nmax_connections = {connections}\n[api]\nlisten = \"{address}\"\nplaintext_role = \"engineer\"\n[plan]\ninterval = \"1s\"\n[log]\nlevel = \"warn\"\n{sections}"
        );
        fs::write(folder.join("headend.toml"), config)?;
        let arguments = ["serve", "--config", "headend.toml"];
        let headend = Process::start("headend", &binaries.join("headend"), &arguments, &folder)?;
        let mut set = Self { headend, simulator, folder, binaries, server: format!("http://{address}") };
        let until = Instant::now() + START_LIMIT;
        while set.amictl(&["jobs", "summary"]).is_err() || !set.folder.join("fleet.csv").exists() {
            ensure!(Instant::now() < until, "the programs did not start, see {}", set.folder.display());
            set.check()?;
            sleep(POLL);
        }
        Ok(set)
    }

    /// The current folder of its programs.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the API is served.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// Fails when a program has ended.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        self.headend.check()?;
        self.simulator.check()
    }

    /// Runs the terminal client.
    pub(super) fn amictl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(self.binaries.join("amictl"))
            .args(["--server", &self.server])
            .args(arguments)
            .current_dir(&self.folder)
            .output()?;
        if !output.status.success() {
            bail!("amictl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs SQL or a `psql` command; columns parted by `|`.
    pub(super) fn psql(&self, text: &str) -> anyhow::Result<String> {
        let mut command = self.psql_command(text)?;
        let output = command.output()?;
        if !output.status.success() {
            bail!("psql {text}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// The same, not yet started.
    pub(super) fn psql_command(&self, text: &str) -> anyhow::Result<Command> {
        let file = fs::read_to_string(self.folder.join("data/postgres/postmaster.pid"))?;
        let socket = file.lines().nth(4).context("no socket in postmaster.pid")?;
        let mut command = Command::new("psql");
        command.args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "headend",
            "-d",
            "headend",
            "-h",
            socket,
            "-c",
        ]);
        command.arg(text).current_dir(&self.folder);
        Ok(command)
    }

    /// Process id of the database server.
    pub(super) fn postgres(&self) -> anyhow::Result<u32> {
        let file = fs::read_to_string(self.folder.join("data/postgres/postmaster.pid"))?;
        Ok(file.lines().next().context("empty postmaster.pid")?.trim().parse()?)
    }

    /// Stops everything.
    pub(super) fn stop(self) -> anyhow::Result<()> {
        self.headend.stop()?;
        self.simulator.stop()?;
        fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}
