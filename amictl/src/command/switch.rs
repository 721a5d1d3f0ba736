//! `disconnect`, `reconnect`, `set-times` and `release-tamper-lock`: orders to the load switch.

use std::io::Write;

use ami_proto::v1::{
    DisconnectRequest, ReconnectRequest, ReleaseTamperLockRequest, SetTimesRequest,
    switch_service_client::SwitchServiceClient,
};
use tonic::transport::Channel;

use crate::{
    args::{ReconnectArgs, SetTimesArgs, SwitchArgs},
    connection::request,
    error::Error,
    output::Output,
};

/// Opens load switches.
pub(crate) async fn disconnect<W: Write>(
    channel: Channel,
    args: SwitchArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let terms = Some(args.order.confirmed("disconnect", &args.serials)?);
    let question = DisconnectRequest { meter_serials: args.serials, terms };
    let answer = SwitchServiceClient::new(channel.clone()).disconnect(request(question)).await?;
    args.order.finish(channel, answer.into_inner().commands, output).await
}

/// Closes load switches.
pub(crate) async fn reconnect<W: Write>(
    channel: Channel,
    args: ReconnectArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let ReconnectArgs { force, meters: SwitchArgs { serials, order } } = args;
    let what = if force { "reconnect by force" } else { "reconnect" };
    let terms = Some(order.confirmed(what, &serials)?);
    let question = ReconnectRequest { meter_serials: serials, terms, force };
    let answer = SwitchServiceClient::new(channel.clone()).reconnect(request(question)).await?;
    order.finish(channel, answer.into_inner().commands, output).await
}

/// Sets the times at which meters switch by themselves.
pub(crate) async fn set_times<W: Write>(
    channel: Channel,
    args: SetTimesArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let SetTimesArgs { times, none: _, meters: SwitchArgs { serials, order } } = args;
    let what = format!("set {} times in", times.len());
    let terms = Some(order.confirmed(&what, &serials)?);
    let question = SetTimesRequest { meter_serials: serials, times, terms };
    let answer = SwitchServiceClient::new(channel.clone()).set_times(request(question)).await?;
    order.finish(channel, answer.into_inner().commands, output).await
}

/// Releases load switches that opened for a tamper.
pub(crate) async fn release_tamper_lock<W: Write>(
    channel: Channel,
    args: SwitchArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let terms = Some(args.order.confirmed("release the tamper lock of", &args.serials)?);
    let question = ReleaseTamperLockRequest { meter_serials: args.serials, terms };
    let answer = SwitchServiceClient::new(channel.clone()).release_tamper_lock(request(question)).await?;
    args.order.finish(channel, answer.into_inner().commands, output).await
}
