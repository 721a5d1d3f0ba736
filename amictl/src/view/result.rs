//! Result files of concentrators as rows.

use ami_proto::v1::{ResultFile, ResultState};
use serde::Serialize;

use super::{cell, given, word};
use crate::{output::Row, time};

/// A result file.
#[derive(Debug, Serialize)]
pub(crate) struct ResultRow {
    id: i64,
    concentrator: String,
    file: String,
    octets: u64,
    state: String,
    captures: u64,
    events: u64,
    job: i64,
    noted_at: String,
    detail: Option<String>,
}

impl From<ResultFile> for ResultRow {
    fn from(file: ResultFile) -> Self {
        Self {
            id: file.id,
            state: word!(ResultState, file.state),
            noted_at: time::text(file.noted_at.as_ref()),
            concentrator: file.concentrator_serial,
            file: file.name,
            octets: file.octets,
            captures: file.captures,
            events: file.events,
            job: file.job_id,
            detail: given(file.detail),
        }
    }
}

impl Row for ResultRow {
    const COLUMNS: &'static [&'static str] =
        &["id", "concentrator", "file", "octets", "state", "captures", "events", "job", "noted_at", "detail"];
    const NUMBERS: &'static [&'static str] = &["id", "octets", "captures", "events", "job"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.concentrator.clone(),
            self.file.clone(),
            self.octets.to_string(),
            self.state.clone(),
            self.captures.to_string(),
            self.events.to_string(),
            self.job.to_string(),
            self.noted_at.clone(),
            cell(&self.detail),
        ]
    }
}
