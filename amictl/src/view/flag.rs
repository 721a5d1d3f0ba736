//! A flag as a row.

use ami_proto::v1::{FlagRule, ReadingFlag};
use serde::Serialize;

use super::{cell, given, word};
use crate::{decimal, hex, output::Row, time};

/// Why a reading, a capture, or a read as a whole is doubtful; numbers are text, so that no digit is lost to a float.
#[derive(Debug, Serialize)]
pub(crate) struct FlagRow {
    id: i64,
    meter: String,
    at: String,
    rule: String,
    profile: Option<String>,
    obis: String,
    attribute: i32,
    value: Option<String>,
    reference: Option<String>,
    bound: Option<String>,
    unit: Option<String>,
    octets: Option<String>,
    job: i64,
    raised_at: String,
    withdrawn_at: Option<String>,
}

impl From<ReadingFlag> for FlagRow {
    fn from(flag: ReadingFlag) -> Self {
        Self {
            id: flag.id,
            at: time::text(flag.at.as_ref()),
            rule: word!(FlagRule, flag.rule),
            profile: given(flag.profile),
            value: flag.value.as_ref().map(decimal::text),
            reference: flag.reference.as_ref().map(decimal::text),
            bound: flag.bound.as_ref().map(decimal::text),
            unit: given(flag.unit),
            octets: given(hex::encode(&flag.octets)),
            raised_at: time::text(flag.raised_at.as_ref()),
            withdrawn_at: given(time::text(flag.withdrawn_at.as_ref())),
            meter: flag.meter_serial,
            obis: flag.obis,
            attribute: flag.attribute,
            job: flag.job_id,
        }
    }
}

impl Row for FlagRow {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "meter",
        "at",
        "rule",
        "profile",
        "obis",
        "attribute",
        "value",
        "reference",
        "bound",
        "unit",
        "octets",
        "job",
        "raised_at",
        "withdrawn_at",
    ];
    const NUMBERS: &'static [&'static str] = &["id", "attribute", "value", "reference", "bound", "job"];
    const IN_TABLE: &'static [&'static str] = &[
        "id",
        "meter",
        "at",
        "rule",
        "profile",
        "obis",
        "value",
        "reference",
        "bound",
        "unit",
        "octets",
        "withdrawn_at",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.meter.clone(),
            self.at.clone(),
            self.rule.clone(),
            cell(&self.profile),
            self.obis.clone(),
            self.attribute.to_string(),
            cell(&self.value),
            cell(&self.reference),
            cell(&self.bound),
            cell(&self.unit),
            cell(&self.octets),
            self.job.to_string(),
            self.raised_at.clone(),
            cell(&self.withdrawn_at),
        ]
    }
}

#[cfg(test)]
mod tests {
    use ami_proto::v1::Decimal;

    use super::*;
    use crate::output::{Format, Output};

    #[test]
    fn a_flag_says_rule_place_and_the_numbers_that_made_it() {
        let number = |mantissa| Some(Decimal { mantissa, exponent: -3 });
        let flag = ReadingFlag {
            id: 5,
            meter_serial: "SIM00017".into(),
            rule: FlagRule::Decreased.into(),
            obis: "1.0.1.8.0.255".into(),
            attribute: 2,
            value: number(1500),
            reference: number(2000),
            unit: "Wh".into(),
            job_id: 9,
            ..ReadingFlag::default()
        };
        let mut bytes = Vec::new();
        Output::new(&mut bytes, Format::Csv).page(&[FlagRow::from(flag)]).unwrap();
        let expected = "id,meter,at,rule,profile,obis,attribute,value,reference,bound,unit,octets,job,raised_at,withdrawn_at\n\
             5,SIM00017,,decreased,,1.0.1.8.0.255,2,1.500,2.000,,Wh,,9,,\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
