//! `watch`: readings as they are stored.

use std::io::Write;

use ami_proto::v1::{WatchReadingsRequest, readings_service_client::ReadingsServiceClient};
use tonic::{Request, transport::Channel};

use super::follow;
use crate::{args::WatchArgs, error::Error, output::Output, view::ReadingRow};

/// Writes readings until it is interrupted, and says from where to go on.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: WatchArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let question = WatchReadingsRequest {
        meter_serials: args.serials,
        obis: args.obis,
        resume_token: args.resume.clone(),
    };
    let mut client = ReadingsServiceClient::new(channel);
    let opening = client.watch_readings(Request::new(question));
    follow::run(opening, args.resume, output, |batch| {
        (batch.readings.into_iter().map(ReadingRow::from).collect(), batch.resume_token)
    })
    .await
}
