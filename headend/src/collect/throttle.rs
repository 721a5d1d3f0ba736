//! How many lines of a throttle group may be open at a time: as many as what carries them bears, which nobody knows, and which changes.
//!
//! Additive increase, multiplicative decrease, as TCP finds the share of a path (RFC 5681, 3.1). Outcomes are judged in rounds of as many
//! as there may be sessions, so that all of a round were begun under the same limit: when more than an eighth of them did not reach the
//! meter, the limit is halved; else it rises by one, if it was reached. A few dead meters in a group are none of its fault. Pure.

use std::collections::BTreeMap;

use crate::config;

/// The share of meters that may be out of reach in a round without anything being wrong with the group: one in so many.
const TOLERATED: u32 = 8;

/// Outcomes of a round at least: fewer say nothing.
const LEAST_ROUND: u32 = 16;

/// All groups with lines that are open, or of which something is remembered.
#[derive(Debug)]
pub(super) struct Throttles {
    bounds: Bounds,
    groups: BTreeMap<String, Group>,
}

/// Between what a limit moves.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    start: u32,
    floor: u32,
    ceiling: u32,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Lines that may be open at a time.
    pub(super) limit: u32,
    /// Lines that are.
    pub(super) open: u32,
    round: Round,
}

/// Outcomes since the limit was last judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Round {
    /// Works that reached their meter.
    reached: u32,
    /// Works that did not.
    missed: u32,
    /// Whether as many lines were open as may be.
    was_full: bool,
}

impl Throttles {
    /// No group yet.
    pub(super) const fn new(config: &config::Collector) -> Self {
        let bounds =
            Bounds { start: config.group_start, floor: config.group_floor, ceiling: config.group_ceiling };
        Self { bounds, groups: BTreeMap::new() }
    }

    /// Notes how many lines of each group are open now, and forgets groups that are idle and need no remembering.
    pub(super) fn open<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        self.groups.values_mut().for_each(|group| group.open = 0);
        for name in lines {
            let group = self.group(name);
            group.open += 1;
            group.round.was_full |= group.open >= group.limit;
        }
        let start = self.bounds.start;
        self.groups.retain(|_, group| group.open > 0 || group.limit < start);
    }

    /// Notes works of a group that reached their meter, and works that did not. True when it is slowed down for that.
    pub(super) fn ended(&mut self, name: &str, (reached, missed): (u32, u32)) -> bool {
        let bounds = self.bounds;
        let group = self.group(name);
        let before = group.limit;
        group.ended(reached, missed, bounds);
        group.limit < before
    }

    /// Every group with the lines that are open, and those that may be.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&str, u32, u32)> {
        self.groups.iter().map(|(name, group)| (name.as_str(), group.open, group.limit))
    }

    /// How many groups may have less than at first.
    pub(super) fn slowed(&self) -> usize {
        self.groups.values().filter(|group| group.limit < self.bounds.start).count()
    }

    /// How many lines may be opened beside those that are, by group.
    pub(super) fn rooms(&self) -> BTreeMap<String, u32> {
        let rooms = self.groups.iter();
        rooms.map(|(name, group)| (name.clone(), group.limit.saturating_sub(group.open))).collect()
    }

    /// The same for any other group.
    pub(super) const fn room(&self) -> u32 {
        self.bounds.start
    }

    fn group(&mut self, name: &str) -> &mut Group {
        let fresh = Group { limit: self.bounds.start, open: 0, round: Round::default() };
        // Most of the time the name is known, and need not be copied.
        if !self.groups.contains_key(name) {
            self.groups.insert(name.to_owned(), fresh.clone());
        }
        self.groups.entry(name.to_owned()).or_insert(fresh)
    }
}

impl Group {
    fn ended(&mut self, reached: u32, missed: u32, bounds: Bounds) {
        self.round.reached = self.round.reached.saturating_add(reached);
        self.round.missed = self.round.missed.saturating_add(missed);
        let Round { reached, missed, was_full } = self.round;
        let outcomes = reached.saturating_add(missed);
        if outcomes < self.limit.max(LEAST_ROUND) {
            return;
        }
        self.limit = match missed > outcomes / TOLERATED {
            true => (self.limit / 2).max(bounds.floor),
            false if was_full => (self.limit + 1).min(bounds.ceiling),
            false => self.limit,
        };
        self.round = Round::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds { start: 32, floor: 2, ceiling: 512 };

    fn group(limit: u32) -> Group {
        Group { limit, open: 0, round: Round::default() }
    }

    /// A round with as many lines open as may be, of which `carried` at most reach their meter.
    fn round(group: &mut Group, carried: u32) {
        let sessions = group.limit;
        for _ in 0..LEAST_ROUND.div_ceil(sessions) {
            group.round.was_full = true;
            let reached = sessions.min(carried);
            group.ended(reached, sessions - reached, BOUNDS);
        }
    }

    #[test]
    fn a_group_that_is_idle_is_forgotten_unless_it_was_slowed_down() {
        let mut all = Throttles::new(&config::Collector::default());
        let start = all.room();
        all.open(["cell-1", "cell-1", "cell-2"].into_iter());
        assert_eq!(all.rooms(), [("cell-1".into(), start - 2), ("cell-2".into(), start - 1)].into());
        assert!(all.ended("cell-2", (0, start.max(LEAST_ROUND))));
        assert_eq!(all.slowed(), 1);
        all.open(["cell-2"].into_iter());
        assert_eq!(all.rooms(), [("cell-2".into(), start / 2 - 1)].into());
        all.open(std::iter::empty());
        assert_eq!(all.rooms(), [("cell-2".into(), start / 2)].into());
    }

    #[test]
    fn a_limit_that_is_not_used_does_not_rise() {
        let mut idle = group(32);
        (0..1_000).for_each(|_| idle.ended(1, 0, BOUNDS));
        assert_eq!(idle.limit, 32);
    }

    #[test]
    fn when_nothing_is_reached_the_floor_is_reached_soon_and_the_way_back_is_found() {
        let mut cell = group(512);
        (0..8).for_each(|_| round(&mut cell, 0));
        assert_eq!(cell.limit, BOUNDS.floor);
        (0..30).for_each(|_| round(&mut cell, u32::MAX));
        assert_eq!(cell.limit, BOUNDS.floor + 30);
    }

    proptest! {
        #[test]
        fn the_limit_keeps_its_bounds_and_moves_by_the_rules(
            start in 2_u32..=512,
            outcomes in proptest::collection::vec((0_u32..700, 0_u32..700, any::<bool>()), 1..200),
        ) {
            let mut cell = group(start);
            for (reached, missed, full) in outcomes {
                let before = cell.limit;
                cell.round.was_full |= full;
                cell.ended(reached, missed, BOUNDS);
                prop_assert!((BOUNDS.floor..=BOUNDS.ceiling).contains(&cell.limit));
                prop_assert!(
                    [before, before + 1, (before / 2).max(BOUNDS.floor)].contains(&cell.limit),
                    "{before} became {}", cell.limit
                );
            }
        }

        /// A carrier that bears so many sessions, and loses whatever is beyond them.
        #[test]
        fn the_limit_finds_what_the_group_bears(start in 2_u32..=512, bears in 8_u32..=400) {
            let mut cell = group(start);
            (0..1_000).for_each(|_| round(&mut cell, bears));
            let (mut lost, mut all) = (0_u64, 0_u64);
            for _ in 0..1_000 {
                // Beyond what it bears, it may go until an eighth is lost.
                prop_assert!(cell.limit >= bears / 2 && cell.limit <= bears + bears / 7 + 2, "{}", cell.limit);
                all += u64::from(cell.limit);
                lost += u64::from(cell.limit.saturating_sub(bears));
                round(&mut cell, bears);
            }
            prop_assert!(lost * 12 <= all, "{lost} of {all} sessions were in vain");
            prop_assert!(all * 100 >= u64::from(bears) * 1_000 * 65, "{all} sessions, {bears} at a time could have been");
        }

        /// Some meters are always dead: the others are read as fast as without them.
        #[test]
        fn a_few_dead_meters_do_not_slow_a_group_down(start in 16_u32..=400) {
            let mut cell = group(start);
            for _ in 0..600 {
                cell.round.was_full = true;
                let outcomes = cell.limit.max(LEAST_ROUND);
                let dead = outcomes / 10;
                cell.ended(outcomes - dead, dead, BOUNDS);
            }
            prop_assert_eq!(cell.limit, BOUNDS.ceiling);
        }
    }
}
