//! `clear`.

use std::io::Write;

use ami_proto::v1::{ClearMeterRequest, clearing_service_client::ClearingServiceClient};
use tonic::transport::Channel;

use crate::{args::ClearArgs, connection::request, error::Error, output::Output};

/// Orders that a meter or a household is cleared, which somebody else has to approve.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: ClearArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let ClearArgs { serial, order } = args;
    let what = "clear, for good, all that was counted and all credit of";
    let terms = Some(order.confirmed(what, std::slice::from_ref(&serial))?);
    let question = ClearMeterRequest { meter_serial: serial, terms };
    let answer = ClearingServiceClient::new(channel.clone()).clear_meter(request(question)).await?;
    order.finish(channel, answer.into_inner().command.into_iter().collect(), output).await
}
