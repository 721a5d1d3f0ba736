//! One concentrator: its nodes, its power line, its clock and its log.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::carrier::{Carrier, Said};
use super::presence::{NodeState, Presence};
use super::upgrades::Upgrades;
use super::{Backend, ConcentratorConfig, NodeEvent};
use crate::meter::Shared;
use crate::noise::Noise;
use crate::{Clock, Meter};

/// Code of an entry of its log: somebody set its clock.
const CLOCK_SET: u8 = 5;
/// The same: new firmware runs.
const FIRMWARE: u8 = 6;
/// Entries about itself that are kept.
const OWN_KEPT: usize = 64;
/// Result files that are kept in memory.
const FILES_KEPT: usize = 8;
/// Entries of the log that are kept.
const LOG_DEPTH: usize = 4096;
/// Streams of chance of messages that are torn off.
const TORN: u64 = 0xC8;
const TORN_AT: u64 = 0xC9;
/// Everything, in parts per million.
const WHOLE: i64 = 1_000_000;
/// Serial numbers of concentrators have seven digits behind their letter.
const SERIAL_DIGITS: u64 = 10_000_000;

/// One concentrator.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) backend: Backend,
    pub(super) serial: String,
    pub(super) carrier: Carrier,
    pub(super) nodes: Vec<Node>,
    clock: Clock,
    /// Zone of its local time.
    pub(super) zone: TimeZone,
    /// Milliseconds by which its clock was set.
    moved_ms: AtomicI64,
    /// What happened to itself, with its code.
    own: Mutex<Vec<(Timestamp, u8)>>,
    pub(super) upgrades: Upgrades,
    pub(super) started_ms: i64,
    /// Milliseconds between two rounds in which it reads its nodes by itself.
    pub(super) round_ms: i64,
    /// Result files by their round, so that one need not be made again for each of its pieces.
    files: Mutex<BTreeMap<i64, Arc<[u8]>>>,
    /// Whether a connection carries more than one request.
    pub(super) keeps_alive: bool,
    noise: Noise,
    torn_ppm: u32,
    /// Messages that were sent.
    messages: AtomicI64,
}

/// A meter behind it.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) meter: Arc<Meter>,
    pub(super) presence: Presence,
}

impl Site {
    /// A concentrator in front of these meters, which are all of one fleet.
    pub(super) fn new(shared: &Shared, config: &ConcentratorConfig, meters: &[Arc<Meter>]) -> Self {
        let fleet = &shared.config;
        let first = meters.first().map_or(0, |meter| u64::from(meter.number()));
        let started_ms = fleet.clock.now().as_millisecond();
        let node = |meter: &Arc<Meter>| {
            let noise = Noise::of(fleet.seed, fleet.serial_base + u64::from(meter.number()));
            Node { meter: Arc::clone(meter), presence: Presence::of(noise, config, started_ms) }
        };
        Self {
            backend: config.backend,
            serial: format!("C{:07}", (fleet.serial_base + first) % SERIAL_DIGITS),
            carrier: Carrier::new(config),
            nodes: meters.iter().map(node).collect(),
            clock: fleet.clock.clone(),
            zone: fleet.zone.clone(),
            moved_ms: AtomicI64::new(0),
            own: Mutex::default(),
            upgrades: Upgrades::new(fleet, config),
            started_ms,
            round_ms: i64::try_from(config.pre_read.as_millis()).unwrap_or(i64::MAX).max(1),
            files: Mutex::default(),
            noise: Noise::of(fleet.seed, fleet.serial_base + first),
            keeps_alive: config.keeps_alive,
            torn_ppm: config.torn_ppm,
            messages: AtomicI64::new(0),
        }
    }

    /// The true time, milliseconds since 1970.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now().as_millisecond()
    }

    /// What its own clock shows, seconds since 1970.
    pub(super) fn shown(&self) -> i64 {
        (self.now_ms() + self.moved_ms.load(Ordering::Relaxed)).div_euclid(1000)
    }

    /// Sets its own clock.
    pub(super) fn set_clock(&self, seconds: i64) {
        self.moved_ms.store(seconds.saturating_mul(1000) - self.now_ms(), Ordering::Relaxed);
        self.note(CLOCK_SET, self.now());
    }

    /// Something happened to itself: its firmware is another one.
    pub(super) fn upgraded(&self, at: Timestamp) {
        self.note(FIRMWARE, at);
    }

    fn note(&self, code: u8, at: Timestamp) {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if own.len() >= OWN_KEPT {
            own.remove(0);
        }
        own.push((at, code));
    }

    /// The true time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The nodes that it has heard of, with their numbers.
    pub(super) fn known(&self) -> impl Iterator<Item = (u32, &Node)> {
        let now = self.now_ms();
        (0_u32..).zip(&self.nodes).filter(move |(_, node)| node.presence.first_seen_ms() <= now)
    }

    /// The nodes that are on the power line now.
    pub(super) fn linked(&self) -> impl Iterator<Item = (u32, &Node)> {
        let now = self.now_ms();
        self.known().filter(move |(_, node)| node.presence.is_linked(now))
    }

    /// What it knows of a node; nothing before it has heard of it.
    pub(super) fn state(&self, node: &Node) -> Option<NodeState> {
        let now = self.now_ms();
        Some(NodeState {
            serial: node.meter.serial(),
            linked: node.presence.is_linked(now),
            phase: node.presence.phase,
            level: node.presence.level,
            first_seen: instant(node.presence.first_seen_ms()),
            last_seen: instant(node.presence.last_seen_ms(now)?),
        })
    }

    /// The node with that number.
    pub(super) fn node(&self, number: u32) -> Option<&Node> {
        self.nodes.get(usize::try_from(number).unwrap_or(usize::MAX))
    }

    /// The node with that serial number.
    pub(super) fn node_named(&self, serial: &[u8]) -> Option<(u32, &Node)> {
        (0_u32..).zip(&self.nodes).find(|(_, node)| node.meter.serial().as_bytes() == serial)
    }

    /// What happened to nodes between two instants, both included; the oldest first, and of too much the newest.
    pub(super) fn log(&self, from: Timestamp, to: Timestamp) -> Vec<NodeEvent> {
        let to_ms = to.as_millisecond().min(self.now_ms());
        let from_ms = from.as_millisecond().max(self.started_ms);
        let events = |(node, of): (u32, &Node)| {
            let events = of.presence.events(from_ms, to_ms).into_iter();
            events.map(move |(at_ms, kind)| NodeEvent { at: instant(at_ms), node, kind })
        };
        let mut log: Vec<_> = (0_u32..).zip(&self.nodes).flat_map(events).collect();
        log.sort_unstable();
        log.split_off(log.len().saturating_sub(LOG_DEPTH))
    }

    /// Its whole log between two instants, both included, in the order of time: code, and the node that an entry is about.
    pub(super) fn entries(&self, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, u8, Option<u32>)> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let own =
            own.into_iter().filter(|(at, _)| (from..=to).contains(at)).map(|(at, code)| (at, code, None));
        let of_nodes =
            self.log(from, to).into_iter().map(|event| (event.at, event.kind as u8, Some(event.node)));
        let mut entries: Vec<_> = own.chain(of_nodes).collect();
        entries.sort_unstable();
        entries
    }

    /// Carries a request to a node and what it answers back; nothing when the node is out of reach.
    pub(super) async fn transact(
        &self,
        node: &Node,
        request: usize,
        answer: impl FnOnce() -> Said,
    ) -> Vec<Vec<u8>> {
        let is_linked = || node.presence.is_linked(self.now_ms());
        self.carrier.transact((request, node.presence.level), is_linked, answer).await
    }

    /// A message as it arrives: whole, or torn off somewhere.
    pub(super) fn torn(&self, mut octets: Vec<u8>) -> Vec<u8> {
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        if self.noise.below(TORN, number, WHOLE) < i64::from(self.torn_ppm) {
            let left = self.noise.below(TORN_AT, number, i64::try_from(octets.len()).unwrap_or(i64::MAX));
            octets.truncate(usize::try_from(left).unwrap_or(0));
        }
        octets
    }

    /// The octets of the result file of a round, which are made when they are not kept any more.
    pub(super) fn kept(&self, round: i64, make: impl FnOnce() -> Arc<[u8]>) -> Arc<[u8]> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if !files.contains_key(&round) && files.len() >= FILES_KEPT {
            files.pop_first();
        }
        Arc::clone(files.entry(round).or_insert_with(make))
    }

    /// How long its power line was in use so far.
    pub(super) fn busy(&self) -> Duration {
        self.carrier.busy()
    }
}

fn instant(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
