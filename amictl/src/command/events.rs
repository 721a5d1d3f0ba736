//! `events`: what meters have logged.

use std::io::Write;

use ami_proto::v1::{
    ListEventLossesRequest, ListEventsRequest, WatchEventsRequest, events_service_client::EventsServiceClient,
};
use tonic::{Request, transport::Channel};

use super::follow;
use crate::{
    args::{Events, ListEventsArgs, LossesArgs, WatchEventsArgs},
    connection::request,
    error::Error,
    output::{Format, Output, stdout},
    view::{EventRow, LossRow},
};

/// Events, or losses, in a page of a list.
const PAGE: u32 = 1_000;

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
    let mut left = args.limit;
    let mut question = ListEventsRequest {
        page_size: PAGE,
        page_token: String::new(),
        meter_serials: args.filter.serials,
        keys: args.filter.event_key,
        min_severity: args.filter.min_severity.unwrap_or_default().into(),
        log: args.filter.log,
        from: args.from,
        to: args.to,
    };
    while left > 0 {
        question.page_size = left.min(PAGE);
        let page = client.list_events(request(question.clone())).await?.into_inner();
        left = left.saturating_sub(u32::try_from(page.events.len()).unwrap_or(u32::MAX));
        let rows: Vec<_> = page.events.into_iter().map(EventRow::from).collect();
        output.page(&rows)?;
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    Ok(())
}

async fn losses<W: Write>(channel: Channel, args: LossesArgs, output: &mut Output<W>) -> Result<(), Error> {
    let mut client = EventsServiceClient::new(channel);
    let mut left = args.limit;
    let mut question =
        ListEventLossesRequest { page_size: PAGE, page_token: String::new(), meter_serials: args.serials };
    while left > 0 {
        question.page_size = left.min(PAGE);
        let page = client.list_event_losses(request(question.clone())).await?.into_inner();
        left = left.saturating_sub(u32::try_from(page.losses.len()).unwrap_or(u32::MAX));
        let rows: Vec<_> = page.losses.into_iter().map(LossRow::from).collect();
        output.page(&rows)?;
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    Ok(())
}
