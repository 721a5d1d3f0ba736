//! Processor time and memory, as the operating system counts them.

use std::fs;

/// Processor time of this process, in hundredths of a second.
pub(crate) fn own() -> u64 {
    let ([user, system, ..], _) = stat("self").unwrap();
    user + system
}

/// That of a server with its children, those included that have ended.
pub(crate) fn family(parent: i32) -> u64 {
    let mut sum = stat(&parent.to_string()).unwrap().0.iter().sum::<u64>();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        // A process may end while we look.
        if let Some((own, above)) = entry.file_name().to_str().and_then(stat)
            && above == parent
        {
            sum += own[0] + own[1];
        }
    }
    sum
}

/// Memory that this process has to itself, in KiB.
pub(crate) fn memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// User, system, and those of ended children; and the parent.
fn stat(process: &str) -> Option<([u64; 4], i32)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold spaces.
    let fields: Vec<&str> = text.rsplit(')').next()?.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse().ok();
    Some(([number(11)?, number(12)?, number(13)?, number(14)?], i32::try_from(number(1)?).ok()?))
}
