//! The enumerations about what is missing.

/// Why a meter holds no captures of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "profile_loss_cause", rename_all = "snake_case")]
pub enum ProfileLossCause {
    /// It was read later than the meter keeps it.
    Overwritten,
    /// The meter holds nothing earlier.
    BeforeFirst,
    /// The meter holds what was before and after.
    NotRecorded,
    /// It is older than the program asks for.
    GivenUp,
}

impl ProfileLossCause {
    /// The word in the schema.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Overwritten => "overwritten",
            Self::BeforeFirst => "before_first",
            Self::NotRecorded => "not_recorded",
            Self::GivenUp => "given_up",
        }
    }
}
