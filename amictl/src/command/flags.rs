//! `flags`: what is doubtful about readings.

use std::io::Write;

use ami_proto::v1::{ListFlagsRequest, readings_service_client::ReadingsServiceClient};
use tonic::transport::Channel;

use crate::{args::FlagsArgs, connection::request, error::Error, output::Output, view::FlagRow};

/// Flags in a page.
const PAGE: u32 = 1_000;

/// Writes flags page by page, what was noticed last first.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: FlagsArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = ReadingsServiceClient::new(channel);
    let mut left = args.limit;
    let mut question = ListFlagsRequest {
        page_size: PAGE,
        page_token: String::new(),
        meter_serials: args.serials,
        rules: args.rule.into_iter().map(Into::into).collect(),
        from: args.from,
        to: args.to,
        withdrawn: args.withdrawn,
    };
    while left > 0 {
        question.page_size = left.min(PAGE);
        let page = client.list_flags(request(question.clone())).await?.into_inner();
        left = left.saturating_sub(u32::try_from(page.flags.len()).unwrap_or(u32::MAX));
        let rows: Vec<_> = page.flags.into_iter().map(FlagRow::from).collect();
        output.page(&rows)?;
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    Ok(())
}
