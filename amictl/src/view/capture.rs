//! Line captures, as rows.

use ami_proto::v1::{LineCapture, line_capture::Subject};
use serde::Serialize;

use super::cell;
use crate::{output::Row, time};

/// A capture.
#[derive(Debug, Serialize)]
pub(crate) struct CaptureRow {
    capture: i64,
    meter: Option<String>,
    line: Option<String>,
    state: &'static str,
    packets: u32,
    octets: u32,
    until: String,
    set_by: String,
}

impl From<LineCapture> for CaptureRow {
    fn from(capture: LineCapture) -> Self {
        let (meter, line) = match capture.subject {
            Some(Subject::MeterSerial(serial)) => (Some(serial), None),
            Some(Subject::Address(address)) => (None, Some(address)),
            None => (None, None),
        };
        let state = match (capture.running, capture.full) {
            (true, _) => "running",
            (false, true) => "full",
            (false, false) => "ended",
        };
        Self {
            capture: capture.capture_id,
            meter,
            line,
            state,
            packets: capture.packets,
            octets: capture.octets,
            until: time::text(capture.until.as_ref()),
            set_by: capture.set_by,
        }
    }
}

impl Row for CaptureRow {
    const COLUMNS: &'static [&'static str] =
        &["capture", "meter", "line", "state", "packets", "octets", "until", "set_by"];
    const NUMBERS: &'static [&'static str] = &["capture", "packets", "octets"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.capture.to_string(),
            cell(&self.meter),
            cell(&self.line),
            self.state.to_owned(),
            self.packets.to_string(),
            self.octets.to_string(),
            self.until.clone(),
            self.set_by.clone(),
        ]
    }
}
