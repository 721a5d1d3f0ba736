//! What can be ordered of a meter beside reading it, and what came of it.

use std::{fmt, time::Duration};

use dlms::Obis;
use jiff::{SignedDuration, Timestamp};
use models::{DayTimes, Decimal};

use crate::{Baseline, Failure, Holdings, Reason};

/// What holds for every order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Nothing is sent after it.
    pub deadline: Timestamp,
    /// Whether an earlier attempt may have sent something without anybody knowing what came of it. As long as the meter was not read, that
    /// stays in doubt.
    pub in_doubt: bool,
}

/// An order to move the load switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// How the load is to be.
    pub to: SwitchTo,
    /// Whether a switch that the meter holds open for its load is closed all the same.
    pub force: bool,
    /// When, and what is known.
    pub terms: Terms,
}

/// An order to set a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetParameter {
    /// Logical name of the register that holds it, which the model allows to be set.
    pub obis: Obis,
    /// The value, in the unit of the register.
    pub value: Decimal,
    /// When, and what is known.
    pub terms: Terms,
}

/// An order to hand prepaid energy on to the meter that was bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuyCredit {
    /// Number of the purchase, at least 1. The meter takes each once, and none that is not higher than the last.
    pub number: u32,
    /// How much, in the unit of the meter's register of amounts.
    pub amount: Decimal,
    /// When, and what is known.
    pub terms: Terms,
}

/// An order to set when the meter switches its household on and off by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetTimes {
    /// The times of every day.
    pub times: DayTimes,
    /// When, and what is known.
    pub terms: Terms,
}

/// An order to put the clock right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncClock {
    /// How far it may be off and is left alone.
    pub tolerance: SignedDuration,
    /// Whether it may jump over the end of an interval of a profile, which leaves a hole or comes twice.
    pub across_boundaries: bool,
    /// When, and what is known.
    pub terms: Terms,
}

/// An order to end the billing period or to reset the maximum demands.
#[derive(Debug, Clone, PartialEq)]
pub struct Reset {
    /// Which of both.
    pub of: ResetOf,
    /// Keeps what the counter showed before anything was sent.
    pub baseline: Baseline,
    /// When, and what is known.
    pub terms: Terms,
}

/// An order to take a snapshot of the registers now.
#[derive(Debug, Clone, PartialEq)]
pub struct TakeSnapshot {
    /// Everybody on the meter's line takes one at the same time; the meter itself is who is asked what came of it.
    pub everybody: bool,
    /// Keeps when the last snapshot had been taken before anything was sent.
    pub baseline: Baseline,
    /// When, and what is known.
    pub terms: Terms,
}

/// An order to clear a meter with all its sub-units, or the sub-unit that it is given to.
#[derive(Debug, Clone, PartialEq)]
pub struct Clear {
    /// Keeps what is cleared before anything is sent.
    pub holdings: Holdings,
    /// When, and what is known.
    pub terms: Terms,
}

/// What is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetOf {
    /// The billing period: it ends, and a new one begins.
    BillingPeriod,
    /// The maximum demands.
    Demand,
}

/// How the load is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SwitchTo {
    /// Cut off.
    Disconnected,
    /// Connected, or ready to be connected at the meter where its control mode allows no more from afar.
    Connected,
}

/// What the meter showed when it was read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The load switch is open.
    Disconnected,
    /// The load switch is closed.
    Connected,
    /// The load switch is open, and somebody at the meter may close it.
    ReadyForReconnection,
    /// The tamper lock is released.
    LockReleased,
    /// The tariff is the active one.
    TariffActive,
    /// The tariff is in the meter and becomes active at its time.
    TariffScheduled,
    /// The firmware runs.
    FirmwareActive,
    /// The firmware is in the meter and becomes active at its time.
    FirmwareScheduled,
    /// The parameter has its value.
    ParameterSet,
    /// The clock shows the time.
    ClockRight,
    /// The counter of billing periods shows that the period ended.
    BillingPeriodClosed,
    /// The counter of resets shows that the maximum demands were reset.
    DemandReset,
    /// The snapshot is there.
    SnapshotTaken,
    /// The meter has taken the purchase.
    CreditBought,
    /// The meter holds the times.
    TimesSet,
    /// The registers show that they began anew at nothing.
    Cleared,
}

impl Outcome {
    /// Every outcome with its text, the same in SQL (`command_outcome`), in `ami.v1` and on the screen.
    pub const ALL: [(Self, &'static str); 16] = [
        (Self::Disconnected, "disconnected"),
        (Self::Connected, "connected"),
        (Self::ReadyForReconnection, "ready_for_reconnection"),
        (Self::LockReleased, "lock_released"),
        (Self::TariffActive, "tariff_active"),
        (Self::TariffScheduled, "tariff_scheduled"),
        (Self::FirmwareActive, "firmware_active"),
        (Self::FirmwareScheduled, "firmware_scheduled"),
        (Self::ParameterSet, "parameter_set"),
        (Self::ClockRight, "clock_right"),
        (Self::BillingPeriodClosed, "billing_period_closed"),
        (Self::DemandReset, "demand_reset"),
        (Self::SnapshotTaken, "snapshot_taken"),
        (Self::CreditBought, "credit_bought"),
        (Self::TimesSet, "times_set"),
        (Self::Cleared, "cleared"),
    ];

    /// The text of the outcome, such as `disconnected`.
    pub const fn as_str(self) -> &'static str {
        // Discriminants count from 0 in the order of the table; a test walks all of them.
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that an attempt to carry out an order found out or did: the evidence for its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Our time.
    pub at: Timestamp,
    /// What it is about, such as `state before`.
    pub what: &'static str,
    /// The finding, for a person. At most [`Finding::VALUE_MAX`] octets. Never holds a key or a password.
    pub value: String,
}

impl Finding {
    /// Longest value in octets; longer ones are cut.
    pub const VALUE_MAX: usize = 2000;

    /// A finding, cut to the longest value.
    pub fn new(at: Timestamp, what: &'static str, mut value: String) -> Self {
        value.truncate(value.floor_char_boundary(Self::VALUE_MAX));
        Self { at, what, value }
    }
}

impl Terms {
    /// Refuses to send an order after its deadline.
    pub(crate) fn in_time(&self, now: Timestamp) -> Result<(), Failure> {
        if now <= self.deadline {
            return Ok(());
        }
        let late = Duration::try_from(now.duration_since(self.deadline)).unwrap_or_default();
        let detail = format!(
            "Nothing was sent: the deadline passed {} s before it could be; order again.",
            late.as_secs()
        );
        Err(Failure::new(Reason::DeadlinePassed, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_outcomes_is_complete() {
        for (index, (outcome, text)) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, index, "{text} stands in the wrong row");
            assert_eq!(outcome.to_string(), text);
        }
        assert_eq!(Outcome::Cleared as usize, Outcome::ALL.len() - 1);
    }

    #[test]
    fn an_order_is_sent_until_its_deadline_and_not_after_it() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let deadline = at("2026-06-02T12:00:00Z");
        let terms = Terms { deadline, in_doubt: false };
        assert_eq!(terms.in_time(deadline), Ok(()));
        let late = terms.in_time(at("2026-06-02T12:00:05Z")).unwrap_err();
        assert_eq!(late.reason, Reason::DeadlinePassed);
        assert!(late.detail.contains("passed 5 s before"), "{}", late.detail);
    }

    #[test]
    fn a_finding_is_cut_between_two_characters() {
        let at = "2026-06-02T12:00:00Z".parse().unwrap();
        assert_eq!(Finding::new(at, "name", "é".repeat(1001)).value.len(), Finding::VALUE_MAX);
        assert_eq!(Finding::new(at, "name", format!("x{}", "é".repeat(1001))).value.len(), 1999);
    }
}
