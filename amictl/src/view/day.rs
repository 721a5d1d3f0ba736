//! What readings add up to in a day, as a row.

use ami_proto::v1::{Decimal, ReadingDay};
use serde::Serialize;

use super::{cell, given};
use crate::{decimal, output::Row, time};

/// A column of a profile in a day; numbers are text, so that no digit is lost to a float.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DayRow {
    meter: String,
    day: String,
    zone: String,
    profile: String,
    obis: String,
    attribute: i32,
    captures: u32,
    expected: u32,
    last: Option<String>,
    last_at: String,
    advance: Option<String>,
    low: Option<String>,
    high: Option<String>,
    total: Option<String>,
    unit: Option<String>,
    made_at: String,
}

impl From<ReadingDay> for DayRow {
    fn from(day: ReadingDay) -> Self {
        let number = |value: Option<Decimal>| value.as_ref().map(decimal::text);
        Self {
            meter: day.meter_serial,
            day: day.day,
            zone: day.zone,
            profile: day.profile,
            obis: day.obis,
            attribute: day.attribute,
            captures: day.captures,
            expected: day.expected,
            last: number(day.last),
            last_at: time::text(day.last_at.as_ref()),
            advance: number(day.advance),
            low: number(day.low),
            high: number(day.high),
            total: number(day.total),
            unit: given(day.unit),
            made_at: time::text(day.made_at.as_ref()),
        }
    }
}

impl Row for DayRow {
    const COLUMNS: &'static [&'static str] = &[
        "meter",
        "day",
        "zone",
        "profile",
        "obis",
        "attribute",
        "captures",
        "expected",
        "last",
        "last_at",
        "advance",
        "low",
        "high",
        "total",
        "unit",
        "made_at",
    ];
    const NUMBERS: &'static [&'static str] =
        &["attribute", "captures", "expected", "last", "advance", "low", "high", "total"];
    const IN_TABLE: &'static [&'static str] =
        &["meter", "day", "obis", "captures", "expected", "advance", "last", "low", "high", "total", "unit"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.meter.clone(),
            self.day.clone(),
            self.zone.clone(),
            self.profile.clone(),
            self.obis.clone(),
            self.attribute.to_string(),
            self.captures.to_string(),
            self.expected.to_string(),
            cell(&self.last),
            self.last_at.clone(),
            cell(&self.advance),
            cell(&self.low),
            cell(&self.high),
            cell(&self.total),
            cell(&self.unit),
            self.made_at.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, Output};

    #[test]
    fn csv_has_every_digit_and_nothing_for_what_is_not_known() {
        let number = |mantissa| Some(Decimal { mantissa, exponent: -3 });
        let day = ReadingDay {
            meter_serial: "17".into(),
            day: "2026-10-25".into(),
            zone: "Europe/Berlin".into(),
            profile: "1.0.99.1.0.255".into(),
            obis: "1.0.1.8.0.255".into(),
            attribute: 2,
            unit: "Wh".into(),
            captures: 99,
            expected: 100,
            last: number(9_007_199_254_740_993),
            low: number(1),
            high: number(9_007_199_254_740_993),
            ..ReadingDay::default()
        };
        let mut bytes = Vec::new();
        Output::new(&mut bytes, Format::Csv).page(&[DayRow::from(day)]).unwrap();
        assert_eq!(
            String::from_utf8(bytes).unwrap().lines().nth(1),
            Some(
                "17,2026-10-25,Europe/Berlin,1.0.99.1.0.255,1.0.1.8.0.255,2,99,100,9007199254740.993,,,0.001,9007199254740.993,,Wh,"
            )
        );
    }
}
