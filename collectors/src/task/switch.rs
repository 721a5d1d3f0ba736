use std::{fmt, time::Duration};

use dlms::{
    AttributeDescriptor,
    axdr::Data,
    cosem::disconnect_control::{
        ControlMode, ControlState, DisconnectControl, PARAMETER, Remote, decode_output_state,
    },
};
use models::{DlmsSwitch, SwitchPlace};
use tokio::time::{Instant, sleep};

use super::{
    ordered::{Answer, Request, order, still_in_doubt},
    switching::{LOOK_EVERY, SENDS_MAX, not_moved, sent_in_vain},
};
use crate::{Failure, Outcome, Reason, Switch, SwitchTo, diagnosis::Setback, turn::Turn, value};

/// Moves the load switch. The outcome is what the meter shows afterwards, whatever it answered; an order whose answer is lost is
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
    let mut relay = Relay::of(&spec);
    let shown = look(turn, &mut relay).await;
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
    for sends in 1..=SENDS_MAX {
        if sends > 1 {
            turn.renew().await?;
        }
        switch.terms.in_time(turn.now()).map_err(Setback::Final)?;
        let answer = relay.order(turn, switch.to).await?;
        let patience = if answer.is_refusal() { Duration::ZERO } else { spec.settle };
        let after = match settle(turn, &mut relay, patience, |state| state.fulfils(switch.to, remote)).await {
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
async fn look(turn: &mut Turn<'_>, relay: &mut Relay) -> Result<(SwitchState, Option<ControlMode>), Setback> {
    let state = relay.state(turn).await?;
    let mode = match relay {
        Relay::Control(control) => read_mode(turn, *control).await?,
        Relay::Data { .. } => None,
    };
    Ok((state, mode))
}

/// Reads the state until it fulfils the order or the patience is over.
async fn settle(
    turn: &mut Turn<'_>,
    relay: &mut Relay,
    patience: Duration,
    fulfils: impl Fn(SwitchState) -> Option<Outcome>,
) -> Result<SwitchState, Setback> {
    let until = Instant::now() + patience;
    loop {
        let state = relay.state(turn).await?;
        if fulfils(state).is_some() || Instant::now() >= until {
            return Ok(state);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// The object that is the load switch.
#[derive(Debug)]
enum Relay {
    /// A disconnect control (class 70).
    Control(DisconnectControl),
    /// A data object (class 1), with what it showed last: what it is set to has the type of that.
    Data { descriptor: AttributeDescriptor, means: DlmsSwitch, shown: Data },
}

impl Relay {
    fn of(spec: &models::Switch) -> Self {
        match spec.at {
            Some(SwitchPlace::Dlms(means)) => {
                Self::Data { descriptor: value::data(spec.obis), means, shown: Data::NullData }
            }
            _ => Self::Control(DisconnectControl(spec.obis)),
        }
    }

    async fn state(&mut self, turn: &mut Turn<'_>) -> Result<SwitchState, Setback> {
        let (descriptor, means, shown) = match self {
            Self::Control(control) => return read_state(turn, *control).await,
            Self::Data { descriptor, means, shown } => (descriptor, means, shown),
        };
        *shown = turn.read(descriptor).await?;
        let number = value::integer(shown).ok_or_else(|| value::unexpected(descriptor, "a number"))?;
        if number == means.connected.into() {
            Ok(SwitchState { output: true, control: ControlState::Connected })
        } else if number == means.disconnected.into() {
            Ok(SwitchState { output: false, control: ControlState::Disconnected })
        } else {
            let DlmsSwitch { connected, disconnected } = means;
            let detail = format!(
                "The load switch shows {number}, and its model says {connected} for connected and {disconnected} for disconnected; correct the model."
            );
            Err(refuse(Reason::Unsupported, detail))
        }
    }

    async fn order(&self, turn: &mut Turn<'_>, to: SwitchTo) -> Result<Answer, Setback> {
        match (self, to) {
            (Self::Control(control), SwitchTo::Disconnected) => {
                order(turn, Request::Action(&control.remote_disconnect(), &PARAMETER)).await
            }
            (Self::Control(control), SwitchTo::Connected) => {
                order(turn, Request::Action(&control.remote_reconnect(), &PARAMETER)).await
            }
            (Self::Data { descriptor, means, shown }, to) => {
                let number = match to {
                    SwitchTo::Disconnected => means.disconnected,
                    SwitchTo::Connected => means.connected,
                };
                let data = value::like(shown, number.into())
                    .ok_or_else(|| value::unexpected(descriptor, "a number that can be set"))?;
                order(turn, Request::Set(descriptor, &data)).await
            }
        }
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
