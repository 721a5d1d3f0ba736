use std::{fmt, str::FromStr};

/// Why a job ended without its result.
///
/// The text of a reason is the same in SQL (`failure_reason`), in `ami.v1` and on the screen; [`Reason::ALL`] is the
/// one table behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing answers under the address: unknown name, unreachable network, or no TCP connection in time.
    NoRoute,
    /// Something answers under the address and refuses the TCP connection, a link, or for now the association.
    Refused,
    /// The connection stands, the answer did not come in time.
    Timeout,
    /// The connection was closed in the middle of the conversation.
    LineCut,
    /// The meter refused the password of low level security, or the secret of high level security is another one.
    WrongPassword,
    /// The meter and the head-end do not hold the same keys.
    WrongKey,
    /// The meter has seen a higher invocation counter than the one used.
    CounterRejected,
    /// The invocation counters reserved for the work are used up.
    CountersSpent,
    /// The meter at the address has another serial number.
    WrongMeter,
    /// The profile has other columns than before; the new ones were reported.
    LayoutChanged,
    /// The meter said no: access denied, object unknown.
    MeterRefused,
    /// The meter's answer contradicts the standard or itself.
    MeterBrokeRules,
    /// The meter offers something that the head-end cannot store or speak.
    Unsupported,
    /// The work was called off before it ended.
    Cancelled,
    /// The meter accepted the order, and what was read back is something else.
    NotEffective,
    /// It was too late to send the order.
    DeadlinePassed,
    /// The meter holds another firmware image than the one that was ordered.
    ImageMismatch,
    /// The meter offers less security than was asked for, or answers with less protection than was agreed.
    Downgrade,
    /// The clock is not moved at this time: the end of an interval, midnight or a change of the zone is near.
    BoundaryNear,
    /// The clock is so far off that it would jump over the end of an interval, which was not ordered.
    BoundaryCrossed,
    /// The clock of the collector is not known to be right, and no meter is set by it.
    ClockUntrusted,
    /// The meter refused the association for good, and not for a password or key that it named.
    AssociationRefused,
    /// The meter takes no invocation counter that the head-end uses by itself: it is too far ahead, or none is left.
    CounterUnusable,
}

impl Reason {
    /// Every reason with its text.
    pub const ALL: [(Self, &'static str); 23] = [
        (Self::NoRoute, "no_route"),
        (Self::Refused, "refused"),
        (Self::Timeout, "timeout"),
        (Self::LineCut, "line_cut"),
        (Self::WrongPassword, "wrong_password"),
        (Self::WrongKey, "wrong_key"),
        (Self::CounterRejected, "counter_rejected"),
        (Self::CountersSpent, "counters_spent"),
        (Self::WrongMeter, "wrong_meter"),
        (Self::LayoutChanged, "layout_changed"),
        (Self::MeterRefused, "meter_refused"),
        (Self::MeterBrokeRules, "meter_broke_rules"),
        (Self::Unsupported, "unsupported"),
        (Self::Cancelled, "cancelled"),
        (Self::NotEffective, "not_effective"),
        (Self::DeadlinePassed, "deadline_passed"),
        (Self::ImageMismatch, "image_mismatch"),
        (Self::Downgrade, "downgrade"),
        (Self::BoundaryNear, "boundary_near"),
        (Self::BoundaryCrossed, "boundary_crossed"),
        (Self::ClockUntrusted, "clock_untrusted"),
        (Self::AssociationRefused, "association_refused"),
        (Self::CounterUnusable, "counter_unusable"),
    ];

    /// The text of the reason, such as `no_route`.
    pub const fn as_str(self) -> &'static str {
        // Discriminants count from 0 in the order of the table; a test walks all of them.
        Self::ALL[self as usize].1
    }

    /// Whether the same work may succeed later without anybody doing anything: the line may be back, a fresh range
    /// of counters or the new layout will be used, the end of the interval will be past.
    pub const fn is_transient(self) -> bool {
        match self {
            Self::NoRoute
            | Self::Refused
            | Self::Timeout
            | Self::LineCut
            | Self::CounterRejected
            | Self::CountersSpent
            | Self::LayoutChanged
            | Self::BoundaryNear
            | Self::ClockUntrusted => true,
            Self::WrongPassword
            | Self::WrongKey
            | Self::WrongMeter
            | Self::MeterRefused
            | Self::MeterBrokeRules
            | Self::Unsupported
            | Self::Cancelled
            | Self::NotEffective
            | Self::DeadlinePassed
            | Self::ImageMismatch
            | Self::Downgrade
            | Self::BoundaryCrossed
            | Self::AssociationRefused
            | Self::CounterUnusable => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no [`Reason`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no failure reason")]
pub struct UnknownReason(pub String);

impl FromStr for Reason {
    type Err = UnknownReason;

    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let known = Self::ALL.iter().find(|(_, name)| *name == text);
        known.map(|(reason, _)| *reason).ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

/// Why and how a job failed, for a program (`reason`) and for a person (`detail`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Failure {
    /// The class of failure, on which retries and statistics go.
    pub reason: Reason,
    /// One or two sentences for an operator: what happened and what to do. Never holds a key or a password.
    pub detail: String,
    /// With [`Reason::CounterRejected`]: the lowest invocation counter that the meter says it will accept.
    pub expected_counter: Option<u32>,
    /// Whether something was ordered of the meter and nobody knows what came of it: it has to be read before anything else.
    pub in_doubt: bool,
}

impl Failure {
    /// A failure without an expected counter that leaves nothing in doubt.
    pub fn new(reason: Reason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into(), expected_counter: None, in_doubt: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_reasons_is_complete_and_reads_back() {
        for (index, (reason, text)) in Reason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{text} stands in the wrong row");
            assert_eq!(reason.to_string(), text);
            assert_eq!(text.parse(), Ok(reason));
        }
        assert_eq!(Reason::CounterUnusable as usize, Reason::ALL.len() - 1);
    }

    #[test]
    fn reasons_are_the_words_of_the_database() {
        let texts: Vec<_> = Reason::ALL.iter().map(|(_, text)| *text).collect();
        let sql = "no_route refused timeout line_cut wrong_password wrong_key counter_rejected counters_spent \
                   wrong_meter layout_changed meter_refused meter_broke_rules unsupported cancelled not_effective deadline_passed \
                   image_mismatch downgrade boundary_near boundary_crossed clock_untrusted association_refused counter_unusable";
        assert_eq!(texts.join(" "), sql);
        assert_eq!("No_Route".parse::<Reason>(), Err(UnknownReason("No_Route".into())));
    }

    #[test]
    fn only_what_time_can_heal_is_tried_again() {
        let transient: Vec<_> = Reason::ALL.iter().filter(|(reason, _)| reason.is_transient()).collect();
        let texts: Vec<_> = transient.iter().map(|(_, text)| *text).collect();
        let expected = [
            "no_route",
            "refused",
            "timeout",
            "line_cut",
            "counter_rejected",
            "counters_spent",
            "layout_changed",
            "boundary_near",
            "clock_untrusted",
        ];
        assert_eq!(texts, expected);
    }
}
