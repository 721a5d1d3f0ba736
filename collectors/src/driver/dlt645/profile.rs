//! Profiles: what a meter keeps as load records or as snapshots, as captures with the columns of the model.

use std::sync::Arc;

use dlt645::{Identifier, Moment};
use jiff::{Timestamp, civil, tz::TimeZone};
use models::{Dlt645Place, Dlt645Profile, Place, ProfilePlace};

use super::{CENTURY, Dlt645Driver, wrong};
use crate::{
    Captures, Event, Layout, ProfileRange,
    diagnosis::Setback,
    driver::{no_value, profile_subject, unsupported},
    exchange::Subject,
    task::read_layout::of_model,
    time::STATUS_UNSPECIFIED,
    turn::Turn,
};

/// Seconds of a minute, in which intervals are counted.
const MINUTE_S: u32 = 60;

/// A profile that is being read.
pub(super) struct Wanted<'a> {
    /// The columns and the period, as they are reported.
    pub(super) layout: Arc<Layout>,
    /// Where each value column is.
    pub(super) places: Vec<&'a Dlt645Place>,
    /// How many captures the meter keeps.
    pub(super) depth: u32,
    pub(super) subject: Subject,
    /// The captures that are asked for, both ends inclusive.
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Dlt645Driver<'_> {
    /// Reads the captures of a range; what of it is covered by them.
    pub(in crate::driver) async fn profile(
        &mut self,
        turn: &mut Turn<'_>,
        range: &ProfileRange,
    ) -> Result<(Timestamp, Timestamp), Setback> {
        let none = |turn: &Turn<'_>| unsupported(turn, "read_profile");
        let spec = self.model.profiles.iter().find(|profile| profile.obis == range.obis);
        let spec = spec.ok_or_else(|| none(turn))?;
        let Some(ProfilePlace::Dlt645(place)) = &spec.at else { return Err(none(turn)) };
        let places = spec.columns.iter().filter_map(|column| match &column.at {
            Some(Place::Dlt645(place)) => Some(place),
            _ => None,
        });
        let wanted = Wanted {
            places: places.collect(),
            layout: self.layout(turn, place, range).await?,
            depth: spec.depth,
            subject: profile_subject(range.obis),
            from: range.from,
            to: range.to,
        };
        match place {
            Dlt645Profile::Records(records) => self.records(turn, records, &wanted).await,
            Dlt645Profile::Frozen(_) | Dlt645Profile::Settled(_) => {
                self.snapshots(turn, place, &wanted).await
            }
        }
    }

    /// The columns of the model, with the interval that the meter has; reported when they are others than those that are known.
    async fn layout(
        &self,
        turn: &mut Turn<'_>,
        place: &Dlt645Profile,
        range: &ProfileRange,
    ) -> Result<Arc<Layout>, Setback> {
        let mut layout = of_model(turn, range.obis)?;
        if let Dlt645Profile::Records(records) = place
            && let Some(item) = records.interval
        {
            match &range.layout {
                Some(known) if known.columns == layout.columns => layout.period_s = known.period_s,
                _ => {
                    let model = layout.period_s;
                    let own = self.interval(turn, item.of(None), profile_subject(range.obis)).await?;
                    layout.period_s = own.unwrap_or(model);
                }
            }
        }
        if let Some(known) = range.layout.as_ref().filter(|known| ***known == layout) {
            return Ok(Arc::clone(known));
        }
        let layout = Arc::new(layout);
        turn.report(Event::Layout(Arc::clone(&layout))).await?;
        Ok(layout)
    }

    /// Seconds between two load records; `None` when the meter does not say.
    pub(super) async fn interval(
        &self,
        turn: &mut Turn<'_>,
        item: Identifier,
        subject: Subject,
    ) -> Result<Option<u32>, Setback> {
        let octets = match self.item(turn, item, subject).await {
            Ok(octets) => octets,
            Err(setback) if setback.is_absence() => return Ok(None),
            Err(setback) => return Err(setback),
        };
        let format = dlt645::Format { octets: 2, decimals: 0, signed: false };
        let minutes = format.read(&octets, 0).map_err(wrong)?.ok_or_else(no_value)?;
        let minutes = u32::try_from(minutes.mantissa).ok().filter(|minutes| *minutes > 0);
        minutes
            .map(|minutes| Some(minutes * MINUTE_S))
            .ok_or_else(|| wrong("its load records are 0 minutes apart"))
    }
}

impl Wanted<'_> {
    /// Room for captures.
    pub(super) fn captures(&self) -> Captures {
        Captures {
            layout: Arc::clone(&self.layout),
            at: Vec::new(),
            offset_min: Vec::new(),
            clock_status: Vec::new(),
            status: Vec::new(),
            width: self.places.len(),
            values: Vec::new(),
        }
    }

    /// Whether an instant is asked for.
    pub(super) fn holds(&self, at: Timestamp) -> bool {
        (self.from..=self.to).contains(&at)
    }
}

/// Appends a capture: such meters say nothing but the time and the values.
pub(super) fn add(captures: &mut Captures, at: Timestamp, values: impl IntoIterator<Item = Option<i64>>) {
    captures.at.push(at);
    captures.offset_min.push(None);
    captures.clock_status.push(STATUS_UNSPECIFIED);
    captures.status.push(None);
    captures.values.extend(values);
}

/// The number that begins some octets; `None` when there is none, whether the meter says so or has no octets there.
pub(super) fn cell(place: &Dlt645Place, octets: Option<&[u8]>) -> Result<Option<i64>, Setback> {
    let Some(octets) = octets.filter(|octets| !octets.is_empty()) else { return Ok(None) };
    let number = place.format().read(octets, place.offset.into()).map_err(wrong)?;
    Ok(number.map(|number| number.mantissa))
}

/// What the clock of a meter shows, as a date and time of the calendar.
pub(super) fn calendar(moment: Moment) -> Result<civil::DateTime, Setback> {
    let two = |number: u8| i8::try_from(number).unwrap_or_default();
    civil::DateTime::new(
        CENTURY + i16::from(moment.year),
        two(moment.month),
        two(moment.day),
        two(moment.hour),
        two(moment.minute),
        two(moment.second),
        0,
    )
    .map_err(wrong)
}

/// The same as meters that speak DLMS would write it: local time, without a deviation.
pub(super) fn undeviating(local: civil::DateTime) -> Result<dlms::DateTime, Setback> {
    let seconds = TimeZone::UTC.to_timestamp(local).map_err(wrong)?.as_second();
    Ok(dlms::DateTime::from_unix(seconds, None, STATUS_UNSPECIFIED))
}
