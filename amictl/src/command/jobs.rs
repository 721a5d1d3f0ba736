//! `jobs` and `jobs show`.

use std::io::Write;

use ami_proto::v1::{GetJobRequest, ListJobsRequest, jobs_service_client::JobsServiceClient};
use tonic::transport::Channel;

use crate::{
    args::JobsArgs,
    connection::request,
    error::Error,
    output::{Format, Output},
    view::JobRow,
};

/// Jobs in a page of the list.
const PAGE: u32 = 1_000;

/// Lists jobs, the newest first.
pub(crate) async fn list<W: Write>(
    channel: Channel,
    args: JobsArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = JobsServiceClient::new(channel);
    let mut left = args.limit;
    let mut question = ListJobsRequest {
        page_size: PAGE,
        page_token: String::new(),
        states: args.state.into_iter().map(Into::into).collect(),
        kinds: args.kind.into_iter().map(Into::into).collect(),
        meter_serial: args.meter,
    };
    while left > 0 {
        question.page_size = left.min(PAGE);
        let page = client.list_jobs(request(question.clone())).await?.into_inner();
        left = left.saturating_sub(u32::try_from(page.jobs.len()).unwrap_or(u32::MAX));
        let rows: Vec<_> = page.jobs.into_iter().map(JobRow::from).collect();
        output.page(&rows)?;
        if page.next_page_token.is_empty() {
            break;
        }
        question.page_token = page.next_page_token;
    }
    Ok(())
}

/// Shows one job in full.
pub(crate) async fn show<W: Write>(channel: Channel, id: i64, output: &mut Output<W>) -> Result<(), Error> {
    let answer = JobsServiceClient::new(channel).get_job(request(GetJobRequest { id })).await?.into_inner();
    let Some(job) = answer.job.map(JobRow::from) else { return Ok(()) };
    match output.format() {
        Format::Json => output.json(&job),
        Format::Table | Format::Csv => output.fields(&job.fields()),
    }
}
