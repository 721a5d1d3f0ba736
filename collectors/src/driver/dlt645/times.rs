//! The times at which a household is switched, as a day table.

use dlt645::{DaySlot, Request, read_day_slots, write_day_slots};
use models::{DayTime, DayTimes, Dlt645Times};

use super::{Asked, Dlt645Driver};
use crate::{
    Failure, Reason,
    diagnosis::Setback,
    driver::{times_subject, wrong},
    turn::Turn,
};

const HOUR: u16 = 60;

impl Dlt645Driver<'_> {
    /// The times that a household has.
    pub(in crate::driver) async fn times(
        &self,
        turn: &mut Turn<'_>,
        place: &Dlt645Times,
    ) -> Result<DayTimes, Setback> {
        let item = place.item.of(turn.station().subunit);
        let octets = self.item(turn, item, times_subject(false)).await?;
        let time = |slot: DaySlot| {
            let on = match slot.number {
                number if number == place.on => true,
                number if number == place.off => false,
                number => return Err(wrong(format!("number {number} in its table is neither on nor off"))),
            };
            Ok(DayTime { minute: u16::from(slot.hour) * HOUR + u16::from(slot.minute), on })
        };
        read_day_slots(&octets).map_err(wrong)?.into_iter().map(time).collect::<Result<_, _>>().map(DayTimes)
    }

    /// Writes the whole table of a household, which has so many places.
    pub(in crate::driver) async fn write_times(
        &self,
        turn: &mut Turn<'_>,
        (place, places): (&Dlt645Times, u8),
        times: &DayTimes,
    ) -> Result<(), Setback> {
        let slot = |time: &DayTime| {
            let part = |value: u16| u8::try_from(value).unwrap_or(u8::MAX);
            let number = if time.on { place.on } else { place.off };
            DaySlot { hour: part(time.minute / HOUR), minute: part(time.minute % HOUR), number }
        };
        let slots: Vec<_> = times.0.iter().map(slot).collect();
        let mut data = Vec::new();
        write_day_slots(&slots, places.into(), &mut data).ok_or_else(no_table)?;
        let authority = self.authority(turn.station())?;
        let item = place.item.of(turn.station().subunit);
        let request = Request::Write { item, authority, data: &data };
        self.ask::<true>(turn, &Asked { request, subject: times_subject(true) }).await.map(drop)
    }
}

fn no_table() -> Setback {
    let detail = "Nothing was sent: a day table has no room for these times; order others.";
    Setback::Final(Failure::new(Reason::Unsupported, detail))
}
