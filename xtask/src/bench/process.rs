//! Programs that a benchmark starts, and what the operating system knows of them.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};

/// Ticks of `/proc/PID/stat` in a second: `USER_HZ`, which Linux fixes for user space.
const TICKS_PER_SECOND: u64 = 100;

/// A program in the background. Dropping it kills it.
pub(super) struct Process {
    child: Child,
    name: &'static str,
}

impl Process {
    /// Starts a program; what it prints goes to `NAME.log` in `folder`, which is also its current folder.
    pub(super) fn start(
        name: &'static str,
        program: &Path,
        arguments: &[&str],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let log = fs::File::create(folder.join(format!("{name}.log")))?;
        let child = Command::new(program)
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} could not be started", program.display()))?;
        Ok(Self { child, name })
    }

    /// Processor time so far, in hundredths of a second.
    pub(super) fn cpu(&self) -> anyhow::Result<u64> {
        cpu_of(self.child.id())
    }

    /// Largest memory so far, in KiB.
    pub(super) fn peak_memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Memory that it has to itself now, in KiB.
    pub(super) fn anonymous_memory(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("no RssAnon")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Fails when the program has ended.
    pub(super) fn check(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended by itself ({status})", self.name),
        }
    }

    /// Sends a signal by its name, such as `STOP`.
    pub(super) fn signal(&self, name: &str) -> anyhow::Result<()> {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status()?;
        anyhow::ensure!(sent.success(), "{} could not be signalled", self.name);
        Ok(())
    }

    /// Asks the program to end and waits for it.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        self.signal("CONT")?;
        self.signal("INT")?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already ended after `stop`; after an error nothing must be left running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of a server with its children, those included that have ended; in hundredths of a second.
pub(super) fn cpu_of_family(parent: u32) -> anyhow::Result<u64> {
    let mut sum = stat(parent)?.0.iter().sum::<u64>();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may end while we look.
        if let Ok((own, above)) = stat(pid)
            && above == parent
        {
            sum += own[0] + own[1];
        }
    }
    Ok(sum * 100 / TICKS_PER_SECOND)
}

fn cpu_of(pid: u32) -> anyhow::Result<u64> {
    let ([user, system, ..], _) = stat(pid)?;
    Ok((user + system) * 100 / TICKS_PER_SECOND)
}

/// User, system, and those of ended children; and the parent.
fn stat(pid: u32) -> anyhow::Result<([u64; 4], u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces.
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let number = |at: usize| -> anyhow::Result<u64> { Ok(fields.get(at).context("short stat")?.parse()?) };
    Ok(([number(11)?, number(12)?, number(13)?, number(14)?], u32::try_from(number(1)?)?))
}
