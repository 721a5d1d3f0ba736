//! `gaps`: what is missing of profiles, and what is lost.

use std::io::Write;

use ami_proto::v1::{
    ListGapsRequest, ListProfileLossesRequest, collection_service_client::CollectionServiceClient,
};
use tonic::transport::Channel;

use super::pages;
use crate::{
    args::{Gaps, GapsArgs, LostArgs},
    connection::request,
    error::Error,
    output::{Format, Output, stdout},
    view::{GapRow, ProfileLossRow},
};

/// Gaps, or losses, in a page of a list.
const PAGE: u32 = 1_000;

/// Does what `gaps` was asked for; `format` is what becomes of a chosen format.
pub(crate) async fn run(
    channel: Channel,
    command: Gaps,
    format: impl Fn(Format) -> Format,
) -> Result<(), Error> {
    match command {
        Gaps::List(args) => {
            let format = format(args.format);
            list(channel, args, &mut stdout(format)).await
        }
        Gaps::Lost(args) => {
            let format = format(args.format);
            lost(channel, args, &mut stdout(format)).await
        }
    }
}

async fn list<W: Write>(channel: Channel, args: GapsArgs, output: &mut Output<W>) -> Result<(), Error> {
    let mut client = CollectionServiceClient::new(channel);
    let mut left = args.limit as usize;
    let mut question = ListGapsRequest {
        page_size: PAGE,
        page_token: String::new(),
        meter_serials: args.serials,
        holes_only: args.holes,
    };
    while left > 0 {
        let page = client.list_gaps(request(question.clone())).await?.into_inner();
        let rows: Vec<_> = page.gaps.into_iter().take(left).map(GapRow::from).collect();
        left -= rows.len();
        output.page(&rows)?;
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    Ok(())
}

async fn lost<W: Write>(channel: Channel, args: LostArgs, output: &mut Output<W>) -> Result<(), Error> {
    let mut client = CollectionServiceClient::new(channel);
    let question =
        ListProfileLossesRequest { meter_serials: args.serials, ..ListProfileLossesRequest::default() };
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListProfileLossesRequest { page_size, page_token, ..question.clone() };
        let page = client.list_profile_losses(request(question)).await?.into_inner();
        Ok((page.losses.into_iter().map(ProfileLossRow::from).collect(), page.next_page_token))
    })
    .await
}
