use dlms::{AttributeDescriptor, Obis, ScalerUnit, axdr::Data};
use jiff::Timestamp;

use super::scaler_unit;
use crate::{
    Event, Failure, Reason, RegisterRequest, RegisterValue, diagnosis::Setback, layout::SECOND,
    station::LIST_MAX, turn::Turn, value,
};

/// Interface class extended register, its value, and when that occurred (Blue Book, 4.3.3).
const EXTENDED: u16 = 4;
const VALUE: i8 = 2;
const CAPTURE_TIME: i8 = 5;

/// Reads the registers and their scalers, and of maxima when they occurred. What could be read is reported even when some were refused.
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
    let occurred = occurred(turn, requests).await?;
    let missed = refused.map(|(obis, setback)| (obis, setback, "refused"));
    let reported = report(turn, values, requests.len(), missed).await;
    if !occurred.is_empty() {
        turn.report(Event::Registers(occurred)).await?;
    }
    reported
}

/// When the values of extended registers occurred, in seconds since 1970. A meter that does not say so, or where none occurred, is not at fault.
async fn occurred(turn: &mut Turn<'_>, requests: &[RegisterRequest]) -> Result<Vec<RegisterValue>, Setback> {
    let extended =
        requests.iter().filter(|request| (request.class_id, request.attribute) == (EXTENDED, VALUE));
    let times: Vec<_> =
        extended.map(|request| RegisterRequest { attribute: CAPTURE_TIME, ..*request }).collect();
    let descriptors: Vec<AttributeDescriptor> = times.iter().map(RegisterRequest::descriptor).collect();
    let found = turn.read_all(&descriptors).await?;
    let at = turn.now();
    let seconds = |octets: Vec<u8>| {
        let time = value::time(&Data::decode(&octets).ok()?)?;
        turn.instant(&time).map(Timestamp::as_second)
    };
    let values = times.iter().zip(found).filter_map(|(request, found)| {
        let RegisterRequest { obis, class_id, attribute } = *request;
        let value = seconds(found.ok()?)?;
        Some(RegisterValue { obis, attribute, class_id, value, scaler: 0, unit: SECOND, at })
    });
    Ok(values.collect())
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
