use std::cmp::Reverse;

use dlms::{
    AttributeDescriptor, Obis, ScalerUnit,
    axdr::Data,
    profile::{CaptureObject, Column, decode_list},
};
use models::Model;

use super::scaler_unit;
use crate::{
    value,
    {
        Failure, Layout, Reason,
        diagnosis::Setback,
        layout::{LayoutColumn, MAX_VALUES, SECOND, is_stored},
        time::Order,
        turn::Turn,
    },
};

/// Interface class profile generic.
pub(super) const PROFILE: u16 = 7;

/// Reads what the profile captures, how often, and the scaler and unit of each value column.
pub(super) async fn run(turn: &mut Turn<'_>, obis: Obis) -> Result<Layout, Setback> {
    let attribute = |attribute| AttributeDescriptor { class_id: PROFILE, instance: obis, attribute };
    let objects = turn.read_octets(&attribute(3)).await?;
    let captures = decode_list(&objects).map_err(Setback::answer)?;
    let period_s = period(turn, obis).await?;
    let kinds = chosen(&turn.station().model, obis, &captures);
    let is_value = |(_, kind): &(&CaptureObject, &Column)| **kind == Column::Value;
    let values: Vec<AttributeDescriptor> =
        captures.iter().zip(&kinds).filter(is_value).map(|(capture, _)| described(capture)).collect();
    let scalers = scaler_unit::read_all(turn, &values).await?;
    let known = values
        .iter()
        .zip(scalers)
        .map(|(value, scaler)| scaler.map_err(|unknown| unscaled(turn, obis, value, &unknown)));
    let mut scalers = known.collect::<Result<Vec<_>, _>>()?.into_iter();
    let columns = captures
        .into_iter()
        .zip(kinds)
        .map(|(capture, column)| {
            let scaler_unit = match column {
                Column::Value => scalers.next(),
                Column::Time => Some(ScalerUnit { scaler: 0, unit: SECOND }),
                Column::Clock | Column::Status | Column::Float | Column::Text | Column::Ignored => None,
            };
            let ScalerUnit { scaler, unit } = scaler_unit.unwrap_or(ScalerUnit::NONE);
            LayoutColumn { capture, column, scaler, unit }
        })
        .collect();
    storable(Layout { obis, period_s, columns })
}

/// Whether the model would have others of the columns stored than the layout has: somebody may have chosen anew since it was made.
pub(super) fn is_chosen_otherwise(model: &Model, layout: &Layout) -> bool {
    let captures: Vec<CaptureObject> = layout.columns.iter().map(|column| column.capture).collect();
    let chosen = chosen(model, layout.obis, &captures);
    layout.columns.iter().zip(chosen).any(|(column, kind)| column.is_stored() != is_stored(kind))
}

/// What is made of the columns of a profile. Where a capture has no room for all, times are left out first, then values that the model does not name, then
/// others; of each the last ones first.
fn chosen(model: &Model, profile: Obis, captures: &[CaptureObject]) -> Vec<Column> {
    let mut columns = Column::of_all(captures);
    let is_named = |capture: &CaptureObject| {
        let columns =
            model.profiles.iter().filter(|spec| spec.obis == profile).flat_map(|spec| &spec.columns);
        columns.into_iter().any(|spec| (spec.obis, spec.attribute) == (capture.instance, capture.attribute))
            || model.log(profile).is_some_and(|log| log.code == Some(capture.instance))
    };
    let rank = |place: usize| match columns[place] {
        Column::Time => 0,
        _ => 1 + u8::from(is_named(&captures[place])),
    };
    let stored = (0..columns.len()).filter(|place| is_stored(columns[*place]));
    let mut stored: Vec<(u8, Reverse<usize>)> = stored.map(|place| (rank(place), Reverse(place))).collect();
    stored.sort_unstable();
    let excess = stored.len().saturating_sub(MAX_VALUES);
    for (_, Reverse(place)) in stored.into_iter().take(excess) {
        columns[place] = Column::Ignored;
    }
    columns
}

/// Reads how often the profile captures, in seconds.
pub(super) async fn period(turn: &mut Turn<'_>, obis: Obis) -> Result<u32, Setback> {
    let attribute = AttributeDescriptor { class_id: PROFILE, instance: obis, attribute: 4 };
    let period = turn.read(&attribute).await?;
    value::integer(&period)
        .and_then(|period| u32::try_from(period).ok())
        .ok_or_else(|| value::unexpected(&attribute, "a capture period in seconds"))
}

/// Rows that the profile keeps before it overwrites the oldest (Blue Book, profile generic, `profile_entries`); `None` when it does not say.
pub(super) async fn capacity(turn: &mut Turn<'_>, obis: Obis) -> Result<Option<u32>, Setback> {
    Ok(count(turn, obis, 8).await?.filter(|rows| *rows > 0))
}

/// A number of rows that the profile says of itself, by its attribute; `None` when it does not say.
pub(super) async fn count(turn: &mut Turn<'_>, obis: Obis, attribute: i8) -> Result<Option<u32>, Setback> {
    let attribute = AttributeDescriptor { class_id: PROFILE, instance: obis, attribute };
    let answer = turn.read_all(&[attribute]).await?.pop().and_then(Result::ok);
    let said = answer.and_then(|octets| Data::decode(&octets).ok()).and_then(|data| value::integer(&data));
    Ok(said.and_then(|rows| u32::try_from(rows).ok()))
}

/// In which order the rows of the profile stand (Blue Book, profile generic, `sort_method` and `sort_object`); `None` when that is no order that there is.
pub(super) async fn order(turn: &mut Turn<'_>, layout: &Layout) -> Result<Option<Order>, Setback> {
    const LARGEST_FIRST: i64 = 3;
    const SMALLEST_FIRST: i64 = 4;
    let attribute = |attribute| AttributeDescriptor { class_id: PROFILE, instance: layout.obis, attribute };
    let method = value::integer(&turn.read(&attribute(5)).await?);
    let by_value = match method {
        Some(1) => return Ok(Some(Order::OldestFirst)),
        Some(2) => return Ok(Some(Order::NewestFirst)),
        Some(LARGEST_FIRST..=6) => method,
        _ => return Ok(None),
    };
    let sorted_by =
        CaptureObject::decode(&turn.read_octets(&attribute(6)).await?).map_err(Setback::answer)?;
    Ok(Some(match by_value {
        _ if layout.clock().is_none_or(|clock| clock.capture != sorted_by) => Order::ByValue,
        Some(LARGEST_FIRST) => Order::NewestFirst,
        Some(SMALLEST_FIRST) => Order::OldestFirst,
        _ => Order::ByValue,
    }))
}

/// The columns that the model says the profile has, for whoever is not asked for them.
pub(crate) fn of_model(turn: &Turn<'_>, obis: Obis) -> Result<Layout, Setback> {
    Layout::of_model(&turn.station().model, obis).ok_or_else(|| {
        let detail = format!(
            "The model of the meter does not say what profile {obis} captures, or more than can be stored; add its columns."
        );
        Setback::Final(Failure::new(Reason::Unsupported, detail))
    })
}

/// What stands in the way of a profile of which a column has values that nothing can be made of. It is told each time, and never remembered as its layout.
fn unscaled(turn: &Turn<'_>, profile: Obis, column: &AttributeDescriptor, unknown: &Setback) -> Setback {
    let Failure { reason, detail, .. } = turn.explain(unknown);
    let detail = format!(
        "Nothing of profile {profile} is stored, because of its column {}. {detail}",
        column.instance
    );
    Setback::Final(Failure::new(reason, detail))
}

/// The attribute that a column captures.
fn described(capture: &CaptureObject) -> AttributeDescriptor {
    let CaptureObject { class_id, instance, attribute, .. } = *capture;
    AttributeDescriptor { class_id, instance, attribute }
}

fn storable(layout: Layout) -> Result<Layout, Setback> {
    if layout.clock().is_some() {
        return Ok(layout);
    }
    let detail = format!(
        "Profile {} captures neither a clock nor the end of a billing period, so its rows have no time; capture 0.0.1.0.0.255 in it.",
        layout.obis
    );
    Err(Setback::Final(Failure::new(Reason::Unsupported, detail)))
}
