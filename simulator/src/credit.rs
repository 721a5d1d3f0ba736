//! Prepaid energy: what was bought, and what becomes of it.

use models::Credit;

use crate::Meter;
use crate::ledger::{Access, Event};

/// Attribute that holds the value of a register.
const VALUE: i8 = 2;

impl Meter {
    /// Uses prepaid energy up, in the last digit of its register. With nothing left the switch opens by itself, until more is bought.
    pub fn use_up(&self, digits: i64) {
        let Some(credit) = self.model().credit else { return };
        let left = self.register(credit.remaining).unwrap_or_default().saturating_sub(digits).max(0);
        self.act(|state, now| {
            state.set.insert(credit.remaining, left);
            if left == 0 && !state.is_spent {
                state.is_spent = state.switch.remote_disconnect(now).is_ok();
            }
        });
    }

    /// Takes a purchase, unless its number was taken or passed. What was cut off for want of credit is supplied again.
    pub(crate) fn buy(&self, credit: &Credit, number: i64, amount: i64) {
        let left = self.register(credit.remaining).unwrap_or_default().saturating_add(amount);
        self.act(|state, now| {
            if state.set.get(&credit.number).is_some_and(|last| number <= *last) || number < 1 {
                return;
            }
            state.set.extend([(credit.number, number), (credit.amount, amount), (credit.remaining, left)]);
            let (class_id, access) = (1, Access::Set(VALUE));
            state.book.note(now, Event::Executed { class_id, object: credit.number, access, result: 0 });
            if state.is_spent && left > 0 {
                state.is_spent = state.switch.remote_reconnect(now).is_err();
            }
        });
    }
}
