//! What a concentrator that reads its meters by itself holds of them: its documents as captures and as entries of logs. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use dlms::{DateTime, Obis, profile::Column};
use jiff::{Timestamp, tz::TimeZone};
use models::{Log, Model, Source};
use p2lpc::{Decimal, Event, Ident, Row};

use crate::{Captures, Layout, LayoutColumn, LogEntry, LogMeaning, time};

/// Symbols of units that meters display in thousands, and a thousand as an exponent.
const IN_THOUSANDS: [&str; 6] = ["W", "VA", "var", "Wh", "VAh", "varh"];
const THOUSAND: i8 = 3;

/// Why captures cannot be stored exactly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{register} in profile {profile} is {displayed}, which is no whole number with the scaler of the model; correct the scaler"
)]
pub struct Inexact {
    /// The profile.
    pub profile: Obis,
    /// The register.
    pub register: Obis,
    /// What the meter displays.
    pub displayed: Decimal,
}

/// The captures of one profile of one meter within a time, both ends included, in ascending order; none when there are none. Of one that stands there twice the later
/// counts. Where the document is not whole, captures that lack a value are left out.
///
/// # Errors
/// [`Inexact`].
pub fn captures<'a>(
    layout: &Arc<Layout>,
    profiles: impl IntoIterator<Item = &'a p2lpc::Profile>,
    (from, to): (Timestamp, Timestamp),
    is_whole: bool,
) -> Result<Option<Captures>, Inexact> {
    let mut rows: BTreeMap<i64, Row> = BTreeMap::new();
    for row in profiles.into_iter().flat_map(p2lpc::Profile::rows) {
        let known = rows.entry(row.at).or_insert_with(|| Row { values: BTreeMap::new(), ..row });
        known.status |= row.status;
        known.values.extend(row.values);
    }
    let has_status = layout.columns.iter().any(|column| column.column == Column::Status);
    let mut captures = Captures {
        layout: Arc::clone(layout),
        at: Vec::new(),
        offset_min: Vec::new(),
        clock_status: Vec::new(),
        status: Vec::new(),
        width: layout.values().count(),
        values: Vec::new(),
    };
    for row in rows.into_values() {
        let Ok(at) = Timestamp::from_second(row.at) else { continue };
        let lacks = |column: &LayoutColumn| !row.values.contains_key(&ident(column));
        if at < from || at > to || (!is_whole && layout.values().any(lacks)) {
            continue;
        }
        captures.at.push(at);
        captures.offset_min.push(Some(0));
        captures.clock_status.push(0);
        captures.status.push(has_status.then_some(row.status.cast_signed()));
        for column in layout.values() {
            captures.values.push(value(layout, &row, column)?);
        }
    }
    Ok((!captures.at.is_empty()).then_some(captures))
}

/// What an event of a document stands for in a log of the meter, or of the concentrator itself.
pub fn entries(model: &Model, log: &Log, event: Event) -> Vec<LogEntry> {
    let time = DateTime::from_unix(event.at, Some(0), 0);
    stands_for((model, log), &TimeZone::UTC, time, event.status.into(), event.meter)
}

/// What an entry of a log stands for: as many events as its code has bits, where it is a status word.
pub(crate) fn stands_for(
    (model, log): (&Model, &Log),
    zone: &TimeZone,
    time: DateTime,
    logged: i64,
    node: Option<String>,
) -> Vec<LogEntry> {
    let at = time::instant(&time, zone, &model.quirks);
    let codes = match u32::try_from(logged) {
        Ok(code) => log.codes(code).into_iter().map(i64::from).collect(),
        Err(_) => vec![logged],
    };
    let entry =
        |code| LogEntry { at, time, code, logged, node: node.clone(), meaning: meaning(model, log, code) };
    codes.into_iter().map(entry).collect()
}

fn meaning(model: &Model, log: &Log, code: i64) -> Option<LogMeaning> {
    let source = Source::Event { log: log.obis, code: u32::try_from(code).ok()? };
    let meaning = model.alarms.meaning(source)?;
    Some(LogMeaning { key: meaning.key.to_owned(), severity: meaning.severity, phase: meaning.phase })
}

/// The meter's own integer, of what it displays.
fn value(layout: &Layout, row: &Row, column: &LayoutColumn) -> Result<Option<i64>, Inexact> {
    let LayoutColumn { capture, scaler, unit, .. } = column;
    let Some(displayed) = row.values.get(&ident(column)) else { return Ok(None) };
    let exponent =
        if IN_THOUSANDS.contains(&unit.symbol()) { scaler.saturating_sub(THOUSAND) } else { *scaler };
    let inexact = Inexact { profile: layout.obis, register: capture.instance, displayed: *displayed };
    displayed.scaled(exponent).map(Some).ok_or(inexact)
}

fn ident(column: &LayoutColumn) -> Ident {
    Ident(column.capture.instance.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> Arc<Model> {
        models::builtin().unwrap().remove("mt371").unwrap()
    }

    fn document(registers: &str) -> p2lpc::Document {
        let text = format!(
            "<MeterProfile><Device DeviceID=\"1\"><Profile Ident=\"99.2.0\" Period=\"86400\">{registers}</Profile></Device></MeterProfile>"
        );
        p2lpc::Document::read(text.as_bytes())
    }

    fn register(ident: &str, value: &str, at: &str) -> String {
        format!("<Register Ident=\"{ident}\" Value=\"{value}\" DateTime=\"{at}\" Status=\"32\"/>")
    }

    fn read(registers: &str, is_whole: bool) -> Result<Option<Captures>, Inexact> {
        let layout = Arc::new(Layout::of_model(&model(), "1.0.99.2.0.255".parse().unwrap()).unwrap());
        let document = document(registers);
        captures(&layout, &document.devices[0].profiles, (Timestamp::MIN, Timestamp::MAX), is_whole)
    }

    const DAY: &str = "2026-03-02T00:00:00Z";

    #[test]
    fn what_a_meter_displays_becomes_its_own_integer() {
        let whole =
            ["1.8.0", "2.8.0", "3.8.0", "4.8.0"].map(|ident| register(ident, "0000031.184", DAY)).concat();
        let captures = read(&whole, true).unwrap().unwrap();
        assert_eq!(captures.values, [Some(31_184); 4]);
        assert_eq!((captures.at.clone(), captures.status), (vec![DAY.parse().unwrap()], vec![Some(32)]));
        let finer = register("1.8.0", "31.1845", DAY);
        assert_eq!(read(&finer, true).unwrap_err().register.to_string(), "1.0.1.8.0.255");
    }

    #[test]
    fn a_capture_of_which_a_part_is_missing_is_left_out_of_what_is_not_whole() {
        let part = register("1.8.0", "1", DAY);
        assert_eq!(read(&part, false), Ok(None));
        assert_eq!(read(&part, true).unwrap().unwrap().values, [Some(1000), None, None, None]);
    }

    #[test]
    fn a_status_word_of_a_log_is_an_event_for_each_bit() {
        let (model, event) = (model(), Event { at: 1_774_872_000, status: 0x00C0, meter: None });
        let keys: Vec<_> = entries(&model, &model.logs[0], event)
            .into_iter()
            .map(|entry| (entry.at.unwrap().as_second(), entry.meaning.unwrap().key))
            .collect();
        assert_eq!(keys, [(1_774_872_000, "power.up".to_owned()), (1_774_872_000, "power.down".to_owned())]);
    }
}
