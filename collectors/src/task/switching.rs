//! What every order to a load switch has in common, whatever language it is spoken in.

use std::{fmt::Display, time::Duration};

use super::ordered::Answer;
use crate::{Failure, Reason, diagnosis::Setback, turn::Turn};

/// How often the order is sent at most. It is sent again only when its answer got lost and the meter, read back, shows that it was not carried
/// out.
pub(crate) const SENDS_MAX: u32 = 3;
/// Pause between two looks at a switch that has not moved yet.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The order was answered, or it got lost each time, and the switch is not as ordered.
pub(crate) fn not_moved(turn: &Turn<'_>, answer: &Answer, after: impl Display) -> Setback {
    match answer {
        Answer::Yes => refuse(
            Reason::NotEffective,
            format!(
                "The meter accepted the order and shows {after}: the switch did not follow, it may be locked, welded or worn out; look at the \
                 meter's events and send somebody."
            ),
        ),
        Answer::No(setback) => {
            let failure = turn.explain(setback);
            refuse(failure.reason, format!("{} It shows {after}.", failure.detail))
        }
        Answer::Lost(setback) => refuse(
            Reason::NotEffective,
            format!(
                "The order was sent {SENDS_MAX} times, no answer came, and the meter shows {after} each time; order again when the line is \
                 better. {}",
                turn.explain(setback).detail
            ),
        ),
    }
}

/// The order was sent as often as it may be.
pub(crate) fn sent_in_vain() -> Setback {
    refuse(Reason::NotEffective, "The order got lost each time it was sent.".into())
}

fn refuse(reason: Reason, detail: String) -> Setback {
    Setback::Final(Failure::new(reason, detail))
}
