//! The cycle of a billing set: two days of the calendar, at whose beginnings it has its limits in the time zone of each meter.

use ami_proto::v1::{BillingDates, get_billing_sets_request::Cycle as Asked};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::super::check::date;
use super::super::status::Refusal;

/// Days of a cycle at most.
const MOST_DAYS: i32 = 366;

/// A cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cycle {
    /// The first day.
    from: Date,
    /// The first day behind it.
    to: Date,
}

impl Cycle {
    /// The cycle that was asked for.
    pub(super) fn of(asked: Option<&Asked>) -> Result<Self, Refusal> {
        match asked {
            None => Err(Refusal::field("cycle", "a month such as 2026-10 or two dates are expected")),
            Some(Asked::Month(text)) => Self::of_month(text),
            Some(Asked::Dates(BillingDates { from, to })) => {
                let (from, to) = (date("dates.from", from)?, date("dates.to", to)?);
                if to <= from {
                    return Err(Refusal::field("dates.to", "a date after `from` is expected"));
                }
                if (to - from).get_days() > MOST_DAYS {
                    let problem = format!("at most {MOST_DAYS} days after `from` are allowed");
                    return Err(Refusal::OverLimit { field: "dates.to", problem });
                }
                Ok(Self { from, to })
            }
        }
    }

    fn of_month(text: &str) -> Result<Self, Refusal> {
        let wrong = || Refusal::field("month", "a month is expected, for example 2026-10");
        let from = date("month", &format!("{text}-01")).map_err(|_| wrong())?;
        let to = from.checked_add(1.month()).map_err(|_| wrong())?;
        Ok(Self { from, to })
    }

    /// Where it begins and ends in a time zone. A midnight that the clock skips is the instant at which it does.
    pub(super) fn limits(self, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        let midnight = |date: Date| date.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp());
        Some((midnight(self.from)?, midnight(self.to)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> Result<Cycle, Refusal> {
        Cycle::of(Some(&Asked::Month(text.into())))
    }

    fn dates(from: &str, to: &str) -> Result<Cycle, Refusal> {
        Cycle::of(Some(&Asked::Dates(BillingDates { from: from.into(), to: to.into() })))
    }

    #[test]
    fn a_month_is_that_of_the_place() {
        let limits = |text: &str, zone: &str| {
            let (from, to) = month(text).unwrap().limits(&TimeZone::get(zone).unwrap()).unwrap();
            (from.to_string(), to.to_string())
        };
        let pair = |from: &str, to: &str| (from.to_owned(), to.to_owned());
        // One begins in summer and ends in winter: it has an hour more.
        assert_eq!(limits("2026-10", "Europe/Berlin"), pair("2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"));
        assert_eq!(limits("2026-12", "Asia/Dhaka"), pair("2026-11-30T18:00:00Z", "2026-12-31T18:00:00Z"));
        assert_eq!(limits("2024-02", "UTC"), pair("2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"));
    }

    #[test]
    fn two_dates_are_a_month_when_they_are_its_ends() {
        assert_eq!(dates("2026-10-01", "2026-11-01"), month("2026-10"));
        assert!(dates("2024-01-01", "2025-01-01").is_ok());
    }

    #[test]
    fn other_cycles_are_refused() {
        for text in ["", "2026", "2026-13", "2026-1", "2026-10-01", "1969-12", "10-2026"] {
            assert!(matches!(month(text), Err(Refusal::InvalidField { .. })), "{text}");
        }
        for (from, to) in [("2026-10-02", "2026-10-02"), ("2026-10-02", "2026-10-01"), ("x", "2026-10-01")] {
            assert!(matches!(dates(from, to), Err(Refusal::InvalidField { .. })), "{from} {to}");
        }
        assert!(matches!(dates("2024-01-01", "2025-01-02"), Err(Refusal::OverLimit { .. })));
        assert!(matches!(Cycle::of(None), Err(Refusal::InvalidField { .. })));
    }
}
