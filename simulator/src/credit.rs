//! Prepaid energy: what was bought, and what becomes of it.

use jiff::Timestamp;
use models::{Credit, Model};

use crate::Meter;
use crate::ledger::{Access, Event};
use crate::meter::State;

/// Attribute that holds the value of a register, and the class of one with a number.
const VALUE: i8 = 2;
const DATA: u16 = 1;

/// Whether the meter cut the supply off by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Cut {
    /// It did not.
    #[default]
    No,
    /// The level is reached at which it cuts once.
    AtLevel,
    /// Its customer uses the rest.
    Resumed,
    /// Nothing is left.
    Exhausted,
}

impl Meter {
    /// Uses prepaid energy up, in the last digit of its register. At the level of the model the switch opens by itself, and again with nothing left.
    pub fn use_up(&self, digits: i64) {
        let Some(credit) = self.model().credit else { return };
        let left = self.register(credit.remaining).unwrap_or_default().saturating_sub(digits).max(0);
        let level = self.level(&credit);
        self.act(|state, now| {
            state.set.insert(credit.remaining, left);
            let cut = match state.cut {
                _ if left == 0 => Cut::Exhausted,
                Cut::No if left <= level => Cut::AtLevel,
                cut => cut,
            };
            enter(state, self.model(), cut, now);
        });
    }

    /// Its customer swipes the card, and goes on with what is left when the level was reached.
    pub fn swipe(&self) {
        self.act(|state, now| {
            if state.cut == Cut::AtLevel {
                enter(state, self.model(), Cut::Resumed, now);
            }
        });
    }

    /// Takes a purchase, unless its number was taken or passed. What was cut off for want of credit is supplied again.
    pub(crate) fn buy(&self, credit: &Credit, number: i64, amount: i64) {
        let left = self.register(credit.remaining).unwrap_or_default().saturating_add(amount);
        let level = self.level(credit);
        self.act(|state, now| {
            if number < 1 || state.set.get(&credit.number).is_some_and(|last| number <= *last) {
                return;
            }
            state.set.extend([(credit.number, number), (credit.amount, amount), (credit.remaining, left)]);
            let (object, access) = (credit.number, Access::Set(VALUE));
            state.book.note(now, Event::Executed { class_id: DATA, object, access, result: 0 });
            let cut = if left > level { Cut::No } else { Cut::Resumed };
            enter(state, self.model(), cut, now);
        });
    }

    fn level(&self, credit: &Credit) -> i64 {
        credit.level.and_then(|level| self.register(level)).unwrap_or_default()
    }
}

impl Cut {
    /// Whether nothing is supplied.
    pub(crate) fn is_off(self) -> bool {
        matches!(self, Self::AtLevel | Self::Exhausted)
    }
}

/// Opens or closes the switch where that is due, and shows why in the bits that the model has for it.
fn enter(state: &mut State, model: &Model, cut: Cut, now: Timestamp) {
    // A switch that nobody may move stays where it is.
    match (state.cut.is_off(), cut.is_off()) {
        (false, true) => _ = state.switch.remote_disconnect(now),
        (true, false) if !state.household.is_off() => _ = state.switch.remote_reconnect(now),
        _ => {}
    }
    state.cut = cut;
    state.show(model, "credit.alarm_cut", cut == Cut::AtLevel);
    state.show(model, "credit.exhausted", cut == Cut::Exhausted);
}
