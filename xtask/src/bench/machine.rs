//! What machine this is, and whether it is quiet enough to measure on.

use std::fs;

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
