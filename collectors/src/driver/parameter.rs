//! Parameters, in whatever language.

use models::{Decimal, Register};

use super::{Driver, tasks::verify};
use crate::{
    Outcome, SetParameter,
    diagnosis::Setback,
    task::{
        ordered::still_in_doubt,
        set_parameter::{Holder, admitted, set},
    },
    turn::Turn,
};

/// Sets a register that the model allows to be set, and reads it back.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    order: &SetParameter,
) -> Result<Outcome, Setback> {
    let register = admitted(turn, order)?;
    let verified = verify(turn, driver).await;
    verified.map_err(|unread| still_in_doubt(turn, &order.terms, unread))?;
    set(turn, &mut Parameter { driver, register: &register }, (&order.value, &order.terms)).await?;
    Ok(Outcome::ParameterSet)
}

/// A register of a meter.
struct Parameter<'a, 'b> {
    driver: &'a mut Driver<'b>,
    register: &'a Register,
}

impl Holder for Parameter<'_, '_> {
    type Value = Decimal;

    async fn shown(&mut self, turn: &mut Turn<'_>) -> Result<Decimal, Setback> {
        let number = self.driver.parameter(turn, self.register).await?;
        Ok(Decimal::new(number.value, number.scaler))
    }

    /// What comes late sets the same value once more.
    async fn renew(&mut self, _: &mut Turn<'_>) -> Result<(), Setback> {
        Ok(())
    }

    async fn write(&mut self, turn: &mut Turn<'_>, value: &Decimal) -> Result<(), Setback> {
        self.driver.write(turn, &[(self.register, *value)]).await
    }
}
