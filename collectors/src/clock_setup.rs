//! How the clock of a meter is set up, beside what its place needs.

use dlms::DateTime;
use jiff::{
    Timestamp,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use models::{DeviationSign, LocalTime, Quirks};

use crate::time::standard_offset;

/// The last and the second last day of a month, and any day, in a date that recurs (Blue Book, 4.1.6.1).
const LAST_DAY: u8 = 0xFE;
const SECOND_LAST_DAY: u8 = 0xFD;
const ANY: u8 = 0xFF;

/// What a clock makes its local time of (class 8, attributes 3 and 5 to 8); what the meter does not show is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockSetup {
    /// Minutes by which its standard time is ahead of UTC.
    pub standard_min: Option<i16>,
    /// Whether it knows summer time.
    pub summer: Option<bool>,
    /// Minutes by which summer time moves it.
    pub saving_min: Option<i16>,
    /// When summer time begins.
    pub begin: Option<DateTime>,
    /// When summer time ends.
    pub end: Option<DateTime>,
}

/// How a clock that is set up so will be wrong in the zone of its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ZoneFault {
    /// Its standard time is another one.
    Offset,
    /// The place has summer time, and the clock does not know it.
    SummerMissing,
    /// The clock has summer time, and the place does not.
    SummerAdded,
    /// Summer time moves it by other minutes.
    Saving,
    /// Summer time begins or ends on another day.
    Change,
}

impl ZoneFault {
    /// Every fault with its text, the same in SQL (`clock_zone_fault`), in `ami.v1` and on the screen.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Offset, "offset"),
        (Self::SummerMissing, "summer_missing"),
        (Self::SummerAdded, "summer_added"),
        (Self::Saving, "saving"),
        (Self::Change, "change"),
    ];

    /// The text of the fault, such as `offset`.
    pub const fn as_str(self) -> &'static str {
        // Discriminants count from 0 in the order of the table; a test walks all of them.
        Self::ALL[self as usize].1
    }
}

impl ClockSetup {
    /// The setup with the sign of its offset as the standard has it.
    pub(crate) fn with_sign(self, sign: DeviationSign) -> Self {
        let turned = |minutes: i16| match sign {
            DeviationSign::Standard => minutes,
            DeviationSign::Inverted => minutes.saturating_neg(),
        };
        Self { standard_min: self.standard_min.map(turned), ..self }
    }

    /// The first thing that will be wrong in this zone in the year of `now`; `None` when nothing of what the meter shows is.
    pub fn fault(&self, zone: &TimeZone, quirks: &Quirks, now: Timestamp) -> Option<ZoneFault> {
        let standard_min = standard_offset(now, zone).seconds() / 60;
        if self.standard_min.is_some_and(|own| i32::from(own) != standard_min) {
            return Some(ZoneFault::Offset);
        }
        let changes = match quirks.local_time {
            LocalTime::Zone => changes(zone, now),
            LocalTime::Standard => None,
        };
        match (self.summer?, changes) {
            (false, None) => None,
            (false, Some(_)) => Some(ZoneFault::SummerMissing),
            (true, None) => Some(ZoneFault::SummerAdded),
            (true, Some(changes)) => self.fault_of_changes(&changes),
        }
    }

    fn fault_of_changes(&self, place: &Changes) -> Option<ZoneFault> {
        if self.saving_min.is_some_and(|own| own != place.saving_min) {
            return Some(ZoneFault::Saving);
        }
        let differs = |own: Option<DateTime>, day: Date| {
            own.and_then(|own| recurring(&own, day.year())).is_some_and(|own| own != day)
        };
        let is_other = differs(self.begin, place.begin) || differs(self.end, place.end);
        is_other.then_some(ZoneFault::Change)
    }
}

/// The summer time of a place in a year.
struct Changes {
    begin: Date,
    end: Date,
    saving_min: i16,
}

/// When summer time begins and ends in the year of an instant, by local dates; `None` when it does not.
fn changes(zone: &TimeZone, now: Timestamp) -> Option<Changes> {
    let year = zone.to_datetime(now).year();
    let new_year = |year| Some(Date::new(year, 1, 1).ok()?.to_zoned(zone.clone()).ok()?.timestamp());
    let (from, to) = (new_year(year)?, new_year(year.checked_add(1)?)?);
    let (mut begin, mut end) = (None, None);
    for change in zone.following(from).take_while(|change| change.timestamp() < to) {
        let at = change.timestamp();
        let saved = change.offset().seconds() - standard_offset(at, zone).seconds();
        if saved > 0 {
            begin = Some((zone.to_datetime(at).date(), i16::try_from(saved / 60).ok()?));
        } else {
            end = Some(zone.to_datetime(at).date());
        }
    }
    let ((begin, saving_min), end) = (begin?, end?);
    Some(Changes { begin, end, saving_min })
}

/// The day of a year that a date with unspecified parts names; `None` when it names none, or another year.
fn recurring(date: &DateTime, year: i16) -> Option<Date> {
    let parts = date.parts();
    if parts.year.is_some_and(|own| i16::try_from(own) != Ok(year)) {
        return None;
    }
    let first = Date::new(year, i8::try_from(parts.month).ok()?, 1).ok()?;
    let weekday = Weekday::from_monday_one_offset(i8::try_from(parts.day_of_week).ok()?).ok();
    match (parts.day, weekday) {
        (LAST_DAY, Some(weekday)) => first.nth_weekday_of_month(-1, weekday).ok(),
        (LAST_DAY, None) => Some(first.last_of_month()),
        (SECOND_LAST_DAY, None) => first.last_of_month().yesterday().ok(),
        (ANY | SECOND_LAST_DAY, _) => None,
        (day, weekday) => {
            let day = Date::new(year, first.month(), i8::try_from(day).ok()?).ok()?;
            // With a weekday it is the first such day from there on; where the year stands there, both name the same day.
            match weekday.filter(|weekday| *weekday != day.weekday()) {
                None => Some(day),
                Some(weekday) => day.nth_weekday(1, weekday).ok(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn now() -> Timestamp {
        "2026-06-01T00:00:00Z".parse().unwrap()
    }

    fn date(year: u16, month: u8, day: u8, weekday: u8) -> Option<DateTime> {
        let [high, low] = year.to_be_bytes();
        Some(DateTime::new([high, low, month, day, weekday, 2, 0, 0, 0, 0x80, 0, 0]))
    }

    /// As meters in Europe are set up: last Sunday of March to last Sunday of October.
    fn european(standard_min: i16) -> ClockSetup {
        ClockSetup {
            standard_min: Some(standard_min),
            summer: Some(true),
            saving_min: Some(60),
            begin: date(0xFFFF, 3, LAST_DAY, 7),
            end: date(0xFFFF, 10, LAST_DAY, 7),
        }
    }

    #[test]
    fn a_clock_is_held_against_the_zone_of_its_place() {
        let none = ClockSetup { summer: Some(false), ..ClockSetup::default() };
        let american =
            ClockSetup { begin: date(0xFFFF, 3, 8, 7), end: date(0xFFFF, 11, 1, 7), ..european(-300) };
        let of_2026 =
            ClockSetup { begin: date(2026, 3, 29, 7), end: date(2026, 10, 25, 0xFF), ..european(60) };
        let of_2025 = ClockSetup { begin: date(2025, 3, 30, 7), ..european(60) };
        for (setup, place, fault) in [
            (european(60), "Europe/Berlin", None),
            (european(0), "Europe/Dublin", None),
            (european(0), "Europe/Berlin", Some(ZoneFault::Offset)),
            (european(360), "Asia/Dhaka", Some(ZoneFault::SummerAdded)),
            (
                ClockSetup { summer: Some(false), ..european(60) },
                "Europe/Berlin",
                Some(ZoneFault::SummerMissing),
            ),
            (ClockSetup { saving_min: Some(30), ..european(60) }, "Europe/Berlin", Some(ZoneFault::Saving)),
            (
                ClockSetup { end: date(0xFFFF, 9, LAST_DAY, 7), ..european(60) },
                "Europe/Berlin",
                Some(ZoneFault::Change),
            ),
            (european(-300), "America/New_York", Some(ZoneFault::Change)),
            (american, "America/New_York", None),
            (of_2026, "Europe/Berlin", None),
            (of_2025, "Europe/Berlin", None),
            (none, "Asia/Dhaka", None),
            (ClockSetup::default(), "Europe/Berlin", None),
        ] {
            assert_eq!(setup.fault(&zone(place), &Quirks::default(), now()), fault, "{setup:?} in {place}");
        }
        let quirks = Quirks { local_time: LocalTime::Standard, ..Quirks::default() };
        let without = ClockSetup { standard_min: Some(60), ..none };
        assert_eq!(without.fault(&zone("Europe/Berlin"), &quirks, now()), None);
        assert_eq!(european(60).fault(&zone("Europe/Berlin"), &quirks, now()), Some(ZoneFault::SummerAdded));
    }

    #[test]
    fn the_sign_of_the_offset_is_that_of_deviations() {
        let setup = european(-60).with_sign(DeviationSign::Inverted);
        assert_eq!(setup.fault(&zone("Europe/Berlin"), &Quirks::default(), now()), None);
    }

    #[test]
    fn the_table_of_faults_is_complete() {
        for (index, (fault, text)) in ZoneFault::ALL.into_iter().enumerate() {
            assert_eq!((fault as usize, fault.as_str()), (index, text));
        }
        assert_eq!(ZoneFault::Change as usize, ZoneFault::ALL.len() - 1);
    }
}
