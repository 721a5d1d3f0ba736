//! Events, and logs of which entries may be lost, as rows.

use ami_proto::v1::{AlarmSeverity, Event, EventLoss, EventLossCause};
use serde::Serialize;

use super::{cell, given, word};
use crate::{hex, output::Row, time};

/// An event.
#[derive(Debug, Serialize)]
pub(crate) struct EventRow {
    id: i64,
    meter: String,
    meter_time: Option<String>,
    key: String,
    severity: String,
    phase: Option<u32>,
    node: Option<String>,
    cim: Option<String>,
    log: String,
    code: i64,
    logged: i64,
    meter_time_octets: String,
    clock_status: Option<u32>,
    authenticated: bool,
    pushed_at: Option<String>,
    polled_at: Option<String>,
    job: Option<i64>,
    stored_at: String,
}

impl From<Event> for EventRow {
    fn from(event: Event) -> Self {
        Self {
            id: event.id,
            meter_time: given(time::text(event.meter_time.as_ref())),
            severity: word!(AlarmSeverity, event.severity),
            phase: Some(event.phase).filter(|phase| *phase != 0),
            node: given(event.node),
            cim: given(event.cim_code),
            meter_time_octets: hex::encode(&event.meter_time_octets),
            pushed_at: given(time::text(event.pushed_at.as_ref())),
            polled_at: given(time::text(event.polled_at.as_ref())),
            job: Some(event.job_id).filter(|job| *job != 0),
            stored_at: time::text(event.stored_at.as_ref()),
            meter: event.meter_serial,
            key: event.key,
            log: event.log,
            code: event.code,
            logged: event.logged,
            clock_status: event.clock_status,
            authenticated: event.authenticated,
        }
    }
}

impl Row for EventRow {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "meter",
        "meter_time",
        "key",
        "severity",
        "phase",
        "node",
        "cim",
        "log",
        "code",
        "logged",
        "meter_time_octets",
        "clock_status",
        "authenticated",
        "pushed_at",
        "polled_at",
        "job",
        "stored_at",
    ];
    const NUMBERS: &'static [&'static str] = &["id", "phase", "code", "logged", "clock_status", "job"];
    const IN_TABLE: &'static [&'static str] = &[
        "id",
        "meter",
        "meter_time",
        "key",
        "severity",
        "phase",
        "node",
        "cim",
        "log",
        "code",
        "pushed_at",
        "polled_at",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.meter.clone(),
            cell(&self.meter_time),
            self.key.clone(),
            self.severity.clone(),
            cell(&self.phase),
            cell(&self.node),
            cell(&self.cim),
            self.log.clone(),
            self.code.to_string(),
            self.logged.to_string(),
            self.meter_time_octets.clone(),
            cell(&self.clock_status),
            self.authenticated.to_string(),
            cell(&self.pushed_at),
            cell(&self.polled_at),
            cell(&self.job),
            self.stored_at.clone(),
        ]
    }
}

/// A log of which entries may be lost.
#[derive(Debug, Serialize)]
pub(crate) struct LossRow {
    id: i64,
    meter: String,
    log: String,
    cause: String,
    after: String,
    until: Option<String>,
    entries: u32,
    noticed_at: String,
}

impl From<EventLoss> for LossRow {
    fn from(loss: EventLoss) -> Self {
        Self {
            id: loss.id,
            cause: word!(EventLossCause, loss.cause),
            after: time::text(loss.after.as_ref()),
            until: given(time::text(loss.until.as_ref())),
            noticed_at: time::text(loss.noticed_at.as_ref()),
            meter: loss.meter_serial,
            log: loss.log,
            entries: loss.entries,
        }
    }
}

impl Row for LossRow {
    const COLUMNS: &'static [&'static str] =
        &["id", "meter", "log", "cause", "after", "until", "entries", "noticed_at"];
    const NUMBERS: &'static [&'static str] = &["id", "entries"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.meter.clone(),
            self.log.clone(),
            self.cause.clone(),
            self.after.clone(),
            cell(&self.until),
            self.entries.to_string(),
            self.noticed_at.clone(),
        ]
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

    #[test]
    fn an_event_says_how_it_came_and_what_is_absent() {
        let event = Event {
            id: 3,
            meter_serial: "SIM00017".into(),
            key: "unknown".into(),
            severity: AlarmSeverity::Info.into(),
            log: "0.0.99.98.1.255".into(),
            code: 4711,
            logged: 4711,
            meter_time_octets: vec![0xFF],
            clock_status: Some(0),
            ..Event::default()
        };
        assert_eq!(EventRow::from(event.clone()).cells().len(), EventRow::COLUMNS.len());
        let line = written(EventRow::from(event), Format::Json);
        let expected =
            r#""meter_time":null,"key":"unknown","severity":"info","phase":null,"node":null,"cim":null,"#;
        assert!(line.contains(expected) && line.contains(r#""clock_status":0,"#), "{line}");
        assert!(line.contains(r#""pushed_at":null,"polled_at":null,"job":null"#), "{line}");
    }

    #[test]
    fn a_loss_says_between_which_entries() {
        let loss = EventLoss {
            id: 1,
            meter_serial: "7".into(),
            log: "1.0.99.98.0.255".into(),
            cause: EventLossCause::Overflow.into(),
            entries: 64,
            ..EventLoss::default()
        };
        let expected =
            "id,meter,log,cause,after,until,entries,noticed_at\n1,7,1.0.99.98.0.255,overflow,,,64,\n";
        assert_eq!(written(LossRow::from(loss), Format::Csv), expected);
    }
}
