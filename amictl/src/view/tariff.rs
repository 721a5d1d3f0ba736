//! Problems of tariff files, and how meters differ from them, as rows.

use ami_proto::v1::{FieldViolation, TariffDifference};
use serde::Serialize;

use super::cell;
use crate::output::Row;

/// A problem of a tariff file.
#[derive(Debug, Serialize)]
pub(crate) struct ProblemRow {
    field: String,
    problem: String,
}

impl From<FieldViolation> for ProblemRow {
    fn from(violation: FieldViolation) -> Self {
        Self { field: violation.field, problem: violation.problem }
    }
}

impl Row for ProblemRow {
    const COLUMNS: &'static [&'static str] = &["field", "problem"];
    const NUMBERS: &'static [&'static str] = &[];

    fn cells(&self) -> Vec<String> {
        vec![self.field.clone(), self.problem.clone()]
    }
}

/// A place at which a meter and a file say different things.
#[derive(Debug, Serialize)]
pub(crate) struct DifferenceRow {
    part: &'static str,
    place: String,
    held: Option<String>,
    wanted: Option<String>,
}

impl DifferenceRow {
    /// A difference in a part of what the meter holds, such as `active`.
    pub(crate) fn of(part: &'static str, difference: TariffDifference) -> Self {
        let TariffDifference { place, held, wanted } = difference;
        Self { part, place, held, wanted }
    }
}

impl Row for DifferenceRow {
    const COLUMNS: &'static [&'static str] = &["part", "place", "held", "wanted"];
    const NUMBERS: &'static [&'static str] = &[];

    fn cells(&self) -> Vec<String> {
        vec![self.part.to_owned(), self.place.clone(), cell(&self.held), cell(&self.wanted)]
    }
}
