//! Which events that are heard of are stored already: pure.
//!
//! A log and a push need not give the same time to an event: a push may bear the time at which it was sent. So what was only pushed and what
//! is only read from the log are one event when meter, log and code are the same and the times are close (a minute: modules filter short outages for half of one); the same time goes before a close one, and
//! every stored event is taken once.

use std::collections::BTreeSet;

/// A stored event that one which is heard of may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Which of those that are heard of.
    pub(super) place: usize,
    /// Number of the stored one.
    pub(super) id: i64,
    /// Seconds between their times; 0 also when neither has one and the octets are the same.
    pub(super) apart_s: i64,
    /// Whether the stored one was heard of in this way before.
    pub(super) known_so: bool,
}

/// For each of `count` events that are heard of, which candidate it is.
pub(super) fn pair(count: usize, candidates: &[Candidate]) -> Vec<Option<Candidate>> {
    let mut paired: Vec<Option<Candidate>> = vec![None; count];
    let mut taken = BTreeSet::new();
    let mut order: Vec<&Candidate> =
        candidates.iter().filter(|candidate| candidate.apart_s == 0 || !candidate.known_so).collect();
    order.sort_by_key(|candidate| (candidate.apart_s, candidate.place, candidate.id));
    for candidate in order {
        let Some(slot @ None) = paired.get_mut(candidate.place) else { continue };
        if taken.insert(candidate.id) {
            *slot = Some(*candidate);
        }
    }
    paired
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(place: usize, id: i64, apart_s: i64, known_so: bool) -> Candidate {
        Candidate { place, id, apart_s, known_so }
    }

    fn ids(count: usize, candidates: &[Candidate]) -> Vec<Option<i64>> {
        pair(count, candidates).into_iter().map(|found| found.map(|found| found.id)).collect()
    }

    #[test]
    fn the_same_time_goes_before_a_close_one() {
        // Two outages within a minute: the first was pushed under its own time.
        let candidates = [candidate(1, 7, 40, false), candidate(0, 7, 0, false)];
        assert_eq!(ids(2, &candidates), [Some(7), None]);
    }

    #[test]
    fn a_stored_event_is_taken_once_and_by_the_closest() {
        let candidates = [candidate(0, 7, 30, false), candidate(1, 7, 5, false), candidate(0, 8, 50, false)];
        assert_eq!(ids(2, &candidates), [Some(8), Some(7)]);
    }

    #[test]
    fn what_was_heard_of_in_the_same_way_is_another_event_unless_the_time_is_the_same() {
        assert_eq!(ids(2, &[candidate(0, 7, 1, true), candidate(1, 8, 0, true)]), [None, Some(8)]);
    }
}
