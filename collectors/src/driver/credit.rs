//! Prepaid energy that was bought, in whatever language.

use models::{CreditRegisters, Decimal, Register};

use super::{Driver, no_value, tasks::verify, unsupported};
use crate::{
    BuyCredit, Failure, Outcome, Reason,
    diagnosis::Setback,
    task::{
        ordered::still_in_doubt,
        set_parameter::{Holder, set},
    },
    turn::Turn,
};

/// Hands a purchase on to a meter, which takes each number once. That it was taken is seen by its number: the same order again, from whomever, sends nothing.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    order: &BuyCredit,
) -> Result<Outcome, Setback> {
    let model = turn.station().model.clone();
    let credit = model.credit.as_ref().ok_or_else(|| unsupported(turn, "buy_credit"))?;
    let registers = credit.registers(&model).ok_or_else(|| unsupported(turn, "buy_credit"))?;
    let admitted = credit.purchase.admit(&model, registers.amount, order.amount);
    admitted.map_err(|problem| refuse(Reason::Unsupported, format!("Nothing was sent: {problem}.")))?;
    let verified = verify(turn, driver).await;
    verified.map_err(|unread| still_in_doubt(turn, &order.terms, unread))?;
    let mut purchases = Purchases { driver, registers, order };
    set(turn, &mut purchases, (&Decimal::new(order.number.into(), 0), &order.terms)).await?;
    // The number is the outcome; what remains is good to know.
    if let Ok(remaining) = purchases.read(turn, registers.remaining).await {
        turn.found("remaining after", remaining.to_string()).await?;
    }
    Ok(Outcome::CreditBought)
}

/// What a meter has taken so far: the value is the number of the last purchase.
struct Purchases<'a, 'b> {
    driver: &'a mut Driver<'b>,
    registers: CreditRegisters<'a>,
    order: &'a BuyCredit,
}

impl Purchases<'_, '_> {
    async fn read(&mut self, turn: &mut Turn<'_>, register: &Register) -> Result<Decimal, Setback> {
        let number = self.driver.registers(turn, &[register]).await?.pop().ok_or_else(no_value)??;
        Ok(Decimal::new(number.value, number.scaler))
    }
}

impl Holder for Purchases<'_, '_> {
    type Value = Decimal;

    /// A number that was passed, or taken with another amount, can not become that of this purchase any more.
    async fn shown(&mut self, turn: &mut Turn<'_>) -> Result<Decimal, Setback> {
        let CreditRegisters { number, amount, .. } = self.registers;
        let (ordered, shown) = (Decimal::new(self.order.number.into(), 0), self.read(turn, number).await?);
        if shown > ordered {
            let detail = format!(
                "The meter has taken purchase {shown}, and takes none with a lower number: see whether purchase {ordered} was taken before, else buy again with a higher one."
            );
            return Err(refuse(Reason::NotEffective, detail));
        }
        if shown == ordered {
            let taken = self.read(turn, amount).await?;
            if taken != self.order.amount {
                let detail = format!(
                    "The meter has taken purchase {shown} with {taken}, not {}: its number was given twice; buy again with a higher one.",
                    self.order.amount
                );
                return Err(refuse(Reason::NotEffective, detail));
            }
        }
        Ok(shown)
    }

    /// What comes late has a number that was taken.
    async fn renew(&mut self, _: &mut Turn<'_>) -> Result<(), Setback> {
        Ok(())
    }

    async fn write(&mut self, turn: &mut Turn<'_>, number: &Decimal) -> Result<(), Setback> {
        let values = [(self.registers.number, *number), (self.registers.amount, self.order.amount)];
        self.driver.write(turn, &values).await
    }
}

fn refuse(reason: Reason, detail: String) -> Setback {
    Setback::Final(Failure::new(reason, detail))
}
