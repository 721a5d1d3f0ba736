use std::time::Duration;

use dlms::{AttributeDescriptor, DateTime, axdr::Data};
use jiff::SignedDuration;

use crate::{ClockReading, ClockSetup, Event, diagnosis::Setback, time::Resolver, turn::Turn, value};

/// Interface class of the clock; attribute 2 is its time.
pub(super) const CLOCK: u16 = 8;
/// Its attributes that make local time: time zone, begin and end of summer time, by how many minutes, and whether.
const SETUP: [i8; 5] = [3, 5, 6, 7, 8];
/// Hundredths of a second, or a second, that a meter does not give.
const NOT_GIVEN: u8 = 0xFF;

/// Reads the clock once.
pub(super) async fn run(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let reading = read(turn).await?;
    turn.clock_is_known();
    turn.report(Event::Clock(reading)).await
}

/// Reads the clock, again if need be.
pub(super) async fn read(turn: &mut Turn<'_>) -> Result<ClockReading, Setback> {
    let descriptor = time_of(turn);
    let found = turn.read(&descriptor).await?;
    understood(turn, &descriptor, &found)
}

/// Looks at the clock beside something else that was read. Nothing depends on it: what goes wrong is not told.
pub(crate) async fn in_passing(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let descriptor = time_of(turn);
    let found = match turn.read_once(&descriptor).await {
        Ok(octets) => Data::decode(&octets).map_err(Setback::answer),
        Err(setback) => Err(setback),
    };
    match found.and_then(|found| understood(turn, &descriptor, &found)) {
        Ok(reading) => turn.report(Event::Clock(reading)).await,
        Err(setback) => {
            let failure = turn.fail(&setback).await;
            tracing::debug!(reason = %failure.reason, detail = failure.detail, "the clock was not read");
            Ok(())
        }
    }
}

/// Looks at how the clock is set up, beside something else, likewise.
pub(super) async fn setup_in_passing(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let instance = turn.station().model.clock;
    let wanted = SETUP.map(|attribute| AttributeDescriptor { class_id: CLOCK, instance, attribute });
    let found = match turn.read_all(&wanted).await {
        Ok(found) => found,
        Err(Setback::NobodyListens) => return Err(Setback::NobodyListens),
        Err(setback) => {
            let failure = turn.fail(&setback).await;
            tracing::debug!(reason = %failure.reason, detail = failure.detail, "the setup of the clock was not read");
            return Ok(());
        }
    };
    let mut found = found.into_iter().map(|found| Data::decode(&found.ok()?).ok());
    let mut next = || found.next().flatten();
    let minutes = |data: Data| value::integer(&data).and_then(|minutes| i16::try_from(minutes).ok());
    let date = |data: Data| DateTime::of(&data, "date").ok();
    let setup = ClockSetup {
        standard_min: next().and_then(minutes).and_then(i16::checked_neg),
        begin: next().and_then(date),
        end: next().and_then(date),
        saving_min: next().and_then(minutes),
        summer: next().and_then(|data| if let Data::Boolean(summer) = data { Some(summer) } else { None }),
    };
    let station = turn.station();
    let setup = setup.with_sign(station.model.quirks.deviation_sign);
    let fault = setup.fault(&station.zone, &station.model.quirks, turn.now());
    turn.report(Event::ClockSetup(setup, fault)).await
}

fn time_of(turn: &Turn<'_>) -> AttributeDescriptor {
    AttributeDescriptor { class_id: CLOCK, instance: turn.station().model.clock, attribute: 2 }
}

/// The answer that came last, as the time that it is.
fn understood(
    turn: &Turn<'_>,
    descriptor: &AttributeDescriptor,
    found: &Data,
) -> Result<ClockReading, Setback> {
    let (read_at, delay) = (turn.now(), turn.last_delay());
    let time = DateTime::of(found, "clock").map_err(|_| value::unexpected(descriptor, "a date and time"))?;
    let station = turn.station();
    let mut resolver = Resolver::new(&station.zone, &station.model.quirks);
    let moment = resolver.resolve(Some(&time)).map_err(|error| Setback::time(descriptor.instance, &error))?;
    let (beyond, resolution) = fine(&time);
    let shown = moment.at.checked_add(beyond).unwrap_or(moment.at);
    Ok(ClockReading {
        shown,
        resolution,
        offset_min: moment.offset_min,
        status: moment.status,
        read_at,
        delay,
    })
}

/// What a time says beyond its seconds, and the step in which it is shown. Hundredths that are zero are those of a clock that has none.
fn fine(time: &DateTime) -> (SignedDuration, Duration) {
    let parts = time.parts();
    match (parts.second, parts.hundredths) {
        (NOT_GIVEN, _) => (SignedDuration::ZERO, Duration::from_secs(60)),
        (_, hundredths @ 1..=99) => {
            (SignedDuration::from_millis(i64::from(hundredths) * 10), Duration::from_millis(10))
        }
        _ => (SignedDuration::ZERO, Duration::from_secs(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_of_a_clock_is_the_least_part_that_it_shows() {
        let time =
            |second, hundredths| DateTime::new([0x07, 0xEA, 6, 2, 2, 12, 0, second, hundredths, 0, 0, 0]);
        let ms = |beyond, step| (SignedDuration::from_millis(beyond), Duration::from_millis(step));
        assert_eq!(fine(&time(7, 0)), ms(0, 1000));
        assert_eq!(fine(&time(7, 0xFF)), ms(0, 1000));
        assert_eq!(fine(&time(7, 42)), ms(420, 10));
        assert_eq!(fine(&time(0xFF, 0xFF)), ms(0, 60_000));
    }
}
