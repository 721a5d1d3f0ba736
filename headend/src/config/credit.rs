//! `[credit]`.

use models::Decimal;
use serde::{Deserialize, Serialize};

/// A line of `[credit]`: where prepaid energy that is counted in a unit is low. A meter whose own level was read (`low` in the `[credit]` of its model, more than
/// nothing) has that in place of `low`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CreditLevel {
    /// What remains is low below this, as a text in the unit: `"20000"`.
    pub low: Decimal,
    /// It is low until it is so much above that, so that what goes up and down at the level reminds of it once; `"0"` or more.
    pub margin: Decimal,
}
