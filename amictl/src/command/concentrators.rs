//! `concentrators`: what they are, and what stands behind them.

use std::io::Write;

use ami_proto::v1::{
    ListConcentratorsRequest, ListNodesRequest, ListResultFilesRequest, RefreshNodesRequest,
    concentrators_service_client::ConcentratorsServiceClient,
};
use tonic::transport::Channel;

use super::pages;
use crate::{
    args::{Concentrators, NodesArgs, ResultsArgs},
    connection::request,
    error::Error,
    output::Output,
    view::{ConcentratorRow, NodeRow, ResultRow},
};

/// Shows concentrators, what stands behind one, or what they handed over.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    command: Concentrators,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let client = ConcentratorsServiceClient::new(channel);
    match command {
        Concentrators::List => list(client, output).await,
        Concentrators::Nodes(args) => nodes(client, args, output).await,
        Concentrators::Results(args) => results(client, args, output).await,
    }
}

async fn list<W: Write>(
    mut client: ConcentratorsServiceClient<Channel>,
    output: &mut Output<W>,
) -> Result<(), Error> {
    pages::show(u32::MAX, output, async |page_size, page_token| {
        let question = ListConcentratorsRequest { page_size, page_token };
        let page = client.list_concentrators(request(question)).await?.into_inner();
        Ok((page.concentrators.into_iter().map(ConcentratorRow::from).collect(), page.next_page_token))
    })
    .await
}

async fn results<W: Write>(
    mut client: ConcentratorsServiceClient<Channel>,
    args: ResultsArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let question = ListResultFilesRequest {
        concentrator_serial: args.serial.unwrap_or_default(),
        quarantine_only: args.quarantine,
        ..ListResultFilesRequest::default()
    };
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListResultFilesRequest { page_size, page_token, ..question.clone() };
        let page = client.list_result_files(request(question)).await?.into_inner();
        Ok((page.files.into_iter().map(ResultRow::from).collect(), page.next_page_token))
    })
    .await
}

async fn nodes<W: Write>(
    mut client: ConcentratorsServiceClient<Channel>,
    NodesArgs { serial, now, unknown, lost }: NodesArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    if now {
        let question = RefreshNodesRequest { concentrator_serial: serial.clone(), wait: None };
        client.refresh_nodes(request(question)).await?;
    }
    let question = ListNodesRequest { concentrator_serial: serial, unknown_only: unknown, lost_only: lost };
    let answer = client.list_nodes(request(question)).await?.into_inner();
    let rows: Vec<_> = answer.nodes.into_iter().map(NodeRow::from).collect();
    output.page(&rows)
}
