//! The enumerations about pushes and alarms.

/// How urgent an alarm is; the later, the more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "alarm_severity", rename_all = "snake_case")]
pub enum AlarmSeverity {
    /// Good to know.
    Info,
    /// Somebody should look at it.
    Warning,
    /// Somebody has to act.
    Critical,
}

/// What a push held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "alarm_source", rename_all = "snake_case")]
pub enum AlarmSource {
    /// A code of a log.
    Event,
    /// A bit of a register.
    Bit,
    /// An object itself.
    Object,
    /// Data that name no object.
    Data,
}

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "push_fate", rename_all = "snake_case")]
pub enum PushFate {
    /// An alarm.
    Stored,
    /// Known already; the alarm counts it.
    Repeated,
    /// An alarm, but the tables of the model do not have its code.
    UnknownCode,
    /// Quarantine: no meter, or more than one, can have sent it.
    UnknownSender,
    /// Quarantine: not ciphered with the keys of the meter.
    WrongTag,
    /// Quarantine: its invocation counter was used before.
    ReplayedCounter,
    /// Quarantine: not understood.
    Undecodable,
    /// Quarantine: the meter has sent too much.
    TooMany,
    /// Not taken: the store did not keep up.
    QueueFull,
    /// Left the quarantine for newer ones.
    Evicted,
}

impl From<models::Severity> for AlarmSeverity {
    fn from(severity: models::Severity) -> Self {
        match severity {
            models::Severity::Info => Self::Info,
            models::Severity::Warning => Self::Warning,
            models::Severity::Critical => Self::Critical,
        }
    }
}

impl AlarmSeverity {
    /// The word in the schema.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl AlarmSource {
    /// The word in the schema.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Bit => "bit",
            Self::Object => "object",
            Self::Data => "data",
        }
    }
}

impl PushFate {
    /// Every fate.
    pub const ALL: [Self; 10] = [
        Self::Stored,
        Self::Repeated,
        Self::UnknownCode,
        Self::UnknownSender,
        Self::WrongTag,
        Self::ReplayedCounter,
        Self::Undecodable,
        Self::TooMany,
        Self::QueueFull,
        Self::Evicted,
    ];

    /// The word in the schema.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Repeated => "repeated",
            Self::UnknownCode => "unknown_code",
            Self::UnknownSender => "unknown_sender",
            Self::WrongTag => "wrong_tag",
            Self::ReplayedCounter => "replayed_counter",
            Self::Undecodable => "undecodable",
            Self::TooMany => "too_many",
            Self::QueueFull => "queue_full",
            Self::Evicted => "evicted",
        }
    }
}
