use std::time::Duration;

/// Limits of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest wait for a line, name look-up included. Default 10 s.
    pub connect_timeout: Duration,
    /// Longest wait for one whole answer after its request was sent. Default 15 s.
    pub response_timeout: Duration,
    /// How long a channel waits for more work, and keeps its association, before it ends. Keep it below the meter's own
    /// inactivity timeout.
    /// Default 5 s.
    pub linger: Duration,
    /// How often in a row a lost, late, cut or damaged answer is asked for again on a new association before the work
    /// fails. Anything that arrives in between starts the count anew. Default 2.
    pub line_retries: u32,
    /// Pause before the first of these attempts; it doubles with each further one. Default 500 ms.
    pub retry_pause: Duration,
    /// After a line could not be opened, work that is taken up within this time fails for the same reason without another
    /// attempt: a dead meter costs one connect timeout, not one per work. Default 5 s.
    pub redial_pause: Duration,
    /// Most works that wait in the channel; further ones wait with whoever sends them. At least 1. Default 64.
    pub queue: usize,
    /// Most answers to earlier requests that are ignored while waiting for one answer. Default 8.
    pub stale_answers: u32,
    /// Most blocks that one answer may have; with the smallest usual blocks of 128 octets the default, 8192, is 1 MiB.
    pub blocks_per_answer: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(15),
            linger: Duration::from_secs(5),
            line_retries: 2,
            retry_pause: Duration::from_millis(500),
            redial_pause: Duration::from_secs(5),
            queue: 64,
            stale_answers: 8,
            blocks_per_answer: 8192,
        }
    }
}
