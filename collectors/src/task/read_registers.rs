use dlms::{AttributeDescriptor, Obis, ScalerUnit, axdr::Data};
use jiff::Timestamp;

use super::scaler_unit;
use crate::{
    Event, Failure, Reason, RegisterRequest, RegisterValue, diagnosis::Setback, station::LIST_MAX,
    turn::Turn, value,
};

/// Reads the registers and their scalers. What could be read is reported even when some were refused.
pub(super) async fn run(turn: &mut Turn<'_>, requests: &[RegisterRequest]) -> Result<(), Setback> {
    let mut values = Vec::with_capacity(requests.len());
    let mut refused = None;
    for some in requests.chunks(LIST_MAX) {
        let descriptors: Vec<AttributeDescriptor> = some.iter().map(RegisterRequest::descriptor).collect();
        let found = turn.read_all(&descriptors).await?;
        let at = turn.now();
        let mut present = Vec::with_capacity(some.len());
        for (request, found) in some.iter().zip(found) {
            match found {
                Ok(octets) => present.push((request, octets)),
                Err(setback) => refused = refused.or(Some((request.obis, setback))),
            }
        }
        let descriptors: Vec<AttributeDescriptor> =
            present.iter().map(|(request, _)| request.descriptor()).collect();
        let scalers = scaler_unit::read_all(turn, &descriptors).await?;
        for ((request, octets), scaler_unit) in present.iter().zip(scalers) {
            values.push(register(request, octets, scaler_unit, at)?);
        }
    }
    report(turn, values, requests.len(), refused.map(|(obis, setback)| (obis, setback, "refused"))).await
}

/// Reports what came of `asked` registers. That some did not come, which one first, why, and what that is called, is the failure of the work.
pub(crate) async fn report(
    turn: &Turn<'_>,
    values: Vec<RegisterValue>,
    asked: usize,
    missed: Option<(Obis, Setback, &'static str)>,
) -> Result<(), Setback> {
    let missing = asked - values.len();
    if !values.is_empty() {
        turn.report(Event::Registers(values)).await?;
    }
    let Some((obis, setback, how)) = missed else { return Ok(()) };
    let why = turn.explain(&setback).detail;
    let detail = format!("{missing} of {asked} registers were {how}, {obis} first: {why}");
    Err(Setback::Final(Failure::new(Reason::MeterRefused, detail)))
}

/// What a register holds, as it was at the time.
fn register(
    request: &RegisterRequest,
    octets: &[u8],
    scaler_unit: ScalerUnit,
    at: Timestamp,
) -> Result<RegisterValue, Setback> {
    let found = Data::decode(octets).map_err(Setback::answer)?;
    let value = match value::integer(&found) {
        Some(value) => value,
        None if matches!(found, Data::Float32(_) | Data::Float64(_)) => {
            let detail =
                format!("{} holds a fraction; only whole numbers with a scaler are stored.", request.obis);
            return Err(Setback::Final(Failure::new(Reason::Unsupported, detail)));
        }
        None => return Err(value::unexpected(&request.descriptor(), "a number")),
    };
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
