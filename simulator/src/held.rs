//! What registers are made to hold, so that a test sees what a meter shows seldom.

use dlms::Obis;

use crate::Meter;

impl Meter {
    /// Lets a register hold a value from now on, in the scaler of the model, in place of what it measures. Nobody ordered that, so the ledger does not have it.
    pub fn hold(&self, obis: Obis, value: i64) {
        self.act(|state, _| state.set.insert(obis, value));
    }
}
