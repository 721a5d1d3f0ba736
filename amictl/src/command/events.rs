//! `events`: what meters have logged.

use std::io::Write;

use ami_proto::v1::{
    ListEventLossesRequest, ListEventsRequest, WatchEventsRequest, events_service_client::EventsServiceClient,
};
use tonic::{Request, transport::Channel};

use super::{follow, pages};
use crate::{
    args::{Events, ListEventsArgs, LossesArgs, WatchEventsArgs},
    connection::request,
    error::Error,
    output::{Format, Output, stdout},
    view::{EventRow, LossRow},
};

/// Does what `events` was asked for; `format` is what becomes of a chosen format.
pub(crate) async fn run(
    channel: Channel,
    command: Events,
    format: impl Fn(Format) -> Format,
) -> Result<(), Error> {
    match command {
        Events::Watch(args) => {
            let format = format(args.format);
            watch(channel, args, &mut stdout(format)).await
        }
        Events::List(args) => {
            let format = format(args.format);
            list(channel, args, &mut stdout(format)).await
        }
        Events::Losses(args) => {
            let format = format(args.format);
            losses(channel, args, &mut stdout(format)).await
        }
    }
}

async fn watch<W: Write>(
    channel: Channel,
    args: WatchEventsArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let question = WatchEventsRequest {
        meter_serials: args.filter.serials,
        keys: args.filter.event_key,
        min_severity: args.filter.min_severity.unwrap_or_default().into(),
        log: args.filter.log,
        resume_token: args.resume.clone(),
    };
    let mut client = EventsServiceClient::new(channel);
    let opening = client.watch_events(Request::new(question));
    follow::run(opening, args.resume, output, |message| {
        (message.events.into_iter().map(EventRow::from).collect(), message.resume_token)
    })
    .await
}

async fn list<W: Write>(channel: Channel, args: ListEventsArgs, output: &mut Output<W>) -> Result<(), Error> {
    let mut client = EventsServiceClient::new(channel);
    let question = ListEventsRequest {
        meter_serials: args.filter.serials,
        keys: args.filter.event_key,
        min_severity: args.filter.min_severity.unwrap_or_default().into(),
        log: args.filter.log,
        from: args.from,
        to: args.to,
        ..ListEventsRequest::default()
    };
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListEventsRequest { page_size, page_token, ..question.clone() };
        let page = client.list_events(request(question)).await?.into_inner();
        Ok((page.events.into_iter().map(EventRow::from).collect(), page.next_page_token))
    })
    .await
}

async fn losses<W: Write>(channel: Channel, args: LossesArgs, output: &mut Output<W>) -> Result<(), Error> {
    let mut client = EventsServiceClient::new(channel);
    let question =
        ListEventLossesRequest { meter_serials: args.serials, ..ListEventLossesRequest::default() };
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListEventLossesRequest { page_size, page_token, ..question.clone() };
        let page = client.list_event_losses(request(question)).await?.into_inner();
        Ok((page.losses.into_iter().map(LossRow::from).collect(), page.next_page_token))
    })
    .await
}
