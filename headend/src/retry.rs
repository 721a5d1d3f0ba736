//! What becomes of a job whose attempt failed: pure, so that the rule can be read and tested in one place.

use std::time::Duration;

use collectors::Reason;

/// Wait before the second attempt; each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(15);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);

/// Blocks of invocation counters that one job may use up.
const MOST_BLOCKS: i16 = 100;

/// What to do with a failed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Due again after this time.
    After(Duration),
    /// Failed for good.
    Never,
}

/// The fate of a job whose attempt number `attempts` (from 1) of at most `max_attempts` failed for `reason`.
///
/// A broken line waits longer each time. What the failed attempt itself put right (a fresh layout, a raised or newly
/// reserved counter) goes on at once. A job that was called off because the program stops did not fail and is due again,
/// however often that happens.
pub fn retry(reason: Reason, attempts: i16, max_attempts: i16) -> Retry {
    match reason {
        Reason::Cancelled => Retry::After(Duration::ZERO),
        // Not a failure: each attempt goes on behind the last capture, so this ends.
        Reason::CountersSpent if attempts < MOST_BLOCKS => Retry::After(Duration::ZERO),
        _ if attempts >= max_attempts || !reason.is_transient() => Retry::Never,
        Reason::LayoutChanged | Reason::CounterRejected | Reason::CountersSpent => {
            Retry::After(Duration::ZERO)
        }
        _ => Retry::After(wait(attempts)),
    }
}

/// 15 s, 30 s, 1 min, 2 min … 30 min.
fn wait(attempts: i16) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_line_waits_longer_each_time_up_to_a_limit() {
        let waits: Vec<u64> = (1..12)
            .map(|attempts| match retry(Reason::Timeout, attempts, 99) {
                Retry::After(wait) => wait.as_secs(),
                Retry::Never => panic!("attempt {attempts} gave up"),
            })
            .collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1800, 1800, 1800, 1800]);
        assert_eq!(retry(Reason::Timeout, i16::MAX - 1, i16::MAX), Retry::After(LONGEST_WAIT));
    }

    #[test]
    fn the_last_attempt_is_the_last_for_every_reason_but_a_stop_and_a_spent_block() {
        for (reason, text) in Reason::ALL {
            let expected = match reason {
                Reason::Cancelled | Reason::CountersSpent => Retry::After(Duration::ZERO),
                _ => Retry::Never,
            };
            assert_eq!(retry(reason, 5, 5), expected, "{text}");
            assert_eq!(retry(reason, 6, 5), expected, "{text}");
        }
        assert_eq!(retry(Reason::CountersSpent, MOST_BLOCKS - 1, 5), Retry::After(Duration::ZERO));
        assert_eq!(
            retry(Reason::CountersSpent, MOST_BLOCKS, 5),
            Retry::Never,
            "a key is not used up by one job"
        );
    }

    #[test]
    fn what_time_can_not_heal_fails_at_once() {
        for reason in [Reason::WrongPassword, Reason::WrongKey, Reason::WrongMeter, Reason::Unsupported] {
            assert_eq!(retry(reason, 1, 5), Retry::Never, "{reason}");
        }
    }

    #[test]
    fn what_the_attempt_put_right_goes_on_at_once() {
        for reason in [Reason::LayoutChanged, Reason::CounterRejected, Reason::CountersSpent] {
            assert_eq!(retry(reason, 1, 5), Retry::After(Duration::ZERO), "{reason}");
        }
    }
}
