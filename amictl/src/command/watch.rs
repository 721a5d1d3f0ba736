//! `watch`: readings as they are stored.

use std::io::{self, Write};

use ami_proto::v1::{WatchReadingsRequest, readings_service_client::ReadingsServiceClient};
use serde::Serialize;
use tonic::{Request, transport::Channel};

use crate::{
    args::WatchArgs,
    error::Error,
    output::{Format, Output},
    view::ReadingRow,
};

#[derive(Serialize)]
struct Resume<'a> {
    resume_token: &'a str,
}

/// Writes readings until it is interrupted, and says from where to go on.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: WatchArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut token = args.resume.clone();
    let question =
        WatchReadingsRequest { meter_serials: args.serials, obis: args.obis, resume_token: args.resume };
    let outcome = tokio::select! {
        outcome = follow(channel, question, &mut token, output) => outcome,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    match outcome {
        Err(error) if token.is_empty() => Err(error),
        Err(error) => Err(error.and(&format!("go on with --resume {token}"))),
        Ok(()) if token.is_empty() => Ok(()),
        Ok(()) => Ok(writeln!(io::stderr(), "go on with --resume {token}")?),
    }
}

async fn follow<W: Write>(
    channel: Channel,
    question: WatchReadingsRequest,
    token: &mut String,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut stream =
        ReadingsServiceClient::new(channel).watch_readings(Request::new(question)).await?.into_inner();
    while let Some(batch) = stream.message().await? {
        if !batch.readings.is_empty() {
            let rows: Vec<_> = batch.readings.into_iter().map(ReadingRow::from).collect();
            output.page(&rows)?;
            if output.format() == Format::Json {
                output.json(&Resume { resume_token: &batch.resume_token })?;
            }
        }
        // Only now: what was written is dealt with.
        *token = batch.resume_token;
    }
    Err(Error::Unreachable("the head-end ended the watch".into()))
}
