//! `worklist`: meters that cannot be read.

use std::io::Write;

use ami_proto::v1::{
    ListTroublesRequest, ResolveTroublesRequest, collection_service_client::CollectionServiceClient,
};
use tonic::transport::Channel;

use super::pages;
use crate::{
    args::{ResolveArgs, Worklist, WorklistArgs},
    connection::request,
    error::Error,
    output::{Format, Output, stdout},
    view::TroubleRow,
};

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
    let question = ListTroublesRequest {
        meter_serials: args.serials,
        needs_person_only: args.needs_person,
        lasting: args.lasting.and_then(|lasting| prost_types::Duration::try_from(lasting).ok()),
        ..ListTroublesRequest::default()
    };
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListTroublesRequest { page_size, page_token, ..question.clone() };
        let page = client.list_troubles(request(question)).await?.into_inner();
        Ok((page.troubles.into_iter().map(TroubleRow::from).collect(), page.next_page_token))
    })
    .await
}
