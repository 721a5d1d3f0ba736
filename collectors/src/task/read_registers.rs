use dlms::axdr::Data;

use super::scaler_unit;
use crate::{Event, Failure, Reason, RegisterRequest, RegisterValue, diagnosis::Setback, turn::Turn, value};

/// Reads the registers one by one with their scalers. What could be read is reported even when some were refused.
pub(super) async fn run(turn: &mut Turn<'_>, requests: &[RegisterRequest]) -> Result<(), Setback> {
    let mut values = Vec::with_capacity(requests.len());
    let mut refused = None;
    for request in requests {
        match read(turn, request).await {
            Ok(value) => values.push(value),
            Err(setback) if setback.is_absence() => refused = refused.or(Some((request.obis, setback))),
            Err(setback) => return Err(setback),
        }
    }
    let missing = requests.len() - values.len();
    if !values.is_empty() {
        turn.report(Event::Registers(values)).await?;
    }
    let Some((obis, setback)) = refused else { return Ok(()) };
    let why = turn.explain(&setback).detail;
    Err(Setback::Final(Failure::new(
        Reason::MeterRefused,
        format!("{missing} of {} registers were refused, {obis} first: {why}", requests.len()),
    )))
}

async fn read(turn: &mut Turn<'_>, request: &RegisterRequest) -> Result<RegisterValue, Setback> {
    let descriptor = request.descriptor();
    let found = turn.read(&descriptor).await?;
    let at = turn.now();
    let value = match value::integer(&found) {
        Some(value) => value,
        None if matches!(found, Data::Float32(_) | Data::Float64(_)) => {
            let detail =
                format!("{} holds a fraction; only whole numbers with a scaler are stored.", request.obis);
            return Err(Setback::Final(Failure::new(Reason::Unsupported, detail)));
        }
        None => return Err(value::unexpected(&descriptor, "a number")),
    };
    let scaler_unit = scaler_unit::read(turn, &descriptor).await?;
    Ok(RegisterValue {
        obis: request.obis,
        attribute: request.attribute,
        class_id: request.class_id,
        value,
        scaler: scaler_unit.scaler,
        unit: scaler_unit.unit,
        at,
    })
}
