//! Ratios of transformers.

use ami_proto::v1::{TransformerRatio, TransformerRatios};
use serde::Serialize;

use super::given;
use crate::time;

/// Ratios with the time for which they held.
#[derive(Debug, Serialize)]
pub(crate) struct RatiosRow {
    since: String,
    before: Option<String>,
    read_at: String,
    current: Option<String>,
    voltage: Option<String>,
    job_id: i64,
}

impl RatiosRow {
    /// Both on one line, with the time between which the change to them lies.
    pub(crate) fn text(&self) -> String {
        let shown = |ratio: &Option<String>| ratio.clone().unwrap_or_else(|| "not shown".to_owned());
        let (current, voltage) = (shown(&self.current), shown(&self.voltage));
        let begun = match &self.before {
            Some(before) => format!("changed between {before} and {}", self.since),
            None => format!("first read {}", self.since),
        };
        format!("current {current}, voltage {voltage}, {begun}, last read {}", self.read_at)
    }
}

impl From<TransformerRatios> for RatiosRow {
    fn from(ratios: TransformerRatios) -> Self {
        let text = |ratio: TransformerRatio| format!("{}/{}", ratio.numerator, ratio.denominator);
        Self {
            since: time::text(ratios.since.as_ref()),
            before: given(time::text(ratios.before.as_ref())),
            read_at: time::text(ratios.read_at.as_ref()),
            current: ratios.current.map(text),
            voltage: ratios.voltage.map(text),
            job_id: ratios.job_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use prost_types::Timestamp;

    use super::*;

    #[test]
    fn a_line_says_what_changed_when_as_far_as_that_is_known() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let first = TransformerRatios {
            since: at(0),
            read_at: at(86_400),
            current: Some(TransformerRatio { numerator: 200, denominator: 5 }),
            ..TransformerRatios::default()
        };
        assert_eq!(
            RatiosRow::from(first).text(),
            "current 200/5, voltage not shown, first read 1970-01-01T00:00:00Z, last read 1970-01-02T00:00:00Z"
        );
        let next = TransformerRatios { since: at(86_400), before: at(0), ..first };
        let text = RatiosRow::from(next).text();
        assert!(text.contains("changed between 1970-01-01T00:00:00Z and 1970-01-02T00:00:00Z"), "{text}");
    }
}
