use dlms::{
    AttributeDescriptor, Obis, ScalerUnit,
    axdr::{Data, Number},
};
use jiff::Timestamp;

use super::{Done, scaler_unit};
use crate::{
    Event, Failure, Reason, RegisterRequest, RegisterValue, diagnosis::Setback, layout::SECOND,
    station::LIST_MAX, turn::Turn, value,
};

/// Interface class extended register, its value, and when that occurred (Blue Book, 4.3.3).
const EXTENDED: u16 = 4;
const VALUE: i8 = 2;
const CAPTURE_TIME: i8 = 5;

/// Reasons that are told why registers did not come.
const REASONS_MAX: usize = 8;

/// What came of a register.
pub(crate) type Found = (Obis, Result<RegisterValue, Setback>);

/// Reads the registers and their scalers, and of maxima when they occurred. What one of them holds or refuses hides no other.
pub(super) async fn run(turn: &mut Turn<'_>, requests: &[RegisterRequest]) -> Result<Done, Setback> {
    let mut found: Vec<Found> = Vec::with_capacity(requests.len());
    for some in requests.chunks(LIST_MAX) {
        let descriptors: Vec<AttributeDescriptor> = some.iter().map(RegisterRequest::descriptor).collect();
        let answers = turn.read_all(&descriptors).await?;
        let at = turn.now();
        let given = descriptors.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
        let given: Vec<AttributeDescriptor> = given.map(|(descriptor, _)| *descriptor).collect();
        let mut scalers = scaler_unit::read_all(turn, &given).await?.into_iter();
        for (request, answer) in some.iter().zip(answers) {
            let value = answer.and_then(|octets| {
                let scaler_unit = scalers.next().unwrap_or(Ok(ScalerUnit::NONE))?;
                register(request, &octets, scaler_unit, at)
            });
            found.push((request.obis, value));
        }
    }
    let is_given =
        |request: &&RegisterRequest| found.iter().any(|(obis, value)| *obis == request.obis && value.is_ok());
    let given: Vec<RegisterRequest> = requests.iter().filter(is_given).copied().collect();
    let occurred = occurred(turn, &given).await?;
    let done = report(turn, found).await;
    if !occurred.is_empty() {
        turn.report(Event::Registers(occurred)).await?;
    }
    done
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

/// Reports what came of registers. What did not come is told with the end of the work, whose failure it is only when nothing came: the
/// registers of a model are those that its meters may have.
pub(crate) async fn report(turn: &Turn<'_>, found: Vec<Found>) -> Result<Done, Setback> {
    let asked = found.len();
    let (mut values, mut missed) = (Vec::with_capacity(asked), Vec::new());
    for (obis, found) in found {
        match found {
            Ok(value) => values.push(value),
            Err(setback) => missed.push((obis, turn.explain(&setback))),
        }
    }
    let Some((_, Failure { reason, .. })) = missed.first() else {
        turn.report(Event::Registers(values)).await?;
        return Ok(Done::default());
    };
    let detail =
        format!("{} of {asked} registers did not come. {}", missed.len(), reasons(&missed).join(" "));
    if values.is_empty() {
        return Err(Setback::Final(Failure::new(*reason, detail)));
    }
    turn.report(Event::Registers(values)).await?;
    Ok(Done { note: Some(detail), ..Done::default() })
}

/// Each reason once, behind the registers that it is about.
fn reasons(missed: &[(Obis, Failure)]) -> Vec<String> {
    let mut groups: Vec<(&str, Vec<String>)> = Vec::new();
    for (obis, failure) in missed {
        match groups.iter_mut().find(|(why, _)| *why == failure.detail) {
            Some((_, names)) => names.push(obis.to_string()),
            None => groups.push((&failure.detail, vec![obis.to_string()])),
        }
    }
    let others: usize = groups.iter().skip(REASONS_MAX).map(|(_, names)| names.len()).sum();
    let told = groups.iter().take(REASONS_MAX).map(|(why, names)| format!("{}: {why}", names.join(", ")));
    told.chain((others > 0).then(|| format!("And {others} for other reasons."))).collect()
}

/// What a register holds, as it was at the time. A fraction becomes the exact decimal that it stands for.
fn register(
    request: &RegisterRequest,
    octets: &[u8],
    scaler_unit: ScalerUnit,
    at: Timestamp,
) -> Result<RegisterValue, Setback> {
    let found = Data::decode(octets).map_err(Setback::answer)?;
    if found == Data::NullData {
        return Err(value::no_value());
    }
    let number = Number::of(&found).and_then(|number| {
        let scaler = number.exponent.checked_add(scaler_unit.scaler)?;
        Some((number.mantissa, scaler))
    });
    let (value, scaler) = number.ok_or_else(|| {
        let detail = "It holds no number that can be stored; when it never does, take it out of the model.";
        Setback::Final(Failure::new(Reason::Unsupported, detail))
    })?;
    let RegisterRequest { obis, class_id, attribute } = *request;
    Ok(RegisterValue { obis, attribute, class_id, value, scaler, unit: scaler_unit.unit, at })
}
