//! `flags`: what is doubtful about readings.

use std::io::Write;

use ami_proto::v1::{ListFlagsRequest, readings_service_client::ReadingsServiceClient};
use tonic::transport::Channel;

use super::pages;
use crate::{args::FlagsArgs, connection::request, error::Error, output::Output, view::FlagRow};

/// Writes flags page by page, what was noticed last first.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: FlagsArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = ReadingsServiceClient::new(channel);
    let question = ListFlagsRequest {
        meter_serials: args.serials,
        rules: args.rule.into_iter().map(Into::into).collect(),
        from: args.from,
        to: args.to,
        withdrawn: args.withdrawn,
        ..ListFlagsRequest::default()
    };
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListFlagsRequest { page_size, page_token, ..question.clone() };
        let page = client.list_flags(request(question)).await?.into_inner();
        Ok((page.flags.into_iter().map(FlagRow::from).collect(), page.next_page_token))
    })
    .await
}
