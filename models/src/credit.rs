//! How a type of meter takes prepaid energy that was bought.

use dlms::Obis;
use serde::Deserialize;

use crate::{Bounds, Model, Register};

/// What is bought goes into the meter with the number of the purchase, and the meter takes each number once: one that is not higher than the last is left alone. So
/// a purchase is never taken twice, and whether it was taken is read. In languages other than DLMS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credit {
    /// Register with what remains.
    pub remaining: Obis,
    /// Register with the number of the last purchase that was taken.
    pub number: Obis,
    /// Register with the amount of that purchase, which stands behind its number: a purchase is written as both together.
    pub amount: Obis,
    /// Register with the level at which the supply is cut off for a first time; the customer may use the rest then, until nothing is left. Default: there is none.
    #[serde(default)]
    pub level: Option<Obis>,
    /// Register with the level below which the meter itself prompts its customer to buy. Default: there is none.
    #[serde(default)]
    pub low: Option<Obis>,
    /// What one purchase may amount to, in the unit of `amount`.
    pub purchase: Bounds,
}

/// The registers of the credit of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CreditRegisters<'a> {
    /// What remains.
    pub remaining: &'a Register,
    /// The number of the last purchase.
    pub number: &'a Register,
    /// Its amount.
    pub amount: &'a Register,
}

impl Credit {
    /// The registers of a model that this names; `None` when one of them is not there.
    pub fn registers<'a>(&self, model: &'a Model) -> Option<CreditRegisters<'a>> {
        let find = |obis| model.registers.iter().find(|register| register.obis == obis);
        Some(CreditRegisters {
            remaining: find(self.remaining)?,
            number: find(self.number)?,
            amount: find(self.amount)?,
        })
    }
}
