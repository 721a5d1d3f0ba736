//! What becomes of a job whose attempt failed: pure, so that the rule can be read and tested in one place.

use std::time::Duration;

use collectors::Reason;

/// Wait before the second attempt; each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(15);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);

/// The same where somebody else has the meter at the moment.
const BUSY_WAITS: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(5 * 60));

/// Attempts of a job until which the next one goes on at once with what the one before put right. Who keeps refusing counters has somebody else
/// who uses them up as well.
const RIGHTED_TRIES: i16 = 3;

/// Blocks of invocation counters that one job may use up.
const MOST_BLOCKS: i16 = 100;

/// Jobs that fail for something that may still heal before a person has to look at it.
const PATIENCE: i32 = 3;

/// What stands behind a failure: it decides how often it is worth to try again, and who can put it right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "trouble_cause", rename_all = "snake_case")]
pub enum Cause {
    /// The meter was not reached, or not for long enough.
    Route,
    /// Something refuses the connection: it serves somebody else.
    Busy,
    /// Password, key or level of security are others.
    Authentication,
    /// Invocation counters are refused.
    Counter,
    /// Another meter is there.
    Identity,
    /// What the meter has is not what its model says, or cannot be stored.
    Data,
}

/// What to do with a failed job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Due again after this time.
    After(Duration),
    /// Failed for good.
    Never,
}

impl Cause {
    /// What stands behind a reason; nothing behind work that was called off or came at the wrong time.
    pub const fn of(reason: Reason) -> Option<Self> {
        Some(match reason {
            Reason::NoRoute | Reason::Timeout | Reason::LineCut => Self::Route,
            Reason::Refused => Self::Busy,
            Reason::WrongPassword | Reason::WrongKey | Reason::Downgrade | Reason::AssociationRefused => {
                Self::Authentication
            }
            Reason::CounterRejected | Reason::CountersSpent | Reason::CounterUnusable => Self::Counter,
            Reason::WrongMeter => Self::Identity,
            Reason::LayoutChanged
            | Reason::MeterRefused
            | Reason::MeterBrokeRules
            | Reason::Unsupported
            | Reason::NotEffective
            | Reason::ImageMismatch => Self::Data,
            Reason::Cancelled
            | Reason::DeadlinePassed
            | Reason::BoundaryNear
            | Reason::BoundaryCrossed
            | Reason::ClockUntrusted => return None,
        })
    }

    /// The word in the schema.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Busy => "busy",
            Self::Authentication => "authentication",
            Self::Counter => "counter",
            Self::Identity => "identity",
            Self::Data => "data",
        }
    }

    /// Whether it concerns all that is asked of a meter, and not only what failed.
    pub const fn is_of_meter(self) -> bool {
        !matches!(self, Self::Data)
    }

    /// After how many jobs that failed for a reason behind which it stands it takes a person; `None` for what comes back by itself. A meter that
    /// refuses a key may lock itself when it is asked again and again.
    pub const fn person_after(self, reason: Reason) -> Option<i32> {
        match self {
            Self::Route | Self::Busy => None,
            Self::Authentication | Self::Identity => Some(1),
            Self::Counter if matches!(reason, Reason::CounterUnusable) => Some(1),
            Self::Counter | Self::Data => Some(PATIENCE),
        }
    }
}

/// The fate of a job whose attempt number `attempts` (from 1) of at most `max_attempts` failed for `reason`.
///
/// A broken line waits longer each time; a line that is in use is tried again sooner. What the failed attempt itself put right (a fresh
/// layout, a raised or newly reserved counter) goes on at once, even where there was to be no other attempt. A job that was called off because the program stops did not fail and is
/// due again, however often that happens.
pub fn retry(reason: Reason, attempts: i16, max_attempts: i16) -> Retry {
    match reason {
        Reason::Cancelled => Retry::After(Duration::ZERO),
        // Not a failure: each attempt goes on behind the last capture, so this ends.
        Reason::CountersSpent if attempts < MOST_BLOCKS => Retry::After(Duration::ZERO),
        Reason::LayoutChanged | Reason::CounterRejected if attempts < RIGHTED_TRIES => {
            Retry::After(Duration::ZERO)
        }
        _ if attempts >= max_attempts || !reason.is_transient() => Retry::Never,
        Reason::LayoutChanged | Reason::CountersSpent => Retry::After(Duration::ZERO),
        Reason::Refused => Retry::After(wait(attempts, BUSY_WAITS)),
        _ => Retry::After(wait(attempts, (FIRST_WAIT, LONGEST_WAIT))),
    }
}

/// Twice as long each time: 15 s, 30 s, 1 min, 2 min … 30 min.
fn wait(attempts: i16, (first, longest): (Duration, Duration)) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    first.saturating_mul(1 << doublings).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(reason: Reason) -> Vec<u64> {
        let wait = |attempts| match retry(reason, attempts, 99) {
            Retry::After(wait) => wait.as_secs(),
            Retry::Never => panic!("attempt {attempts} gave up"),
        };
        (1..12).map(wait).collect()
    }

    #[test]
    fn what_stands_behind_a_failure_says_how_long_it_waits() {
        let line = [15, 30, 60, 120, 240, 480, 960, 1800, 1800, 1800, 1800];
        assert_eq!(waits(Reason::Timeout), line);
        assert_eq!(waits(Reason::NoRoute), line);
        assert_eq!(waits(Reason::Refused), [5, 10, 20, 40, 80, 160, 300, 300, 300, 300, 300]);
        assert_eq!(
            waits(Reason::CounterRejected),
            [0, 0, 60, 120, 240, 480, 960, 1800, 1800, 1800, 1800],
            "somebody else may use them up"
        );
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
        for reason in [
            Reason::WrongPassword,
            Reason::WrongKey,
            Reason::WrongMeter,
            Reason::CounterUnusable,
            Reason::Unsupported,
        ] {
            assert_eq!(retry(reason, 1, 5), Retry::Never, "{reason}");
        }
    }

    #[test]
    fn what_the_attempt_put_right_goes_on_at_once() {
        for reason in [Reason::LayoutChanged, Reason::CounterRejected, Reason::CountersSpent] {
            assert_eq!(retry(reason, 1, 5), Retry::After(Duration::ZERO), "{reason}");
        }
        for reason in [Reason::LayoutChanged, Reason::CounterRejected] {
            assert_eq!(retry(reason, 1, 1), Retry::After(Duration::ZERO), "{reason}: it was silent before");
            assert_eq!(retry(reason, RIGHTED_TRIES, 1), Retry::Never, "{reason}");
        }
    }

    #[test]
    fn a_wrong_key_takes_a_person_at_once_and_a_silent_line_never() {
        let after = |reason| Cause::of(reason).and_then(|cause| cause.person_after(reason));
        assert_eq!([Reason::WrongKey, Reason::WrongMeter, Reason::Downgrade].map(after), [Some(1); 3]);
        assert_eq!([Reason::AssociationRefused, Reason::CounterUnusable].map(after), [Some(1); 2]);
        assert_eq!([Reason::CounterRejected, Reason::MeterRefused].map(after), [Some(3); 2]);
        assert_eq!([Reason::NoRoute, Reason::Refused, Reason::Cancelled].map(after), [None; 3]);
    }
}
