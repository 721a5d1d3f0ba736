//! Snapshots by order, in whatever language.

use std::time::Duration;

use super::{Driver, tasks::verify};
use crate::{
    Outcome, TakeSnapshot,
    diagnosis::Setback,
    task::{
        ordered::{Answer, judged, still_in_doubt},
        reset::{Counted, carry_out},
    },
    turn::Turn,
};

/// How long a meter may take to write a snapshot down.
const SETTLE: Duration = Duration::from_secs(5);

/// Has a snapshot of the registers taken. What tells whether it is there is the time of the last one: minutes, so that two within one minute are one.
pub(super) async fn run(
    turn: &mut Turn<'_>,
    driver: &mut Driver<'_>,
    order: &TakeSnapshot,
) -> Result<Outcome, Setback> {
    let verified = verify(turn, driver).await;
    verified.map_err(|unread| still_in_doubt(turn, &order.terms, unread))?;
    let mut snapshots = Snapshots { driver, everybody: order.everybody };
    carry_out(turn, &mut snapshots, (&order.terms, &order.baseline), SETTLE).await?;
    Ok(Outcome::SnapshotTaken)
}

/// Those that a meter takes by order.
struct Snapshots<'a, 'b> {
    driver: &'a mut Driver<'b>,
    everybody: bool,
}

impl Counted for Snapshots<'_, '_> {
    /// When the last one was taken, in seconds since 1970; 0 for none.
    async fn count(&mut self, turn: &mut Turn<'_>) -> Result<i64, Setback> {
        let last = self.driver.last_snapshot(turn).await?;
        Ok(last.map_or(0, |at| at.as_second()))
    }

    /// What comes late takes another snapshot, which harms nobody.
    async fn renew(&mut self, _: &mut Turn<'_>) -> Result<(), Setback> {
        Ok(())
    }

    async fn order(&mut self, turn: &mut Turn<'_>) -> Result<Answer, Setback> {
        loop {
            let sent = self.driver.take_snapshot(turn, self.everybody).await;
            if let Some(answer) = judged(turn, sent).await? {
                return Ok(answer);
            }
        }
    }

    async fn last(&mut self, turn: &mut Turn<'_>) -> Result<Option<String>, Setback> {
        Ok(self.driver.last_snapshot(turn).await?.map(|at| at.to_string()))
    }
}
