//! Local time of a meter: offsets, midnights and months of its zone.

use dlms::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan, Zoned, civil::Date};

/// Offset and summer time of a zone for instants in ascending order, looked up once per change of the clocks and not
/// once per row.
#[derive(Debug)]
pub(crate) struct Offsets<'a> {
    zone: &'a TimeZone,
    from: i64,
    until: i64,
    current: Offset,
}

/// How local time differs from UTC at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offset {
    /// Minutes to add to UTC.
    pub(crate) minutes: i16,
    /// Summer time is in force.
    pub(crate) summer: bool,
}

impl<'a> Offsets<'a> {
    pub(crate) fn new(zone: &'a TimeZone) -> Self {
        Self { zone, from: 0, until: 0, current: Offset { minutes: 0, summer: false } }
    }

    /// The offset at an instant (seconds since 1970).
    pub(crate) fn at(&mut self, at: i64) -> Offset {
        if at < self.from || at >= self.until {
            let instant = timestamp(at);
            let minutes = i16::try_from(self.zone.to_offset(instant).seconds() / 60).unwrap_or(0);
            self.current = Offset { minutes, summer: is_summer(self.zone, instant) };
            self.from = at;
            self.until =
                self.zone.following(instant).next().map_or(i64::MAX, |next| next.timestamp().as_second());
        }
        self.current
    }
}

impl Offset {
    /// Clock status of IEC 62056-6-2: bit 7 is summer time.
    pub(crate) fn clock_status(self) -> u8 {
        if self.summer { 0x80 } else { 0 }
    }
}

/// An instant as a meter writes it: local time with deviation and clock status.
pub(crate) fn date_time(offsets: &mut Offsets<'_>, at: i64) -> DateTime {
    let offset = offsets.at(at);
    DateTime::from_unix(at, Some(-offset.minutes), offset.clock_status())
}

/// Seconds since 1970 of what a client means; a time without deviation is meant in the meter's local time.
pub(crate) fn instant(time: &DateTime, zone: &TimeZone) -> Option<i64> {
    time.unix_seconds().or_else(|| {
        let civil = TimeZone::UTC.to_datetime(timestamp(time.local_seconds()?));
        Some(zone.to_timestamp(civil).ok()?.as_second())
    })
}

/// When summer time begins or ends in the year of an instant, as the local time that the clock shows before; `None` when it does not.
pub(crate) fn change_of_year(zone: &TimeZone, at: i64, begins: bool) -> Option<DateTime> {
    let year = zone.to_datetime(timestamp(at)).year();
    let begin = Date::new(year, 1, 1).ok()?.to_zoned(zone.clone()).ok()?.timestamp();
    let changes =
        zone.following(begin).take_while(|change| zone.to_datetime(change.timestamp()).year() == year);
    let change =
        changes.into_iter().find(|change| is_summer(zone, change.timestamp()) == begins)?.timestamp();
    let before = Offsets::new(zone).at(change.as_second() - 1);
    Some(DateTime::from_unix(change.as_second(), Some(-before.minutes), before.clock_status()))
}

/// Whether clocks are ahead of what they show in the other part of the year. In Dublin the time zone database calls that standard time; meters do not.
fn is_summer(zone: &TimeZone, at: Timestamp) -> bool {
    let info = zone.to_offset_info(at);
    let around = [zone.following(at).next(), zone.preceding(at).nth(1)];
    let mut turns = around.into_iter().flatten().filter(|change| change.dst() != info.dst());
    turns.next().is_some_and(|other| info.offset() > other.offset())
}

/// The instant of whole seconds since 1970; out of range gives the nearest that exists.
pub(crate) fn timestamp(seconds: i64) -> Timestamp {
    let nearest = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
    Timestamp::from_second(nearest).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The local date of an instant.
pub(crate) fn date(zone: &TimeZone, at: i64) -> Date {
    Zoned::new(timestamp(at), zone.clone()).date()
}

/// The start of a local day; where the clocks skip midnight, the first instant after it.
pub(crate) fn midnight(zone: &TimeZone, date: Date) -> i64 {
    date.to_zoned(zone.clone()).map_or(i64::MAX, |start| start.timestamp().as_second())
}

/// The start of the month that the second before the instant belongs to: a billing capture at the first of a month is
/// about the month that ended.
pub(crate) fn month_start(zone: &TimeZone, at: i64) -> i64 {
    midnight(zone, date(zone, at - 1).first_of_month())
}

/// A date moved by days; the nearest that exists.
pub(crate) fn add_days(date: Date, days: i64) -> Date {
    date.saturating_add(days.days())
}

/// The first of a month, moved by months; the nearest that exists.
pub(crate) fn add_months(date: Date, months: i64) -> Date {
    date.first_of_month().saturating_add(months.months())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_change_with_the_clocks() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let mut offsets = Offsets::new(&zone);
        // 2026-03-29T01:00Z is when summer time begins.
        let change = 1_774_746_000;
        assert_eq!(offsets.at(change - 1), Offset { minutes: 60, summer: false });
        assert_eq!(offsets.at(change), Offset { minutes: 120, summer: true });
        assert_eq!(offsets.at(change - 900), Offset { minutes: 60, summer: false });
    }

    #[test]
    fn summer_is_when_clocks_are_ahead() {
        // 2026-01-15 and 2026-07-15.
        let (winter, summer) = (1_768_435_200, 1_784_073_600);
        for (name, has_summer) in
            [("Europe/Berlin", true), ("Europe/Dublin", true), ("Asia/Kathmandu", false)]
        {
            let zone = TimeZone::get(name).unwrap();
            let mut offsets = Offsets::new(&zone);
            assert!(!offsets.at(winter).summer, "{name}");
            assert_eq!(offsets.at(summer).summer, has_summer, "{name}");
            let begin = change_of_year(&zone, winter, true);
            assert_eq!(begin.map(|begin| begin.parts().month), has_summer.then_some(3), "{name}");
        }
    }

    #[test]
    fn days_of_23_and_25_hours_begin_at_midnight() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let spring = Date::constant(2026, 3, 29);
        assert_eq!(midnight(&zone, add_days(spring, 1)) - midnight(&zone, spring), 23 * 3600);
        let autumn = Date::constant(2026, 10, 25);
        assert_eq!(midnight(&zone, add_days(autumn, 1)) - midnight(&zone, autumn), 25 * 3600);
    }

    #[test]
    fn the_first_of_a_month_belongs_to_the_month_before() {
        let zone = TimeZone::UTC;
        let march = midnight(&zone, Date::constant(2026, 3, 1));
        let april = midnight(&zone, Date::constant(2026, 4, 1));
        assert_eq!(month_start(&zone, april), march);
        assert_eq!(month_start(&zone, april + 1), april);
    }
}
