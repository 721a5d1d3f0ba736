//! Gaps and losses of profiles as rows.

use ami_proto::v1::{FailureReason, Gap, ProfileLoss, ProfileLossCause};
use serde::Serialize;

use super::{cell, given, word};
use crate::{output::Row, time};

/// Something that is missing of a profile.
#[derive(Debug, Serialize)]
pub(crate) struct GapRow {
    meter: String,
    profile: String,
    name: String,
    after: String,
    until: String,
    captures: u64,
    hole: bool,
    overwritten_from: String,
    reason: Option<String>,
    detail: Option<String>,
}

impl From<Gap> for GapRow {
    fn from(gap: Gap) -> Self {
        Self {
            after: time::text(gap.after.as_ref()),
            until: time::text(gap.until.as_ref()),
            overwritten_from: time::text(gap.overwritten_from.as_ref()),
            reason: given(word!(FailureReason, gap.reason)),
            meter: gap.meter_serial,
            profile: gap.profile,
            name: gap.profile_name,
            captures: gap.captures,
            hole: gap.hole,
            detail: given(gap.detail),
        }
    }
}

impl Row for GapRow {
    const COLUMNS: &'static [&'static str] = &[
        "meter",
        "profile",
        "name",
        "after",
        "until",
        "captures",
        "hole",
        "overwritten_from",
        "reason",
        "detail",
    ];
    const NUMBERS: &'static [&'static str] = &["captures"];
    const IN_TABLE: &'static [&'static str] =
        &["meter", "name", "after", "until", "captures", "hole", "overwritten_from", "reason"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.meter.clone(),
            self.profile.clone(),
            self.name.clone(),
            self.after.clone(),
            self.until.clone(),
            self.captures.to_string(),
            self.hole.to_string(),
            self.overwritten_from.clone(),
            cell(&self.reason),
            cell(&self.detail),
        ]
    }
}

/// Time of which a meter holds no captures.
#[derive(Debug, Serialize)]
pub(crate) struct ProfileLossRow {
    id: i64,
    meter: String,
    profile: String,
    cause: String,
    after: String,
    until: String,
    job: Option<i64>,
    noticed_at: String,
}

impl From<ProfileLoss> for ProfileLossRow {
    fn from(loss: ProfileLoss) -> Self {
        Self {
            id: loss.id,
            cause: word!(ProfileLossCause, loss.cause),
            after: time::text(loss.after.as_ref()),
            until: time::text(loss.until.as_ref()),
            noticed_at: time::text(loss.noticed_at.as_ref()),
            job: Some(loss.job_id).filter(|job| *job != 0),
            meter: loss.meter_serial,
            profile: loss.profile,
        }
    }
}

impl Row for ProfileLossRow {
    const COLUMNS: &'static [&'static str] =
        &["id", "meter", "profile", "cause", "after", "until", "job", "noticed_at"];
    const NUMBERS: &'static [&'static str] = &["id", "job"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.id.to_string(),
            self.meter.clone(),
            self.profile.clone(),
            self.cause.clone(),
            self.after.clone(),
            self.until.clone(),
            cell(&self.job),
            self.noticed_at.clone(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_a_cell_for_each_column_and_words_for_numbers() {
        let gap = Gap { reason: FailureReason::Timeout.into(), captures: 96, hole: true, ..Gap::default() };
        let row = GapRow::from(gap);
        assert_eq!(row.cells().len(), GapRow::COLUMNS.len());
        assert_eq!((row.reason.as_deref(), row.detail.as_deref()), (Some("timeout"), None));
        let loss = ProfileLoss { cause: ProfileLossCause::NotRecorded.into(), ..ProfileLoss::default() };
        let row = ProfileLossRow::from(loss);
        assert_eq!(row.cells().len(), ProfileLossRow::COLUMNS.len());
        assert_eq!((row.cause.as_str(), row.job), ("not_recorded", None));
    }
}
