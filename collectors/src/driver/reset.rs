//! The reset of maximum demands, in whatever language.

use models::Register;

use super::{Driver, no_value, tasks::verify, unsupported};
use crate::{
    Outcome, Reset, ResetOf,
    diagnosis::Setback,
    task::{
        ordered::{Answer, judged, still_in_doubt},
        reset::{self, Counted, admitted, carry_out},
    },
    turn::Turn,
};

/// Resets the maximum demands of a meter, by an order that its language has for it.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    order: &Reset,
) -> Result<Outcome, Setback> {
    let spec = admitted(turn)?;
    if order.of != ResetOf::Demand || spec.reset_demand.is_none() {
        return Err(unsupported(turn, "close_billing_period"));
    }
    let model = turn.station().model.clone();
    let counter = model.registers.iter().find(|register| register.obis == spec.counter);
    let counter = counter.ok_or_else(reset::unsupported)?;
    let verified = verify(turn, driver).await;
    verified.map_err(|unread| still_in_doubt(turn, &order.terms, unread))?;
    carry_out(turn, &mut ByOrder { driver, counter }, (&order.terms, &order.baseline), spec.settle).await?;
    Ok(order.of.outcome())
}

/// An order of the language, and the register that counts.
struct ByOrder<'a, 'b> {
    driver: &'a mut Driver<'b>,
    counter: &'a Register,
}

impl Counted for ByOrder<'_, '_> {
    async fn count(&mut self, turn: &mut Turn<'_>) -> Result<i64, Setback> {
        let number = self.driver.registers(turn, &[self.counter]).await?.pop().ok_or_else(no_value)??;
        Ok(number.value)
    }

    /// What comes late is waited for.
    async fn renew(&mut self, _: &mut Turn<'_>) -> Result<(), Setback> {
        Ok(())
    }

    async fn order(&mut self, turn: &mut Turn<'_>) -> Result<Answer, Setback> {
        loop {
            let sent = self.driver.clear_demand(turn).await;
            if let Some(answer) = judged(turn, sent).await? {
                return Ok(answer);
            }
        }
    }

    async fn last(&mut self, _: &mut Turn<'_>) -> Result<Option<String>, Setback> {
        Ok(None)
    }
}
