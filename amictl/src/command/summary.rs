//! `jobs summary`: counts, and the end of all work when it is waited for.

use std::{io::Write, time::Duration};

use ami_proto::v1::{JobCount, JobState, SummaryRequest, jobs_service_client::JobsServiceClient};
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

use crate::{args::SummaryArgs, connection::request, error::Error, output::Output, progress, view::CountRow};

const EVERY: Duration = Duration::from_secs(1);

/// Counts jobs; with `--wait`, when none is left to do.
pub(crate) async fn run<W: Write>(
    channel: Channel,
    args: SummaryArgs,
    output: &mut Output<W>,
) -> Result<(), Error> {
    let mut client = JobsServiceClient::new(channel);
    let question = SummaryRequest { created_from: args.since };
    if !args.wait {
        let counts = client.summary(request(question)).await?.into_inner().counts;
        return show(&counts, output);
    }
    let begun = Instant::now();
    let bar = progress::jobs(0);
    let (counts, tally) = loop {
        let counts = client.summary(request(question)).await?.into_inner().counts;
        let tally = Tally::of(&counts);
        bar.set_length(tally.ended + tally.open);
        bar.set_position(tally.ended);
        bar.set_message(format!("{} failed", tally.failed));
        let spent = args.timeout.is_some_and(|timeout| begun.elapsed() >= timeout);
        if tally.open == 0 || spent {
            break (counts, tally);
        }
        sleep(EVERY).await;
    };
    bar.finish_and_clear();
    show(&counts, output)?;
    tally.verdict()
}

fn show<W: Write>(counts: &[JobCount], output: &mut Output<W>) -> Result<(), Error> {
    let rows: Vec<_> = counts.iter().map(CountRow::from).collect();
    output.page(&rows)
}

/// What the counts add up to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    open: u64,
    ended: u64,
    failed: u64,
}

impl Tally {
    fn of(counts: &[JobCount]) -> Self {
        let mut tally = Self::default();
        for count in counts {
            let jobs = u64::try_from(count.jobs).unwrap_or(0);
            match count.state() {
                JobState::Due | JobState::Running => tally.open += jobs,
                JobState::Failed => {
                    tally.failed += jobs;
                    tally.ended += jobs;
                }
                JobState::Done | JobState::Cancelled | JobState::Unspecified => tally.ended += jobs,
            }
        }
        tally
    }

    fn verdict(&self) -> Result<(), Error> {
        if self.open > 0 {
            return Err(Error::TooSlow(format!("{} jobs are still due or running: wait longer", self.open)));
        }
        if self.failed > 0 {
            return Err(Error::Failed(format!(
                "{} jobs failed: see 'amictl jobs --state failed'",
                self.failed
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(state: JobState, jobs: i64) -> JobCount {
        JobCount { state: state.into(), jobs, ..Default::default() }
    }

    #[test]
    fn the_exit_code_says_how_it_ended() {
        let done = count(JobState::Done, 5);
        assert_eq!(Tally::of(&[done]).verdict(), Ok(()));
        let failed = Tally::of(&[done, count(JobState::Failed, 2)]);
        assert_eq!((failed.ended, failed.failed), (7, 2));
        assert_eq!(failed.verdict().unwrap_err().exit_code(), 1);
        let open = Tally::of(&[count(JobState::Due, 1), count(JobState::Failed, 2)]);
        assert_eq!(open.verdict().unwrap_err().exit_code(), 5);
    }
}
