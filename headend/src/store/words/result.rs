//! The enumerations about result files.

/// What became of a result file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "result_state", rename_all = "snake_case")]
pub enum ResultState {
    /// Everything in it is stored.
    Taken,
    /// What is whole in it is stored; the rest could not be read or is nobody's.
    Damaged,
    /// The same octets were taken before.
    Doubled,
    /// Nothing of it was read.
    Refused,
}

impl ResultState {
    /// All of them, in the order of the schema.
    pub const ALL: [Self; 4] = [Self::Taken, Self::Damaged, Self::Doubled, Self::Refused];

    /// The word in the schema.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Damaged => "damaged",
            Self::Doubled => "doubled",
            Self::Refused => "refused",
        }
    }
}
