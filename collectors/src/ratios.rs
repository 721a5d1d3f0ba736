use jiff::Timestamp;

/// The ratios that were set into a meter for the transformers in front of it. They tell what its values mean, and change none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratios {
    /// Of the current transformers; `None` when the meter does not show it.
    pub current: Option<Ratio>,
    /// Of the voltage transformers; `None` when the meter does not show it.
    pub voltage: Option<Ratio>,
    /// Our time when they had been read.
    pub read_at: Timestamp,
}

/// A ratio as the meter has it, not made shorter: 200 to 5 is not 40 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ratio {
    /// What stands in front of the transformer.
    pub numerator: i64,
    /// What the meter gets.
    pub denominator: i64,
}
