//! What machine this is, and whether it is quiet enough to measure on.

use std::fs;

use anyhow::Context;

/// Processor, cores and load, in one line.
pub(super) fn describe() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        information.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = information.lines().filter(|line| line.starts_with("processor")).count();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("?");
    format!("{cores} cores, {}, load {load} before the run", model.trim_start_matches(['\t', ' ', ':']))
}

/// Processor time of the whole machine, in hundredths of a second: what was used, and all there was.
pub(super) struct Times {
    pub(super) busy: u64,
    pub(super) all: u64,
}

impl Times {
    /// What came to these until some later ones.
    pub(super) fn until(&self, later: &Self) -> Self {
        Self { busy: later.busy - self.busy, all: later.all - self.all }
    }
}

/// Processor time since the machine started.
pub(super) fn times() -> anyhow::Result<Times> {
    let text = fs::read_to_string("/proc/stat")?;
    let numbers = text.lines().next().context("empty /proc/stat")?.split_whitespace().skip(1);
    // User, nice, system, idle, waiting for disks, interrupts, the same of software, stolen; then what is in user already.
    let ticks: Vec<u64> = numbers.take(8).map(str::parse).collect::<Result<_, _>>()?;
    let all: u64 = ticks.iter().sum();
    Ok(Times { busy: all - ticks.iter().skip(3).take(2).sum::<u64>(), all })
}
