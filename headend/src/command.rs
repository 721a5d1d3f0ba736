//! The life of a command: pure, so that the rules can be read and tested in one place. The database holds the same arrows
//! (`command_may_become`), and docs/data-model.md draws them.

use std::time::Duration;

use collectors::{Failure, Reason};

use crate::store::{CommandKind, CommandState};

/// Wait before the second attempt when nothing was sent; each further wait is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Attempts in a row that may put something right (a raised counter, a new block of counters) without a wait in between.
const MOST_AT_ONCE: i16 = 100;
/// Attempts to find out what came of an order before a person has to.
const MOST_LOOKS: i16 = 40;

/// What becomes of a command whose attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another attempt after this time; meanwhile it is in this state.
    Again(CommandState, Duration),
    /// Nothing more by itself.
    Over(CommandState),
}

impl CommandState {
    /// Whether the life of a command has this arrow. A state may always become itself: another attempt begins.
    pub fn may_become(self, next: Self) -> bool {
        use CommandState as S;
        self == next
            || match self {
                S::Accepted => matches!(next, S::Sending | S::Expired | S::Cancelled | S::Refused),
                S::AwaitingApproval | S::Quarantined => {
                    matches!(next, S::Accepted | S::Expired | S::Cancelled)
                }
                S::Sending => {
                    matches!(next, S::Accepted | S::Unknown | S::Confirmed | S::Refused | S::Expired)
                }
                S::Unknown => matches!(next, S::Sending | S::Confirmed | S::Refused),
                S::Confirmed | S::Refused | S::Expired | S::Cancelled => false,
            }
    }
}

/// The fate of a command whose attempt number `attempts` (from 1) failed.
///
/// What is in doubt is looked at again, until a person has to. What was not sent is tried again until its deadline, which ends it as expired;
/// what time can not heal, and what the meter refused, is refused at once.
pub fn next(failure: &Failure, attempts: i16) -> Next {
    match failure.reason {
        Reason::Cancelled if failure.in_doubt => Next::Again(CommandState::Unknown, Duration::ZERO),
        reason if failure.in_doubt && reason.is_transient() && attempts < MOST_LOOKS => {
            Next::Again(CommandState::Unknown, wait(reason, attempts))
        }
        _ if failure.in_doubt => Next::Over(CommandState::Unknown),
        Reason::DeadlinePassed => Next::Over(CommandState::Expired),
        Reason::Cancelled => Next::Again(CommandState::Accepted, Duration::ZERO),
        reason if reason.is_transient() => Next::Again(CommandState::Accepted, wait(reason, attempts)),
        _ => Next::Over(CommandState::Refused),
    }
}

/// None after what the failed attempt itself put right; else 2 s, 4 s, 8 s … 15 min.
fn wait(reason: Reason, attempts: i16) -> Duration {
    if matches!(reason, Reason::CounterRejected | Reason::CountersSpent) && attempts < MOST_AT_ONCE {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}

impl CommandKind {
    /// Whether one person alone can never order it, whatever is configured: what it takes away does not come back.
    pub fn is_for_two_persons(self) -> bool {
        self == Self::Clear
    }

    /// The priority of its jobs when the order names none. Planned reads have 0, on-demand reads 10.
    pub fn priority(self) -> i16 {
        match self {
            Self::Disconnect | Self::Reconnect | Self::ForceReconnect | Self::ReleaseTamperLock => 50,
            Self::TakeSnapshot | Self::BuyCredit => 40,
            Self::PushTariff
            | Self::SetParameter
            | Self::SetTimes
            | Self::CloseBillingPeriod
            | Self::ResetDemand
            | Self::Clear => 20,
            Self::SyncClock => 5,
            Self::InstallFirmware => -10,
        }
    }

    /// How long after it may begin an order is still sent when it names no deadline.
    pub fn patience(self) -> Duration {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        match self {
            Self::Disconnect
            | Self::Reconnect
            | Self::ForceReconnect
            | Self::ReleaseTamperLock
            | Self::TakeSnapshot => Duration::from_secs(15 * 60),
            Self::PushTariff
            | Self::SetParameter
            | Self::SetTimes
            | Self::BuyCredit
            | Self::SyncClock
            | Self::CloseBillingPeriod
            | Self::ResetDemand
            | Self::Clear => DAY,
            Self::InstallFirmware => DAY * 7,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(reason: Reason, in_doubt: bool) -> Failure {
        Failure { in_doubt, ..Failure::new(reason, "") }
    }

    #[test]
    fn what_is_in_doubt_is_never_called_refused() {
        for (reason, text) in Reason::ALL {
            for attempts in [1, MOST_LOOKS, i16::MAX] {
                let state = match next(&failure(reason, true), attempts) {
                    Next::Again(state, _) | Next::Over(state) => state,
                };
                assert_eq!(state, CommandState::Unknown, "{text}");
            }
        }
        assert_eq!(next(&failure(Reason::Timeout, true), MOST_LOOKS), Next::Over(CommandState::Unknown));
    }

    #[test]
    fn what_was_not_sent_waits_longer_each_time() {
        let wait = |attempts| match next(&failure(Reason::NoRoute, false), attempts) {
            Next::Again(CommandState::Accepted, wait) => wait.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!([1, 2, 3, 9, 10, 11, i16::MAX].map(wait), [2, 4, 8, 512, 900, 900, 900]);
    }

    #[test]
    fn what_the_meter_refuses_is_over() {
        for reason in [Reason::MeterRefused, Reason::NotEffective, Reason::WrongKey, Reason::ImageMismatch] {
            assert_eq!(next(&failure(reason, false), 1), Next::Over(CommandState::Refused), "{reason}");
        }
        let late = next(&failure(Reason::DeadlinePassed, false), 1);
        assert_eq!(late, Next::Over(CommandState::Expired));
    }
}
