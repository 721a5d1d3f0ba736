//! Throttle groups as rows.

use ami_proto::v1::ThrottleGroup;
use serde::Serialize;

use crate::{output::Row, time};

/// A throttle group as one collector sees it.
#[derive(Debug, Serialize)]
pub(crate) struct GroupRow {
    group: String,
    open: u32,
    limit: u32,
    collector: String,
    noted_at: String,
}

impl From<ThrottleGroup> for GroupRow {
    fn from(group: ThrottleGroup) -> Self {
        Self {
            noted_at: time::text(group.noted_at.as_ref()),
            group: group.name,
            open: group.open,
            limit: group.limit,
            collector: group.collector,
        }
    }
}

impl Row for GroupRow {
    const COLUMNS: &'static [&'static str] = &["group", "open", "limit", "collector", "noted_at"];
    const NUMBERS: &'static [&'static str] = &["open", "limit"];

    fn cells(&self) -> Vec<String> {
        let (open, limit) = (self.open.to_string(), self.limit.to_string());
        vec![self.group.clone(), open, limit, self.collector.clone(), self.noted_at.clone()]
    }
}
