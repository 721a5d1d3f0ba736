//! Times of meters there and back, in zones whose clocks do not go the same all year.

use dlms::DateTime;
use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use models::{DeviationSign, DeviationSummer, LocalTime, Quirks, RangeDeviation};

use super::*;

const QUARTER: i64 = 900;
const LEAD: SignedDuration = SignedDuration::from_hours(1);

fn berlin() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The ends of all quarter-hours of a local day: after its midnight up to and with the next one.
fn quarters(day: civil::Date) -> Vec<Timestamp> {
    let midnight = |day: civil::Date| day.to_zoned(berlin()).unwrap().timestamp().as_second();
    let seconds = (midnight(day) + QUARTER..=midnight(day.tomorrow().unwrap())).step_by(900);
    seconds.map(|second| Timestamp::from_second(second).unwrap()).collect()
}

/// What a meter sends for an instant.
fn sent(at: Timestamp, deviation: bool, status: Option<u8>) -> DateTime {
    let (zone, quirks) = (berlin(), Quirks::default());
    let mut octets = without_deviation(at, &zone, &quirks).octets();
    if deviation {
        octets = with_deviation(at, &zone, &quirks).unwrap().octets();
    }
    octets[11] = status.unwrap_or(octets[11]);
    DateTime::new(octets)
}

fn resolver(zone: &TimeZone, period_s: u32, from: Option<Timestamp>) -> Resolver {
    let mut resolver = Resolver::new(zone, &Quirks::default());
    resolver.captured_every(period_s);
    resolver.restart((from.unwrap_or(Timestamp::MIN), Timestamp::MAX));
    resolver
}

fn resolve_all(times: &[DateTime], from: Option<Timestamp>) -> Vec<Timestamp> {
    let mut resolver = resolver(&berlin(), 900, from);
    times.iter().map(|time| resolver.resolve(Some(time)).unwrap().at).collect()
}

#[test]
fn the_short_and_the_long_day_come_back_quarter_by_quarter() {
    for (day, count) in [
        (civil::date(2026, 3, 29), 92),
        (civil::date(2026, 10, 25), 100),
        (civil::date(2026, 7, 1), 96),
        (civil::date(2026, 12, 31), 96),
    ] {
        let expected = quarters(day);
        assert_eq!(expected.len(), count, "{day}");
        // With the deviation; without it and with the summer bit; with neither; with the bit never set.
        for (deviation, status) in [(true, None), (false, None), (false, Some(0xFF)), (false, Some(0))] {
            let times: Vec<_> = expected.iter().map(|at| sent(*at, deviation, status)).collect();
            assert_eq!(
                resolve_all(&times, None),
                expected,
                "{day}, deviation {deviation}, status {status:?}"
            );
        }
    }
}

#[test]
fn a_read_that_begins_in_the_repeated_hour_goes_by_bit_or_by_what_was_asked() {
    let (first, second) = (at("2026-10-25T00:30:00Z"), at("2026-10-25T01:30:00Z"));
    // Both are 02:30 in Berlin.
    assert_eq!(resolve_all(&[sent(first, false, None)], None), [first]);
    assert_eq!(resolve_all(&[sent(second, false, None)], None), [second]);
    assert_eq!(resolve_all(&[sent(second, false, Some(0xFF))], None), [first]);
    let asked = Some(at("2026-10-25T00:45:01Z"));
    assert_eq!(resolve_all(&[sent(second, false, Some(0xFF))], asked), [second]);
}

#[test]
fn a_second_answer_goes_by_what_the_first_showed_of_the_summer_bit() {
    let (before, first) = (at("2026-10-24T23:45:00Z"), at("2026-10-25T00:00:00Z"));
    let mut resolver = resolver(&berlin(), 900, None);
    resolver.resolve(Some(&sent(before, false, Some(0)))).unwrap();
    resolver.restart((before, Timestamp::MAX));
    assert_eq!(resolver.resolve(Some(&sent(first, false, Some(0)))).unwrap().at, first);
    resolver.restart((first, Timestamp::MAX));
    assert_eq!(resolver.resolve(None), Err(TimeError::FirstImplied));
}

#[test]
fn the_skipped_hour_is_read_as_the_time_before_the_change() {
    let skipped = civil::date(2026, 3, 29).at(2, 15, 0, 0);
    let local = TimeZone::UTC.to_timestamp(skipped).unwrap().as_second();
    let time = DateTime::from_unix(local, None, 0xFF);
    assert_eq!(resolve_all(&[time], None), [at("2026-03-29T01:15:00Z")]);
}

#[test]
fn a_deviation_is_exact_and_becomes_an_offset_to_the_east() {
    let mut resolver = resolver(&TimeZone::UTC, 900, None);
    let time = DateTime::from_unix(at("2026-06-01T10:00:00Z").as_second(), Some(-120), 0x80);
    let moment = resolver.resolve(Some(&time)).unwrap();
    assert_eq!(moment, Moment { at: at("2026-06-01T10:00:00Z"), offset_min: Some(120), status: 0x80 });
}

#[test]
fn implied_times_follow_the_period_and_days_follow_the_calendar() {
    let start = at("2026-03-28T23:00:00Z");
    let mut quarter_hours = resolver(&berlin(), 900, None);
    quarter_hours.resolve(Some(&sent(start, true, None))).unwrap();
    let next = quarter_hours.resolve(None).unwrap();
    assert_eq!(next, Moment { at: at("2026-03-28T23:15:00Z"), offset_min: None, status: 0xFF });
    assert_eq!(quarter_hours.resolve(None).unwrap().at, at("2026-03-28T23:30:00Z"));
    let mut days = resolver(&berlin(), 86_400, None);
    days.resolve(Some(&sent(start, true, None))).unwrap();
    // Local midnight after the day of 23 hours.
    assert_eq!(days.resolve(None).unwrap().at, at("2026-03-29T22:00:00Z"));
}

/// With and without a deviation; the next day is the one on which clocks change.
#[test]
fn the_hour_24_is_the_next_midnight_in_its_zone() {
    for deviation in [[0xFF, 0xC4], [0x80, 0x00]] {
        let octets = [&[0x07, 0xE8, 3, 30, 6, 24, 0, 0, 0][..], &deviation, &[0]].concat();
        let time = DateTime::new(octets.try_into().unwrap());
        assert_eq!(resolve_all(&[time], None), [at("2024-03-30T23:00:00Z")], "{deviation:02x?}");
    }
}

#[test]
fn times_that_are_none_are_named() {
    let mut resolver = resolver(&berlin(), 0, None);
    assert_eq!(resolver.resolve(None), Err(TimeError::FirstImplied));
    let mut octets = sent(at("2026-06-01T10:00:00Z"), true, None).octets();
    resolver.resolve(Some(&DateTime::new(octets))).unwrap();
    assert_eq!(resolver.resolve(None), Err(TimeError::NoPeriod));
    octets[2] = 0xFF;
    assert_eq!(resolver.resolve(Some(&DateTime::new(octets))), Err(TimeError::Invalid(octets)));
    octets[2..4].copy_from_slice(&[2, 30]);
    assert_eq!(resolver.resolve(Some(&DateTime::new(octets))), Err(TimeError::Invalid(octets)));
}

#[test]
fn a_deviation_of_the_other_sign_is_understood_and_sent() {
    let quirks = Quirks { deviation_sign: DeviationSign::Inverted, ..Quirks::default() };
    let summer = at("2026-07-01T12:00:00Z");
    let said = meter_time(summer, &berlin(), &quirks).unwrap();
    assert_eq!((said.deviation(), said.local_seconds()), (Some(120), Some(summer.as_second() + 7200)));
    let limits = range_limits((summer, summer), &berlin(), &quirks, LEAD).unwrap();
    assert_eq!((limits.from, limits.asked.0), (said, summer));
    let mut resolver = Resolver::new(&berlin(), &quirks);
    let moment = resolver.resolve(Some(&said)).unwrap();
    assert_eq!((moment.at, moment.offset_min), (summer, Some(120)));
    // Where no deviation is said there is none to turn round.
    let silent = without_deviation(summer, &berlin(), &quirks);
    assert_eq!(resolver.resolve(Some(&silent)).unwrap().at, summer);
}

#[test]
fn a_deviation_without_summer_time_is_understood_and_sent() {
    let quirks = Quirks { deviation_summer: DeviationSummer::LeftOut, ..Quirks::default() };
    let summer = at("2026-07-01T12:00:00Z");
    let said = meter_time(summer, &berlin(), &quirks).unwrap();
    assert_eq!((said.deviation(), said.status()), (Some(-60), SUMMER));
    assert_eq!(said.local_seconds(), Some(summer.as_second() + 7200));
    let moment = Resolver::new(&berlin(), &quirks).resolve(Some(&said)).unwrap();
    assert_eq!((moment.at, moment.offset_min), (summer, Some(120)));
    // Both hours of the night in which it comes twice, and a place where summer time is half an hour.
    for night in ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"] {
        let said = meter_time(at(night), &berlin(), &quirks).unwrap();
        assert_eq!(instant(&said, &berlin(), &quirks), Some(at(night)));
    }
    let island = TimeZone::get("Australia/Lord_Howe").unwrap();
    let said = meter_time(at("2026-01-01T00:00:00Z"), &island, &quirks).unwrap();
    assert_eq!(said.deviation(), Some(-630));
    assert_eq!(instant(&said, &island, &quirks), Some(at("2026-01-01T00:00:00Z")));
}

#[test]
fn a_clock_that_knows_no_summer_time_is_understood_on_every_day() {
    for range_deviation in [RangeDeviation::Send, RangeDeviation::Unspecified] {
        let quirks = Quirks { local_time: LocalTime::Standard, range_deviation, ..Quirks::default() };
        for day in [civil::date(2026, 3, 29), civil::date(2026, 10, 25), civil::date(2026, 7, 1)] {
            for at in quarters(day) {
                let said = meter_time(at, &berlin(), &quirks).unwrap();
                assert_eq!((said.local_seconds(), said.status()), (Some(at.as_second() + 3600), 0));
                assert_eq!(instant(&said, &berlin(), &quirks), Some(at));
                let limits = range_limits((at, at), &berlin(), &quirks, LEAD).unwrap();
                assert_eq!((limits.from, limits.asked.0), (said, at));
            }
        }
    }
}

#[test]
fn limits_carry_the_offset_of_their_own_moment() {
    let range = (at("2026-03-28T12:00:00Z"), at("2026-03-29T12:00:00Z"));
    let RangeLimits { from, to, asked } = range_limits(range, &berlin(), &Quirks::default(), LEAD).unwrap();
    assert_eq!((from.deviation(), to.deviation()), (Some(-60), Some(-120)));
    assert_eq!(
        (from.unix_seconds(), to.unix_seconds()),
        (Some(range.0.as_second()), Some(range.1.as_second()))
    );
    assert_eq!(asked, range);
}

#[test]
fn limits_without_deviation_stay_out_of_the_repeated_hour() {
    let quirks = Quirks { range_deviation: RangeDeviation::Unspecified, ..Quirks::default() };
    let limits = |from: &str, to: &str, lead| {
        let limits = range_limits((at(from), at(to)), &berlin(), &quirks, lead).unwrap();
        assert_eq!((limits.from.deviation(), limits.to.deviation()), (None, None));
        let local = |time: DateTime| civil_from(time.local_seconds().unwrap()).unwrap().to_string();
        (local(limits.from), local(limits.to), limits.asked)
    };
    let end = at("2026-10-25T02:00:00Z");
    let wide = |from: &str, start| (from.to_owned(), "2026-10-25T03:00:00".to_owned(), (at(start), end));
    let (second, lead) = (
        wide("2026-10-25T01:59:59", "2026-10-24T23:59:59Z"),
        wide("2026-10-25T01:00:00", "2026-10-24T23:00:00Z"),
    );
    for hour in ["00", "01"] {
        let inside = format!("2026-10-25T{hour}:30:00Z");
        assert_eq!(limits(&inside, &inside, SignedDuration::ZERO), second);
        assert_eq!(limits(&inside, &inside, LEAD), lead);
    }
    assert_eq!(limits("2026-10-25T00:00:00Z", "2026-10-25T01:59:59Z", LEAD), lead);
    assert_eq!(limits("2026-10-24T23:59:59Z", "2026-10-25T02:00:00Z", SignedDuration::ZERO), second);
    assert_eq!(limits("2026-10-24T23:59:59Z", "2026-10-25T02:00:00Z", LEAD), lead);
    let before = limits("2026-10-24T22:59:59Z", "2026-10-25T02:00:00Z", LEAD);
    assert_eq!(before.2, (at("2026-10-24T22:59:59Z"), end));
    // What does not reach into the hour needs nothing in front of it.
    let short = limits("2026-10-24T23:15:00Z", "2026-10-24T23:45:00Z", LEAD);
    assert_eq!(short.2, (at("2026-10-24T23:15:00Z"), at("2026-10-24T23:45:00Z")));
}

/// A meter that says its offset can be asked for any hour; but whether it says it shows in its rows only.
#[test]
fn limits_with_deviation_begin_before_the_repeated_hour() {
    let limits = |zone: &str, from: &str, lead| {
        let zone = TimeZone::get(zone).unwrap();
        let limits = range_limits((at(from), at(from)), &zone, &Quirks::default(), lead).unwrap();
        assert_eq!(limits.from.unix_seconds(), Some(limits.asked.0.as_second()));
        limits.asked
    };
    let inside = "2026-10-25T01:30:00Z";
    assert_eq!(limits("Europe/Berlin", inside, LEAD), (at("2026-10-24T23:00:00Z"), at(inside)));
    assert_eq!(limits("Europe/Berlin", inside, SignedDuration::ZERO), (at(inside), at(inside)));
    let day = SignedDuration::from_hours(24);
    assert_eq!(limits("Europe/Berlin", inside, day), (at("2026-10-24T00:00:00Z"), at(inside)));
    // Half an hour comes twice: 01:30 to 02:00, first 11 hours ahead and then 10 and a half.
    let island = "2026-04-04T15:15:00Z";
    assert_eq!(limits("Australia/Lord_Howe", island, LEAD), (at("2026-04-04T13:30:00Z"), at(island)));
    assert_eq!(limits("Asia/Kathmandu", inside, LEAD), (at(inside), at(inside)));
}

/// Rows that are missing leave nothing to count by, and the time zone database calls the winter of Dublin its summer time.
#[test]
fn of_a_meter_that_sets_the_summer_bit_in_winter_both_hours_are_told_apart() {
    for (name, day) in [
        ("Europe/Dublin", civil::date(2025, 10, 26)),
        ("Europe/Berlin", civil::date(2025, 10, 26)),
        ("America/New_York", civil::date(2025, 11, 2)),
        ("America/St_Johns", civil::date(2025, 11, 2)),
        ("Australia/Lord_Howe", civil::date(2026, 4, 5)),
        ("Africa/Casablanca", civil::date(2026, 2, 15)),
    ] {
        let zone = TimeZone::get(name).unwrap();
        let begin = day.to_zoned(zone.clone()).unwrap().timestamp();
        let rows: Vec<_> = (0..100).map(|row| begin + SignedDuration::from_mins(15 * row)).collect();
        for turned in [false, true] {
            let mut resolver = resolver(&zone, 900, Some(begin));
            for at in &rows {
                let mut octets = without_deviation(*at, &zone, &Quirks::default()).octets();
                octets[11] ^= if turned { SUMMER } else { 0 };
                if at.as_second() / 900 % 3 != 0 {
                    assert_eq!(
                        resolver.resolve(Some(&DateTime::new(octets))).unwrap().at,
                        *at,
                        "{name} {turned}"
                    );
                }
            }
        }
    }
}

#[test]
fn summer_is_when_the_clock_is_ahead_of_the_other_half_of_the_year() {
    for (name, winter_min, summer_min) in [
        ("Europe/Berlin", 60, 120),
        ("Europe/Dublin", 0, 60),
        ("Europe/London", 0, 60),
        ("America/St_Johns", -210, -150),
        ("Asia/Kathmandu", 345, 345),
    ] {
        let zone = TimeZone::get(name).unwrap();
        for (day, minutes) in [("2026-01-15T12:00:00Z", winter_min), ("2026-07-15T12:00:00Z", summer_min)] {
            let said = without_deviation(at(day), &zone, &Quirks::default());
            assert_eq!(said.local_seconds(), Some(at(day).as_second() + minutes * 60), "{name}");
            assert_eq!(said.status(), if minutes > winter_min { SUMMER } else { 0 }, "{name} {day}");
            assert_eq!(i64::from(standard_offset(at(day), &zone).seconds()), winter_min * 60, "{name} {day}");
        }
    }
    // The year there is an hour ahead of its standard time, but for the month of fasting.
    let zone = TimeZone::get("Africa/Casablanca").unwrap();
    for (day, status) in
        [("2026-01-15T12:00:00Z", SUMMER), ("2026-03-01T12:00:00Z", 0), ("2026-07-15T12:00:00Z", SUMMER)]
    {
        assert_eq!(without_deviation(at(day), &zone, &Quirks::default()).status(), status);
    }
}

/// In Beirut a day of spring begins at 01:00. Captures at the same instant of each day are no captures of midnights.
#[test]
fn implied_days_begin_when_days_begin_or_are_all_as_long() {
    let days = |zone: &str, first: &str, count| {
        let zone = TimeZone::get(zone).unwrap();
        let mut resolver = resolver(&zone, 86_400, None);
        resolver.resolve(Some(&with_deviation(at(first), &zone, &Quirks::default()).unwrap())).unwrap();
        (0..count).map(|_| resolver.resolve(None).unwrap().at.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        days("Asia/Beirut", "2026-03-27T22:00:00Z", 2),
        ["2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"]
    );
    assert_eq!(
        days("Europe/Berlin", "2026-03-28T00:00:00Z", 2),
        ["2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z"]
    );
}

/// What the first row says, the limits of the range, or the meter itself decide which way rows without a time go.
#[test]
fn rows_without_a_time_go_the_way_of_the_others() {
    let (eight, nine, ten) = ("2026-06-01T08:00:00Z", "2026-06-01T09:00:00Z", "2026-06-01T10:00:00Z");
    let start = || {
        let mut resolver = resolver(&berlin(), 3600, None).of_any_order();
        resolver.restart((at(eight), at(ten)));
        resolver
    };
    let after = |resolver: &mut Resolver, rows: &[Option<&str>]| {
        let mut last = Err(TimeError::FirstImplied);
        for row in rows {
            let time = row.map(|text| sent(at(text), true, None));
            last = resolver.resolve(time.as_ref()).map(|moment| moment.at.to_string());
        }
        last
    };
    assert_eq!(after(&mut start(), &[Some(eight), None]).as_deref(), Ok(nine));
    assert_eq!(after(&mut start(), &[Some(ten), None]).as_deref(), Ok(nine));
    assert_eq!(after(&mut start(), &[Some(nine), None]), Err(TimeError::OrderUnknown));
    assert_eq!(after(&mut start(), &[Some(ten), Some(nine), None]).as_deref(), Ok(eight));
    assert_eq!(after(&mut start(), &[Some(eight), Some(nine), None]).as_deref(), Ok(ten));
    let there_and_back = [Some(nine), Some(ten), Some(nine), None];
    assert_eq!(after(&mut start(), &there_and_back), Err(TimeError::OrderUnknown));
    for (order, expected) in [
        (Order::OldestFirst, Ok(ten)),
        (Order::NewestFirst, Ok(eight)),
        (Order::ByValue, Err(&TimeError::SortedByValue)),
    ] {
        let mut told = start();
        told.sorted(order);
        assert_eq!(after(&mut told, &there_and_back).as_deref(), expected);
    }
}

/// The longest day backwards, with neither deviation nor status, or with a summer bit that is never set.
#[test]
fn the_newest_first_the_long_day_comes_back_too() {
    let expected = quarters(civil::date(2026, 10, 25));
    for status in [None, Some(0xFF), Some(0)] {
        let mut resolver = resolver(&berlin(), 900, None).of_any_order();
        resolver.restart((expected[0], expected[99]));
        for at in expected.iter().rev() {
            assert_eq!(resolver.resolve(Some(&sent(*at, false, status))).unwrap().at, *at, "{status:?}");
        }
    }
}

/// A time that is counted from one that is not valid is not valid either.
#[test]
fn what_follows_an_invalid_time_is_invalid() {
    let mut resolver = resolver(&TimeZone::UTC, 900, None);
    resolver.resolve(Some(&sent(at("2000-01-01T00:00:00Z"), true, Some(0x81)))).unwrap();
    let next = resolver.resolve(None).unwrap();
    assert_eq!((next.at, next.status), (at("2000-01-01T00:15:00Z"), INVALID));
}
