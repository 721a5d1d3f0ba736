//! The clock as it is put right: by a broadcast of the time to everybody on the line, or by writing date and time.

use dlt645::{Address, Moment, Request};
use jiff::Timestamp;

use super::{Asked, Dlt645Driver, on_the_meter};
use crate::{
    ClockReading, Failure, Reason,
    diagnosis::{Setback, Stage},
    driver::{unsupported, write_clock_subject},
    line::LineError,
    task::sync_clock::{Step, arrival},
    turn::Turn,
};

impl Dlt645Driver<'_> {
    /// Moves the clock once. A broadcast needs no password, nobody answers it, and a meter heeds one a day (DL/T 645-2007, 7.1.7): what came of it is
    /// read.
    pub(in crate::driver) async fn move_clock(
        &self,
        turn: &mut Turn<'_>,
        step: Step,
        shown: &ClockReading,
    ) -> Result<(), Setback> {
        let at = arrival(turn, shown).unwrap_or_else(|| turn.now());
        let moment = on_the_meter(at, turn.station());
        match step {
            Step::Shift(_) => {
                let day = turn.station().zone.to_datetime(at).date();
                if !turn.may_tell_time(day) {
                    return Err(told_already());
                }
                let octets = self.spoken(&Request::SetTime(moment), Address::BROADCAST)?;
                turn.say_farewell(&octets).await;
                Err(Setback::Line(Stage::Open, LineError::Silent))
            }
            Step::Set => self.write_clock(turn, moment, (at, shown)).await,
        }
    }

    /// Writes the time, and the date in front of it where that is another one.
    async fn write_clock(
        &self,
        turn: &mut Turn<'_>,
        moment: Moment,
        (at, shown): (Timestamp, &ClockReading),
    ) -> Result<(), Setback> {
        let Some(clock) = self.spec.clock else { return Err(unsupported(turn, "sync_clock")) };
        let [second, minute, hour, day, month, year] = moment.wire();
        let local = turn.station().zone.to_datetime(at);
        let subject = write_clock_subject(self.model);
        let authority = self.authority(turn.station())?;
        if turn.station().zone.to_datetime(shown.shown).date() != local.date() {
            let weekday = local.weekday().to_sunday_zero_offset().unsigned_abs();
            let data = [weekday, day, month, year];
            let request = Request::Write { item: clock.date.of(None), authority, data: &data };
            self.ask::<true>(turn, &Asked { request, subject }).await?;
        }
        let data = [second, minute, hour];
        let request = Request::Write { item: clock.time.of(None), authority, data: &data };
        self.ask::<true>(turn, &Asked { request, subject }).await.map(drop)
    }
}

/// What is not said twice a day.
fn told_already() -> Setback {
    let detail = "The time was told to everybody on this line today, and meters heed that once a day; order it again tomorrow.";
    Setback::Refused {
        failure: Failure::new(Reason::NotEffective, detail),
        is_absence: false,
        may_pass: false,
    }
}
