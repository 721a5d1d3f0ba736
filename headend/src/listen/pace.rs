//! How many may come in a second.

use std::time::Duration;

use tokio::time::Instant;

/// How much of the time may be taken in advance: ten seconds' worth may come at once.
const BURST: Duration = Duration::from_secs(10);

/// A rate that is held on the average: whoever comes takes his share of the time, and may take it in advance for as long as a burst lasts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// The time that one takes.
    share: Duration,
    /// Until when the time is taken.
    taken: Instant,
}

impl Pace {
    /// So many a second, at least one.
    pub(crate) fn new(per_second: u32, now: Instant) -> Self {
        Self { share: Duration::from_secs(1) / per_second.max(1), taken: now }
    }

    /// Lets one in, unless there were too many.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        let taken = self.taken.max(now) + self.share;
        let fits = taken <= now + BURST;
        if fits {
            self.taken = taken;
        }
        fits
    }

    /// When the turn of one more is, who can wait.
    pub(crate) fn turn(&mut self, now: Instant) -> Instant {
        let turn = self.taken.max(now);
        self.taken = turn + self.share;
        turn
    }

    /// Whether nobody came for so long that nothing is left of it.
    pub(crate) fn is_idle(&self, now: Instant) -> bool {
        self.taken <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let start = Instant::now();
        let mut pace = Pace::new(5, start);
        let admitted = |pace: &mut Pace, at: u64, tries: usize| {
            (0..tries).filter(|_| pace.admit(start + Duration::from_millis(at))).count()
        };
        assert_eq!(admitted(&mut pace, 0, 100), 50);
        assert_eq!(admitted(&mut pace, 1000, 100), 5);
        assert_eq!(admitted(&mut pace, 1100, 100), 0);
        assert!(!pace.is_idle(start + Duration::from_secs(9)));
        assert!(pace.is_idle(start + Duration::from_secs(11)));
        assert_eq!(admitted(&mut pace, 60_000, 100), 50);
    }

    #[test]
    fn who_can_wait_gets_a_turn_of_his_own() {
        let start = Instant::now();
        let mut pace = Pace::new(4, start);
        let turns: Vec<_> = (0..3).map(|_| pace.turn(start) - start).collect();
        assert_eq!(turns, [0, 250, 500].map(Duration::from_millis));
        let later = start + Duration::from_secs(9);
        assert_eq!(pace.turn(later), later);
    }
}
