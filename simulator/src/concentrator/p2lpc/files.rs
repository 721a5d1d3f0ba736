//! Result files: one of each round, with everything that the concentrator has read in it. A file is made when it is asked for, always with the same octets.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use p2lpc::{Document, FileEntry};
use tokio::time::sleep;

use super::stored::profile;
use crate::concentrator::site::{Node, Site};
use crate::local::timestamp;

/// Files that are kept.
const FILES_LIMIT: i64 = 240;
/// Names that are listed at once at most.
const LIST_LIMIT: u32 = 100;
/// How often a folder of results is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Site {
    /// Result files behind one, in ascending order.
    pub(super) fn files(&self, marker: &str, limit: u32) -> Vec<FileEntry> {
        let last = self.last_round();
        let limit = usize::try_from(limit.min(LIST_LIMIT)).unwrap_or(usize::MAX);
        let rounds = (last - FILES_LIMIT).max(0) + 1..=last;
        let named = rounds.map(|round| (round, self.name(round))).filter(|(_, name)| name.as_str() > marker);
        let size = |round| u64::try_from(self.octets(round).len()).unwrap_or(u64::MAX);
        named.take(limit).map(|(round, name)| FileEntry { size: size(round), name }).collect()
    }

    /// The octets of a file; nothing when there is none of that name.
    pub(super) fn file(&self, name: &str) -> Option<Arc<[u8]>> {
        let last = self.last_round();
        let mut rounds = (last - FILES_LIMIT).max(0) + 1..=last;
        rounds.find(|round| self.name(*round) == name).map(|round| self.octets(round))
    }

    fn name(&self, round: i64) -> String {
        let at = timestamp(self.round_ms(round).div_euclid(1000)).strftime("%Y%m%dT%H%M%SZ");
        format!("{at}-{round:06}-profiles.xml")
    }

    fn octets(&self, round: i64) -> Arc<[u8]> {
        self.kept(round, || {
            let devices = self.nodes.iter().filter_map(|node| {
                let (from, to) = self.read_in(node, round)?;
                let specs = &node.meter.fleet().plan.model.profiles;
                let profiles = specs.iter().map(|spec| profile(node, spec, None, (from, to)));
                let profiles = profiles.filter(|profile| !profile.registers.is_empty()).collect();
                Some(self.device(node, profiles, Vec::new()))
            });
            Document { devices: devices.collect(), ..Document::default() }.encode().into()
        })
    }

    /// Of which time the concentrator read a node in a round: from where it held it, to that round; nothing when the node was not there.
    fn read_in(&self, node: &Node, round: i64) -> Option<(Timestamp, Timestamp)> {
        let to = timestamp(self.round_ms(round).div_euclid(1000));
        let is_there = self.held_until(node, round)? == to;
        let from = match self.held_until(node, round - 1) {
            Some(held) => held.saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX),
            None => Timestamp::MIN,
        };
        is_there.then_some((from, to))
    }
}

/// Writes the result files of a concentrator into a folder, each as soon as its round is over, and goes on for ever.
///
/// # Errors
/// Those of the file system.
pub(in crate::concentrator) async fn write_results(site: Arc<Site>, folder: &Path) -> io::Result<()> {
    tokio::fs::create_dir_all(folder).await?;
    let mut written = String::new();
    loop {
        for FileEntry { name, .. } in site.files(&written, LIST_LIMIT) {
            if let Some(octets) = site.file(&name) {
                let part = folder.join(format!("{name}.part"));
                tokio::fs::write(&part, &octets).await?;
                tokio::fs::rename(&part, folder.join(&name)).await?;
            }
            written = name;
        }
        sleep(LOOK_EVERY).await;
    }
}
