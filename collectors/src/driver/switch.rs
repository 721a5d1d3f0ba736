//! The load switch, in whatever language.

use std::{fmt, time::Duration};

use models::{Decimal, Register};
use tokio::time::{Instant, sleep};

use super::{Driver, tasks::verify, unsupported};
use crate::{
    Failure, Outcome, Reason, Switch, SwitchTo,
    diagnosis::Setback,
    task::{
        ordered::{Answer, judged, still_in_doubt},
        switching::{LOOK_EVERY, SENDS_MAX, not_moved, sent_in_vain},
    },
    turn::Turn,
};

/// How long the line is kept for a switch that has not moved yet. What takes longer is looked at again by a later attempt: others wait for the line.
const LOOK_FOR: Duration = Duration::from_secs(10);
/// How long a switch that shows what it was ordered may show something else than it was ordered last.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);

/// What a load switch shows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SwitchState {
    /// The load is cut off.
    pub(super) open: bool,
    /// What it was ordered to be last, where it shows that.
    pub(super) ordered_open: Option<bool>,
    /// Ordered to be closed means that somebody at the meter may close it.
    pub(super) is_closed_by_hand: bool,
}

/// Moves the load switch. The outcome is what the meter shows afterwards, whatever it answered; an order whose answer is lost is resolved by
/// reading. A switch that is as ordered already is left alone, and one that was ordered and takes its time is waited for.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    switch: &Switch,
) -> Result<Outcome, Setback> {
    let Some(spec) = turn.station().model.switch.clone() else { return Err(unsupported(turn, "switch")) };
    let shown = match verify(turn, driver).await {
        Ok(()) => driver.switch_state(turn).await,
        Err(setback) => Err(setback),
    };
    let before = shown.map_err(|unread| still_in_doubt(turn, &switch.terms, unread))?;
    turn.found("state before", before.to_string()).await?;
    if let Some(outcome) = before.fulfils(switch.to) {
        return Ok(outcome);
    }
    let lock = lock(turn, driver, switch).await?;
    if switch.terms.in_doubt && before.is_on_its_way(switch.to) {
        return settled(turn, driver, switch, (&Answer::Yes, spec.settle))
            .await?
            .ok_or_else(|| late(turn, before));
    }
    for sends in 1..=SENDS_MAX {
        switch.terms.in_time(turn.now()).map_err(Setback::Final)?;
        let answer = order(turn, driver, (switch.to, lock.as_ref())).await?;
        let patience = if answer.is_refusal() { Duration::ZERO } else { spec.settle };
        if let Some(outcome) = settled(turn, driver, switch, (&answer, patience)).await? {
            return Ok(outcome);
        }
        if !matches!(answer, Answer::Lost(_)) || sends == SENDS_MAX {
            let after = driver.switch_state(turn).await;
            return match after {
                Ok(after) => Err(not_moved(turn, &answer, after)),
                Err(unread) => Err(answer.unverified(turn, unread)),
            };
        }
    }
    // The last round returns.
    Err(sent_in_vain())
}

/// The counter of trips, where it holds the switch open against every order to close it but one by force.
async fn lock(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    switch: &Switch,
) -> Result<Option<Register>, Setback> {
    let model = turn.station().model.clone();
    let counter = model.load.and_then(|load| Some((load, load.counter(&model)?)));
    let (load, counter) = match (switch.to, counter) {
        (SwitchTo::Disconnected, _) => return Ok(None),
        (SwitchTo::Connected, Some(known)) => known,
        (SwitchTo::Connected, None) if switch.force => return Err(unsupported(turn, "force_reconnect")),
        (SwitchTo::Connected, None) => return Ok(None),
    };
    let shown = driver.parameter(turn, counter).await;
    let trips = shown.map_err(|unread| still_in_doubt(turn, &switch.terms, unread))?.value;
    turn.found("trips before", trips.to_string()).await?;
    match (trips >= load.locked_after.into(), switch.force) {
        (false, _) => Ok(None),
        (true, true) => Ok(Some(counter.clone())),
        (true, false) => Err(Setback::Final(Failure::new(
            Reason::NotEffective,
            format!(
                "Nothing was sent: the household was cut off {trips} times for more than its limit, and its switch is locked; find out what load it is, then order it by force."
            ),
        ))),
    }
}

/// Sends an order once; as long as it is certain that nothing was sent it is tried again like a read. A lock is released by setting its counter back.
async fn order(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    (to, lock): (SwitchTo, Option<&Register>),
) -> Result<Answer, Setback> {
    loop {
        let sent = match lock {
            Some(counter) => driver.write(turn, &[(counter, Decimal::new(0, 0))]).await,
            None => driver.order(turn, to).await,
        };
        if let Some(answer) = judged(turn, sent).await? {
            return Ok(answer);
        }
    }
}

/// Reads the state until it is as ordered, for as long as the switch may take; `None` when it is not and will not be. A switch that takes longer than
/// the line can be kept leaves the order in doubt: the next attempt looks again.
async fn settled(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    switch: &Switch,
    (answer, settle): (&Answer, Duration),
) -> Result<Option<Outcome>, Setback> {
    let begun = Instant::now();
    loop {
        let state = match driver.switch_state(turn).await {
            Ok(state) => state,
            Err(unread) => return Err(answer.clone().unverified(turn, unread)),
        };
        let outcome = state.fulfils(switch.to);
        let is_ignored = state.ordered_open.is_some() && !state.is_on_its_way(switch.to);
        let patience = settle.min(if is_ignored { TAKEN_WITHIN } else { LOOK_FOR });
        if outcome.is_some() || begun.elapsed() >= patience {
            turn.found("state after", state.to_string()).await?;
            let may_come = settle > LOOK_FOR
                && (state.is_on_its_way(switch.to)
                    || (matches!(answer, Answer::Yes) && state.ordered_open.is_none()));
            let latest = switch.terms.deadline.saturating_add(settle).unwrap_or(switch.terms.deadline);
            if outcome.is_none() && may_come && turn.now() <= latest {
                return Err(Setback::InDoubt(Failure::new(
                    Reason::Timeout,
                    format!(
                        "The meter accepted the order and shows {state}: its switch may take up to {} min, it is looked at again.",
                        settle.as_secs().div_ceil(60)
                    ),
                )));
            }
            return Ok(outcome);
        }
        sleep(LOOK_EVERY).await;
    }
}

impl SwitchState {
    /// What it is called when it is as ordered.
    fn fulfils(self, to: SwitchTo) -> Option<Outcome> {
        let agrees = |open| self.ordered_open.is_none_or(|ordered| ordered == open);
        match (to, self.open) {
            (SwitchTo::Disconnected, true) if agrees(true) => Some(Outcome::Disconnected),
            (SwitchTo::Connected, false) if agrees(false) => Some(Outcome::Connected),
            (SwitchTo::Connected, true) if self.is_closed_by_hand && self.ordered_open == Some(false) => {
                Some(Outcome::ReadyForReconnection)
            }
            _ => None,
        }
    }

    /// Whether it was ordered so and has not moved yet.
    fn is_on_its_way(self, to: SwitchTo) -> bool {
        self.fulfils(to).is_none() && self.ordered_open == Some(to == SwitchTo::Disconnected)
    }
}

impl fmt::Display for SwitchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.open { "open" } else { "closed" })?;
        match self.ordered_open {
            Some(true) => f.write_str(", ordered to be open"),
            Some(false) => f.write_str(", ordered to be closed"),
            None => Ok(()),
        }
    }
}

/// The time that the switch may take is over.
fn late(turn: &Turn<'_>, before: SwitchState) -> Setback {
    not_moved(turn, &Answer::Yes, before)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn state(open: bool, ordered_open: Option<bool>, is_closed_by_hand: bool) -> SwitchState {
        SwitchState { open, ordered_open, is_closed_by_hand }
    }

    #[test]
    fn what_is_and_what_was_ordered_have_to_agree() {
        use SwitchTo::{Connected, Disconnected};
        for (state, to, outcome, on_its_way) in [
            (state(true, Some(true), false), Disconnected, Some(Outcome::Disconnected), false),
            (state(false, Some(true), false), Disconnected, None, true),
            (state(true, None, false), Disconnected, Some(Outcome::Disconnected), false),
            (state(false, None, false), Disconnected, None, false),
            (state(false, Some(false), false), Connected, Some(Outcome::Connected), false),
            (state(true, Some(false), false), Connected, None, true),
            (state(true, Some(false), true), Connected, Some(Outcome::ReadyForReconnection), false),
            (state(true, Some(true), true), Connected, None, false),
        ] {
            assert_eq!(state.fulfils(to), outcome, "{state} {to:?}");
            assert_eq!(state.is_on_its_way(to), on_its_way, "{state} {to:?}");
        }
    }
}
