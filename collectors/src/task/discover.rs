//! What a meter of an unknown type has, written down as a draft of its model.

mod survey;

use std::{collections::BTreeMap, time::Duration};

use dlms::{
    AttributeDescriptor, DateTime,
    cosem::association::{self, CURRENT, ObjectList},
    profile::Column,
};
use jiff::{Timestamp, tz::TimeZone};
use models::{Alarms, ColumnSpec, DeviationSign, Log, Model, Profile, RangeDeviation};

use self::survey::Survey;
use super::read_layout;
use crate::{Event, Failure, Layout, MAX_VALUES, Reason, diagnosis::Setback, turn::Turn, value};

/// Profiles that a model may have.
const PROFILES_MAX: usize = 16;
/// Logs that a model may have.
const LOGS_MAX: usize = 16;
/// Columns that a profile of a model may have.
const COLUMNS_MAX: usize = 32;
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY_S: u32 = 86_400;

/// Reads the list of objects, and of those that a model names what the model has to say of them.
pub(super) async fn run(turn: &mut Turn<'_>) -> Result<(), Setback> {
    let station = turn.station();
    let octets = turn.read_octets(&association::object_list(CURRENT)).await?;
    let ObjectList { objects, announced } = association::decode_list(&octets).map_err(Setback::answer)?;
    let came = objects.len();
    let survey = Survey::of(objects);
    let mut notes = vec![
        format!("What a meter with serial number {} shows of itself.", station.serial.as_deref().unwrap_or("?")),
        "Complete it with the datasheet: sizes of the tariff and of image blocks, and what events and alarms mean, are not told by a meter."
            .into(),
    ];
    if came < announced {
        notes.push(format!("Its list of objects announced {announced} and has {came}."));
    }
    let mut model = survey.model(&station.model, &mut notes);
    model.alarms = Alarms::default();
    model.association.server_sap = station.server_sap;
    identify(turn, &survey, &mut model, &mut notes).await?;
    look_at_clock(turn, &mut model, &mut notes).await?;
    model.profiles = profiles(turn, &survey, &mut notes).await?;
    model.logs = logs(turn, &survey, &mut notes).await?;
    let draft = models::draft(&model, &notes).map_err(|error| {
        let detail =
            format!("What the meter shows makes no model ({error}); look at its objects with more rights.");
        Setback::Final(Failure::new(Reason::Unsupported, detail))
    })?;
    turn.report(Event::ModelDraft(draft)).await
}

/// Finds out which object holds the serial number of the inventory, and who made the meter.
async fn identify(
    turn: &mut Turn<'_>,
    survey: &Survey,
    model: &mut Model,
    notes: &mut Vec<String>,
) -> Result<(), Setback> {
    let expected = turn.station().serial.clone().unwrap_or_default();
    let mut shown = BTreeMap::new();
    for obis in survey.identities(model.identity.serial) {
        let text = match turn.read(&value::data(obis)).await {
            Ok(data) => value::text(&data),
            Err(setback) if setback.is_absence() => None,
            Err(setback) => return Err(setback),
        };
        let Some(text) = text else { continue };
        let found = text == expected.trim();
        shown.insert(obis, text);
        if found {
            model.identity.serial = obis;
            break;
        }
    }
    if !shown.contains_key(&model.identity.serial) || shown[&model.identity.serial] != expected.trim() {
        let shown: Vec<String> = shown.iter().map(|(obis, text)| format!("{obis} = {text:?}")).collect();
        notes.push(format!(
            "No object holds the serial number of the inventory: correct one of them. Shown are {}.",
            shown.join(", ")
        ));
    }
    // The first three characters of a logical device name are those of the manufacturer.
    let name = match turn.read(&value::data(model.identity.logical_device_name)).await {
        Ok(data) => value::text(&data),
        Err(setback) if setback.is_absence() => None,
        Err(setback) => return Err(setback),
    };
    let name = name.unwrap_or_default();
    model.manufacturer = match name.get(..3) {
        Some(manufacturer) => manufacturer.to_owned(),
        None => "unknown".into(),
    };
    model.description = format!("Draft made from a meter with logical device name {name:?}");
    Ok(())
}

/// How the meter says times shows in the time of its clock.
async fn look_at_clock(
    turn: &mut Turn<'_>,
    model: &mut Model,
    notes: &mut Vec<String>,
) -> Result<(), Setback> {
    let descriptor = AttributeDescriptor { class_id: 8, instance: model.clock, attribute: 2 };
    let time = match turn.read(&descriptor).await {
        Ok(data) => DateTime::of(&data, "clock").ok(),
        Err(setback) if setback.is_absence() => None,
        Err(setback) => return Err(setback),
    };
    let Some(time) = time else {
        notes.push(format!("The clock {} cannot be read.", model.clock));
        return Ok(());
    };
    match time.deviation() {
        None => model.quirks.range_deviation = RangeDeviation::Unspecified,
        Some(deviation) => {
            model.quirks.deviation_sign = sign(deviation, turn.now(), &turn.station().zone);
        }
    }
    Ok(())
}

/// How a deviation is meant, which shows where it is the offset of the zone and not its opposite.
fn sign(deviation: i16, now: Timestamp, zone: &TimeZone) -> DeviationSign {
    let offset_min = zone.to_offset(now).seconds() / 60;
    if offset_min != 0 && i32::from(deviation) == offset_min {
        DeviationSign::Inverted
    } else {
        DeviationSign::Standard
    }
}

/// The profiles that can be stored; what is in the way of the others becomes a note.
async fn profiles(
    turn: &mut Turn<'_>,
    survey: &Survey,
    notes: &mut Vec<String>,
) -> Result<Vec<Profile>, Setback> {
    let mut profiles: Vec<Profile> = Vec::new();
    for obis in survey.profiles() {
        let layout = match read_layout::run(turn, obis).await {
            Ok(layout) => layout,
            Err(Setback::Final(failure)) => {
                notes.push(format!("Left out: {}", failure.detail));
                continue;
            }
            Err(setback) if setback.is_absence() => {
                notes.push(format!("Left out: profile {obis} does not show what it captures."));
                continue;
            }
            Err(setback) => return Err(setback),
        };
        let depth = read_layout::capacity(turn, obis).await?;
        match profile(&layout, depth) {
            Ok(_) if profiles.len() == PROFILES_MAX => {
                notes.push(format!("Left out: profile {obis}, because a model has at most {PROFILES_MAX}."));
            }
            Ok(profile) => {
                notes.extend(left_out(&layout));
                profiles.push(profile);
            }
            Err(problem) => notes.push(format!("Left out: profile {obis} {problem}.")),
        }
    }
    Ok(profiles)
}

/// The logs of events.
async fn logs(turn: &mut Turn<'_>, survey: &Survey, notes: &mut Vec<String>) -> Result<Vec<Log>, Setback> {
    let mut logs = Vec::new();
    for obis in survey.logs() {
        if logs.len() == LOGS_MAX {
            notes.push(format!("Left out: log {obis}, because a model has at most {LOGS_MAX}."));
            continue;
        }
        let depth = read_layout::capacity(turn, obis).await?.unwrap_or(1);
        let known = turn.station().model.log(obis);
        logs.push(Log {
            name: known.map_or_else(|| format!("log {obis}"), |log| log.name.clone()),
            obis,
            depth,
            read_every: 6 * HOUR,
            code: known.and_then(|log| log.code),
            node: known.and_then(|log| log.node),
            status_word: known.and_then(|log| log.status_word),
            outages: known.and_then(|log| log.outages),
        });
    }
    Ok(logs)
}

/// Values that are not among the columns of a profile, because there are too many.
fn left_out(layout: &Layout) -> Option<String> {
    let names: Vec<String> = layout
        .left_out(Column::Value)
        .map(|place| layout.columns[place].capture)
        .map(|capture| format!("{}/{}", capture.instance, capture.attribute))
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "Profile {} has more than {MAX_VALUES} values, and so many are stored. Put those that matter into its columns; without are {}.",
            layout.obis,
            names.join(", ")
        )
    })
}

/// A profile of a model, or what is in the way.
fn profile(layout: &Layout, depth: Option<u32>) -> Result<Profile, String> {
    if layout.columns.first().map(|column| column.column) != Some(Column::Clock) {
        return Err("does not begin with the clock".into());
    }
    if layout.values().next().is_none() {
        return Err("has no column with numbers".into());
    }
    let left_out: Vec<usize> = layout.left_out(Column::Value).collect();
    let columns: Vec<ColumnSpec> = layout
        .columns
        .iter()
        .enumerate()
        .filter(|(place, _)| !left_out.contains(place))
        .map(|(_, column)| ColumnSpec {
            obis: column.capture.instance,
            class_id: column.capture.class_id,
            attribute: column.capture.attribute,
            scaler: column.scaler,
            unit: column.unit,
            at: None,
        })
        .collect();
    if columns.len() > COLUMNS_MAX {
        return Err(format!("has {} columns, and a model at most {COLUMNS_MAX}", columns.len()));
    }
    let twice = |column: &ColumnSpec| {
        let same = |other: &&ColumnSpec| {
            (other.class_id, other.obis, other.attribute) == (column.class_id, column.obis, column.attribute)
        };
        columns.iter().filter(same).count() > 1
    };
    if let Some(column) = columns.iter().find(|column| column.attribute < 2 || twice(column)) {
        return Err(format!("captures attribute {} of {} in part or twice", column.attribute, column.obis));
    }
    let period_s = if DAY_S.is_multiple_of(layout.period_s.max(1)) { layout.period_s } else { 0 };
    let read_every = match period_s {
        0 => 24 * HOUR,
        DAY_S => 6 * HOUR,
        _ => HOUR,
    };
    let name = match (layout.obis.name(), layout.obis.to_string()) {
        (Some(name), obis) => format!("{name} {obis}"),
        (None, obis) => obis,
    };
    Ok(Profile {
        name,
        obis: layout.obis,
        period_s,
        depth: depth.unwrap_or(1),
        read_every,
        at: None,
        columns,
    })
}

#[cfg(test)]
mod tests {
    use dlms::{
        Obis, Unit,
        profile::{CaptureObject, Column},
    };

    use super::*;
    use crate::LayoutColumn;

    #[test]
    fn what_a_capture_has_no_room_for_is_a_note_and_no_column() {
        let column = |class_id, c, column| LayoutColumn {
            capture: CaptureObject {
                class_id,
                instance: Obis::new([1, 0, c, 7, 0, 255]),
                attribute: 2,
                data_index: 0,
            },
            column,
            scaler: 0,
            unit: Unit::NONE,
        };
        let stored = (1..=16).map(|c| column(3, c, Column::Value));
        let left_out = (17..=40).map(|c| column(3, c, Column::Ignored));
        let columns = [column(8, 0, Column::Clock)].into_iter().chain(stored).chain(left_out).collect();
        let layout = Layout { obis: Obis::new([1, 0, 99, 1, 0, 255]), period_s: 900, columns };
        let names: Vec<Obis> =
            profile(&layout, None).unwrap().columns.iter().map(|column| column.obis).collect();
        assert_eq!(names, (0..=16).map(|c| Obis::new([1, 0, c, 7, 0, 255])).collect::<Vec<_>>());
        let note = super::left_out(&layout).unwrap();
        assert!(
            note.contains("without are 1.0.17.7.0.255/2, ") && note.ends_with("1.0.40.7.0.255/2."),
            "{note}"
        );
        assert!(!note.contains("1.0.16.7.0.255"), "{note}");
    }
}
