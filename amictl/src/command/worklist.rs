//! `worklist`: meters that cannot be read.

use std::io::Write;

use ami_proto::v1::{
    ListTroublesRequest, ResolveTroublesRequest, collection_service_client::CollectionServiceClient,
};
use tonic::transport::Channel;

use crate::{
    args::{ResolveArgs, Worklist, WorklistArgs},
    connection::request,
    error::Error,
    output::{Format, Output, stdout},
    view::TroubleRow,
};

/// Troubles in a page of the list.
const PAGE: u32 = 1_000;

/// Does what `worklist` was asked for; `format` is what becomes of a chosen format.
pub(crate) async fn run(
    channel: Channel,
    command: Worklist,
    format: impl Fn(Format) -> Format,
) -> Result<(), Error> {
    match command {
        Worklist::List(args) => {
            let format = format(args.format);
            list(channel, args, &mut stdout(format)).await
        }
        Worklist::Resolve(ResolveArgs { serial, reason }) => {
            let question = ResolveTroublesRequest { meter_serial: serial, reason };
            let answer = CollectionServiceClient::new(channel).resolve_troubles(request(question)).await?;
            stdout(format(Format::Table)).line(&format!("{} resolved", answer.into_inner().resolved))
        }
    }
}

async fn list<W: Write>(channel: Channel, args: WorklistArgs, output: &mut Output<W>) -> Result<(), Error> {
    let mut client = CollectionServiceClient::new(channel);
    let mut left = args.limit;
    let mut question = ListTroublesRequest {
        page_size: PAGE,
        page_token: String::new(),
        meter_serials: args.serials,
        needs_person_only: args.needs_person,
        lasting: args.lasting.and_then(|lasting| prost_types::Duration::try_from(lasting).ok()),
    };
    while left > 0 {
        question.page_size = left.min(PAGE);
        let page = client.list_troubles(request(question.clone())).await?.into_inner();
        left = left.saturating_sub(u32::try_from(page.troubles.len()).unwrap_or(u32::MAX));
        let rows: Vec<_> = page.troubles.into_iter().map(TroubleRow::from).collect();
        output.page(&rows)?;
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    Ok(())
}
