use std::time::Duration;

/// What the time of a serial line was used for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineUse {
    /// Time in which works were done on it.
    pub used: Duration,
    /// The part of it in which octets went over it, by its speed.
    pub carried: Duration,
    /// The part of that in which these were octets of requests and answers, and not of frames around them, links and repetitions.
    pub payload: Duration,
}

impl LineUse {
    /// Useful time in thousandths of the time used; 0 of a line that was not used.
    pub fn permille(&self) -> u32 {
        let used = self.used.as_micros().max(1);
        u32::try_from(self.payload.as_micros() * 1000 / used).unwrap_or(u32::MAX)
    }
}
