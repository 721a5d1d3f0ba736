//! What stands around a meter: the transformers in front of it. Somebody may change them while it runs.

use crate::meter::Meter;
use crate::ratios::Ratios;

/// What a meter knows of it.
#[derive(Debug, Default)]
pub(crate) struct Around {
    ratios: Ratios,
}

impl Meter {
    /// The ratios of the transformers in front of it. What it measures is on their secondary side.
    pub fn ratios(&self) -> Ratios {
        self.act(|state, _| state.around.ratios)
    }

    /// Sets other ratios, as somebody who changed the transformers.
    pub fn set_ratios(&self, ratios: Ratios) {
        self.act(|state, _| state.around.ratios = ratios);
    }
}
