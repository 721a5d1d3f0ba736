//! Parameters of meters as rows.

use ami_proto::v1::Parameter;
use serde::Serialize;

use super::{cell, given};
use crate::output::Row;

/// A parameter of a meter.
#[derive(Debug, Serialize)]
pub(crate) struct ParameterRow {
    name: String,
    obis: String,
    unit: Option<String>,
    least: String,
    most: String,
}

impl From<Parameter> for ParameterRow {
    fn from(parameter: Parameter) -> Self {
        Self {
            name: parameter.name,
            obis: parameter.obis,
            unit: given(parameter.unit),
            least: parameter.least,
            most: parameter.most,
        }
    }
}

impl Row for ParameterRow {
    const COLUMNS: &'static [&'static str] = &["name", "obis", "unit", "least", "most"];
    const NUMBERS: &'static [&'static str] = &["least", "most"];

    fn cells(&self) -> Vec<String> {
        vec![self.name.clone(), self.obis.clone(), cell(&self.unit), self.least.clone(), self.most.clone()]
    }
}
