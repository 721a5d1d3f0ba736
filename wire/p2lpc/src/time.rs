//! Times as XML writes them (`xsd:dateTime`), as seconds since 1970-01-01T00:00:00Z.

use crate::Error;

const DAY_S: i64 = 86_400;
/// Days of 400 years of the Gregorian calendar.
const ERA_DAYS: i64 = 146_097;
/// Days from the first of March of the year 0 to 1970.
const EPOCH_DAYS: i64 = 719_468;
/// Years that are written with four digits.
const YEARS: std::ops::RangeInclusive<i64> = 1..=9999;

/// Reads a time; one without a zone could mean anything, and is refused. Fractions of a second are dropped.
pub(crate) fn read(text: &str) -> Result<i64, Error> {
    let unknown = Error::Value { what: "a time with its zone" };
    parse(text).ok_or(unknown)
}

/// Writes a time in UTC; one that four digits of a year do not hold as the nearest that they do.
pub(crate) fn write(seconds: i64) -> String {
    let (first, last) = (days(*YEARS.start(), 1, 1) * DAY_S, days(*YEARS.end() + 1, 1, 1) * DAY_S - 1);
    let seconds = seconds.clamp(first, last);
    let (year, month, day) = date(seconds.div_euclid(DAY_S));
    let second = seconds.rem_euclid(DAY_S);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn parse(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|octet| octet.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let is = |place: usize, what: u8| text.as_bytes().get(place) == Some(&what);
    if ![(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
        .iter()
        .all(|(place, what)| is(*place, *what))
    {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let exists = YEARS.contains(&year) && date(days(year, month, day)) == (year, month, day);
    if !exists || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let rest = text.get(19..)?;
    let zone = match rest.strip_prefix('.') {
        Some(rest) => rest.trim_start_matches(|digit: char| digit.is_ascii_digit()),
        None => rest,
    };
    let local = days(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second;
    Some(local - offset(zone)?)
}

/// Seconds by which a zone is ahead of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let part = |text: &str, limit: i64| -> Option<i64> {
        let digits = text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit());
        text.parse().ok().filter(|value| digits && *value <= limit)
    };
    Some(sign * (part(hours, 14)? * 3600 + part(minutes, 59)? * 60))
}

/// Days since 1970 of a date of the Gregorian calendar; the year begins in March, so that the day that comes now and then is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - EPOCH_DAYS
}

fn date(days: i64) -> (i64, i64, i64) {
    let days = days + EPOCH_DAYS;
    let (era, of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / (ERA_DAYS - 1)) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_are_read_with_their_zone() {
        assert_eq!(read("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(read("2026-02-28T23:59:59Z"), Ok(1_772_323_199));
        assert_eq!(read("2024-02-29T12:00:00.500+02:00"), Ok(1_709_200_800));
        assert_eq!(read("2026-03-01T00:00:00-05:30"), Ok(1_772_323_200 + 19_800));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let texts = [
            "",
            "2026-03-01",
            "2026-03-01T00:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-03-01T24:00:00Z",
            "2026-03-01T00:00:60Z",
            "2026-03-01T00:00:00+2:00",
            "2026-03-01T00:00:00Zz",
            "+026-03-01T00:00:00Z",
            "2026-03-01T00:00:00é",
        ];
        for text in texts {
            assert!(read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(seconds in -62_135_596_800_i64..253_402_300_800) {
            prop_assert_eq!(read(&write(seconds)), Ok(seconds));
        }
    }
}
