//! `parameters show` and `set`.

use std::io::Write;

use ami_proto::v1::{
    ListParametersRequest, SetParameterRequest, parameters_service_client::ParametersServiceClient,
};
use tonic::transport::Channel;

use crate::{
    args::{Parameters, SetArgs},
    connection::request,
    error::Error,
    output::Output,
    view::ParameterRow,
};

/// Shows what can be set, or sets it.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    command: Parameters,
    output: &mut Output<W>,
) -> Result<(), Error> {
    match command {
        Parameters::Show { serial } => show(channel, serial, output).await,
        Parameters::Set(args) => set(channel, args, output).await,
    }
}

async fn show<W: Write>(channel: Channel, serial: String, output: &mut Output<W>) -> Result<(), Error> {
    let question = ListParametersRequest { meter_serial: serial };
    let answer = ParametersServiceClient::new(channel).list_parameters(request(question)).await?;
    let rows: Vec<_> = answer.into_inner().parameters.into_iter().map(ParameterRow::from).collect();
    output.page(&rows)
}

async fn set<W: Write>(channel: Channel, args: SetArgs, output: &mut Output<W>) -> Result<(), Error> {
    let (name, value) = args.assignment;
    let terms = Some(args.order.confirmed(&format!("set {name} to {value} in"), &args.serials)?);
    let question = SetParameterRequest { meter_serials: args.serials, name, value, terms };
    let answer = ParametersServiceClient::new(channel.clone()).set_parameter(request(question)).await?;
    args.order.finish(channel, answer.into_inner().commands, output).await
}
