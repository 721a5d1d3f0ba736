//! Times on the command line and in the output.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Parses an instant: RFC 3339 (`2026-01-31T06:15:00Z`, `2026-01-31T12:15:00+06:00`) or a date, which is its midnight in UTC.
pub(crate) fn parse(text: &str) -> Result<prost_types::Timestamp, String> {
    let instant = match text.parse::<Timestamp>() {
        Ok(instant) => instant,
        Err(_) => midnight(text).ok_or_else(|| {
            format!("'{text}' is neither a date (2026-01-31) nor an RFC 3339 time with its offset (2026-01-31T06:15:00Z)")
        })?,
    };
    Ok(prost_types::Timestamp { seconds: instant.as_second(), nanos: instant.subsec_nanosecond() })
}

/// An instant as RFC 3339 in UTC; empty when it is absent.
pub(crate) fn text(instant: Option<&prost_types::Timestamp>) -> String {
    let Some(instant) = instant else { return String::new() };
    match Timestamp::new(instant.seconds, instant.nanos) {
        Ok(instant) => instant.to_string(),
        Err(_) => format!("{} s after 1970", instant.seconds),
    }
}

/// An instant in microseconds since 1970, likewise.
pub(crate) fn micros(instant: u64) -> String {
    let known = i64::try_from(instant).ok().and_then(|instant| Timestamp::from_microsecond(instant).ok());
    known.map_or_else(|| format!("{instant} µs after 1970"), |instant| instant.to_string())
}

fn midnight(text: &str) -> Option<Timestamp> {
    // jiff would also take the date out of a longer text; a date here is ten characters and no more.
    if text.len() != 10 {
        return None;
    }
    let date = text.parse::<Date>().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed_and_printed() {
        for (input, output) in [
            ("2026-01-31", "2026-01-31T00:00:00Z"),
            ("2026-01-31T06:15:00Z", "2026-01-31T06:15:00Z"),
            ("2026-01-31T12:15:00+06:00", "2026-01-31T06:15:00Z"),
            ("2026-01-31T06:15:00.250Z", "2026-01-31T06:15:00.25Z"),
        ] {
            assert_eq!(text(Some(&parse(input).unwrap())), output);
        }
        assert_eq!(text(None), "");
    }

    #[test]
    fn a_time_without_offset_is_refused() {
        for input in ["2026-01-31T06:15:00", "31.01.2026", "2026-02-30", "yesterday", ""] {
            assert!(parse(input).unwrap_err().contains("RFC 3339"), "{input}");
        }
    }
}
