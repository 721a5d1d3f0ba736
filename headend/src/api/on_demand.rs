//! Work that a caller waits for: a job is ordered ahead of planned work, and its end is the answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::notices::Notices;
use super::status::Refusal;
use super::{Parts, convert};
use crate::store::job_list::{Job, Order};
use crate::store::{JobState, Store};

/// Ahead of planned work, which has 0.
pub(super) const PRIORITY: i16 = 10;
/// One more than one, for what the first attempt itself puts right (a new layout, a raised counter).
pub(super) const MAX_ATTEMPTS: i16 = 2;
/// How long is waited when the client does not care.
const DEFAULT_WAIT: Duration = Duration::from_secs(60);
/// The shortest and the longest wait.
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);

/// Orders jobs and waits for them.
#[derive(Debug, Clone)]
pub(super) struct OnDemand {
    store: Store,
    notices: Notices,
    shutdown: CancellationToken,
    waiting: Arc<Semaphore>,
    limit: usize,
}

impl OnDemand {
    /// For a service of its own: each may have as many callers waiting as the limits say.
    pub(super) fn new(parts: &Parts, notices: Notices, shutdown: CancellationToken) -> Self {
        let limit = parts.limits.waiting;
        Self {
            store: parts.store.clone(),
            notices,
            shutdown,
            waiting: Arc::new(Semaphore::new(limit)),
            limit,
        }
    }

    /// Orders a job for the meter with this serial number, waits for its end and returns it, done.
    pub(super) async fn run(&self, serial: &str, order: &Order, wait: Duration) -> Result<Job, Refusal> {
        let limit = self.limit;
        let _turn = self.waiting.try_acquire().map_err(|_| Refusal::TooManyWaiting { limit })?;
        // Listening begins before the job exists, so that its end is not missed.
        let mut notices = self.notices.jobs();
        let job = self.store.order_job(order).await?;
        let job = job.ok_or_else(|| Refusal::MeterRetired { serial: serial.to_owned() })?;
        info!(job, serial, "on-demand read ordered");
        let ended = async {
            loop {
                let now = self.job(job).await?;
                if !matches!(now.state, JobState::Due | JobState::Running) {
                    return Ok::<_, Refusal>(now);
                }
                notices.about(job).await;
            }
        };
        let ended = tokio::select! {
            ended = timeout(wait, ended) => ended,
            () = self.shutdown.cancelled() => return Err(Refusal::ShuttingDown),
        };
        let serial = serial.to_owned();
        match ended {
            Ok(ended) => {
                let ended = ended?;
                if ended.state == JobState::Done {
                    return Ok(ended);
                }
                Err(Refusal::ReadFailed { serial, failure: convert::failure(&ended) })
            }
            Err(_) => Err(Refusal::ReadPending { serial, failure: convert::failure(&self.job(job).await?) }),
        }
    }

    async fn job(&self, id: i64) -> Result<Job, Refusal> {
        self.store.job(id).await?.ok_or(Refusal::JobNotFound { id })
    }
}

/// How long a client wants to wait.
pub(super) fn wait(asked: Option<&prost_types::Duration>) -> Result<Duration, Refusal> {
    let Some(asked) = asked else { return Ok(DEFAULT_WAIT) };
    let wait = Duration::try_from(*asked).ok().filter(|wait| WAIT.contains(wait));
    wait.ok_or_else(|| Refusal::field("wait", "1 s to 300 s are expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_bounded() {
        let seconds = |seconds| prost_types::Duration { seconds, nanos: 0 };
        assert_eq!(wait(None), Ok(DEFAULT_WAIT));
        assert_eq!(wait(Some(&seconds(300))), Ok(Duration::from_secs(300)));
        for wrong in [0, 301, -1, i64::MAX] {
            assert!(wait(Some(&seconds(wrong))).is_err(), "{wrong}");
        }
    }
}
