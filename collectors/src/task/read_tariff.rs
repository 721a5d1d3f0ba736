use dlms::{
    AttributeDescriptor,
    cosem::{
        activity_calendar::{self, Side},
        special_days,
    },
};
use models::Tariff;

use crate::{Event, Failure, Reason, TariffObjects, diagnosis::Setback, turn::Turn};

/// Reads both calendars, the time of activation and the special days.
pub(super) async fn run(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let spec = spec(turn)?;
    let objects = read(turn, &spec).await?;
    turn.report(Event::Tariff(objects)).await
}

/// How the meter's model takes tariffs.
pub(super) fn spec(turn: &Turn<'_>) -> Result<Tariff, Setback> {
    let model = &turn.station().model;
    model.tariff.clone().ok_or_else(|| {
        let detail = format!("Meters of model {} take no tariffs.", model.name);
        Setback::Final(Failure::new(Reason::Unsupported, detail))
    })
}

/// Reads all objects of the tariff.
pub(super) async fn read(turn: &mut Turn<'_>, spec: &Tariff) -> Result<TariffObjects, Setback> {
    Ok(TariffObjects {
        active: read_side(turn, spec, Side::Active).await?,
        passive: read_side(turn, spec, Side::Passive).await?,
        activation_time: turn.read_octets(&activity_calendar::activation_time(spec.calendar)).await?,
        special_days: match spec.special_days_table {
            Some(table) => Some(turn.read_octets(&special_days::entries(table)).await?),
            None => None,
        },
    })
}

/// Reads a calendar.
pub(super) async fn read_side(
    turn: &mut Turn<'_>,
    spec: &Tariff,
    side: Side,
) -> Result<[Vec<u8>; 4], Setback> {
    let attributes: [AttributeDescriptor; 4] = side.attributes(spec.calendar);
    let mut values = [const { Vec::new() }; 4];
    for (attribute, value) in attributes.iter().zip(&mut values) {
        *value = turn.read_octets(attribute).await?;
    }
    Ok(values)
}
