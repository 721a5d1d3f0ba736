//! The times at which a meter switches its household by itself, in whatever language.

use models::{DayTimes, Dlt645Times, TimesPlace};

use super::{Driver, tasks::verify, unsupported};
use crate::{
    Failure, Outcome, Reason, SetTimes,
    diagnosis::Setback,
    task::{
        ordered::still_in_doubt,
        set_parameter::{Holder, set},
    },
    turn::Turn,
};

/// Sets the times of a household, all at once, and reads them back.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    order: &SetTimes,
) -> Result<Outcome, Setback> {
    let spec = turn.station().model.times.clone().ok_or_else(|| unsupported(turn, "set_times"))?;
    let refuse = |detail| Setback::Final(Failure::new(Reason::Unsupported, detail));
    spec.admit(&order.times).map_err(|problem| refuse(format!("Nothing was sent: {problem}.")))?;
    let TimesPlace::Dlt645(place) = spec.at;
    let verified = verify(turn, driver).await;
    verified.map_err(|unread| still_in_doubt(turn, &order.terms, unread))?;
    let mut table = Table { driver, place, most: spec.most };
    set(turn, &mut table, (&order.times, &order.terms)).await?;
    Ok(Outcome::TimesSet)
}

/// The day table of a household.
struct Table<'a, 'b> {
    driver: &'a mut Driver<'b>,
    place: Dlt645Times,
    most: u8,
}

impl Holder for Table<'_, '_> {
    type Value = DayTimes;

    async fn shown(&mut self, turn: &mut Turn<'_>) -> Result<DayTimes, Setback> {
        match self.driver {
            Driver::Dlt645(driver) => driver.times(turn, &self.place).await,
            _ => Err(unsupported(turn, "set_times")),
        }
    }

    /// What comes late sets the same times once more.
    async fn renew(&mut self, _: &mut Turn<'_>) -> Result<(), Setback> {
        Ok(())
    }

    async fn write(&mut self, turn: &mut Turn<'_>, times: &DayTimes) -> Result<(), Setback> {
        match self.driver {
            Driver::Dlt645(driver) => driver.write_times(turn, (&self.place, self.most), times).await,
            _ => Err(unsupported(turn, "set_times")),
        }
    }
}
