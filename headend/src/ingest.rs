//! Storing what meters answered: many meters in one transaction.
//!
//! [`run`] gathers reports until a batch is full or has waited long enough, and writes it ([`Store::write`]). While the database
//! is away it keeps the batch and tries again; the bounded queue in front of it fills up then, and collectors wait. It ends when
//! all senders are gone and everything is stored.

use std::collections::BTreeMap;
use std::time::Duration;

use collectors::{Event, Failure, JobId, MeterId, Reason, Report};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::{Instrument as _, debug, error, info_span, warn};
use uuid::Uuid;

use crate::config;
use crate::store::batch::Written;
use crate::store::{Error, Store};
use crate::telemetry::metrics;

/// First wait while the database is away; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// The longest wait while the database is away.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What a run stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches.
    pub batches: u64,
    /// Everything in them.
    pub written: Written,
    /// Times that a batch had to wait for the database.
    pub outages: u64,
    /// Jobs whose reports the database refused for good; they were ended as failed.
    pub refused: u64,
}

/// Stores reports until all senders are gone, as `owner` of the leases of their jobs.
///
/// A report is stored when this has returned, or when its notification came. Dropping the future loses what was not stored;
/// the jobs then come due again when their leases end.
pub async fn run(
    store: Store,
    owner: Uuid,
    mut reports: mpsc::Receiver<Report>,
    config: config::Ingest,
    haste: Haste,
) -> Stats {
    let mut stats = Stats::default();
    let mut batch = Vec::new();
    while gather(&mut reports, &mut batch, &config, haste).await {
        stats.batches += 1;
        settle(&store, owner, std::mem::take(&mut batch), &mut stats).await;
    }
    debug!(?stats, "everything that collectors reported is stored");
    stats
}

/// What a batch waits for, beside its longest wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// That it is full.
    None,
    /// That a job ends: somebody waits for what came of an order. What is found out on the way to that end may wait for it.
    Ends,
}

/// Fills a batch. False when there is nothing more to come.
async fn gather(
    reports: &mut mpsc::Receiver<Report>,
    batch: &mut Vec<Report>,
    config: &config::Ingest,
    haste: Haste,
) -> bool {
    let Some(first) = reports.recv().await else {
        return false;
    };
    let mut until = Instant::now() + config.max_wait;
    let mut rows = 0;
    let mut next = Some(first);
    while let Some(report) = next.take() {
        rows += weight(&report);
        if haste == Haste::Ends && matches!(report.event, Event::Ended(_)) {
            until = Instant::now();
        }
        batch.push(report);
        if rows < config.max_rows {
            // A closed queue and a passed deadline both end the batch; the next call tells them apart.
            next = timeout_at(until, reports.recv()).await.ok().flatten();
        }
    }
    true
}

/// Rows that a report becomes, at least one, so that a batch of small reports has an end too.
fn weight(report: &Report) -> usize {
    match &report.event {
        Event::Captures(captures) => captures.at.len().max(1),
        Event::Logged(logged) => logged.entries.len().max(1),
        Event::Registers(values) => values.len().max(1),
        _ => 1,
    }
}

/// Writes a batch, whatever it takes. What the database refuses is narrowed down to the job that it belongs to, by halves, so that
/// one bad report does not keep the others from being stored.
async fn settle(store: &Store, owner: Uuid, batch: Vec<Report>, stats: &mut Stats) {
    let mut waiting: Vec<Vec<Report>> = vec![batch];
    while let Some(part) = waiting.pop() {
        match persist(store, owner, &part, stats).await {
            Ok(written) => stats.written.add(written),
            Err(refusal) => match halves(part) {
                Ok((first, second)) => waiting.extend([second, first]),
                Err(single) => refuse(store, owner, single, &refusal, stats).await,
            },
        }
    }
}

/// Writes until it is done or refused for good.
async fn persist(store: &Store, owner: Uuid, part: &[Report], stats: &mut Stats) -> Result<Written, Error> {
    let mut wait = FIRST_WAIT;
    let begun = Instant::now();
    loop {
        let span = info_span!("batch", reports = part.len());
        match store.write(owner, part).instrument(span).await {
            Err(outage) if outage.is_transient() => {
                stats.outages += 1;
                warn!(reports = part.len(), wait_ms = wait.as_millis(), %outage, "readings wait for the database");
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            Ok(written) => {
                metrics::batch_stored(part.len(), &written, begun.elapsed());
                return Ok(written);
            }
            Err(refusal) => return Err(refusal),
        }
    }
}

/// Two halves of a batch by job, or the batch itself when it is of one job.
fn halves(part: Vec<Report>) -> Result<(Vec<Report>, Vec<Report>), Vec<Report>> {
    let mut jobs: BTreeMap<JobId, usize> = BTreeMap::new();
    for report in &part {
        let next = jobs.len();
        jobs.entry(report.job).or_insert(next);
    }
    if jobs.len() < 2 {
        return Err(part);
    }
    let half = jobs.len() / 2;
    Ok(part.into_iter().partition(|report| jobs.get(&report.job).is_some_and(|place| *place < half)))
}

/// Ends a job whose reports can not be stored. Its own end, if it is among them, is replaced.
async fn refuse(store: &Store, owner: Uuid, reports: Vec<Report>, refusal: &Error, stats: &mut Stats) {
    let Some((job, meter)) = reports.first().map(|report| (report.job, report.meter)) else {
        return;
    };
    error!(job, meter, reports = reports.len(), %refusal, "what a meter answered can not be stored");
    stats.refused += 1;
    let end = ended(job, meter, refusal);
    match persist(store, owner, &[end], stats).await {
        Ok(written) => stats.written.add(written),
        Err(error) => {
            error!(job, %error, "the job could not be ended either; it comes due when its lease ends")
        }
    }
}

fn ended(job: JobId, meter: MeterId, refusal: &Error) -> Report {
    let detail = format!(
        "What the meter answered can not be stored; report this with the log of the head-end: {refusal}."
    );
    Report { job, meter, event: Event::Ended(Err(Failure::new(Reason::Unsupported, detail))) }
}

#[cfg(test)]
mod tests {
    use collectors::Covered;

    use super::*;

    fn end(job: JobId) -> Report {
        Report { job, meter: 1, event: Event::Ended(Ok(Covered::default())) }
    }

    fn config(max_rows: usize, max_wait_ms: u64) -> config::Ingest {
        config::Ingest { max_rows, max_wait: Duration::from_millis(max_wait_ms), queue: 16, writers: 1 }
    }

    #[tokio::test]
    async fn a_batch_ends_when_it_is_full_or_the_queue_is_closed() {
        let (sender, mut receiver) = mpsc::channel(16);
        for job in 1..=5 {
            sender.send(end(job)).await.unwrap();
        }
        drop(sender);
        let mut sizes = Vec::new();
        let mut batch = Vec::new();
        while gather(&mut receiver, &mut batch, &config(2, 60_000), Haste::None).await {
            sizes.push(batch.len());
            batch.clear();
        }
        assert_eq!(sizes, [2, 2, 1]);
    }

    #[tokio::test]
    async fn what_ended_does_not_wait() {
        let (sender, mut receiver) = mpsc::channel(16);
        let found = collectors::Finding::new(jiff::Timestamp::UNIX_EPOCH, "state before", "on".into());
        let found = Report { job: 1, meter: 1, event: Event::Found(found) };
        for report in [found.clone(), end(1), end(2)] {
            sender.send(report).await.unwrap();
        }
        let (mut batch, config) = (Vec::new(), config(100, 3_600_000));
        let gathered = gather(&mut receiver, &mut batch, &config, Haste::Ends);
        assert_eq!(tokio::time::timeout(Duration::from_secs(10), gathered).await, Ok(true));
        assert_eq!(batch, [found, end(1), end(2)]);
    }

    #[tokio::test]
    async fn a_batch_does_not_wait_longer_than_it_may() {
        let (sender, mut receiver) = mpsc::channel(16);
        sender.send(end(1)).await.unwrap();
        let (mut batch, config) = (Vec::new(), config(100, 20));
        let gathered = gather(&mut receiver, &mut batch, &config, Haste::None);
        assert_eq!(tokio::time::timeout(Duration::from_secs(10), gathered).await, Ok(true));
        assert_eq!(batch, [end(1)]);
        drop(sender);
    }

    #[test]
    fn a_batch_is_halved_by_job_and_a_single_job_is_not() {
        let (first, second) = halves(vec![end(7), end(3), end(7), end(9)]).unwrap();
        assert_eq!((first, second), (vec![end(7), end(7)], vec![end(3), end(9)]));
        assert_eq!(halves(vec![end(7), end(7)]), Err(vec![end(7), end(7)]));
    }
}
