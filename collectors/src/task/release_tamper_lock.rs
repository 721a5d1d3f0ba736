use dlms::{AttributeDescriptor, axdr::Data, cosem::disconnect_control::DisconnectControl};

use super::{
    ordered::{Answer, Request, order, still_in_doubt},
    switch::{SwitchState, read_state},
};
use crate::{Failure, Outcome, Reason, Terms, diagnosis::Setback, turn::Turn, value};

/// How often the order is sent at most, see the order to switch.
const SENDS_MAX: u32 = 3;
/// What releases the lock, and what the object shows when it is released.
const RELEASED: Data = Data::LongUnsigned(0);

/// Releases the lock of a load switch that opened for a tamper: sets the data object that the model names to long-unsigned 0, as the Sensemi
/// datasheet demands to the octet, and reads it back. A lock that is not there is left alone.
pub(super) async fn run(turn: &mut Turn<'_>, terms: &Terms) -> Result<Outcome, Setback> {
    let spec = turn.station().model.switch.clone();
    let Some((switch, lock)) = spec.and_then(|spec| Some((DisconnectControl(spec.obis), spec.tamper_lock?)))
    else {
        let detail = "The meter's model has no tamper lock that can be released from afar.";
        return Err(Setback::Final(Failure::new(Reason::Unsupported, detail)));
    };
    let lock = value::data(lock);
    let shown = look(turn, &lock, switch).await;
    let (before, state) = shown.map_err(|unread| still_in_doubt(turn, terms, unread))?;
    turn.found("state before", format!("lock {before}, switch {state}")).await?;
    let mut now = before;
    let mut sends = 0;
    while now != 0 {
        if sends == SENDS_MAX {
            let detail = format!(
                "The lock was released {SENDS_MAX} times, no answer came, and it still shows {now}; order again when the line is better."
            );
            return Err(Setback::Final(Failure::new(Reason::NotEffective, detail)));
        }
        if sends > 0 {
            turn.renew().await?;
        }
        terms.in_time(turn.now()).map_err(Setback::Final)?;
        let answer = order(turn, Request::Set(&lock, &RELEASED)).await?;
        sends += 1;
        now = match read_lock(turn, &lock).await {
            Ok(now) => now,
            Err(unread) => return Err(answer.unverified(turn, unread)),
        };
        match answer {
            _ if now == 0 => {}
            Answer::Lost(_) => {}
            Answer::No(refusal) => return Err(Setback::Final(turn.explain(&refusal))),
            Answer::Yes => {
                let detail = format!(
                    "The meter accepted the release and its lock still shows {now}; the tamper may go on: send somebody."
                );
                return Err(Setback::Final(Failure::new(Reason::NotEffective, detail)));
            }
        }
    }
    let state = read_state(turn, switch).await?;
    turn.found("state after", format!("lock {now}, switch {state}")).await?;
    Ok(Outcome::LockReleased)
}

/// Reads what there is to know before anything is ordered.
async fn look(
    turn: &mut Turn<'_>,
    lock: &AttributeDescriptor,
    switch: DisconnectControl,
) -> Result<(i64, SwitchState), Setback> {
    Ok((read_lock(turn, lock).await?, read_state(turn, switch).await?))
}

/// What the lock shows: 0 is released; the datasheet gives no other value a meaning.
async fn read_lock(turn: &mut Turn<'_>, lock: &AttributeDescriptor) -> Result<i64, Setback> {
    let found = turn.read(lock).await?;
    value::integer(&found).ok_or_else(|| value::unexpected(lock, "a number"))
}
