use std::{fmt, time::Duration};

use dlms::{
    axdr::Data,
    cosem::disconnect_control::{
        ControlMode, ControlState, DisconnectControl, PARAMETER, Remote, decode_output_state,
    },
};
use tokio::time::{Instant, sleep};

use super::{
    ordered::{Answer, Request, order, still_in_doubt},
    switching::{LOOK_EVERY, SENDS_MAX, not_moved, sent_in_vain},
};
use crate::{Failure, Outcome, Reason, Switch, SwitchTo, diagnosis::Setback, turn::Turn};

/// Moves the load switch (class 70). The outcome is what the meter shows afterwards, whatever it answered; an order whose answer is lost is
/// resolved by reading. A switch that is as ordered already is left alone.
pub(super) async fn run(turn: &mut Turn<'_>, switch: &Switch) -> Result<Outcome, Setback> {
    let Some(spec) = turn.station().model.switch.clone() else {
        return Err(refuse(Reason::Unsupported, "The meter's model has no load switch.".into()));
    };
    if switch.force {
        return Err(refuse(
            Reason::Unsupported,
            "The meter's model never locks its load switch for its load.".into(),
        ));
    }
    let control = DisconnectControl(spec.obis);
    let shown = look(turn, control).await;
    let (before, mode) = shown.map_err(|unread| still_in_doubt(turn, &switch.terms, unread))?;
    let number = mode.map_or("not shown".into(), |mode| mode.number().to_string());
    turn.found("state before", format!("{before}, control mode {number}")).await?;
    let remote = mode.map(ControlMode::remote);
    if let Some(outcome) = before.fulfils(switch.to, remote) {
        return Ok(outcome);
    }
    if remote == Some(Remote::Nothing) {
        let detail = "The load switch is in control mode 0, in which nobody can move it; set another mode.";
        return Err(refuse(Reason::Unsupported, detail.into()));
    }
    let method = match switch.to {
        SwitchTo::Disconnected => control.remote_disconnect(),
        SwitchTo::Connected => control.remote_reconnect(),
    };
    for sends in 1..=SENDS_MAX {
        if sends > 1 {
            turn.renew().await?;
        }
        switch.terms.in_time(turn.now()).map_err(Setback::Final)?;
        let answer = order(turn, Request::Action(&method, &PARAMETER)).await?;
        let patience = if answer.is_refusal() { Duration::ZERO } else { spec.settle };
        let after = match settle(turn, control, patience, |state| state.fulfils(switch.to, remote)).await {
            Ok(after) => after,
            Err(unread) => return Err(answer.unverified(turn, unread)),
        };
        turn.found("state after", after.to_string()).await?;
        match (after.fulfils(switch.to, remote), answer) {
            (Some(outcome), _) => return Ok(outcome),
            (None, Answer::Lost(_)) if sends < SENDS_MAX => {}
            (None, answer) => return Err(not_moved(turn, &answer, after)),
        }
    }
    // The last round returns.
    Err(sent_in_vain())
}

/// Reads what there is to know before anything is ordered.
async fn look(
    turn: &mut Turn<'_>,
    control: DisconnectControl,
) -> Result<(SwitchState, Option<ControlMode>), Setback> {
    Ok((read_state(turn, control).await?, read_mode(turn, control).await?))
}

/// Reads the state until it fulfils the order or the patience is over.
async fn settle(
    turn: &mut Turn<'_>,
    control: DisconnectControl,
    patience: Duration,
    fulfils: impl Fn(SwitchState) -> Option<Outcome>,
) -> Result<SwitchState, Setback> {
    let until = Instant::now() + patience;
    loop {
        let state = read_state(turn, control).await?;
        if fulfils(state).is_some() || Instant::now() >= until {
            return Ok(state);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// What a load switch shows of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SwitchState {
    /// Whether the load is physically connected.
    output: bool,
    control: ControlState,
}

impl SwitchState {
    /// What it is called when it is as ordered: the control says so, and so does the output.
    fn fulfils(self, to: SwitchTo, remote: Option<Remote>) -> Option<Outcome> {
        match (to, self.control, self.output) {
            (SwitchTo::Disconnected, ControlState::Disconnected, false) => Some(Outcome::Disconnected),
            (SwitchTo::Connected, ControlState::Connected, true) => Some(Outcome::Connected),
            (SwitchTo::Connected, ControlState::ReadyForReconnection, false)
                if remote != Some(Remote::Closes) =>
            {
                Some(Outcome::ReadyForReconnection)
            }
            _ => None,
        }
    }
}

impl fmt::Display for SwitchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, output {}", self.control.as_str(), if self.output { "on" } else { "off" })
    }
}

/// Reads the state of a load switch, again if need be.
pub(super) async fn read_state(
    turn: &mut Turn<'_>,
    control: DisconnectControl,
) -> Result<SwitchState, Setback> {
    let state = turn.read(&control.control_state()).await?;
    let output = turn.read(&control.output_state()).await?;
    Ok(SwitchState {
        control: ControlState::decode(&state).map_err(Setback::answer)?,
        output: decode_output_state(&output).map_err(Setback::answer)?,
    })
}

/// The control mode; `None` when the meter does not show it.
async fn read_mode(turn: &mut Turn<'_>, control: DisconnectControl) -> Result<Option<ControlMode>, Setback> {
    match turn.read(&control.control_mode()).await {
        Ok(mode) => decode_mode(&mode).map(Some),
        Err(setback) if setback.is_absence() => Ok(None),
        Err(setback) => Err(setback),
    }
}

fn decode_mode(mode: &Data) -> Result<ControlMode, Setback> {
    ControlMode::decode(mode).map_err(Setback::answer)
}

fn refuse(reason: Reason, detail: String) -> Setback {
    Setback::Final(Failure::new(reason, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn state(control: ControlState, output: bool) -> SwitchState {
        SwitchState { output, control }
    }

    #[test]
    fn control_and_output_have_to_agree() {
        let remote = Some(Remote::Closes);
        for (control, output, to, outcome) in [
            (ControlState::Disconnected, false, SwitchTo::Disconnected, Some(Outcome::Disconnected)),
            (ControlState::Disconnected, true, SwitchTo::Disconnected, None),
            (ControlState::ReadyForReconnection, false, SwitchTo::Disconnected, None),
            (ControlState::Connected, true, SwitchTo::Connected, Some(Outcome::Connected)),
            (ControlState::Connected, false, SwitchTo::Connected, None),
            (ControlState::Connected, true, SwitchTo::Disconnected, None),
        ] {
            assert_eq!(state(control, output).fulfils(to, remote), outcome, "{control:?} {output} {to:?}");
        }
    }

    #[test]
    fn a_switch_that_can_only_be_armed_is_called_ready() {
        let armed = state(ControlState::ReadyForReconnection, false);
        let ready = Some(Outcome::ReadyForReconnection);
        assert_eq!(armed.fulfils(SwitchTo::Connected, Some(Remote::MakesReady)), ready);
        assert_eq!(armed.fulfils(SwitchTo::Connected, None), ready);
        assert_eq!(armed.fulfils(SwitchTo::Connected, Some(Remote::Closes)), None);
        let pressed = state(ControlState::Connected, true);
        assert_eq!(pressed.fulfils(SwitchTo::Connected, Some(Remote::MakesReady)), Some(Outcome::Connected));
    }
}
