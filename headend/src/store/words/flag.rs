//! The enumeration about flags of readings.

/// What is doubtful about a reading, a capture, or a read as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "flag_rule", rename_all = "snake_case")]
pub enum FlagRule {
    /// The clock says that the time of the capture is not valid.
    ClockInvalid,
    /// The clock says that the time of the capture is doubtful.
    ClockDoubtful,
    /// The time of the capture has a second that no clock shows.
    SecondOutOfRange,
    /// A number that stands for "no value".
    NoValue,
    /// A counter shows nothing and had counted before.
    Zero,
    /// A counter shows less than before.
    Decreased,
    /// A counter goes on from less than before: it was reset, or belongs to another meter now.
    Restarted,
    /// A counter came to its end and began anew.
    RolledOver,
    /// More than can flow through the meter.
    Spike,
    /// Columns of one capture do not add up.
    SumMismatch,
    /// A register does not lie between the captures around it.
    RegisterMismatch,
    /// A read brought rows that nobody asked for.
    RowsOutside,
    /// A profile says that it holds fewer rows than it gave.
    EntriesInUse,
    /// The clock is not the first column of a profile.
    ClockNotFirst,
    /// A meter with another serial number answered.
    WrongMeter,
    /// The ratio of a transformer in front of the meter is another one than before.
    RatioChanged,
    /// Another device is on an M-Bus channel than before, or none.
    DeviceExchanged,
    /// The status word of the capture says that the meter has a critical error.
    DeviceError,
    /// The status word of the capture says that it is not for use without a look at it.
    DataNotValid,
    /// The status word of the capture says that the clock was set meanwhile.
    ClockAdjusted,
    /// The status word of the capture says that the supply was gone meanwhile.
    PowerDown,
    /// A row, or a value of a capture, could not be read.
    Unreadable,
    /// A capture has no room for all times at which its values occurred.
    TimesLeftOut,
    /// A capture has no room for this value.
    ValueLeftOut,
}

impl FlagRule {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::ClockInvalid,
        Self::ClockDoubtful,
        Self::SecondOutOfRange,
        Self::NoValue,
        Self::Zero,
        Self::Decreased,
        Self::Restarted,
        Self::RolledOver,
        Self::Spike,
        Self::SumMismatch,
        Self::RegisterMismatch,
        Self::RowsOutside,
        Self::EntriesInUse,
        Self::ClockNotFirst,
        Self::WrongMeter,
        Self::RatioChanged,
        Self::DeviceExchanged,
        Self::DeviceError,
        Self::DataNotValid,
        Self::ClockAdjusted,
        Self::PowerDown,
        Self::Unreadable,
        Self::TimesLeftOut,
        Self::ValueLeftOut,
    ];

    /// The word in the schema.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ClockInvalid => "clock_invalid",
            Self::ClockDoubtful => "clock_doubtful",
            Self::SecondOutOfRange => "second_out_of_range",
            Self::NoValue => "no_value",
            Self::Zero => "zero",
            Self::Decreased => "decreased",
            Self::Restarted => "restarted",
            Self::RolledOver => "rolled_over",
            Self::Spike => "spike",
            Self::SumMismatch => "sum_mismatch",
            Self::RegisterMismatch => "register_mismatch",
            Self::RowsOutside => "rows_outside",
            Self::EntriesInUse => "entries_in_use",
            Self::ClockNotFirst => "clock_not_first",
            Self::WrongMeter => "wrong_meter",
            Self::RatioChanged => "ratio_changed",
            Self::DeviceExchanged => "device_exchanged",
            Self::DeviceError => "device_error",
            Self::DataNotValid => "data_not_valid",
            Self::ClockAdjusted => "clock_adjusted",
            Self::PowerDown => "power_down",
            Self::Unreadable => "unreadable",
            Self::TimesLeftOut => "times_left_out",
            Self::ValueLeftOut => "value_left_out",
        }
    }

    /// Whether it is about the time of a capture, or the capture as a whole, and so about all of its values.
    pub const fn is_about_all_values(self) -> bool {
        matches!(
            self,
            Self::ClockInvalid
                | Self::ClockDoubtful
                | Self::SecondOutOfRange
                | Self::DeviceError
                | Self::DataNotValid
                | Self::ClockAdjusted
                | Self::PowerDown
        )
    }

    /// Whether it follows from what is stored of a profile, so that it is raised and withdrawn as captures change.
    pub const fn is_about_captures(self) -> bool {
        matches!(
            self,
            Self::ClockInvalid
                | Self::ClockDoubtful
                | Self::NoValue
                | Self::Zero
                | Self::Decreased
                | Self::Restarted
                | Self::RolledOver
                | Self::Spike
                | Self::SumMismatch
                | Self::DeviceError
                | Self::DataNotValid
                | Self::ClockAdjusted
                | Self::PowerDown
        )
    }
}
