//! The work list as rows.

use ami_proto::v1::{FailureReason, LikelyCause, Trouble, TroubleCause};
use serde::Serialize;

use super::{cell, given, word};
use crate::{output::Row, time};

/// Something of a meter that cannot be read.
#[derive(Debug, Serialize)]
pub(crate) struct TroubleRow {
    id: i64,
    meter: String,
    scope: Option<String>,
    since: String,
    likely: String,
    cause: String,
    reason: String,
    needs_person: bool,
    failures: u32,
    last_at: String,
    line: String,
    neighbours: u32,
    silent_neighbours: u32,
    power_lost_at: Option<String>,
    job: i64,
    detail: Option<String>,
}

impl From<Trouble> for TroubleRow {
    fn from(trouble: Trouble) -> Self {
        Self {
            id: trouble.id,
            since: time::text(trouble.since.as_ref()),
            likely: word!(LikelyCause, trouble.likely),
            cause: word!(TroubleCause, trouble.cause),
            reason: word!(FailureReason, trouble.reason),
            last_at: time::text(trouble.last_at.as_ref()),
            power_lost_at: given(time::text(trouble.power_lost_at.as_ref())),
            meter: trouble.meter_serial,
            scope: given(trouble.scope),
            needs_person: trouble.needs_person,
            failures: trouble.failures,
            line: trouble.line,
            neighbours: trouble.neighbours,
            silent_neighbours: trouble.silent_neighbours,
            job: trouble.job_id,
            detail: given(trouble.detail),
        }
    }
}

impl Row for TroubleRow {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "meter",
        "scope",
        "since",
        "likely",
        "cause",
        "reason",
        "needs_person",
        "failures",
        "last_at",
        "line",
        "neighbours",
        "silent_neighbours",
        "power_lost_at",
        "job",
        "detail",
    ];
    const NUMBERS: &'static [&'static str] = &["id", "failures", "neighbours", "silent_neighbours", "job"];
    const IN_TABLE: &'static [&'static str] =
        &["meter", "scope", "since", "likely", "reason", "needs_person", "failures", "line", "detail"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.meter.clone(),
            cell(&self.scope),
            self.since.clone(),
            self.likely.clone(),
            self.cause.clone(),
            self.reason.clone(),
            self.needs_person.to_string(),
            self.failures.to_string(),
            self.last_at.clone(),
            self.line.clone(),
            self.neighbours.to_string(),
            self.silent_neighbours.to_string(),
            cell(&self.power_lost_at),
            self.job.to_string(),
            cell(&self.detail),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_has_a_cell_for_each_column_and_words_for_numbers() {
        let trouble = Trouble {
            cause: TroubleCause::Route.into(),
            likely: LikelyCause::LineDown.into(),
            reason: FailureReason::NoRoute.into(),
            ..Trouble::default()
        };
        let row = TroubleRow::from(trouble);
        assert_eq!(row.cells().len(), TroubleRow::COLUMNS.len());
        assert_eq!(
            (row.likely.as_str(), row.cause.as_str(), row.scope.as_deref()),
            ("line_down", "route", None)
        );
    }
}
