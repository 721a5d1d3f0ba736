//! What registers are made to hold, so that a test sees what a meter shows seldom.

use dlms::Obis;
use models::Model;

use crate::Meter;
use crate::meter::State;

impl Meter {
    /// Lets a register hold a value from now on, in the scaler of the model, in place of what it measures. Nobody ordered that, so the ledger does not have it.
    pub fn hold(&self, obis: Obis, value: i64) {
        self.act(|state, _| state.set.insert(obis, value));
    }
}

impl State {
    /// Sets or clears the bits that tell of something, where the model has some.
    pub(crate) fn show(&mut self, model: &Model, key: &str, is_set: bool) {
        for alarm in model.alarms.bits.iter().filter(|alarm| alarm.key == key) {
            let word = self.set.entry(alarm.register).or_default();
            *word = *word & !(1 << alarm.bit) | i64::from(is_set) << alarm.bit;
        }
    }
}
