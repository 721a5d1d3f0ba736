use std::time::Duration;

use tokio::time::Instant;

use crate::Failure;

/// The longest pause between two looks at a station that does not answer.
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// Probes may take one part in so many of a line's time.
const PROBE_SHARE: u32 = 10;

/// Why a station is left alone, and until when: the pause doubles with each time that it was tried in vain.
#[derive(Debug, Clone)]
pub(crate) struct Parking {
    failure: Failure,
    tried: Instant,
    /// The first pause.
    least: Duration,
    pause: Duration,
}

impl Parking {
    /// A station that did not answer `now`, to be left alone for as long as `least` at first; `before` is what was known of it.
    pub(crate) fn new(before: Option<&Self>, failure: Failure, least: Duration, now: Instant) -> Self {
        let pause = before.map_or(least, |before| before.pause * 2).min(PAUSE_MAX).max(least);
        Self { failure, tried: now, least, pause }
    }

    /// Why the station is not to be tried `now`; `None` when it is its time. What is urgent waits for the first pause only.
    pub(crate) fn forbids(&self, is_urgent: bool, now: Instant) -> Option<&Failure> {
        let pause = if is_urgent { self.least } else { self.pause };
        (now < self.tried + pause).then_some(&self.failure)
    }

    pub(crate) const fn failure(&self) -> &Failure {
        &self.failure
    }
}

/// The time for probes: stations that did not answer are tried again now and then, but the line is there for those that do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ProbeSlots {
    next: Option<Instant>,
}

impl ProbeSlots {
    /// Whether a probe may be made `now`.
    pub(crate) fn is_open(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    /// A probe was in vain and ended `now`.
    pub(crate) fn spend(&mut self, took: Duration, now: Instant) {
        self.next = Some(now + took * (PROBE_SHARE - 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reason;

    const LEAST: Duration = Duration::from_secs(15);

    fn failure() -> Failure {
        Failure::new(Reason::Timeout, "nothing came")
    }

    /// How long a station that never answers is left alone after each try.
    fn pauses(tries: usize) -> Vec<u64> {
        let (mut now, mut known) = (Instant::now(), None);
        let pauses = (0..tries).map(|_| {
            let parking = Parking::new(known.as_ref(), failure(), LEAST, now);
            let pause =
                (0..).find(|after| parking.forbids(false, now + Duration::from_secs(*after)).is_none());
            now += Duration::from_secs(pause.unwrap_or_default());
            known = Some(parking);
            pause.unwrap_or_default()
        });
        pauses.collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_station_is_tried_less_and_less_often() {
        assert_eq!(pauses(8), [15, 30, 60, 120, 240, 480, 600, 600]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_urgent_waits_for_the_first_pause_only() {
        let now = Instant::now();
        let first = Parking::new(None, failure(), LEAST, now);
        let second = Parking::new(Some(&first), failure(), LEAST, now);
        assert_eq!(second.forbids(true, now + Duration::from_secs(14)), Some(&failure()));
        assert_eq!(second.forbids(true, now + LEAST), None);
        assert_eq!(second.forbids(false, now + LEAST), Some(&failure()));
    }

    #[tokio::test(start_paused = true)]
    async fn probes_take_a_tenth_of_the_line_at_most() {
        let (begun, probe) = (Instant::now(), Duration::from_millis(700));
        let (mut now, mut slots, mut probed) = (begun, ProbeSlots::default(), Duration::ZERO);
        while now < begun + Duration::from_secs(600) {
            if slots.is_open(now) {
                now += probe;
                probed += probe;
                slots.spend(probe, now);
            } else {
                now += Duration::from_millis(10);
            }
        }
        assert!(probed <= Duration::from_secs(61), "{probed:?}");
        assert!(probed >= Duration::from_secs(55), "{probed:?}");
    }
}
