//! When a node is on the power line: discovered once, lost now and then, back again.

use std::time::Duration;

use jiff::Timestamp;

use super::{ConcentratorConfig, WHOLE_PPM};
use crate::noise::Noise;

/// Streams of chance.
const JOINS: u64 = 0xC0;
const SHIFT: u64 = 0xC1;
const LOST: u64 = 0xC2;
const LEVEL: u64 = 0xC3;
const PHASE: u64 = 0xC4;
/// Changes that are looked through for one node at most.
const SLOTS_LIMIT: i64 = 10_000;

/// What happened to a node, as the concentrator logs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeEvent {
    /// When.
    pub at: Timestamp,
    /// Number of the node, counted from 0.
    pub node: u32,
    /// What.
    pub kind: NodeEventKind,
}

/// Kinds of what happens to a node; the numbers are the codes in the concentrator's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeEventKind {
    /// The node was heard of for the first time.
    Discovered = 1,
    /// It has a place on the power line.
    Registered = 2,
    /// It does not answer any more.
    Deregistered = 3,
}

/// What a concentrator knows of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// Its serial number.
    pub serial: String,
    /// Whether it is on the power line now.
    pub linked: bool,
    /// Phase of the supply that it is on, 1 to 3.
    pub phase: u8,
    /// Repeaters in between.
    pub level: u8,
    /// When it was heard of for the first time.
    pub first_seen: Timestamp,
    /// When it was on the power line last.
    pub last_seen: Timestamp,
}

/// The presence of one node. Time is divided into slots as long as an outage, differently for each node; in some of them it is lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presence {
    noise: Noise,
    lost_ppm: u32,
    slot_ms: i64,
    shift_ms: i64,
    joins_ms: i64,
    /// Repeaters in between.
    pub(super) level: u8,
    /// Phase of the supply that it is on, 1 to 3.
    pub(super) phase: u8,
}

impl Presence {
    /// The presence of the node with that source of chance, from an instant on (milliseconds since 1970).
    pub(super) fn of(noise: Noise, config: &ConcentratorConfig, start_ms: i64) -> Self {
        let slot_ms = millis(config.outage).max(1);
        let small = |stream, limit: i64| u8::try_from(noise.below(stream, 0, limit)).unwrap_or(0);
        Self {
            noise,
            lost_ppm: config.lost_ppm,
            slot_ms,
            shift_ms: noise.below(SHIFT, 0, slot_ms),
            joins_ms: start_ms.saturating_add(noise.below(JOINS, 0, millis(config.joining))),
            level: small(LEVEL, i64::from(config.repeaters) + 1),
            phase: small(PHASE, 3) + 1,
        }
    }

    /// When it was heard of for the first time.
    pub(super) fn first_seen_ms(&self) -> i64 {
        self.joins_ms
    }

    /// When it was on the power line last, seen from an instant; `None` before it joined.
    pub(super) fn last_seen_ms(&self, at_ms: i64) -> Option<i64> {
        if at_ms < self.joins_ms {
            return None;
        }
        let slot = self.slot(at_ms);
        let linked = (0..SLOTS_LIMIT).map(|back| slot - back).find(|slot| !self.is_lost(*slot))?;
        Some(at_ms.min(self.begin(linked + 1)).max(self.joins_ms))
    }

    /// Whether it is on the power line.
    pub(super) fn is_linked(&self, at_ms: i64) -> bool {
        at_ms >= self.joins_ms && !self.is_lost(self.slot(at_ms))
    }

    /// What happened to it between two instants, both included; the oldest first, and of too much the newest.
    pub(super) fn events(&self, from_ms: i64, to_ms: i64) -> Vec<(i64, NodeEventKind)> {
        let mut events = Vec::new();
        let from_ms = from_ms.max(self.joins_ms);
        if from_ms > to_ms {
            return events;
        }
        if from_ms == self.joins_ms {
            events.push((self.joins_ms, NodeEventKind::Discovered));
            events.push((self.joins_ms, NodeEventKind::Registered));
        }
        let last = self.slot(to_ms);
        let first = self.slot(from_ms).max(last - SLOTS_LIMIT);
        for slot in first..=last {
            // In the slot in which it joins it is there, even if chance would have it otherwise.
            let begin = self.begin(slot);
            let (before, now) = (self.is_lost(slot - 1), self.is_lost(slot));
            if begin < from_ms || begin <= self.joins_ms || before == now {
                continue;
            }
            let kind = if now { NodeEventKind::Deregistered } else { NodeEventKind::Registered };
            events.push((begin, kind));
        }
        events
    }

    fn slot(&self, at_ms: i64) -> i64 {
        (at_ms + self.shift_ms).div_euclid(self.slot_ms)
    }

    fn begin(&self, slot: i64) -> i64 {
        slot.saturating_mul(self.slot_ms) - self.shift_ms
    }

    fn is_lost(&self, slot: i64) -> bool {
        let whole = i64::try_from(WHOLE_PPM).unwrap_or(i64::MAX);
        slot > self.slot(self.joins_ms) && self.noise.below(LOST, slot, whole) < i64::from(self.lost_ppm)
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;
    const START_MS: i64 = 1_772_323_200_000;

    fn presence(node: u64) -> Presence {
        let config = ConcentratorConfig {
            lost_ppm: 20_000,
            joining: Duration::from_secs(3600),
            ..ConcentratorConfig::default()
        };
        Presence::of(Noise::of(1, node), &config, START_MS)
    }

    #[test]
    fn one_in_fifty_is_lost_at_any_time() {
        for hours in [24, 48, 1000] {
            let at = START_MS + hours * HOUR_MS;
            let lost = (0..10_000).filter(|node| !presence(*node).is_linked(at)).count();
            assert!((150..250).contains(&lost), "{lost}");
        }
    }

    #[test]
    fn the_log_and_the_presence_agree() {
        for node in 0..200 {
            let presence = presence(node);
            let events = presence.events(START_MS, START_MS + 500 * HOUR_MS);
            let kinds: Vec<_> = events.iter().map(|(_, kind)| *kind).collect();
            assert_eq!(kinds[..2], [NodeEventKind::Discovered, NodeEventKind::Registered]);
            assert!(!presence.is_linked(events[0].0 - 1) && presence.is_linked(events[0].0));
            for (at, kind) in &events[2..] {
                let linked = *kind == NodeEventKind::Registered;
                assert_eq!((presence.is_linked(at - 1), presence.is_linked(*at)), (!linked, linked));
                let seen = if linked { *at } else { at + HOUR_MS };
                assert_eq!(presence.last_seen_ms(seen), Some(*at));
            }
            assert!(kinds[2..].chunks(2).all(|pair| pair[0] == NodeEventKind::Deregistered));
        }
    }
}
