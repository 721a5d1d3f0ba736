//! The enumerations of the schema. Their texts are the same in SQL, in `ami.v1` and on the screen.

/// Level of security of a meter's associations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "security_level", rename_all = "snake_case")]
pub enum Security {
    /// No authentication.
    None,
    /// Password.
    Lls,
    /// GMAC, ciphered.
    Gmac,
}

/// What a job is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "job_kind", rename_all = "snake_case")]
pub enum JobKind {
    /// Ask the meter who it is.
    Identify,
    /// Compare its clock with ours.
    ReadClock,
    /// Read single registers.
    ReadRegisters,
    /// Read captures of a profile.
    ReadProfile,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "job_state", rename_all = "snake_case")]
pub enum JobState {
    /// Waits for its time and for a collector.
    Due,
    /// A collector works on it.
    Running,
    /// Succeeded.
    Done,
    /// Failed for good.
    Failed,
    /// Called off.
    Cancelled,
}
