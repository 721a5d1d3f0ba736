//! A reading as a row.

use ami_proto::v1::{FlagRule, Reading, ReadingKind};
use serde::Serialize;

use super::{cell, given, word};
use crate::{decimal, output::Row, time};

/// A reading; the value is text, so that no digit is lost to a float.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ReadingRow {
    meter: String,
    at: String,
    obis: String,
    attribute: i32,
    value: String,
    unit: Option<String>,
    kind: String,
    profile: Option<String>,
    status: Option<u32>,
    clock_status: Option<u32>,
    clock_offset_minutes: Option<i32>,
    job: i64,
    flags: Vec<String>,
}

impl From<Reading> for ReadingRow {
    fn from(reading: Reading) -> Self {
        Self {
            at: time::text(reading.at.as_ref()),
            value: reading.value.as_ref().map(decimal::text).unwrap_or_default(),
            kind: word!(ReadingKind, reading.kind),
            meter: reading.meter_serial,
            obis: reading.obis,
            attribute: reading.attribute,
            unit: given(reading.unit),
            profile: given(reading.profile),
            status: reading.status,
            clock_status: reading.clock_status,
            clock_offset_minutes: reading.clock_offset_minutes,
            job: reading.job_id,
            flags: reading.flags.iter().map(|flag| word!(FlagRule, *flag)).collect(),
        }
    }
}

impl Row for ReadingRow {
    const COLUMNS: &'static [&'static str] = &[
        "meter",
        "at",
        "obis",
        "attribute",
        "value",
        "unit",
        "kind",
        "profile",
        "status",
        "clock_status",
        "clock_offset_minutes",
        "job",
        "flags",
    ];
    const NUMBERS: &'static [&'static str] =
        &["attribute", "value", "status", "clock_status", "clock_offset_minutes", "job"];

    const IN_TABLE: &'static [&'static str] =
        &["meter", "at", "obis", "value", "unit", "profile", "status", "flags"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.meter.clone(),
            self.at.clone(),
            self.obis.clone(),
            self.attribute.to_string(),
            self.value.clone(),
            cell(&self.unit),
            self.kind.clone(),
            cell(&self.profile),
            cell(&self.status),
            cell(&self.clock_status),
            cell(&self.clock_offset_minutes),
            self.job.to_string(),
            self.flags.join(" "),
        ]
    }
}

#[cfg(test)]
mod tests {
    use ami_proto::v1::Decimal;
    use prost_types::Timestamp;

    use super::*;
    use crate::output::{Format, Output};

    fn reading() -> Reading {
        Reading {
            meter_serial: "SIM00017".into(),
            obis: "1.0.1.8.0.255".into(),
            attribute: 2,
            at: Some(Timestamp { seconds: 1_767_226_500, nanos: 0 }),
            value: Some(Decimal { mantissa: 1_234_567, exponent: -2 }),
            unit: "Wh".into(),
            kind: ReadingKind::Profile.into(),
            profile: "1.0.99.1.0.255".into(),
            status: Some(4),
            clock_status: Some(0),
            clock_offset_minutes: None,
            job_id: 99,
            flags: vec![FlagRule::NoValue.into(), FlagRule::Spike.into()],
        }
    }

    fn written(format: Format) -> String {
        let mut bytes = Vec::new();
        Output::new(&mut bytes, format).page(&[ReadingRow::from(reading())]).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn csv_has_every_field_in_a_fixed_order() {
        assert_eq!(
            written(Format::Csv),
            "meter,at,obis,attribute,value,unit,kind,profile,status,clock_status,clock_offset_minutes,job,flags\n\
             SIM00017,2026-01-01T00:15:00Z,1.0.1.8.0.255,2,12345.67,Wh,profile,1.0.99.1.0.255,4,0,,99,no_value spike\n"
        );
    }

    #[test]
    fn a_table_fits_a_terminal() {
        let expected = " METER     AT                    OBIS              VALUE  UNIT  PROFILE         STATUS  FLAGS\n \
            SIM00017  2026-01-01T00:15:00Z  1.0.1.8.0.255  12345.67  Wh    1.0.99.1.0.255       4  no_value spike\n";
        assert_eq!(written(Format::Table), expected);
    }

    #[test]
    fn json_keeps_the_exact_digits_and_says_null() {
        let line = written(Format::Json);
        assert!(line.contains(r#""value":"12345.67","unit":"Wh","kind":"profile""#), "{line}");
        assert!(
            line.contains(
                r#""clock_status":0,"clock_offset_minutes":null,"job":99,"flags":["no_value","spike"]}"#
            ),
            "{line}"
        );
    }

    #[test]
    fn a_kind_of_a_newer_server_is_shown_by_its_number() {
        let row = ReadingRow::from(Reading { kind: 77, ..reading() });
        assert_eq!(row.kind, "77");
    }
}
