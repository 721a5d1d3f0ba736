//! `snapshot`: of registers, now.

use std::io::Write;

use ami_proto::v1::{TakeSnapshotRequest, readings_service_client::ReadingsServiceClient};
use tonic::transport::Channel;

use crate::{args::SnapshotArgs, connection::request, error::Error, output::Output};

/// Has meters take a snapshot.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: SnapshotArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let SnapshotArgs { everybody, meters } = args;
    let terms = Some(meters.order.confirmed("take a snapshot of", &meters.serials)?);
    let question =
        TakeSnapshotRequest { meter_serials: meters.serials, everybody_on_the_line: everybody, terms };
    let answer = ReadingsServiceClient::new(channel.clone()).take_snapshot(request(question)).await?;
    meters.order.finish(channel, answer.into_inner().commands, output).await
}
