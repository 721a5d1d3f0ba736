//! `concentrators`: what they are, and what stands behind them.

use std::io::Write;

use ami_proto::v1::{
    ListConcentratorsRequest, ListNodesRequest, ListResultFilesRequest, RefreshNodesRequest,
    concentrators_service_client::ConcentratorsServiceClient,
};
use tonic::transport::Channel;

use crate::{
    args::{Concentrators, NodesArgs, ResultsArgs},
    connection::request,
    error::Error,
    output::Output,
    view::{ConcentratorRow, NodeRow, ResultRow},
};

/// Concentrators, or files, in a page of a list.
const PAGE: u32 = 1_000;

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
    let mut question = ListConcentratorsRequest { page_size: PAGE, page_token: String::new() };
    loop {
        let page = client.list_concentrators(request(question.clone())).await?.into_inner();
        let rows: Vec<_> = page.concentrators.into_iter().map(ConcentratorRow::from).collect();
        output.page(&rows)?;
        if page.next_page_token.is_empty() {
            return Ok(());
        }
        question.page_token = page.next_page_token;
    }
}

async fn results<W: Write>(
    mut client: ConcentratorsServiceClient<Channel>,
    args: ResultsArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut left = args.limit;
    let mut question = ListResultFilesRequest {
        page_size: PAGE,
        page_token: String::new(),
        concentrator_serial: args.serial.unwrap_or_default(),
        quarantine_only: args.quarantine,
    };
    while left > 0 {
        question.page_size = left.min(PAGE);
        let page = client.list_result_files(request(question.clone())).await?.into_inner();
        left = left.saturating_sub(u32::try_from(page.files.len()).unwrap_or(u32::MAX));
        let rows: Vec<_> = page.files.into_iter().map(ResultRow::from).collect();
        output.page(&rows)?;
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    Ok(())
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
