//! The enumerations of the schema. Their texts are the same in SQL, in `ami.v1` and on the screen.

mod event;
mod flag;
mod loss;
mod push;
mod result;

use serde::{Deserialize, Serialize};

pub use event::EventLossCause;
pub use flag::FlagRule;
pub use loss::ProfileLossCause;
pub use push::{AlarmSeverity, AlarmSource, PushFate};
pub use result::ResultState;

/// How the head-end shows a meter who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "security_level", rename_all = "snake_case")]
pub enum Security {
    /// No authentication.
    None,
    /// Password.
    Lls,
    /// HLS 2, the manufacturer's own.
    Manufacturer,
    /// HLS 3.
    Md5,
    /// HLS 4.
    Sha1,
    /// HLS 5.
    Gmac,
    /// HLS 6.
    Sha256,
    /// HLS 7.
    Ecdsa,
}

impl Security {
    /// The text, as in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lls => "lls",
            Self::Manufacturer => "manufacturer",
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Gmac => "gmac",
            Self::Sha256 => "sha256",
            Self::Ecdsa => "ecdsa",
        }
    }
}

/// How messages are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "security_policy", rename_all = "snake_case")]
pub enum Policy {
    /// Not at all.
    None,
    /// By a tag.
    Authenticated,
    /// Encrypted, without a tag.
    Encrypted,
    /// Encrypted, with a tag.
    AuthenticatedEncrypted,
}

impl Policy {
    /// The text, as in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Authenticated => "authenticated",
            Self::Encrypted => "encrypted",
            Self::AuthenticatedEncrypted => "authenticated_encrypted",
        }
    }
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
    /// Find out what it has, as a draft of its model.
    Discover,
    /// Ask a concentrator for its nodes.
    ListNodes,
    /// Read both calendars and the special days.
    ReadTariff,
    /// Carry out a command.
    Command,
}

impl JobKind {
    /// The text, as in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::ReadClock => "read_clock",
            Self::ReadRegisters => "read_registers",
            Self::ReadProfile => "read_profile",
            Self::Discover => "discover",
            Self::ListNodes => "list_nodes",
            Self::ReadTariff => "read_tariff",
            Self::Command => "command",
        }
    }
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

impl JobState {
    /// The text, as in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a command is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "command_kind", rename_all = "snake_case")]
pub enum CommandKind {
    /// Open the load switch.
    Disconnect,
    /// Close it, or make it ready to be closed at the meter.
    Reconnect,
    /// Release a load switch that opened for a tamper.
    ReleaseTamperLock,
    /// Bring a tariff into the meter.
    PushTariff,
    /// Bring firmware into the meter.
    InstallFirmware,
    /// Set a parameter.
    SetParameter,
    /// Put the clock right.
    SyncClock,
    /// End the billing period.
    CloseBillingPeriod,
    /// Reset the maximum demands.
    ResetDemand,
    /// Take a snapshot of the registers.
    TakeSnapshot,
    /// Hand a purchase of prepaid energy on.
    BuyCredit,
    /// Close a load switch that the meter locked for its load.
    ForceReconnect,
    /// Set when the meter switches its household by itself.
    SetTimes,
    /// Clear a meter with its sub-units, or one of them.
    Clear,
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(type_name = "command_state", rename_all = "snake_case")]
pub enum CommandState {
    /// Waits for its time and for the line.
    Accepted,
    /// Waits for a second person.
    AwaitingApproval,
    /// Held back by a brake on mass orders.
    Quarantined,
    /// A collector works on it: something may have been sent.
    Sending,
    /// Something was sent and nobody knows what came of it.
    Unknown,
    /// Read back: it is as ordered.
    Confirmed,
    /// It is not as ordered, and that is certain.
    Refused,
    /// The deadline passed before anything was sent.
    Expired,
    /// Taken back before anything was sent.
    Cancelled,
}

impl CommandState {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::AwaitingApproval,
        Self::Quarantined,
        Self::Sending,
        Self::Unknown,
        Self::Confirmed,
        Self::Refused,
        Self::Expired,
        Self::Cancelled,
    ];
}
