//! `clocks list`, `show` and `sync`.

use std::{io::Write, time::Duration};

use ami_proto::v1::{
    ClockOrder, ListClockReadingsRequest, ListClocksRequest, SyncClocksRequest,
    clocks_service_client::ClocksServiceClient,
};
use tonic::transport::Channel;

use super::pages;
use crate::{
    args::{Clocks, ListClocksArgs, ShowClockArgs, SyncClocksArgs},
    connection::request,
    error::Error,
    output::Output,
    view::ClockRow,
};

/// Shows clocks, or puts them right.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    command: Clocks,
    output: &mut Output<W>,
) -> Result<(), Error> {
    match command {
        Clocks::List(args) => list(channel, args, output).await,
        Clocks::Show(args) => show(channel, args, output).await,
        Clocks::Sync(args) => sync(channel, args, output).await,
    }
}

async fn list<W: Write>(channel: Channel, args: ListClocksArgs, output: &mut Output<W>) -> Result<(), Error> {
    let mut client = ClocksServiceClient::new(channel);
    let off_by = args.off_by.map(|off_by| duration("--off-by", off_by)).transpose()?;
    let question = ListClocksRequest {
        off_by,
        model: args.model,
        zone_faults_only: args.zone_faults,
        ..ListClocksRequest::default()
    };
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListClocksRequest { page_size, page_token, ..question.clone() };
        let page = client.list_clocks(request(question)).await?.into_inner();
        Ok((page.clocks.into_iter().map(ClockRow::from).collect(), page.next_page_token))
    })
    .await
}

async fn show<W: Write>(channel: Channel, args: ShowClockArgs, output: &mut Output<W>) -> Result<(), Error> {
    let mut client = ClocksServiceClient::new(channel);
    let question =
        ListClockReadingsRequest { meter_serial: args.serial, ..ListClockReadingsRequest::default() };
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListClockReadingsRequest { page_size, page_token, ..question.clone() };
        let page = client.list_clock_readings(request(question)).await?.into_inner();
        Ok((page.readings.into_iter().map(ClockRow::from).collect(), page.next_page_token))
    })
    .await
}

async fn sync<W: Write>(channel: Channel, args: SyncClocksArgs, output: &mut Output<W>) -> Result<(), Error> {
    let SyncClocksArgs { serials, tolerance, across_boundaries, order } = args;
    let terms = Some(order.confirmed("put right the clock of", &serials)?);
    let how = ClockOrder { tolerance: Some(duration("--tolerance", tolerance)?), across_boundaries };
    let question = SyncClocksRequest { meter_serials: serials, terms, order: Some(how) };
    let answer = ClocksServiceClient::new(channel.clone()).sync_clocks(request(question)).await?;
    order.finish(channel, answer.into_inner().commands, output).await
}

fn duration(option: &str, duration: Duration) -> Result<prost_types::Duration, Error> {
    prost_types::Duration::try_from(duration).map_err(|_| Error::Usage(format!("{option} is too long")))
}
