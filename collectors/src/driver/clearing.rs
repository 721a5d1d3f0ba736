//! Clearing a meter with all its sub-units, or one of them, in whatever language has an order for it.

use std::{sync::Arc, time::Duration};

use models::{Clearing, Decimal, Register};
use tokio::time::{Instant, sleep};

use super::{
    Driver, no_value,
    tasks::{register_value, verify},
    unsupported,
};
use crate::{
    Clear, Failure, Held, Holdings, Outcome, Reason, Station,
    diagnosis::Setback,
    task::{
        ordered::{Answer, judged, still_in_doubt},
        reset::not_kept,
    },
    turn::Turn,
};

/// How often the order is sent at most, see the order to switch.
const SENDS_MAX: u32 = 3;
/// Pause between two looks at registers that do not show it yet.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Clears a meter, or the sub-unit that the turn is about. Each time before it is ordered, all that is cleared is read and kept durably; what the registers show beside that is the outcome, whatever was
/// answered and whichever attempt it was.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    order: &Clear,
) -> Result<Outcome, Setback> {
    let model = turn.station().model.clone();
    let clearing = model.clearing.as_ref().filter(|clearing| clearing.admits(turn.station().subunit));
    let clearing = clearing.ok_or_else(|| unsupported(turn, "clear"))?;
    let verified = verify(turn, driver).await;
    verified.map_err(|unread| still_in_doubt(turn, &order.terms, unread))?;
    let stations = stations(turn, &order.holdings).await;
    let stations = stations.map_err(|unread| still_in_doubt(turn, &order.terms, unread))?;
    let registers = clearing.registers(&model);
    carry_out(turn, &mut Account { driver, clearing, registers, stations }, order).await?;
    Ok(Outcome::Cleared)
}

async fn carry_out(
    turn: &mut Turn<'_>,
    account: &mut Account<'_, '_>,
    Clear { holdings, terms }: &Clear,
) -> Result<(), Setback> {
    let kept = holdings.kept().await;
    let mut before = kept.map_err(|error| still_in_doubt(turn, terms, not_kept(&error)))?;
    let mut now = account.shown(turn).await.map_err(|unread| still_in_doubt(turn, terms, unread))?;
    if before.is_empty() {
        before.clone_from(&now);
    }
    let mut state = State::of(account.clearing, &before, &now);
    // What an attempt before this one ordered may still come.
    if terms.in_doubt && state != State::Cleared {
        let settled = account.settled(turn, &before, account.clearing.settle).await;
        (now, state) = settled.map_err(|unread| still_in_doubt(turn, terms, unread))?;
    }
    let mut sends = 0;
    while state == State::Untouched {
        if sends == SENDS_MAX {
            let detail = format!(
                "It was ordered {SENDS_MAX} times, no answer came, and the registers show that nothing was cleared; order again when the line is better."
            );
            return Err(refuse(Reason::NotEffective, detail));
        }
        terms.in_time(turn.now()).map_err(Setback::Final)?;
        // What was counted since an earlier attempt would be lost otherwise.
        let kept = holdings.keep(now.clone()).await;
        kept.map_err(|error| still_in_doubt(turn, terms, not_kept(&error)))?;
        account.tell(turn, "held before", &now).await?;
        before = now;
        let answer = account.order(turn).await?;
        sends += 1;
        let patience = if answer.is_refusal() { Duration::ZERO } else { account.clearing.settle };
        (now, state) = match account.settled(turn, &before, patience).await {
            Ok(settled) => settled,
            Err(unread) => return Err(answer.unverified(turn, unread)),
        };
        match answer {
            _ if state != State::Untouched => {}
            Answer::Lost(_) => {}
            Answer::No(refusal) => return Err(Setback::Final(turn.explain(&refusal))),
            Answer::Yes => {
                let detail = "The meter accepted the order and its registers show that nothing was cleared; check them in its model.";
                return Err(refuse(Reason::NotEffective, detail.into()));
            }
        }
    }
    if sends == 0 {
        // Whoever ordered it may not have come to telling it.
        account.tell(turn, "held before", &before).await?;
    }
    account.tell(turn, "held after", &now).await?;
    if state == State::Partly {
        let detail = "A part of the registers shows that it was cleared and a part does not; compare what was held before and after in the life of the command, and look at the meter.";
        return Err(refuse(Reason::NotEffective, detail.into()));
    }
    Ok(())
}

/// What the registers show beside what they held before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// All of them began anew at nothing.
    Cleared,
    /// No counter fell.
    Untouched,
    /// Some began anew, and some did not.
    Partly,
}

impl State {
    /// What was nothing before tells nothing. A counter that fell was cleared; an account, which falls as well when it is used, only tells what is left.
    fn of(clearing: &Clearing, before: &[Held], now: &[Held]) -> Self {
        let shown = |held: &Held| {
            let is_same = |other: &&Held| other.meter == held.meter && other.value.obis == held.value.obis;
            now.iter().find(is_same).map(|other| other.value.value)
        };
        let (mut fell, mut left) = (false, false);
        for held in before.iter().filter(|held| held.value.value != 0) {
            let is_counter = clearing.is_counter(held.value.obis);
            let is_cleared = match shown(held) {
                Some(shown) if is_counter => shown < held.value.value,
                shown => shown == Some(0),
            };
            fell |= is_cleared && is_counter;
            left |= !is_cleared;
        }
        match (left, fell) {
            (false, _) => Self::Cleared,
            (true, false) => Self::Untouched,
            (true, true) => Self::Partly,
        }
    }
}

/// All that one order clears.
struct Account<'a, 'b> {
    driver: &'a mut Driver<'b>,
    clearing: &'a Clearing,
    registers: Vec<&'a Register>,
    /// Whose registers they are.
    stations: Vec<Arc<Station>>,
}

impl Account<'_, '_> {
    /// What all of them hold now; what one of them does not have is left out.
    async fn shown(&mut self, turn: &mut Turn<'_>) -> Result<Vec<Held>, Setback> {
        // What was read a moment ago may not hold any more.
        for device in self.stations.iter().filter_map(|station| station.device_address) {
            turn.memory().changed(device);
        }
        let mut shown = Vec::new();
        for station in &self.stations {
            let work = turn.work_of(Arc::clone(station));
            let mut aside = turn.aside(&work);
            let found = match verify(&mut aside, self.driver).await {
                Ok(()) => self.driver.registers(&mut aside, &self.registers).await,
                Err(setback) => Err(setback),
            };
            let at = aside.now();
            let left_out = aside.left_out();
            turn.rejoin(left_out);
            for (register, number) in self.registers.iter().zip(found?) {
                match number {
                    Ok(number) => {
                        let value = register_value(register, number, at);
                        shown.push(Held { meter: station.meter, value });
                    }
                    Err(setback) if setback.is_absence() => {}
                    Err(setback) => return Err(setback),
                }
            }
        }
        if shown.is_empty() { Err(no_value()) } else { Ok(shown) }
    }

    /// What they hold once all show that they were cleared, or when the meter had its time.
    async fn settled(
        &mut self,
        turn: &mut Turn<'_>,
        before: &[Held],
        patience: Duration,
    ) -> Result<(Vec<Held>, State), Setback> {
        let begun = Instant::now();
        loop {
            let now = self.shown(turn).await?;
            let state = State::of(self.clearing, before, &now);
            if state == State::Cleared || begun.elapsed() >= patience {
                return Ok((now, state));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Orders it once.
    async fn order(&mut self, turn: &mut Turn<'_>) -> Result<Answer, Setback> {
        loop {
            let sent = self.driver.clear(turn).await;
            if let Some(answer) = judged(turn, sent).await? {
                return Ok(answer);
            }
        }
    }

    /// Tells what each of them holds.
    async fn tell(&self, turn: &Turn<'_>, what: &'static str, held: &[Held]) -> Result<(), Setback> {
        for station in &self.stations {
            let own = held.iter().filter(|held| held.meter == station.meter);
            let texts: Vec<_> = own.map(|held| self.text(held)).collect();
            let serial = station.serial.as_deref().unwrap_or_default();
            turn.found(what, format!("{serial}: {}", texts.join("; "))).await?;
        }
        Ok(())
    }

    /// The name of a register, and what it holds in its unit.
    fn text(&self, Held { value, .. }: &Held) -> String {
        let register = self.registers.iter().find(|register| register.obis == value.obis);
        let name = register.map(|register| register.name.as_str()).unwrap_or_default();
        format!("{name} {} {}", Decimal::new(value.value, value.scaler), value.unit.symbol())
    }
}

/// Whose registers are cleared: those of the meter, if it has some of its own, and of its sub-units; or those of the sub-unit.
async fn stations(turn: &Turn<'_>, holdings: &Holdings) -> Result<Vec<Arc<Station>>, Setback> {
    let itself = turn.station();
    let mut stations = Vec::new();
    if itself.subunit.is_some() || !itself.model.names_subunits() {
        stations.push(Arc::new(itself.clone()));
    }
    if itself.subunit.is_none() {
        let parts = holdings.parts().await.map_err(|error| not_kept(&error))?;
        stations.extend(parts.into_iter().map(|part| {
            Arc::new(Station {
                meter: part.meter,
                device_address: part.device_address.or(itself.device_address),
                subunit: Some(part.subunit),
                serial: Some(part.serial),
                ..itself.clone()
            })
        }));
    }
    if stations.is_empty() {
        let detail = "Nothing was sent: none of its sub-units is in the inventory, so that what they hold would be lost; enter them before it is cleared.";
        return Err(refuse(Reason::Unsupported, detail.into()));
    }
    Ok(stations)
}

fn refuse(reason: Reason, detail: String) -> Setback {
    Setback::Final(Failure::new(reason, detail))
}

#[cfg(test)]
mod tests {
    use dlms::{Obis, Unit};
    use jiff::Timestamp;

    use super::*;
    use crate::RegisterValue;

    const ENERGY: Obis = Obis::new([1, 0, 1, 8, 0, 255]);
    const CREDIT: Obis = Obis::new([0, 0, 128, 19, 10, 255]);

    fn held(values: &[(Obis, i64)]) -> Vec<Held> {
        let at = Timestamp::UNIX_EPOCH;
        let value = |(obis, value): &(Obis, i64)| RegisterValue {
            obis: *obis,
            attribute: 2,
            class_id: 3,
            value: *value,
            scaler: 1,
            unit: Unit::NONE,
            at,
        };
        values.iter().map(|pair| Held { meter: 1, value: value(pair) }).collect()
    }

    #[test]
    fn counters_say_whether_it_happened_and_accounts_whether_something_is_left() {
        let model = models::builtin().unwrap()["multi-user-dlt645"].clone();
        let clearing = model.clearing.as_ref().unwrap();
        let state = |before: [i64; 2], now: [i64; 2]| {
            let both = |values: [i64; 2]| held(&[(ENERGY, values[0]), (CREDIT, values[1])]);
            State::of(clearing, &both(before), &both(now))
        };
        assert_eq!(state([500, 20], [0, 0]), State::Cleared);
        assert_eq!(state([500, 20], [3, 0]), State::Cleared, "it counts on");
        assert_eq!(state([500, -20], [3, 0]), State::Cleared, "it was overdrawn");
        assert_eq!(state([0, 0], [7, 0]), State::Cleared, "there was nothing");
        assert_eq!(state([500, 20], [501, 20]), State::Untouched);
        assert_eq!(state([500, 20], [501, 0]), State::Untouched, "it was used up meanwhile");
        assert_eq!(state([0, 20], [0, 20]), State::Untouched);
        assert_eq!(state([500, 20], [0, 20]), State::Partly);
        let unseen = State::of(clearing, &held(&[(ENERGY, 500)]), &[]);
        assert_eq!(unseen, State::Untouched, "what is not shown was not cleared");
    }
}
