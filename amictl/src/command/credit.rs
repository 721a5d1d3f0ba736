//! `buy-credit`.

use std::io::Write;

use ami_proto::v1::{BuyCreditRequest, credit_service_client::CreditServiceClient};
use tonic::transport::Channel;

use crate::{args::BuyCreditArgs, connection::request, error::Error, output::Output};

/// Hands a purchase on to a meter.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: BuyCreditArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let BuyCreditArgs { serial, number, amount, order } = args;
    let what = format!("hand purchase {number} of {amount} on to");
    let terms = Some(order.confirmed(&what, std::slice::from_ref(&serial))?);
    let question = BuyCreditRequest { meter_serial: serial, number, amount, terms };
    let answer = CreditServiceClient::new(channel.clone()).buy_credit(request(question)).await?;
    order.finish(channel, answer.into_inner().command.into_iter().collect(), output).await
}
