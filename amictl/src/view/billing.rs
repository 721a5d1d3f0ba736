//! A billing set as rows: one for the set, one for each of its registers, demands and load profiles.

use ami_proto::v1::{
    BillingDemand, BillingFlags, BillingGap, BillingIntervals, BillingIssue, BillingRegister, BillingSet,
    BillingSource, BillingValue, FlagRule,
};
use serde::Serialize;

use super::{cell, given, word};
use crate::{decimal, output::Row, time};

/// A part of a billing set. Numbers are text, so that no digit is lost to a float.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct BillingRow {
    meter: String,
    part: &'static str,
    obis: Option<String>,
    opening: Option<String>,
    opening_at: Option<String>,
    opening_source: Option<String>,
    closing: Option<String>,
    closing_at: Option<String>,
    closing_source: Option<String>,
    consumption: Option<String>,
    unit: Option<String>,
    expected: Option<u32>,
    present: Option<u32>,
    /// The first and the last instant of each, parted by `/`.
    gaps: Option<String>,
    /// How many intervals have flags.
    flagged: Option<u32>,
    /// Of a register the end before each rule, of intervals how many they are behind it.
    flags: Option<String>,
    issues: Option<String>,
    from: String,
    to: String,
    known_at: String,
    version: String,
    complete: bool,
}

impl BillingRow {
    /// The rows of a set: the set as a whole first.
    pub(crate) fn all(set: BillingSet) -> Vec<Self> {
        let of_set = |part: &'static str| Self {
            meter: set.meter_serial.clone(),
            part,
            from: time::text(set.from.as_ref()),
            to: time::text(set.to.as_ref()),
            known_at: time::text(set.known_at.as_ref()),
            version: set.version.clone(),
            complete: set.complete,
            ..Self::default()
        };
        let whole = Self { issues: issues(&set.issues), ..of_set("set") };
        let registers = set.registers.iter().map(|register| of_set("register").register(register));
        let demands = set.demands.iter().map(|demand| of_set("demand").demand(demand));
        let intervals = set.intervals.iter().map(|intervals| of_set("intervals").intervals(intervals));
        [whole].into_iter().chain(registers).chain(demands).chain(intervals).collect()
    }

    fn register(self, register: &BillingRegister) -> Self {
        let (opening, closing) = (register.opening.as_ref(), register.closing.as_ref());
        let number = |value: &BillingValue| value.value.as_ref().map(decimal::text);
        Self {
            obis: given(register.obis.clone()),
            opening: opening.and_then(number),
            opening_at: opening.map(|value| time::text(value.at.as_ref())),
            opening_source: opening.map(|value| word!(BillingSource, value.source)),
            closing: closing.and_then(number),
            closing_at: closing.map(|value| time::text(value.at.as_ref())),
            closing_source: closing.map(|value| word!(BillingSource, value.source)),
            consumption: register.consumption.as_ref().map(decimal::text),
            unit: given(register.unit.clone()),
            flags: ends(opening, closing),
            issues: issues(&register.issues),
            ..self
        }
    }

    /// A maximum stands where the value at the end does.
    fn demand(self, demand: &BillingDemand) -> Self {
        Self {
            obis: given(demand.obis.clone()),
            closing: demand.value.as_ref().map(decimal::text),
            closing_at: given(time::text(demand.at.as_ref())),
            closing_source: Some(word!(BillingSource, demand.source)),
            unit: given(demand.unit.clone()),
            flags: given(
                demand.flags.iter().map(|flag| word!(FlagRule, *flag)).collect::<Vec<_>>().join(" "),
            ),
            ..self
        }
    }

    fn intervals(self, intervals: &BillingIntervals) -> Self {
        let text =
            |gap: &BillingGap| format!("{}/{}", time::text(gap.from.as_ref()), time::text(gap.to.as_ref()));
        let count = |flags: &BillingFlags| format!("{}={}", word!(FlagRule, flags.rule), flags.intervals);
        Self {
            obis: given(intervals.profile.clone()),
            expected: Some(intervals.expected),
            present: Some(intervals.present),
            gaps: given(intervals.gaps.iter().map(text).collect::<Vec<_>>().join(" ")),
            flagged: Some(intervals.flagged),
            flags: given(intervals.flags.iter().map(count).collect::<Vec<_>>().join(" ")),
            ..self
        }
    }
}

/// The flags of the values at both ends.
fn ends(opening: Option<&BillingValue>, closing: Option<&BillingValue>) -> Option<String> {
    let ends = [("opening", opening), ("closing", closing)];
    let flags = ends.into_iter().flat_map(|(end, value)| {
        let flags = value.into_iter().flat_map(|value| &value.flags);
        flags.map(move |flag| format!("{end}={}", word!(FlagRule, *flag)))
    });
    given(flags.collect::<Vec<_>>().join(" "))
}

fn issues(issues: &[i32]) -> Option<String> {
    given(issues.iter().map(|issue| word!(BillingIssue, *issue)).collect::<Vec<_>>().join(" "))
}

impl Row for BillingRow {
    const COLUMNS: &'static [&'static str] = &[
        "meter",
        "part",
        "obis",
        "opening",
        "opening_at",
        "opening_source",
        "closing",
        "closing_at",
        "closing_source",
        "consumption",
        "unit",
        "expected",
        "present",
        "gaps",
        "flagged",
        "flags",
        "issues",
        "from",
        "to",
        "known_at",
        "version",
        "complete",
    ];
    const NUMBERS: &'static [&'static str] =
        &["opening", "closing", "consumption", "expected", "present", "flagged"];
    const IN_TABLE: &'static [&'static str] = &[
        "meter",
        "part",
        "obis",
        "opening",
        "closing",
        "closing_source",
        "consumption",
        "unit",
        "expected",
        "present",
        "flagged",
        "flags",
        "issues",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.meter.clone(),
            self.part.to_owned(),
            cell(&self.obis),
            cell(&self.opening),
            cell(&self.opening_at),
            cell(&self.opening_source),
            cell(&self.closing),
            cell(&self.closing_at),
            cell(&self.closing_source),
            cell(&self.consumption),
            cell(&self.unit),
            cell(&self.expected),
            cell(&self.present),
            cell(&self.gaps),
            cell(&self.flagged),
            cell(&self.flags),
            cell(&self.issues),
            self.from.clone(),
            self.to.clone(),
            self.known_at.clone(),
            self.version.clone(),
            self.complete.to_string(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use ami_proto::v1::Decimal;
    use prost_types::Timestamp;

    use super::*;
    use crate::output::{Format, Output};

    fn set() -> BillingSet {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let value = |seconds, mantissa| BillingValue {
            at: at(seconds),
            value: Some(Decimal { mantissa, exponent: -3 }),
            source: BillingSource::Billing.into(),
            ..BillingValue::default()
        };
        BillingSet {
            meter_serial: "17".into(),
            from: at(1_790_805_600),
            to: at(1_793_487_600),
            known_at: at(1_793_500_000),
            version: "00ff".into(),
            issues: vec![BillingIssue::IntervalsMissing.into()],
            registers: vec![BillingRegister {
                obis: "1.0.1.8.0.255".into(),
                unit: "Wh".into(),
                opening: Some(value(1_790_805_600, 1_000_001)),
                closing: Some(BillingValue {
                    flags: vec![FlagRule::ClockDoubtful.into(), FlagRule::Spike.into()],
                    ..value(1_793_487_600, 1_234_567)
                }),
                consumption: Some(Decimal { mantissa: 234_566, exponent: -3 }),
                issues: vec![],
            }],
            intervals: vec![BillingIntervals {
                profile: "1.0.99.1.0.255".into(),
                period_s: 900,
                expected: 2980,
                present: 2979,
                gaps: vec![BillingGap { from: at(1_790_805_600), to: at(1_790_806_500), intervals: 1 }],
                flagged: 3,
                flags: vec![BillingFlags { rule: FlagRule::Zero.into(), intervals: 3 }],
            }],
            flagged: true,
            ..BillingSet::default()
        }
    }

    fn written(format: Format) -> Vec<String> {
        let mut bytes = Vec::new();
        Output::new(&mut bytes, format).page(&BillingRow::all(set())).unwrap();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn csv_has_a_row_for_each_part_and_every_digit() {
        let lines = written(Format::Csv);
        assert_eq!(lines.len(), 4);
        assert!(
            lines[1].starts_with("17,set,,,,,,,,,,,,,,,intervals_missing,2026-09-30T22:00:00Z,"),
            "{}",
            lines[1]
        );
        assert_eq!(
            lines[2],
            "17,register,1.0.1.8.0.255,1000.001,2026-09-30T22:00:00Z,billing,1234.567,2026-10-31T23:00:00Z,billing,234.566,Wh,,,,,closing=clock_doubtful closing=spike,,\
             2026-09-30T22:00:00Z,2026-10-31T23:00:00Z,2026-11-01T02:26:40Z,00ff,false"
        );
        assert!(
            lines[3].contains(",2980,2979,2026-09-30T22:00:00Z/2026-09-30T22:15:00Z,3,zero=3,"),
            "{}",
            lines[3]
        );
    }

    #[test]
    fn json_has_an_object_for_each_part() {
        let lines = written(Format::Json);
        assert_eq!(lines.len(), 3);
        assert!(lines[1].contains(r#""consumption":"234.566","unit":"Wh","expected":null"#), "{}", lines[1]);
    }
}
