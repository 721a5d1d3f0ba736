//! Who is next on a line: pure, so that fairness can be tested without one.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::MeterId;

/// How long one station may be served while another of the same priority waits. Within this time all that is due for it goes over one
/// association, which costs as much as a part of a day's profile.
const TURN_MAX: Duration = Duration::from_secs(30);
/// Stations whose last turn is remembered, above what any bus has.
const STATIONS_MAX: usize = 1024;

/// Items for the stations of a line: the highest priority first; among equals the station that is at it, for a while, and then the one
/// whose last turn is longest ago; of one station the oldest.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    levels: BTreeMap<Reverse<i16>, Level<T>>,
    /// Number of the last turn of each station.
    last_turns: BTreeMap<MeterId, u64>,
    turns: u64,
    /// Who is at it, and since when.
    turn: Option<(MeterId, Instant)>,
    arrived: u64,
    length: usize,
}

/// What waits with one priority.
#[derive(Debug)]
struct Level<T> {
    /// Number of arrival, and the item.
    stations: BTreeMap<MeterId, VecDeque<(u64, T)>>,
    /// Last turn and first arrival of each of them.
    order: BTreeSet<(u64, u64, MeterId)>,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Self {
        Self {
            levels: BTreeMap::new(),
            last_turns: BTreeMap::new(),
            turns: 0,
            turn: None,
            arrived: 0,
            length: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn push(&mut self, priority: i16, station: MeterId, item: T) {
        self.arrived += 1;
        self.length += 1;
        let level = self.levels.entry(Reverse(priority)).or_default();
        let waiting = level.stations.entry(station).or_default();
        if waiting.is_empty() {
            let last = self.last_turns.get(&station).copied().unwrap_or_default();
            level.order.insert((last, self.arrived, station));
        }
        waiting.push_back((self.arrived, item));
    }

    /// The item whose turn it is.
    pub(crate) fn next(&mut self, now: Instant) -> Option<T> {
        let level = self.levels.first_key_value()?.1;
        let station = match self.turn {
            Some((station, since)) if level.goes_on(station, now < since + TURN_MAX) => station,
            _ => level.order.first()?.2,
        };
        if self.turn.is_none_or(|(before, _)| before != station) {
            self.turn = Some((station, now));
        }
        self.take(station)
    }

    /// The item whose turn it is when it is more urgent than `priority`. It steps in: whoever is at it stays so.
    pub(crate) fn next_above(&mut self, priority: i16) -> Option<T> {
        let (Reverse(highest), level) = self.levels.first_key_value()?;
        let station = (*highest > priority).then(|| level.order.first())??.2;
        self.take(station)
    }

    /// Takes the oldest item of a station out of the first level, and moves the station to the back of all.
    fn take(&mut self, station: MeterId) -> Option<T> {
        self.turns += 1;
        let before = self.last_turns.insert(station, self.turns).unwrap_or_default();
        let mut level = self.levels.first_entry()?;
        let taken = level.get_mut().stations.get_mut(&station)?.pop_front()?;
        let found = level.get_mut().order.remove(&(before, taken.0, station));
        debug_assert!(found, "a station that waits has a place");
        if level.get().stations.get(&station).is_some_and(VecDeque::is_empty) {
            level.get_mut().stations.remove(&station);
        }
        if level.get().stations.is_empty() {
            level.remove();
        } else if let Some((first, _)) = level.get().stations.get(&station).and_then(VecDeque::front) {
            let first = *first;
            level.get_mut().order.insert((self.turns, first, station));
        }
        for level in self.levels.values_mut() {
            level.move_back(station, (before, self.turns));
        }
        if self.last_turns.len() > STATIONS_MAX {
            self.forget();
        }
        self.length -= 1;
        Some(taken.1)
    }

    /// Forgets the turns of those that do not wait.
    fn forget(&mut self) {
        let levels = &self.levels;
        self.last_turns
            .retain(|station, _| levels.values().any(|level| level.stations.contains_key(station)));
    }
}

impl<T> Level<T> {
    /// Whether a station that is at it stays so: something waits for it, and it has time left or nobody else waits.
    fn goes_on(&self, station: MeterId, has_time: bool) -> bool {
        self.stations.contains_key(&station) && (has_time || self.stations.len() == 1)
    }

    fn move_back(&mut self, station: MeterId, (from, to): (u64, u64)) {
        let Some((first, _)) = self.stations.get(&station).and_then(VecDeque::front) else { return };
        if self.order.remove(&(from, *first, station)) {
            self.order.insert((to, *first, station));
        }
    }
}

impl<T> Default for Level<T> {
    fn default() -> Self {
        Self { stations: BTreeMap::new(), order: BTreeSet::new() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What comes out when every item takes `each`.
    fn order(queue: &mut Queue<u32>, each: Duration) -> Vec<u32> {
        let mut now = Instant::now();
        let next = || {
            let item = queue.next(now);
            now += each;
            item
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn what_is_urgent_goes_first_and_the_oldest_among_equals() {
        let mut queue = Queue::new();
        for (item, (priority, station)) in (0..).zip([(0, 1), (50, 2), (0, 3), (-5, 4), (50, 5)]) {
            queue.push(priority, station, item);
        }
        assert_eq!(order(&mut queue, SECOND), [1, 4, 0, 2, 3]);
    }

    #[test]
    fn what_is_due_for_one_station_goes_over_one_association() {
        let mut queue = Queue::new();
        for (item, station) in (0..).zip([1, 2, 1, 2, 1]) {
            queue.push(0, station, item);
        }
        assert_eq!(order(&mut queue, SECOND), [0, 2, 4, 1, 3]);
    }

    #[test]
    fn a_station_with_much_to_do_lets_the_others_in() {
        let mut queue = Queue::new();
        for item in 0..6 {
            queue.push(0, 1, item);
        }
        queue.push(0, 2, 6);
        queue.push(0, 3, 7);
        assert_eq!(order(&mut queue, 20 * SECOND), [0, 1, 6, 7, 2, 3, 4, 5]);
    }

    #[test]
    fn who_steps_in_does_not_end_the_turn_of_another() {
        let mut queue = Queue::new();
        for (item, (priority, station)) in (0..).zip([(0, 1), (0, 2), (0, 1), (50, 3)]) {
            queue.push(priority, station, item);
        }
        let now = Instant::now();
        assert_eq!(queue.next_above(50), None);
        assert_eq!(queue.next_above(49), Some(3));
        assert_eq!(queue.next(now), Some(0));
        assert_eq!(queue.next_above(0), None);
        assert_eq!(queue.next(now + SECOND), Some(2));
        assert_eq!(queue.len(), 1);
    }

    /// What a test does to a queue: one more item, or one taken, after which so many seconds pass.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Push { priority: i16, station: MeterId },
        Take { seconds: u64 },
        Interrupt { above: i16 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0_i16..3, 1_i32..6).prop_map(|(priority, station)| Step::Push { priority, station }),
            2 => (0_u64..40).prop_map(|seconds| Step::Take { seconds }),
            1 => (0_i16..3).prop_map(|above| Step::Interrupt { above }),
        ]
    }

    proptest! {
        /// Everything comes out once, never behind what is more urgent, and of one station and priority in the order of arrival.
        #[test]
        fn nothing_is_lost_or_out_of_order(steps in proptest::collection::vec(step(), 1..300)) {
            let mut queue = Queue::new();
            let mut waiting: Vec<(i16, MeterId, usize)> = Vec::new();
            let mut now = Instant::now();
            for (number, step) in steps.into_iter().enumerate() {
                let highest = waiting.iter().map(|(priority, ..)| *priority).max();
                let taken = match step {
                    Step::Push { priority, station } => {
                        queue.push(priority, station, number);
                        waiting.push((priority, station, number));
                        continue;
                    }
                    Step::Interrupt { above } => {
                        let taken = queue.next_above(above);
                        prop_assert_eq!(taken.is_some(), highest.is_some_and(|highest| highest > above));
                        taken
                    }
                    Step::Take { seconds } => {
                        let taken = queue.next(now);
                        prop_assert_eq!(taken.is_none(), waiting.is_empty());
                        now += Duration::from_secs(seconds);
                        taken
                    }
                };
                let Some(taken) = taken else { continue };
                let at = waiting.iter().position(|(.., number)| *number == taken);
                let (priority, station, _) = waiting.remove(at.expect("it came out once"));
                prop_assert_eq!(Some(priority), highest);
                let rivals = waiting.iter().filter(|(level, other, _)| (*level, *other) == (priority, station));
                prop_assert!(rivals.map(|(.., number)| *number).all(|number| number > taken));
                prop_assert_eq!(queue.len(), waiting.len());
            }
        }

        /// While every item takes a whole turn, no station is served twice before all that wait were served once.
        #[test]
        fn stations_take_turns(stations in proptest::collection::vec(1_i32..8, 1..100)) {
            let mut queue = Queue::new();
            for (item, station) in (0..).zip(&stations) {
                queue.push(0, *station, item);
            }
            let served: Vec<MeterId> =
                order(&mut queue, TURN_MAX).into_iter().map(|item| stations[item as usize]).collect();
            for (at, station) in served.iter().enumerate() {
                let Some(before) = served[..at].iter().rposition(|other| other == station) else { continue };
                for waits in &served[at..] {
                    prop_assert!(served[before..at].contains(waits), "{waits} in {served:?}");
                }
            }
        }
    }
}
