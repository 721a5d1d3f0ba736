//! `days`: what readings add up to.

use std::io::Write;

use ami_proto::v1::{QueryDaysRequest, readings_service_client::ReadingsServiceClient};
use tonic::transport::Channel;

use super::pages;
use crate::{args::DaysArgs, connection::request, error::Error, output::Output, view::DayRow};

/// Meters in one question; the server takes no more.
const METERS: usize = 1_000;

/// Writes days page by page.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: DaysArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = ReadingsServiceClient::new(channel);
    for serials in args.serials.chunks(METERS) {
        let question = QueryDaysRequest {
            meter_serials: serials.to_vec(),
            obis: args.obis.clone(),
            from: args.from.clone(),
            to: args.to.clone(),
            ..QueryDaysRequest::default()
        };
        pages::show(u32::MAX, output, async |page_size, page_token| {
            let question = QueryDaysRequest { page_size, page_token, ..question.clone() };
            let page = client.query_days(request(question)).await?.into_inner();
            Ok((page.days.into_iter().map(DayRow::from).collect(), page.next_page_token))
        })
        .await?;
    }
    Ok(())
}
