//! From when to when a meter is asked for rows, in its own terms.

use dlms::DateTime;
use jiff::{
    SignedDuration, Timestamp,
    tz::{AmbiguousOffset, TimeZone},
};
use models::{LocalTime, Quirks, RangeDeviation};

use super::{meter_time, without_deviation};

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The limits of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RangeLimits {
    /// The first time, as the meter's clock shows it.
    pub(crate) from: DateTime,
    /// The last time, as the meter's clock shows it.
    pub(crate) to: DateTime,
    /// The instants from and to which the meter may answer, both inclusive.
    pub(crate) asked: (Timestamp, Timestamp),
}

/// The limits of a range in the meter's terms.
///
/// A range that begins in an hour that comes twice, or in the `lead` before it, begins a `lead` before that hour: times without a deviation in it can be told
/// from each other only when a row before it shows whether this meter ever sets the summer bit. Without a deviation the meter cannot know, either, which
/// of two equal hours is meant, so that a limit inside of them is moved out even if there is no `lead`. Rows too many are dropped later, rows too few
/// would be lost.
pub(crate) fn range_limits(
    (from, to): (Timestamp, Timestamp),
    zone: &TimeZone,
    quirks: &Quirks,
    lead: SignedDuration,
) -> Option<RangeLimits> {
    let (mut start, mut end) = (from, to);
    if quirks.local_time == LocalTime::Zone {
        let is_vague = quirks.range_deviation == RangeDeviation::Unspecified;
        // Where nothing more is asked for, the second before still is outside.
        let before = if lead.is_zero() && is_vague { SECOND } else { lead };
        let twice = Repeated::about(from, zone).or_else(|| Repeated::next(from, zone));
        if let Some(twice) = twice.filter(|twice| twice.begin <= to && !before.is_zero()) {
            start = from.min(twice.begin - before);
        }
        if let Some(twice) = Repeated::about(to, zone).filter(|_| is_vague) {
            end = twice.end;
        }
    }
    let said = |at| match quirks.range_deviation {
        RangeDeviation::Unspecified => Some(without_deviation(at, zone, quirks)),
        RangeDeviation::Send => meter_time(at, zone, quirks),
    };
    Some(RangeLimits { from: said(start)?, to: said(end)?, asked: (start, end) })
}

/// Times that the clocks of a place show twice.
struct Repeated {
    /// When they are shown for the first time.
    begin: Timestamp,
    /// When the second time is over.
    end: Timestamp,
}

impl Repeated {
    /// Those that an instant belongs to; `None` when its local time is shown once.
    fn about(at: Timestamp, zone: &TimeZone) -> Option<Self> {
        let civil = zone.to_datetime(at);
        let AmbiguousOffset::Fold { before, after } = zone.to_ambiguous_timestamp(civil).offset() else {
            return None;
        };
        let length = SignedDuration::from_secs(i64::from(before.seconds() - after.seconds()));
        let put_back = zone.preceding(at + length + SECOND).next()?.timestamp();
        Some(Self { begin: put_back - length, end: put_back + length })
    }

    /// Those of the next change of the clocks; `None` when that does not put them back.
    fn next(at: Timestamp, zone: &TimeZone) -> Option<Self> {
        let change = zone.following(at).next()?;
        let put_back = change.timestamp();
        let seconds = zone.to_offset(put_back - SECOND).seconds() - change.offset().seconds();
        let length = SignedDuration::from_secs(i64::from(seconds));
        length.is_positive().then(|| Self { begin: put_back - length, end: put_back + length })
    }
}
