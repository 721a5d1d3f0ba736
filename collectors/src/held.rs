//! What a concentrator that reads its meters by itself holds of them: its documents as captures and as entries of logs. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dlms::{
    DateTime, Obis, Unit,
    profile::{CaptureObject, Column},
};
use jiff::{Timestamp, tz::TimeZone};
use models::{Log, Model, Source};
use p2lpc::{Decimal, Event, Ident, Row};

use crate::{
    Captures, Layout, LayoutColumn, LogEntry, LogMeaning, MAX_VALUES,
    time::{self, STATUS_UNSPECIFIED},
};

/// Symbols of units that meters display in thousands, and a thousand as an exponent.
const IN_THOUSANDS: [&str; 6] = ["W", "VA", "var", "Wh", "VAh", "varh"];
const THOUSAND: i8 = 3;

/// Seconds of a day: captures that are further apart are not regular.
const DAY_S: u32 = 86_400;
/// Scaler of a register that the model does not name: six digits behind the point.
const UNNAMED_SCALER: i8 = -6;
/// Interface class register.
const REGISTER: u16 = 3;

/// Why what a document has of a profile cannot be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unheld {
    /// The model has no such profile, or more in it than can be stored.
    #[error("the model does not say what profile {0} captures, or more than can be stored; add its columns")]
    NotNamed(Obis),
    /// There are more registers in it than a capture can hold.
    #[error("profile {profile} has {registers} registers and {MAX_VALUES} can be stored")]
    TooMany {
        /// The profile.
        profile: Obis,
        /// How many.
        registers: usize,
    },
    /// A value is no whole number.
    #[error(
        "{register} in profile {profile} is {displayed}, which is no whole number with its scaler; correct that in the model"
    )]
    Inexact {
        /// The profile.
        profile: Obis,
        /// The register.
        register: Obis,
        /// What the meter displays.
        displayed: Decimal,
    },
}

/// The captures of one profile of one meter within a time, both ends included, in ascending order, those of each period by themselves; none when there are none.
/// The period is that of the document, which meters may be set to, and so are the registers where the model does not name all of them for this profile: one that
/// no profile of the model names has no unit. Of one that stands there twice the later counts. Where the document is not whole, captures that lack a value are left
/// out.
///
/// # Errors
/// [`Unheld`].
pub fn captures<'a>(
    model: &Model,
    obis: Obis,
    profiles: impl IntoIterator<Item = &'a p2lpc::Profile>,
    (from, to): (Timestamp, Timestamp),
    is_whole: bool,
) -> Result<Vec<Captures>, Unheld> {
    let named = Layout::of_model(model, obis).ok_or(Unheld::NotNamed(obis))?;
    let mut periods: BTreeMap<u32, BTreeMap<Timestamp, Row>> = BTreeMap::new();
    for profile in profiles {
        let is_regular = (1..=DAY_S).contains(&profile.period_s);
        let rows = periods.entry(if is_regular { profile.period_s } else { named.period_s }).or_default();
        for row in profile.rows() {
            let Ok(at) = Timestamp::from_second(row.at) else { continue };
            if at < from || at > to {
                continue;
            }
            let known = rows.entry(at).or_insert_with(|| Row { values: BTreeMap::new(), ..row });
            known.status |= row.status;
            known.values.extend(row.values);
        }
    }
    let mut captures = Vec::new();
    for (period_s, rows) in periods {
        let layout = Arc::new(layout(model, &named, (period_s, &rows))?);
        captures.push(of_rows(&layout, rows, is_whole)?);
    }
    captures.retain(|captures| !captures.at.is_empty());
    Ok(captures)
}

/// The columns of rows: those that the model names for the profile, unless there are others.
fn layout(
    model: &Model,
    named: &Layout,
    (period_s, rows): (u32, &BTreeMap<Timestamp, Row>),
) -> Result<Layout, Unheld> {
    let registers: BTreeSet<Ident> = rows.values().flat_map(|row| row.values.keys().copied()).collect();
    let is_named = |register: &Ident| named.values().any(|column| ident(column) == *register);
    if registers.iter().all(is_named) {
        return Ok(Layout { period_s, ..named.clone() });
    }
    if registers.len() > MAX_VALUES {
        return Err(Unheld::TooMany { profile: named.obis, registers: registers.len() });
    }
    let others: Vec<Layout> =
        model.profiles.iter().filter_map(|profile| Layout::of_model(model, profile.obis)).collect();
    let column = |register: Ident| {
        let mut known = named.values().chain(others.iter().flat_map(Layout::values));
        known.find(|column| ident(column) == register).cloned().unwrap_or(LayoutColumn {
            capture: CaptureObject {
                class_id: REGISTER,
                instance: Obis::new(register.0),
                attribute: 2,
                data_index: 0,
            },
            column: Column::Value,
            scaler: UNNAMED_SCALER,
            unit: Unit::NONE,
        })
    };
    let around =
        named.columns.iter().filter(|column| matches!(column.column, Column::Clock | Column::Status));
    let columns = around.cloned().chain(registers.into_iter().map(column)).collect();
    Ok(Layout { obis: named.obis, period_s, columns })
}

fn of_rows(layout: &Arc<Layout>, rows: BTreeMap<Timestamp, Row>, is_whole: bool) -> Result<Captures, Unheld> {
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
    for (at, row) in rows {
        let lacks = |column: &LayoutColumn| !row.values.contains_key(&ident(column));
        if !is_whole && layout.values().any(lacks) {
            continue;
        }
        captures.at.push(at);
        captures.offset_min.push(Some(0));
        captures.clock_status.push(STATUS_UNSPECIFIED);
        captures.status.push(has_status.then_some(row.status.cast_signed()));
        for column in layout.values() {
            captures.values.push(value(layout, &row, column)?);
        }
    }
    Ok(captures)
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
fn value(layout: &Layout, row: &Row, column: &LayoutColumn) -> Result<Option<i64>, Unheld> {
    let LayoutColumn { capture, scaler, unit, .. } = column;
    let Some(displayed) = row.values.get(&ident(column)) else { return Ok(None) };
    let exponent =
        if IN_THOUSANDS.contains(&unit.symbol()) { scaler.saturating_sub(THOUSAND) } else { *scaler };
    let inexact = Unheld::Inexact { profile: layout.obis, register: capture.instance, displayed: *displayed };
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

    fn all(document: &p2lpc::Document, is_whole: bool) -> Result<Vec<Captures>, Unheld> {
        let profile = "1.0.99.2.0.255".parse().unwrap();
        captures(&model(), profile, &document.devices[0].profiles, (Timestamp::MIN, Timestamp::MAX), is_whole)
    }

    fn read(registers: &str, is_whole: bool) -> Result<Option<Captures>, Unheld> {
        all(&document(registers), is_whole).map(|mut captures| captures.pop())
    }

    const DAY: &str = "2026-03-02T00:00:00Z";

    #[test]
    fn what_a_meter_displays_becomes_its_own_integer() {
        let whole =
            ["1.8.0", "2.8.0", "3.8.0", "4.8.0"].map(|ident| register(ident, "0000031.184", DAY)).concat();
        let captures = read(&whole, true).unwrap().unwrap();
        assert_eq!(captures.values, [Some(31_184); 4]);
        assert_eq!((captures.at.clone(), captures.status), (vec![DAY.parse().unwrap()], vec![Some(32)]));
        assert_eq!(captures.clock_status, [0xFF], "nobody said that the clock is right");
        let finer = register("1.8.0", "31.1845", DAY);
        let Err(Unheld::Inexact { register, .. }) = read(&finer, true) else { panic!("{finer}") };
        assert_eq!(register.to_string(), "1.0.1.8.0.255");
    }

    /// MT-15: hourly values of a device on the M-Bus, in a profile that the model has as one of days.
    #[test]
    fn period_and_registers_of_a_document_count_where_they_are_others_than_those_of_the_model() {
        let text = format!(
            "<MeterProfile><Device DeviceID=\"1\"><Profile Ident=\"99.2.0\" Period=\"3600\">{}</Profile>\
             <Profile Ident=\"99.2.0\" Period=\"1800\">{}</Profile></Device></MeterProfile>",
            register("0.1.128.50.0", "12.5", DAY) + &register("1.8.0", "1", DAY),
            register("1.8.0", "2", DAY),
        );
        let [half, hour] = &all(&p2lpc::Document::read(text.as_bytes()), true).unwrap()[..] else {
            panic!("{text}")
        };
        assert_eq!((half.layout.period_s, half.values[0], half.width), (1800, Some(2000), 4));
        let columns: Vec<_> =
            hour.layout.values().map(|column| (ident(column), column.scaler, column.unit)).collect();
        let [gas, energy] = columns[..] else { panic!("{columns:?}") };
        assert_eq!(gas, (Ident([0, 1, 128, 50, 0, 255]), -6, Unit::NONE));
        assert_eq!((energy.0, energy.1, energy.2.symbol()), (Ident([1, 0, 1, 8, 0, 255]), 0, "Wh"));
        assert_eq!((hour.layout.period_s, &hour.values[..]), (3600, &[Some(12_500_000), Some(1000)][..]));
        assert!(hour.layout.clock().is_some());
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
