//! `readings`: what is stored.

use std::io::Write;

use ami_proto::v1::{QueryReadingsRequest, readings_service_client::ReadingsServiceClient};
use tonic::transport::Channel;

use crate::{args::ReadingsArgs, connection::request, error::Error, output::Output, view::ReadingRow};

/// Readings in a page.
const PAGE: u32 = 5_000;
/// Meters in one question; the server takes no more.
const METERS: usize = 1_000;

/// Writes stored readings page by page.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: ReadingsArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = ReadingsServiceClient::new(channel);
    for serials in args.serials.chunks(METERS) {
        let mut question = QueryReadingsRequest {
            meter_serials: serials.to_vec(),
            obis: args.obis.clone(),
            from: args.from,
            to: args.to,
            page_size: PAGE,
            page_token: String::new(),
            known_at: args.known_at,
        };
        loop {
            let page = client.query_readings(request(question.clone())).await?.into_inner();
            let rows: Vec<_> = page.readings.into_iter().map(ReadingRow::from).collect();
            output.page(&rows)?;
            if page.next_page_token.is_empty() {
                break;
            }
            question.page_token = page.next_page_token;
        }
    }
    Ok(())
}
