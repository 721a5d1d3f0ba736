//! Clocks of meters as rows.

use ami_proto::v1::{ClockReading, ZoneFault};
use serde::Serialize;

use super::{cell, given, word};
use crate::{output::Row, time};

/// Clock status bits of a time that is not to be relied on: invalid, doubtful, invalid status.
const UNRELIABLE: u32 = 0b1011;

/// What the clock of a meter showed.
#[derive(Debug, Serialize)]
pub(crate) struct ClockRow {
    meter: String,
    drift_ms: i64,
    uncertainty_ms: i64,
    valid: Option<bool>,
    meter_time: String,
    read_at: String,
    offset_minutes: Option<i32>,
    status: Option<u32>,
    collector_ahead_ms: Option<i64>,
    zone_fault: Option<String>,
}

impl From<ClockReading> for ClockRow {
    fn from(clock: ClockReading) -> Self {
        Self {
            meter: clock.meter_serial,
            drift_ms: clock.drift_ms,
            uncertainty_ms: clock.uncertainty_ms,
            valid: clock.status.map(|status| status & UNRELIABLE == 0),
            meter_time: time::text(clock.meter_time.as_ref()),
            read_at: time::text(clock.read_at.as_ref()),
            offset_minutes: clock.offset_minutes,
            status: clock.status,
            collector_ahead_ms: clock.collector_ahead_ms,
            zone_fault: given(word!(ZoneFault, clock.zone_fault)),
        }
    }
}

impl Row for ClockRow {
    const COLUMNS: &'static [&'static str] = &[
        "meter",
        "drift_ms",
        "uncertainty_ms",
        "valid",
        "meter_time",
        "read_at",
        "offset_minutes",
        "status",
        "collector_ahead_ms",
        "zone_fault",
    ];
    const NUMBERS: &'static [&'static str] =
        &["drift_ms", "uncertainty_ms", "offset_minutes", "status", "collector_ahead_ms"];

    fn cells(&self) -> Vec<String> {
        let valid = self.valid.map(|valid| if valid { "yes" } else { "no" });
        vec![
            self.meter.clone(),
            self.drift_ms.to_string(),
            self.uncertainty_ms.to_string(),
            cell(&valid),
            self.meter_time.clone(),
            self.read_at.clone(),
            cell(&self.offset_minutes),
            cell(&self.status),
            cell(&self.collector_ahead_ms),
            cell(&self.zone_fault),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, Output};

    #[test]
    fn a_clock_is_shown_with_its_limits_and_with_what_it_says_of_itself() {
        let read_at = time::parse("2026-06-02T12:00:07Z").unwrap();
        let meter_time = time::parse("2026-06-02T12:00:19Z").unwrap();
        let clock = ClockReading {
            meter_serial: "17".into(),
            read_at: Some(read_at),
            meter_time: Some(meter_time),
            drift_ms: 12_520,
            uncertainty_ms: 520,
            offset_minutes: Some(120),
            status: Some(0x81),
            collector_ahead_ms: None,
            zone_fault: ZoneFault::Change.into(),
        };
        let mut text = Vec::new();
        Output::new(&mut text, Format::Csv).page(&[ClockRow::from(clock)]).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(
            text.lines().nth(1),
            Some("17,12520,520,no,2026-06-02T12:00:19Z,2026-06-02T12:00:07Z,120,129,,change")
        );
    }
}
