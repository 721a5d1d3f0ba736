//! `days`: what readings add up to.

use std::io::{self, Write};

use ami_proto::v1::{QueryDaysRequest, readings_service_client::ReadingsServiceClient};
use tonic::transport::Channel;

use super::pages;
use crate::{args::DaysArgs, connection::request, error::Error, output::Output, view::DayRow};

/// Meters in one question; the server takes no more.
const METERS: usize = 1_000;

/// What may be when there is no day: readings that are stored are there all the same.
const NO_DAYS: &str = "No day of these is added up: what is stored is added up every ten minutes, profiles with a period of more than half a day never.";

/// Writes days page by page.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: DaysArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = ReadingsServiceClient::new(channel);
    let mut is_empty = true;
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
            is_empty &= page.days.is_empty();
            Ok((page.days.into_iter().map(DayRow::from).collect(), page.next_page_token))
        })
        .await?;
    }
    // Days stand alone on the standard output.
    if is_empty {
        writeln!(io::stderr(), "{NO_DAYS}")?;
    }
    Ok(())
}
