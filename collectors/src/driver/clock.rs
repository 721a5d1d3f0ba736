//! Clocks that are put right, in whatever language.

use jiff::SignedDuration;

use super::{
    Driver,
    tasks::{clock, verify},
};
use crate::{
    ClockReading, Outcome, SyncClock,
    diagnosis::Setback,
    task::{
        ordered::{Answer, judged, still_in_doubt},
        sync_clock::{Hands, Step, put_right},
    },
    turn::Turn,
};

/// Seconds of a day.
const DAY_S: u32 = 86_400;

/// Puts the clock right.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    order: &SyncClock,
) -> Result<Outcome, Setback> {
    let verified = verify(turn, driver).await;
    verified.map_err(|unread| still_in_doubt(turn, &order.terms, unread))?;
    put_right(turn, &mut OfDriver { driver }, order).await
}

/// A clock without a class.
struct OfDriver<'a, 'b> {
    driver: &'a mut Driver<'b>,
}

impl Hands for OfDriver<'_, '_> {
    /// What a meter takes of a broadcast at most (DL/T 645-2007, 7.1.7; 1997 likewise).
    fn shift_max(&self) -> SignedDuration {
        SignedDuration::from_mins(5)
    }

    async fn look(&mut self, turn: &mut Turn<'_>) -> Result<ClockReading, Setback> {
        clock(turn, self.driver).await
    }

    async fn periods(&mut self, turn: &mut Turn<'_>) -> Result<Vec<u32>, Setback> {
        let periods = turn.station().model.profiles.iter().map(|profile| profile.period_s);
        Ok(periods.filter(|period| (1..DAY_S).contains(period)).collect())
    }

    /// A time that comes late is wrong, and is seen when the clock is read.
    async fn renew(&mut self, _: &mut Turn<'_>) -> Result<(), Setback> {
        Ok(())
    }

    async fn take(
        &mut self,
        turn: &mut Turn<'_>,
        step: Step,
        shown: &ClockReading,
    ) -> Result<Answer, Setback> {
        loop {
            let sent = self.driver.move_clock(turn, step, shown).await;
            if let Some(answer) = judged(turn, sent).await? {
                return Ok(answer);
            }
        }
    }
}
