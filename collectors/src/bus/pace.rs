use std::time::Duration;

/// What a station is waited for in vain at least, in times of its own deviation (as TCP does it: RFC 6298, 2.3).
const DEVIATIONS: u32 = 4;
/// Parts of the mean and of the deviation that one answer changes.
const MEAN_PARTS: u32 = 8;
const DEVIATION_PARTS: u32 = 4;
/// The part of the longest time that is forgotten with each answer.
const PEAK_PARTS: u32 = 16;

/// How long a station takes until it answers, learned from how long it took.
///
/// The mean alone would not do: a meter that answers within 30 ms may look for the first row of a profile for two seconds. So the longest time
/// of late counts as well, and is forgotten slowly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Pace {
    learned: Option<Learned>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Learned {
    mean: Duration,
    deviation: Duration,
    peak: Duration,
}

impl Pace {
    /// An answer began `took` after what was asked had gone out. After a repetition it is the time since it was asked first: too long
    /// rather than too short.
    pub(crate) fn observe(&mut self, took: Duration) {
        self.learned = Some(match self.learned {
            None => Learned { mean: took, deviation: took / 2, peak: took },
            Some(Learned { mean, deviation, peak }) => Learned {
                mean: toward(mean, took, MEAN_PARTS),
                deviation: toward(deviation, mean.abs_diff(took), DEVIATION_PARTS),
                peak: took.max(peak - peak / PEAK_PARTS),
            },
        });
    }

    /// How long an answer may take before it is asked for again; `None` when nothing is known yet.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let Learned { mean, deviation, peak } = self.learned?;
        Some((mean + deviation * DEVIATIONS).max(peak + peak / 4))
    }
}

/// One part of the way from one time to the other.
fn toward(from: Duration, to: Duration, parts: u32) -> Duration {
    if to > from { from + (to - from) / parts } else { from - (from - to) / parts }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    fn after(times: impl IntoIterator<Item = u64>) -> Duration {
        let mut pace = Pace::default();
        for time in times {
            pace.observe(ms(time));
        }
        pace.patience().unwrap()
    }

    #[test]
    fn what_is_steady_is_waited_for_little_longer_than_it_takes() {
        assert_eq!(Pace::default().patience(), None);
        assert_eq!(after([100]), ms(300), "one answer says little");
        let steady = after([100; 50]);
        assert!((ms(100)..ms(130)).contains(&steady), "{steady:?}");
    }

    #[test]
    fn a_slow_answer_is_waited_for_the_next_time_and_not_for_ever() {
        let slow = after([30; 20].into_iter().chain([2000]));
        assert!(slow > ms(2000), "{slow:?}");
        let long_ago = after([30; 20].into_iter().chain([2000]).chain([30; 80]));
        assert!(long_ago < ms(200), "{long_ago:?}");
    }

    proptest! {
        /// Whatever came before, an answer like the last one is not asked for twice.
        #[test]
        fn the_last_time_is_always_within_patience(times in proptest::collection::vec(0_u64..60_000, 1..200)) {
            let last = *times.last().unwrap();
            prop_assert!(after(times) >= ms(last));
        }

        /// Patience stays within what was seen.
        #[test]
        fn patience_is_bounded_by_the_slowest_answer(times in proptest::collection::vec(0_u64..60_000, 1..200)) {
            let slowest = ms(times.iter().copied().max().unwrap());
            prop_assert!(after(times) <= slowest * (1 + DEVIATIONS));
        }
    }
}
