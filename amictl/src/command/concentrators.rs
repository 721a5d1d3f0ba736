//! `concentrators nodes`.

use std::io::Write;

use ami_proto::v1::{
    ListNodesRequest, RefreshNodesRequest, concentrators_service_client::ConcentratorsServiceClient,
};
use tonic::transport::Channel;

use crate::{
    args::{Concentrators, NodesArgs},
    connection::request,
    error::Error,
    output::Output,
    view::NodeRow,
};

/// Shows what stands behind a concentrator.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    command: Concentrators,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let Concentrators::Nodes(NodesArgs { serial, now, unknown, lost }) = command;
    let mut client = ConcentratorsServiceClient::new(channel);
    if now {
        let question = RefreshNodesRequest { concentrator_serial: serial.clone(), wait: None };
        client.refresh_nodes(request(question)).await?;
    }
    let question = ListNodesRequest { concentrator_serial: serial, unknown_only: unknown, lost_only: lost };
    let answer = client.list_nodes(request(question)).await?.into_inner();
    let rows: Vec<_> = answer.nodes.into_iter().map(NodeRow::from).collect();
    output.page(&rows)
}
