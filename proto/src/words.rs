//! The short words of enum values: `JOB_STATE_DUE` is `due`, the same in SQL, on the command line and on the screen.

use crate::v1::{
    AlarmSeverity, AlarmSource, BillingIssue, BillingSource, CallDialect, CallState, CommandKind,
    CommandOutcome, CommandState, EventLossCause, FailureReason, FlagRule, JobKind, JobState, LateCause,
    LikelyCause, MeterState, ProfileLossCause, PushFate, ReadingKind, ResultState, SecurityLevel,
    SecurityPolicy, TroubleCause, ZoneFault,
};

/// An enum of the contract whose values have short words.
pub trait Word: Copy + Sized + 'static {
    /// Every value but "unspecified", in the order of the contract.
    const ALL: &'static [Self];

    /// The short word, snake_case; empty for "unspecified".
    fn word(self) -> &'static str;

    /// The value of a short word.
    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.word() == word)
    }
}

/// Gives enums their words, each from one table: what has no word there does not compile.
///
/// A word is the name in the contract without that of its type, which a test holds it to.
macro_rules! words {
    ($($type:ident { $($value:ident = $word:literal),+ $(,)? })+) => {$(
        impl Word for $type {
            const ALL: &'static [Self] = &[$(Self::$value),+];

            fn word(self) -> &'static str {
                match self {
                    Self::Unspecified => "",
                    $(Self::$value => $word,)+
                }
            }
        }
    )+};
}

words! {
    JobState { Due = "due", Running = "running", Done = "done", Failed = "failed", Cancelled = "cancelled" }
    JobKind {
        Identify = "identify", ReadClock = "read_clock", ReadRegisters = "read_registers", ReadProfile = "read_profile",
        Command = "command", ReadTariff = "read_tariff", Discover = "discover",
        ListNodes = "list_nodes",
    }
    CommandKind {
        Disconnect = "disconnect", Reconnect = "reconnect", ReleaseTamperLock = "release_tamper_lock",
        PushTariff = "push_tariff", InstallFirmware = "install_firmware", SetParameter = "set_parameter",
        SyncClock = "sync_clock",
        CloseBillingPeriod = "close_billing_period", ResetDemand = "reset_demand",
        TakeSnapshot = "take_snapshot", BuyCredit = "buy_credit", ForceReconnect = "force_reconnect", SetTimes = "set_times",
        Clear = "clear",
    }
    CommandState {
        Accepted = "accepted", AwaitingApproval = "awaiting_approval", Quarantined = "quarantined", Sending = "sending",
        Unknown = "unknown", Confirmed = "confirmed", Refused = "refused", Expired = "expired", Cancelled = "cancelled",
    }
    CommandOutcome {
        Disconnected = "disconnected", Connected = "connected", ReadyForReconnection = "ready_for_reconnection",
        LockReleased = "lock_released", TariffActive = "tariff_active", TariffScheduled = "tariff_scheduled",
        FirmwareActive = "firmware_active", FirmwareScheduled = "firmware_scheduled", ParameterSet = "parameter_set",
        ClockRight = "clock_right",
        BillingPeriodClosed = "billing_period_closed", DemandReset = "demand_reset",
        SnapshotTaken = "snapshot_taken", CreditBought = "credit_bought", TimesSet = "times_set", Cleared = "cleared",
    }
    LateCause {
        Person = "person", NotConnected = "not_connected", Retry = "retry", Running = "running", Turn = "turn", Taken = "taken",
        Nothing = "nothing",
    }
    FailureReason {
        NoRoute = "no_route", Refused = "refused", Timeout = "timeout", LineCut = "line_cut",
        WrongPassword = "wrong_password", WrongKey = "wrong_key", CounterRejected = "counter_rejected",
        CountersSpent = "counters_spent", WrongMeter = "wrong_meter", LayoutChanged = "layout_changed",
        MeterRefused = "meter_refused", MeterBrokeRules = "meter_broke_rules", Unsupported = "unsupported",
        Cancelled = "cancelled", NotEffective = "not_effective", DeadlinePassed = "deadline_passed",
        ImageMismatch = "image_mismatch", Downgrade = "downgrade", BoundaryNear = "boundary_near",
        BoundaryCrossed = "boundary_crossed", ClockUntrusted = "clock_untrusted",
        AssociationRefused = "association_refused", CounterUnusable = "counter_unusable",
    }
    SecurityLevel {
        None = "none", Lls = "lls", Gmac = "gmac", Manufacturer = "manufacturer", Md5 = "md5", Sha1 = "sha1",
        Sha256 = "sha256", Ecdsa = "ecdsa",
    }
    SecurityPolicy {
        None = "none", Authenticated = "authenticated", Encrypted = "encrypted",
        AuthenticatedEncrypted = "authenticated_encrypted",
    }
    MeterState { Active = "active", Retired = "retired" }
    CallState { Connected = "connected", Missing = "missing" }
    CallDialect { Login = "login", Plain = "plain", Gdw376 = "gdw376", Serial = "serial" }
    ReadingKind { Profile = "profile", Register = "register" }
    BillingSource { Billing = "billing", Daily = "daily", LoadProfile = "load_profile", Register = "register" }
    BillingIssue {
        OpeningMissing = "opening_missing", ClosingMissing = "closing_missing", NotAtLimit = "not_at_limit",
        RegisterFell = "register_fell", UnitChanged = "unit_changed", OutOfRange = "out_of_range",
        ClockDoubtful = "clock_doubtful", IntervalsMissing = "intervals_missing", Installed = "installed",
        Removed = "removed", NothingKnown = "nothing_known", RatioChanged = "ratio_changed",
    }
    AlarmSeverity { Info = "info", Warning = "warning", Critical = "critical" }
    AlarmSource { Event = "event", Bit = "bit", Object = "object", Data = "data" }
    FlagRule {
        ClockInvalid = "clock_invalid", ClockDoubtful = "clock_doubtful", SecondOutOfRange = "second_out_of_range",
        NoValue = "no_value", Zero = "zero", Decreased = "decreased", Restarted = "restarted", RolledOver = "rolled_over",
        Spike = "spike", SumMismatch = "sum_mismatch", RegisterMismatch = "register_mismatch", RowsOutside = "rows_outside",
        EntriesInUse = "entries_in_use", ClockNotFirst = "clock_not_first", WrongMeter = "wrong_meter",
        RatioChanged = "ratio_changed", DeviceExchanged = "device_exchanged", Unreadable = "unreadable",
        TimesLeftOut = "times_left_out", ValueLeftOut = "value_left_out", DeviceError = "device_error",
        DataNotValid = "data_not_valid", ClockAdjusted = "clock_adjusted", PowerDown = "power_down",
    }
    ZoneFault {
        Offset = "offset", SummerMissing = "summer_missing", SummerAdded = "summer_added", Saving = "saving",
        Change = "change",
    }
    EventLossCause { Overflow = "overflow", Cleared = "cleared" }
    ProfileLossCause {
        Overwritten = "overwritten", BeforeFirst = "before_first", NotRecorded = "not_recorded", GivenUp = "given_up",
    }
    TroubleCause {
        Route = "route", Busy = "busy", Authentication = "authentication", Counter = "counter", Identity = "identity",
        Data = "data",
    }
    LikelyCause {
        PowerLost = "power_lost", DoesNotCall = "does_not_call", LineDown = "line_down", MeterSilent = "meter_silent",
        NoAnswer = "no_answer", InUse = "in_use", WrongSecret = "wrong_secret", CounterShared = "counter_shared",
        Exchanged = "exchanged", WrongModel = "wrong_model", CounterAhead = "counter_ahead",
    }
    ResultState { Taken = "taken", Damaged = "damaged", Doubled = "doubled", Refused = "refused" }
    PushFate {
        Stored = "stored", Repeated = "repeated", UnknownCode = "unknown_code", UnknownSender = "unknown_sender",
        WrongTag = "wrong_tag", ReplayedCounter = "replayed_counter", Undecodable = "undecodable", TooMany = "too_many",
        QueueFull = "queue_full", Evicted = "evicted",
    }
}

#[cfg(test)]
mod tests {
    use super::Word;
    use crate::v1::{
        AlarmSeverity, AlarmSource, BillingIssue, BillingSource, CallDialect, CallState, CommandKind,
        CommandOutcome, CommandState, EventLossCause, FailureReason, FlagRule, JobKind, JobState,
        LikelyCause, MeterState, ProfileLossCause, PushFate, ReadingKind, ResultState, SecurityLevel,
        SecurityPolicy, TroubleCause, ZoneFault,
    };

    /// A word is the name in the contract without its prefix, so a slip in the table above is found.
    fn follows_the_contract<W: Word>(prefix: &str, name: impl Fn(W) -> &'static str) {
        for value in W::ALL {
            assert_eq!(format!("{prefix}_{}", value.word()).to_uppercase(), name(*value));
        }
    }

    #[test]
    fn words_follow_the_contract() {
        follows_the_contract("job_state", |v: JobState| v.as_str_name());
        follows_the_contract("job_kind", |v: JobKind| v.as_str_name());
        follows_the_contract("command_kind", |v: CommandKind| v.as_str_name());
        follows_the_contract("command_state", |v: CommandState| v.as_str_name());
        follows_the_contract("command_outcome", |v: CommandOutcome| v.as_str_name());
        follows_the_contract("failure_reason", |v: FailureReason| v.as_str_name());
        follows_the_contract("security_level", |v: SecurityLevel| v.as_str_name());
        follows_the_contract("security_policy", |v: SecurityPolicy| v.as_str_name());
        follows_the_contract("meter_state", |v: MeterState| v.as_str_name());
        follows_the_contract("call_state", |v: CallState| v.as_str_name());
        follows_the_contract("call_dialect", |v: CallDialect| v.as_str_name());
        follows_the_contract("reading_kind", |v: ReadingKind| v.as_str_name());
        follows_the_contract("billing_source", |v: BillingSource| v.as_str_name());
        follows_the_contract("billing_issue", |v: BillingIssue| v.as_str_name());
        follows_the_contract("alarm_severity", |v: AlarmSeverity| v.as_str_name());
        follows_the_contract("alarm_source", |v: AlarmSource| v.as_str_name());
        follows_the_contract("zone_fault", |v: ZoneFault| v.as_str_name());
        follows_the_contract("result_state", |v: ResultState| v.as_str_name());
        follows_the_contract("event_loss_cause", |v: EventLossCause| v.as_str_name());
        follows_the_contract("flag_rule", |v: FlagRule| v.as_str_name());
        follows_the_contract("profile_loss_cause", |v: ProfileLossCause| v.as_str_name());
        follows_the_contract("trouble_cause", |v: TroubleCause| v.as_str_name());
        follows_the_contract("likely_cause", |v: LikelyCause| v.as_str_name());
        follows_the_contract("push_fate", |v: PushFate| v.as_str_name());
        assert_eq!(FailureReason::ALL.len(), 23);
    }
}
