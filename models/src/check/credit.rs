//! What holds for the purchase of prepaid energy.

use ::modbus::Table;

use super::Check;
use crate::{Bounds, Dlt645Place, Error, ModbusPlace, Model, Place};

impl Check<'_> {
    /// Number and amount of a purchase are written in one go, and by nothing else.
    pub(super) fn credit(&self, model: &Model) -> Result<(), Error> {
        let Some(credit) = model.credit else { return Ok(()) };
        let registers = credit.registers(model);
        self.that(registers.is_some(), "credit", || {
            "names `remaining`, `number` and `amount`, which must be registers of the model".into()
        })?;
        let Some(registers) = registers else { return Ok(()) };
        let Bounds { least, most } = credit.purchase;
        self.that(least <= most, "credit.purchase", || {
            format!("`least` is {least}, more than `most`, {most}")
        })?;
        let is_there = |obis| model.registers.iter().any(|register| register.obis == obis);
        self.that(credit.level.is_none_or(is_there), "credit.level", || {
            "must be a register of the model".into()
        })?;
        self.that(credit.low.is_none_or(is_there), "credit.low", || {
            "must be a register of the model".into()
        })?;
        let (number, amount) = (registers.number, registers.amount);
        self.that(number.scaler == 0, "credit.number", || "must be a register with the scaler 0".into())?;
        let is_only_bought = number.set.is_none() && amount.set.is_none();
        self.that(is_only_bought, "credit.number", || "must not be a register that is set".into())?;
        let follow = match (&number.at, &amount.at) {
            (Some(Place::Dlt645(number)), Some(Place::Dlt645(amount))) => fill_an_item(number, amount),
            (Some(Place::Modbus(number)), Some(Place::Modbus(amount))) => follow_each_other(number, amount),
            _ => false,
        };
        self.that(follow, "credit.amount", || {
            "must stand behind `number`: in an item of DL/T 645 that holds both, or in holding registers of Modbus"
                .into()
        })
    }
}

fn fill_an_item(number: &Dlt645Place, amount: &Dlt645Place) -> bool {
    let is_one = number.item == amount.item && number.step == 0 && amount.step == 0;
    is_one && !number.bits && !amount.bits && number.offset == 0 && amount.offset == number.octets.into()
}

fn follow_each_other(number: &ModbusPlace, amount: &ModbusPlace) -> bool {
    let is_one = number.table == Table::HoldingRegisters && amount.table == number.table;
    is_one
        && number.step == amount.step
        && number.register.checked_add(number.registers.into()) == Some(amount.register)
}
