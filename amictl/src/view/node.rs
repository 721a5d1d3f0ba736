//! Nodes of concentrators as rows.

use ami_proto::v1::Node;
use serde::Serialize;

use super::{cell, given};
use crate::{output::Row, time};

/// A node of a concentrator.
#[derive(Debug, Serialize)]
pub(crate) struct NodeRow {
    node: String,
    meter: Option<String>,
    identity: Option<String>,
    linked: bool,
    phase: Option<u32>,
    repeaters: Option<u32>,
    first_seen: String,
    last_seen: String,
    changed_at: String,
}

impl From<Node> for NodeRow {
    fn from(node: Node) -> Self {
        Self {
            node: node.name,
            meter: given(node.meter_serial),
            identity: given(node.identity),
            linked: node.linked,
            phase: Some(node.phase).filter(|phase| *phase > 0),
            repeaters: node.repeaters,
            first_seen: time::text(node.first_seen.as_ref()),
            last_seen: time::text(node.last_seen.as_ref()),
            changed_at: time::text(node.changed_at.as_ref()),
        }
    }
}

impl Row for NodeRow {
    const COLUMNS: &'static [&'static str] = &[
        "node",
        "meter",
        "identity",
        "linked",
        "phase",
        "repeaters",
        "first_seen",
        "last_seen",
        "changed_at",
    ];
    const NUMBERS: &'static [&'static str] = &["phase", "repeaters"];

    fn cells(&self) -> Vec<String> {
        let linked = if self.linked { "yes" } else { "lost" };
        vec![
            self.node.clone(),
            cell(&self.meter),
            cell(&self.identity),
            linked.to_owned(),
            cell(&self.phase),
            cell(&self.repeaters),
            self.first_seen.clone(),
            self.last_seen.clone(),
            self.changed_at.clone(),
        ]
    }
}
