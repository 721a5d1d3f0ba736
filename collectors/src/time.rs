//! The meter's times as instants, and instants as the meter's times.
//!
//! Times on the wire: IEC 62056-6-2, 4.1.6.1. UTC = local + deviation, so UTC+1 is a deviation of -60.

mod limits;
mod resolver;
#[cfg(test)]
mod tests;

use dlms::DateTime;
use jiff::{
    Timestamp, civil,
    tz::{Offset, TimeZone},
};
use models::{DeviationSummer, LocalTime, Quirks, RangeDeviation};

pub(crate) use limits::{RangeLimits, range_limits};
pub(crate) use resolver::{Order, Resolver, TimeError};

/// Clock status: bits are not given (the octet is "not specified").
pub(crate) const STATUS_UNSPECIFIED: u8 = 0xFF;
/// Clock status bit 0: the time is not valid.
pub(crate) const INVALID: u8 = 1;
/// Clock status bit 7: summer time is active.
const SUMMER: u8 = 0x80;

/// An instant with what the meter said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The instant.
    pub(crate) at: Timestamp,
    /// Offset from UTC in minutes, positive to the east; `None` when the meter gave no deviation.
    pub(crate) offset_min: Option<i16>,
    /// Clock status bits.
    pub(crate) status: u8,
}

/// The instant of a single time of a meter whose clock shows the time of `zone`; `None` when it is no time on the calendar. Without a deviation
/// it is local time; of two that are possible the summer bit decides, and without it the first counts. The same octets always are the same instant.
pub fn instant(time: &DateTime, zone: &TimeZone, quirks: &Quirks) -> Option<Timestamp> {
    Resolver::new(zone, quirks).resolve(Some(time)).ok().map(|moment| moment.at)
}

/// The instant of a local time that a clock shows without anything else.
pub(crate) fn placed(local: civil::DateTime, zone: &TimeZone, quirks: &Quirks) -> Option<Timestamp> {
    Resolver::new(zone, quirks).place(local, STATUS_UNSPECIFIED).ok()?
}

/// Whether a time says of itself that it is not valid.
pub(crate) const fn is_invalid(status: u8) -> bool {
    status != STATUS_UNSPECIFIED && status & INVALID != 0
}

/// An instant as a meter's clock shows it.
pub(crate) fn meter_time(at: Timestamp, zone: &TimeZone, quirks: &Quirks) -> Option<DateTime> {
    match quirks.range_deviation {
        RangeDeviation::Send => {
            with_deviation(at, zone, quirks).map(|time| quirks.deviation_sign.apply(time))
        }
        RangeDeviation::Unspecified => Some(without_deviation(at, zone, quirks)),
    }
}

/// The local time of an instant, as a meter without deviations shows it.
pub(crate) fn without_deviation(at: Timestamp, zone: &TimeZone, quirks: &Quirks) -> DateTime {
    let offset = local_offset(at, zone, quirks);
    let is_summer = offset > standard_offset(at, zone);
    let local = at.as_second() + i64::from(offset.seconds());
    DateTime::from_unix(local, None, if is_summer { SUMMER } else { 0 })
}

/// What the offset of a zone would be without summer time: the lower one of both that take turns. The time zone database has places (Dublin,
/// Casablanca) whose standard time is that of the summer, and takes something off it in winter; no clock of a meter counts like that, and neither
/// does the database in its form for readers that know no such thing ("rearguard").
pub(crate) fn standard_offset(at: Timestamp, zone: &TimeZone) -> Offset {
    let info = zone.to_offset_info(at);
    let own = info.offset();
    let before = || zone.preceding(at);
    let other = if info.dst().is_dst() {
        before().find(|change| !change.dst().is_dst())
    } else {
        let next = zone.following(at).next().filter(|change| change.dst().is_dst());
        next.or_else(|| before().nth(1).filter(|change| change.dst().is_dst()))
    };
    other.map_or(own, |other| own.min(other.offset()))
}

fn with_deviation(at: Timestamp, zone: &TimeZone, quirks: &Quirks) -> Option<DateTime> {
    let said = match quirks.deviation_summer {
        DeviationSummer::Contained => local_offset(at, zone, quirks),
        DeviationSummer::LeftOut => standard_offset(at, zone),
    };
    let deviation = i16::try_from(said.seconds() / 60).ok()?.checked_neg()?;
    Some(without_deviation(at, zone, quirks).with_deviation(deviation))
}

fn local_offset(at: Timestamp, zone: &TimeZone, quirks: &Quirks) -> Offset {
    match quirks.local_time {
        LocalTime::Zone => zone.to_offset(at),
        LocalTime::Standard => standard_offset(at, zone),
    }
}

const fn says_summer(status: u8) -> bool {
    status != STATUS_UNSPECIFIED && status & SUMMER != 0
}

fn civil_from(local_seconds: i64) -> Option<civil::DateTime> {
    Timestamp::from_second(local_seconds).ok().map(|at| TimeZone::UTC.to_datetime(at))
}
