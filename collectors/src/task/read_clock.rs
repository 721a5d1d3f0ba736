use std::time::Duration;

use dlms::{AttributeDescriptor, DateTime};

use crate::{Event, diagnosis::Setback, time::Resolver, turn::Turn, value};

/// Interface class of the clock; attribute 2 is its time.
const CLOCK: u16 = 8;

/// Reads the clock once.
pub(super) async fn run(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let descriptor =
        AttributeDescriptor { class_id: CLOCK, instance: turn.station().model.clock, attribute: 2 };
    let found = turn.read(&descriptor).await?;
    let (read_at, delay) = (turn.now(), turn.last_delay());
    let time =
        DateTime::of(&found, "clock").map_err(|_| value::unexpected(&descriptor, "a date and time"))?;
    let mut resolver = Resolver::new(turn.station().zone.clone(), 0, None)
        .with_sign(turn.station().model.quirks.deviation_sign);
    let moment = resolver.resolve(Some(&time)).map_err(|error| Setback::time(descriptor.instance, &error))?;
    turn.report(Event::Clock {
        meter: moment.at,
        offset_min: moment.offset_min,
        status: moment.status,
        read_at,
        delay_ms: whole_ms(delay),
    })
    .await
}

fn whole_ms(delay: Duration) -> u32 {
    u32::try_from(delay.as_millis()).unwrap_or(u32::MAX)
}
