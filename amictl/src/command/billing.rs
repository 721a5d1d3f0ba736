//! `billing`: what bills are made of, and the resets that belong to them.

use std::io::Write;

use ami_proto::v1::{
    BillingDates, BillingSet, CloseBillingPeriodRequest, GetBillingSetsRequest, ResetDemandRequest,
    billing_service_client::BillingServiceClient, get_billing_sets_request::Cycle,
};
use tonic::{Request, transport::Channel};

use crate::{
    args::{Billing, ResetArgs, ShowBillingArgs},
    connection::request,
    error::Error,
    output::{Format, Output, stdout},
    view::BillingRow,
};

/// Does what `billing` was asked for; `format` is what becomes of a chosen format.
pub(crate) async fn run(
    channel: Channel,
    command: Billing,
    format: impl Fn(Format) -> Format,
) -> Result<(), Error> {
    match command {
        Billing::Show(args) => {
            let format = format(args.format);
            show(channel, args, &mut stdout(format)).await
        }
        Billing::Close(args) => close(channel, args, &mut stdout(format(Format::Table))).await,
        Billing::ResetDemand(args) => reset_demand(channel, args, &mut stdout(format(Format::Table))).await,
    }
}

async fn close<W: Write>(channel: Channel, args: ResetArgs, output: &mut Output<W>) -> Result<(), Error> {
    let terms = Some(args.order.confirmed("end the billing period of", &args.serials)?);
    let question = CloseBillingPeriodRequest { meter_serials: args.serials, terms };
    let answer = BillingServiceClient::new(channel.clone()).close_billing_period(request(question)).await?;
    args.order.finish(channel, answer.into_inner().commands, output).await
}

async fn reset_demand<W: Write>(
    channel: Channel,
    args: ResetArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let terms = Some(args.order.confirmed("reset the maximum demands of", &args.serials)?);
    let question = ResetDemandRequest { meter_serials: args.serials, terms };
    let answer = BillingServiceClient::new(channel.clone()).reset_demand(request(question)).await?;
    args.order.finish(channel, answer.into_inner().commands, output).await
}

/// Writes set after set, as they come.
async fn show<W: Write>(
    channel: Channel,
    args: ShowBillingArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let dates = args.from.zip(args.to).map(|(from, to)| Cycle::Dates(BillingDates { from, to }));
    let question = GetBillingSetsRequest {
        meter_serials: args.serials,
        model: args.model,
        serial_prefix: args.prefix,
        throttle_group: args.group,
        line: args.line,
        cycle: args.cycle.map(Cycle::Month).or(dates),
        known_at: args.known_at,
    };
    // A fleet takes as long as it takes: no deadline.
    let mut sets =
        BillingServiceClient::new(channel).get_billing_sets(Request::new(question)).await?.into_inner();
    let mut written = false;
    while let Some(message) = sets.message().await? {
        let asked = |set: &BillingSet| (!args.incomplete || !set.complete) && (!args.flagged || set.flagged);
        let Some(set) = message.set.filter(asked) else { continue };
        output.page(&BillingRow::all(set))?;
        written = true;
    }
    if written { Ok(()) } else { output.page::<BillingRow>(&[]) }
}
