//! The enumerations about events.

/// How entries of a log came to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "event_loss_cause", rename_all = "snake_case")]
pub enum EventLossCause {
    /// The log was full of entries that were all new.
    Overflow,
    /// The log had fewer entries than it has room for.
    Cleared,
}

impl EventLossCause {
    /// The word in the schema.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::Cleared => "cleared",
        }
    }
}
