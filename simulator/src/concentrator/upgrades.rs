//! New firmware of a concentrator: by image transfer as any device, or, with a web service, from files that it is given and installs in its own time, on itself
//! and on its nodes.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use models::SecondInitiate;
use p2lpc::{Upgrade, UpgradeState, Upgraded};

use super::ConcentratorConfig;
use super::device::VERSION;
use super::site::Site;
use crate::FleetConfig;
use crate::fault::Faults;
use crate::image::{IMAGE_LIMIT, Image};

/// Files that are kept at most.
const FILES_KEPT: usize = 4;

/// Files, and what was ordered to be done with them.
#[derive(Debug)]
pub(super) struct Upgrades {
    takes: Duration,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    /// What runs in the concentrator, and what is brought into it block by block.
    image: Image,
    files: BTreeMap<String, Vec<u8>>,
    orders: Vec<Order>,
    /// How often new firmware ran in the concentrator.
    own: u64,
    /// Octets of files that were taken.
    octets: u64,
}

/// A device that a file is to be brought into.
#[derive(Debug)]
struct Order {
    file: String,
    /// `None`: the concentrator itself.
    node: Option<u32>,
    /// When the node was there for it first.
    begun: Option<Timestamp>,
    state: UpgradeState,
}

impl Upgrades {
    pub(super) fn new(fleet: &FleetConfig, config: &ConcentratorConfig) -> Self {
        let image = Image::new(fleet.firmware, SecondInitiate::DiscardsBlocks, &Faults::default());
        let image = image.made_with(VERSION);
        let (files, orders) = (BTreeMap::new(), Vec::new());
        let kept = Mutex::new(Kept { image, files, orders, own: 0, octets: 0 });
        Self { takes: config.upgrade_takes, kept }
    }

    /// How often new firmware ran in the concentrator, and octets of files that it took.
    pub(super) fn counts(&self) -> (u64, u64) {
        let kept = self.kept();
        (kept.own, kept.octets)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// The firmware that runs in it.
    pub(super) fn firmware(&self) -> Vec<u8> {
        self.settle_upgrades();
        self.image(|image, _| image.version().to_vec())
    }

    /// Does something with its own image transfer.
    pub(super) fn image<T>(&self, act: impl FnOnce(&mut Image, Timestamp) -> T) -> T {
        let now = self.now();
        let mut kept = self.upgrades.kept();
        let done = act(&mut kept.image, now);
        if let Some((at, _)) = kept.image.settle(now) {
            kept.own += 1;
            drop(kept);
            self.upgraded(at);
        }
        done
    }

    /// Takes a piece of a file, behind what it has of it, or the first one of it anew.
    pub(super) fn take_file(&self, name: &str, offset: u64, data: &[u8]) -> Result<(), String> {
        let mut kept = self.upgrades.kept();
        if !kept.files.contains_key(name) && kept.files.len() >= FILES_KEPT {
            kept.files.pop_first();
        }
        let file = kept.files.entry(name.to_owned()).or_default();
        if offset == 0 {
            file.clear();
        }
        let held = u64::try_from(file.len()).unwrap_or(u64::MAX);
        if offset != held {
            return Err(format!("{held} octets of {name} are here"));
        }
        if file.len() + data.len() > usize::try_from(IMAGE_LIMIT).unwrap_or(usize::MAX) {
            return Err(format!("{name} is too long"));
        }
        file.extend_from_slice(data);
        kept.octets += u64::try_from(data.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Begins to bring a file into a node, or into itself, unless that is under way.
    pub(super) fn upgrade(&self, file: &str, node: Option<u32>) -> Result<(), String> {
        let mut kept = self.upgrades.kept();
        if !kept.files.contains_key(file) {
            return Err(format!("there is no file {file}"));
        }
        let is_this = |order: &Order| order.file == file && order.node == node;
        let is_under_way = |order: &Order| {
            is_this(order) && matches!(order.state, UpgradeState::Waiting | UpgradeState::Sending { .. })
        };
        if !kept.orders.iter().any(is_under_way) {
            kept.orders.retain(|order| !is_this(order));
            let state = UpgradeState::Waiting;
            kept.orders.push(Order { file: file.to_owned(), node, begun: None, state });
        }
        Ok(())
    }

    /// What it has of a file, and how far devices have come with it.
    pub(super) fn upgrade_of(&self, file: &str) -> Upgrade {
        self.settle_upgrades();
        let kept = self.upgrades.kept();
        let name = |node: Option<u32>| match node {
            None => self.serial.clone(),
            Some(node) => self.node(node).map(|node| node.meter.serial()).unwrap_or_default(),
        };
        let orders = kept.orders.iter().filter(|order| order.file == file);
        Upgrade {
            held: kept.files.get(file).map_or(0, |file| u64::try_from(file.len()).unwrap_or(u64::MAX)),
            devices: orders.map(|order| Upgraded { device: name(order.node), state: order.state }).collect(),
        }
    }

    /// Goes on with what was ordered, as far as it has come by now.
    fn settle_upgrades(&self) {
        let now = self.now();
        let mut kept = self.upgrades.kept();
        let Kept { image, files, orders, own, .. } = &mut *kept;
        let before = *own;
        for order in orders {
            let node = order.node.and_then(|number| self.node(number));
            let is_there = node.is_none_or(|node| node.presence.is_linked(self.now_ms()));
            let is_open = matches!(order.state, UpgradeState::Waiting | UpgradeState::Sending { .. });
            if !is_open || !is_there {
                continue;
            }
            let passed = now.duration_since(*order.begun.get_or_insert(now));
            let takes = SignedDuration::try_from(self.upgrades.takes).unwrap_or(SignedDuration::MAX);
            if passed < takes {
                let percent = passed.as_millis() * 100 / takes.as_millis().max(1);
                order.state = UpgradeState::Sending { percent: u8::try_from(percent).unwrap_or(100) };
                continue;
            }
            let Some(octets) = files.get(&order.file) else { continue };
            let runs = match node {
                None => image.install(&order.file, octets).map(|_| *own += 1).is_some(),
                Some(node) => node.meter.act(|state, now| {
                    let event = state.image.install(&order.file, octets);
                    event.map(|event| state.book.note(now, event)).is_some()
                }),
            };
            order.state = if runs { UpgradeState::Activated } else { UpgradeState::Failed };
        }
        if *own > before {
            drop(kept);
            self.upgraded(now);
        }
    }
}
