//! What running jobs have brought so far. A job is written when it ends, not with every batch of a long read.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use collectors::JobId;

/// Jobs that are counted at the same time; above it counting starts anew. It is a figure for people, nothing depends on it.
const JOBS: usize = 1 << 17;

/// Captures and register values of jobs that have not ended yet, those of batches that are committed.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<JobId, i64>>);

impl Tally {
    /// What a job brought in batches before this one.
    pub(super) fn of(&self, job: JobId) -> i64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&job).copied().unwrap_or(0)
    }

    /// What was written under this number was not a job's, and is complete.
    pub(super) fn forget(&self, number: JobId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
    }

    /// A batch is committed: what jobs brought in it, and which of them ended.
    pub(super) fn committed<'a>(
        &self,
        counts: &BTreeMap<JobId, i64>,
        ended: impl Iterator<Item = &'a JobId>,
    ) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tally.len() >= JOBS {
            tally.clear();
        }
        for (job, count) in counts {
            *tally.entry(*job).or_default() += count;
        }
        for job in ended {
            tally.remove(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    #[test]
    fn batches_add_up_until_the_job_ends() {
        let tally = Tally::default();
        tally.committed(&[(7, 3), (8, 1)].into(), [].iter());
        tally.committed(&[(7, 2)].into(), [8].iter());
        assert_eq!((tally.of(7), tally.of(8)), (5, 0));
    }
}
