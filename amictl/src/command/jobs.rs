//! `jobs` and `jobs show`.

use std::io::Write;

use ami_proto::v1::{GetJobRequest, ListJobsRequest, jobs_service_client::JobsServiceClient};
use tonic::transport::Channel;

use super::pages;
use crate::{
    args::JobsArgs,
    connection::request,
    error::Error,
    output::{Format, Output},
    view::JobRow,
};

/// Lists jobs, the newest first.
pub(crate) async fn list<W: Write>(
    channel: Channel,
    args: JobsArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = JobsServiceClient::new(channel);
    let question = ListJobsRequest {
        states: args.state.into_iter().map(Into::into).collect(),
        kinds: args.kind.into_iter().map(Into::into).collect(),
        meter_serial: args.meter,
        ..ListJobsRequest::default()
    };
    pages::show(args.limit, output, async |page_size, page_token| {
        let question = ListJobsRequest { page_size, page_token, ..question.clone() };
        let page = client.list_jobs(request(question)).await?.into_inner();
        Ok((page.jobs.into_iter().map(JobRow::from).collect(), page.next_page_token))
    })
    .await
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
