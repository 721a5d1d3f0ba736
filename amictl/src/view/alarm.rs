//! Alarms, and pushes that became none, as rows.

use ami_proto::v1::{Alarm, AlarmSeverity, AlarmSource, PushCount, PushFate, QuarantinedPush};
use serde::Serialize;

use super::{cell, given, word};
use crate::{hex, output::Row, time};

/// An alarm.
#[derive(Debug, Serialize)]
pub(crate) struct AlarmRow {
    id: i64,
    meter: String,
    received_at: String,
    key: String,
    severity: String,
    phase: Option<u32>,
    meter_time: Option<String>,
    source: String,
    obis: Option<String>,
    code: Option<u32>,
    authenticated: bool,
    peer: String,
    raw: String,
    repetitions: u32,
    repeated_at: Option<String>,
    acknowledged_at: Option<String>,
    acknowledged_by: Option<String>,
    note: Option<String>,
    event: Option<i64>,
}

impl From<Alarm> for AlarmRow {
    fn from(alarm: Alarm) -> Self {
        Self {
            id: alarm.id,
            received_at: time::text(alarm.received_at.as_ref()),
            severity: word!(AlarmSeverity, alarm.severity),
            phase: Some(alarm.phase).filter(|phase| *phase != 0),
            meter_time: given(time::text(alarm.meter_time.as_ref())),
            source: word!(AlarmSource, alarm.source),
            repeated_at: given(time::text(alarm.repeated_at.as_ref())),
            acknowledged_at: given(time::text(alarm.acknowledged_at.as_ref())),
            raw: hex::encode(&alarm.raw),
            meter: alarm.meter_serial,
            key: alarm.key,
            obis: given(alarm.obis),
            code: alarm.code,
            authenticated: alarm.authenticated,
            peer: alarm.peer,
            repetitions: alarm.repetitions,
            acknowledged_by: given(alarm.acknowledged_by),
            note: given(alarm.note),
            event: Some(alarm.event_id).filter(|event| *event != 0),
        }
    }
}

impl Row for AlarmRow {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "meter",
        "received_at",
        "key",
        "severity",
        "phase",
        "meter_time",
        "source",
        "obis",
        "code",
        "authenticated",
        "peer",
        "raw",
        "repetitions",
        "repeated_at",
        "acknowledged_at",
        "acknowledged_by",
        "note",
        "event",
    ];
    const NUMBERS: &'static [&'static str] = &["id", "phase", "code", "repetitions", "event"];
    const IN_TABLE: &'static [&'static str] = &[
        "id",
        "meter",
        "received_at",
        "key",
        "severity",
        "phase",
        "meter_time",
        "repetitions",
        "acknowledged_by",
        "note",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.meter.clone(),
            self.received_at.clone(),
            self.key.clone(),
            self.severity.clone(),
            cell(&self.phase),
            cell(&self.meter_time),
            self.source.clone(),
            cell(&self.obis),
            cell(&self.code),
            self.authenticated.to_string(),
            self.peer.clone(),
            self.raw.clone(),
            self.repetitions.to_string(),
            cell(&self.repeated_at),
            cell(&self.acknowledged_at),
            cell(&self.acknowledged_by),
            cell(&self.note),
            cell(&self.event),
        ]
    }
}

/// A push that became no alarm.
#[derive(Debug, Serialize)]
pub(crate) struct PushRow {
    id: i64,
    received_at: String,
    peer: String,
    meter: Option<String>,
    reason: String,
    detail: Option<String>,
    octets: String,
}

impl From<QuarantinedPush> for PushRow {
    fn from(push: QuarantinedPush) -> Self {
        Self {
            id: push.id,
            received_at: time::text(push.received_at.as_ref()),
            reason: word!(PushFate, push.reason),
            octets: hex::encode(&push.octets),
            peer: push.peer,
            meter: given(push.meter_serial),
            detail: given(push.detail),
        }
    }
}

impl Row for PushRow {
    const COLUMNS: &'static [&'static str] =
        &["id", "received_at", "peer", "meter", "reason", "detail", "octets"];
    const NUMBERS: &'static [&'static str] = &["id"];
    const IN_TABLE: &'static [&'static str] = &["id", "received_at", "peer", "meter", "reason", "detail"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.received_at.clone(),
            self.peer.clone(),
            cell(&self.meter),
            self.reason.clone(),
            cell(&self.detail),
            self.octets.clone(),
        ]
    }
}

/// What became of a number of pushes.
#[derive(Debug, Serialize)]
pub(crate) struct FateRow {
    fate: String,
    pushes: i64,
}

impl From<PushCount> for FateRow {
    fn from(count: PushCount) -> Self {
        Self { fate: word!(PushFate, count.fate), pushes: count.pushes }
    }
}

impl Row for FateRow {
    const COLUMNS: &'static [&'static str] = &["fate", "pushes"];
    const NUMBERS: &'static [&'static str] = &["pushes"];

    fn cells(&self) -> Vec<String> {
        vec![self.fate.clone(), self.pushes.to_string()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{Format, Output};

    fn written<R: Row>(row: R, format: Format) -> String {
        let mut bytes = Vec::new();
        Output::new(&mut bytes, format).page(&[row]).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn last_gasp() -> Alarm {
        Alarm {
            id: 3,
            meter_serial: "SIM00017".into(),
            key: "power.last_gasp".into(),
            severity: AlarmSeverity::Critical.into(),
            source: AlarmSource::Event.into(),
            code: Some(0),
            raw: vec![0x0F, 0xA0],
            ..Alarm::default()
        }
    }

    #[test]
    fn an_alarm_says_what_is_absent_and_what_is_zero() {
        let line = written(AlarmRow::from(last_gasp()), Format::Json);
        let expected =
            r#""severity":"critical","phase":null,"meter_time":null,"source":"event","obis":null,"code":0,"#;
        assert!(line.contains(expected) && line.contains(r#""raw":"0fa0""#), "{line}");
    }

    #[test]
    fn every_format_has_a_cell_for_every_column() {
        assert_eq!(AlarmRow::from(last_gasp()).cells().len(), AlarmRow::COLUMNS.len());
        let push = QuarantinedPush {
            id: 1,
            peer: "udp 127.0.0.1:1".into(),
            reason: PushFate::WrongTag.into(),
            octets: vec![0xDB],
            ..QuarantinedPush::default()
        };
        let expected = "id,received_at,peer,meter,reason,detail,octets\n1,,udp 127.0.0.1:1,,wrong_tag,,db\n";
        assert_eq!(written(PushRow::from(push), Format::Csv), expected);
    }
}
