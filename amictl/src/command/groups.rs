//! `groups`: what is held back, and how far.

use std::io::Write;

use ami_proto::v1::{ListThrottleGroupsRequest, diagnostics_service_client::DiagnosticsServiceClient};
use tonic::transport::Channel;

use crate::{connection::request, error::Error, output::Output, view::GroupRow};

/// Lists the throttle groups.
pub(crate) async fn run<W: Write>(channel: Channel, output: &mut Output<W>) -> Result<(), Error> {
    let mut client = DiagnosticsServiceClient::new(channel);
    let answer = client.list_throttle_groups(request(ListThrottleGroupsRequest {})).await?.into_inner();
    let rows: Vec<_> = answer.groups.into_iter().map(GroupRow::from).collect();
    output.page(&rows)
}
