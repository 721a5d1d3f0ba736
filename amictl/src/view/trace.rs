//! Conversations that are logged, as rows.

use ami_proto::v1::{ProtocolLog, protocol_log::Subject};
use serde::Serialize;

use super::cell;
use crate::{output::Row, time};

/// A conversation that is logged.
#[derive(Debug, Serialize)]
pub(crate) struct TraceRow {
    meter: Option<String>,
    line: Option<String>,
    application: bool,
    frame: bool,
    bytes: bool,
    until: String,
    set_by: String,
}

impl From<ProtocolLog> for TraceRow {
    fn from(log: ProtocolLog) -> Self {
        let (meter, line) = match log.subject {
            Some(Subject::MeterSerial(serial)) => (Some(serial), None),
            Some(Subject::Address(address)) => (None, Some(address)),
            None => (None, None),
        };
        let layers = log.layers.unwrap_or_default();
        Self {
            meter,
            line,
            application: layers.application,
            frame: layers.frame,
            bytes: layers.bytes,
            until: time::text(log.until.as_ref()),
            set_by: log.set_by,
        }
    }
}

impl Row for TraceRow {
    const COLUMNS: &'static [&'static str] =
        &["meter", "line", "application", "frame", "bytes", "until", "set_by"];
    const NUMBERS: &'static [&'static str] = &[];

    fn cells(&self) -> Vec<String> {
        let word = |on: bool| if on { "on" } else { "" }.to_owned();
        vec![
            cell(&self.meter),
            cell(&self.line),
            word(self.application),
            word(self.frame),
            word(self.bytes),
            self.until.clone(),
            self.set_by.clone(),
        ]
    }
}
