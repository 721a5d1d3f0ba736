//! Concentrators as rows.

use ami_proto::v1::{Concentrator, FailureReason};
use serde::Serialize;

use super::{cell, given, word};
use crate::{output::Row, time};

/// A concentrator.
#[derive(Debug, Serialize)]
pub(crate) struct ConcentratorRow {
    serial: String,
    model: String,
    firmware: Option<String>,
    meters: u32,
    nodes: u32,
    lost: u32,
    unknown: u32,
    clock_ahead_ms: Option<i64>,
    clock_delay_ms: Option<i64>,
    clock_read_at: Option<String>,
    identified_at: Option<String>,
    asked_at: Option<String>,
    failure: Option<String>,
    detail: Option<String>,
}

impl From<Concentrator> for ConcentratorRow {
    fn from(of: Concentrator) -> Self {
        let millis =
            |length: prost_types::Duration| length.seconds * 1000 + i64::from(length.nanos / 1_000_000);
        let failed = of.failure != i32::from(FailureReason::Unspecified);
        Self {
            firmware: given(of.firmware),
            clock_ahead_ms: of.clock_ahead.map(millis),
            clock_delay_ms: of.clock_delay.map(millis),
            clock_read_at: given(time::text(of.clock_read_at.as_ref())),
            identified_at: given(time::text(of.identified_at.as_ref())),
            asked_at: given(time::text(of.asked_at.as_ref())),
            failure: failed.then(|| word!(FailureReason, of.failure)),
            detail: given(of.failure_detail),
            serial: of.serial,
            model: of.model,
            meters: of.meters,
            nodes: of.nodes,
            lost: of.lost,
            unknown: of.unknown,
        }
    }
}

impl Row for ConcentratorRow {
    const COLUMNS: &'static [&'static str] = &[
        "serial",
        "model",
        "firmware",
        "meters",
        "nodes",
        "lost",
        "unknown",
        "clock_ahead_ms",
        "clock_delay_ms",
        "clock_read_at",
        "identified_at",
        "asked_at",
        "failure",
        "detail",
    ];
    const NUMBERS: &'static [&'static str] =
        &["meters", "nodes", "lost", "unknown", "clock_ahead_ms", "clock_delay_ms"];
    const IN_TABLE: &'static [&'static str] = &[
        "serial",
        "model",
        "firmware",
        "meters",
        "nodes",
        "lost",
        "unknown",
        "clock_ahead_ms",
        "clock_read_at",
        "asked_at",
        "failure",
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.serial.clone(),
            self.model.clone(),
            cell(&self.firmware),
            self.meters.to_string(),
            self.nodes.to_string(),
            self.lost.to_string(),
            self.unknown.to_string(),
            cell(&self.clock_ahead_ms),
            cell(&self.clock_delay_ms),
            cell(&self.clock_read_at),
            cell(&self.identified_at),
            cell(&self.asked_at),
            cell(&self.failure),
            cell(&self.detail),
        ]
    }
}
