//! Dates and times against a calendar that is counted day by day.

use dlms::DateTime;
use proptest::prelude::*;

const DAY: i64 = 86_400;
/// 2101-01-01 00:00:00 UTC.
const END: i64 = 47_847 * DAY;

/// Octets of a date-time at midnight, UTC.
fn midnight(year: u16, month: u8, day: u8) -> DateTime {
    let [high, low] = year.to_be_bytes();
    DateTime::new([high, low, month, day, 0xFF, 0, 0, 0, 0, 0, 0, 0])
}

fn days_of(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[test]
fn every_day_from_1970_to_2100_is_where_counting_puts_it() {
    let mut days = 0;
    for year in 1970..=2100 {
        for month in 1..=12 {
            for day in 1..=days_of(year, month) {
                let parts = DateTime::from_unix(days * DAY + 45_296, Some(0), 0).parts();
                assert_eq!((parts.year, parts.month, parts.day), (Some(year), month, day));
                assert_eq!((parts.hour, parts.minute, parts.second), (12, 34, 56));
                // 1970-01-01 was a Thursday, the fourth day.
                assert_eq!(i64::from(parts.day_of_week), (days + 3) % 7 + 1);
                assert_eq!(midnight(year, month, day).unix_seconds(), Some(days * DAY));
                days += 1;
            }
            // The next day belongs to the next month already.
            assert_eq!(midnight(year, month, days_of(year, month) + 1).unix_seconds(), None);
        }
    }
    assert_eq!(days * DAY, END);
}

#[test]
fn leap_days() {
    for (year, exists) in
        [(2000, true), (2024, true), (2096, true), (1900, false), (2023, false), (2100, false)]
    {
        assert_eq!(midnight(year, 2, 29).local_seconds().is_some(), exists, "{year}");
    }
    let last_second = midnight(2024, 3, 1).unix_seconds().unwrap() - 1;
    let parts = DateTime::from_unix(last_second, Some(0), 0).parts();
    assert_eq!((parts.month, parts.day, parts.hour, parts.minute, parts.second), (2, 29, 23, 59, 59));
}

#[test]
fn a_deviation_counts_from_local_time_to_utc() {
    // 2024-07-01 12:00 in Berlin: two hours before UTC, so the deviation is -120.
    let noon = DateTime::new([0x07, 0xE8, 7, 1, 1, 12, 0, 0, 0, 0xFF, 0x88, 0x80]);
    assert_eq!(noon.unix_seconds(), Some(1_719_828_000));
    assert_eq!(DateTime::from_unix(1_719_828_000, Some(-120), 0x80), noon);
    assert_eq!(noon.status() & DateTime::DAYLIGHT_SAVING, DateTime::DAYLIGHT_SAVING);
}

#[test]
fn parts_outside_their_range_make_no_instant() {
    let good = [0x07, 0xE8, 7, 1, 1, 12, 0, 0, 0, 0, 0, 0];
    for (at, wrong) in [
        (2, 0),
        (2, 13),
        (2, 0xFD),
        (2, 0xFE),
        (2, 0xFF),
        (3, 0),
        (3, 32),
        (3, 0xFD),
        (3, 0xFF),
        (5, 25),
        (5, 0xFF),
        (6, 60),
        (6, 0xFF),
        (7, 60),
    ] {
        let mut octets = good;
        octets[at] = wrong;
        assert_eq!(DateTime::new(octets).local_seconds(), None, "part {at} is {wrong}");
    }
    let mut no_second = good;
    no_second[7] = 0xFF;
    assert_eq!(DateTime::new(no_second).local_seconds(), DateTime::new(good).local_seconds());
}

/// C-29: the end of a day is the midnight that the next one begins with, and nothing comes behind it.
#[test]
fn hour_24_is_the_end_of_its_day_and_no_later() {
    let end_of = |month, day, [minute, second, hundredths]: [u8; 3]| {
        DateTime::new([0x07, 0xE8, month, day, 0xFF, 24, minute, second, hundredths, 0xFF, 0xC4, 0])
    };
    for (date, next) in [((2, 28), (2, 29)), ((2, 29), (3, 1)), ((3, 31), (4, 1))] {
        for exact in [[0, 0, 0], [0, 0, 0xFF], [0, 0xFF, 0xFF]] {
            let seconds = end_of(date.0, date.1, exact).unix_seconds();
            assert_eq!(
                seconds,
                Some(midnight(2024, next.0, next.1).unix_seconds().unwrap() - 3600),
                "{date:?}"
            );
        }
        for later in [[0, 0, 1], [0, 1, 0], [1, 0, 0], [0xFF, 0, 0], [0, 65, 0]] {
            assert_eq!(end_of(date.0, date.1, later).local_seconds(), None, "{date:?} {later:?}");
        }
    }
}

proptest! {
    #[test]
    fn an_instant_comes_back(seconds in 0..END, deviation in -840_i16..=840, status in any::<u8>()) {
        let time = DateTime::from_unix(seconds, Some(deviation), status);
        prop_assert_eq!(time.unix_seconds(), Some(seconds));
        prop_assert_eq!(time.local_seconds(), Some(seconds - i64::from(deviation) * 60));
        prop_assert_eq!(time.deviation(), Some(deviation));
        prop_assert_eq!(time.status(), status);
        prop_assert_eq!(DateTime::new(time.octets()), time);
    }

    #[test]
    fn without_a_deviation_there_is_only_local_time(seconds in 0..END) {
        let time = DateTime::from_unix(seconds, None, 0);
        prop_assert_eq!(time.local_seconds(), Some(seconds));
        prop_assert_eq!(time.unix_seconds(), None);
    }

    #[test]
    fn no_number_breaks_a_date_time(seconds in any::<i64>(), deviation in any::<Option<i16>>(), octets in any::<[u8; 12]>()) {
        let time = DateTime::from_unix(seconds, deviation, 0);
        prop_assert!((1..=12).contains(&time.parts().month));
        let _ = DateTime::new(octets).unix_seconds();
    }
}
