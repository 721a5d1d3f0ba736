use std::sync::Arc;

use dlms::{
    AttributeDescriptor, Obis, Unit,
    client::{Counters, SystemTitle},
};
use jiff::{Timestamp, tz::TimeZone};
use models::Model;

use crate::{
    Address, BuyCredit, Clear, ClockReading, ClockSetup, Credentials, Failure, Finding, Install, Layout,
    LogEntries, LogRange, LogRead, MBusChannel, Oddity, Outcome, PushTariff, Ratios, Reset, ResetOf, Seed,
    SetParameter, SetTimes, Switch, SyncClock, TakeSnapshot, TariffObjects, Terms, ZoneFault,
    time::is_invalid,
};

/// Key of a meter in the inventory.
pub type MeterId = i32;
/// Key of a job.
pub type JobId = i64;

/// One meter and everything that is needed to speak with it.
#[derive(Debug, Clone)]
pub struct Station {
    /// The meter in the inventory.
    pub meter: MeterId,
    /// Where its line ends and what is spoken on it.
    pub address: Address,
    /// The meter on its line, as its language has it: with HDLC the lower part of the address, 1 to 16381. `None` with the wrapper, and where
    /// the meter takes an address without a lower part.
    pub device_address: Option<u64>,
    /// Which sub-unit of the device is meant: a household of a multi-user meter, a channel of M-Bus; counted from 1. `None` for the device
    /// itself.
    pub subunit: Option<u8>,
    /// The concentrator through which it is reached; there when the address names one.
    pub via: Option<Arc<Via>>,
    /// The logical device inside the meter: wrapper port of the server, upper part of its HDLC address.
    pub server_sap: u16,
    /// Who the head-end is for the meter: wrapper port or HDLC address of the client.
    pub client_sap: u16,
    /// Level of security and its secrets.
    pub credentials: Credentials,
    /// What this type of meter can do.
    pub model: Arc<Model>,
    /// The serial number it must have; `None` when it is not known yet and nothing is compared.
    pub serial: Option<String>,
    /// The zone of the meter's clock, for times that it sends without a deviation.
    pub zone: TimeZone,
}

/// A concentrator that stands between the head-end and meters.
#[derive(Debug, Clone)]
pub struct Via {
    /// The concentrator in the inventory.
    pub meter: MeterId,
    /// Where its own line ends.
    pub address: Address,
    /// What this type of concentrator can do.
    pub model: Arc<Model>,
}

/// What a channel is asked to do: one task on one meter.
#[derive(Debug)]
pub struct Work {
    /// The job that the reports of this work name.
    pub job: JobId,
    /// The meter.
    pub station: Arc<Station>,
    /// Invocation counters reserved for this work; needed when [`Credentials::takes_counters`]. A channel uses the ranges it holds for
    /// one meter in ascending order, whichever work came first: a meter never accepts a lower counter after a higher one.
    pub counters: Option<Counters>,
    /// Fresh for this work.
    pub seed: Seed,
    /// What to do.
    pub task: Task,
    /// Higher goes first; among equals the older.
    pub priority: i16,
    /// Parent of the work's own span.
    pub span: tracing::Span,
}

impl Work {
    /// Whether somebody waits for it who may know more of the meter than the head-end does: it is tried where a read waits.
    pub(crate) const fn is_urgent(&self) -> bool {
        self.task.terms().is_some()
    }
}

/// What can be asked of a meter.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// Read serial number, logical device name and firmware version, the ratios of transformers, and what is on channels of M-Bus.
    Identify,
    /// Read the clock and compare it with ours.
    ReadClock,
    /// Read single registers.
    ReadRegisters(Vec<RegisterRequest>),
    /// Read the captures of a profile.
    ReadProfile(ProfileRange),
    /// Read the entries of a log of events.
    ReadLog(LogRange),
    /// Find out what the meter has and write it down as a draft of its model. The serial number is not compared before.
    Discover,
    /// Ask a concentrator for its nodes.
    ListNodes,
    /// Read both calendars of the tariff, the time of activation and the special days.
    ReadTariff,
    /// Bring a tariff into the meter and into force.
    PushTariff(Box<PushTariff>),
    /// Move the load switch.
    Switch(Switch),
    /// Bring firmware into the meter.
    InstallFirmware(Install),
    /// Release the lock of a load switch that opened for a tamper.
    ReleaseTamperLock(Terms),
    /// Set a parameter.
    SetParameter(SetParameter),
    /// Hand prepaid energy on.
    BuyCredit(BuyCredit),
    /// Set when it switches by itself.
    SetTimes(SetTimes),
    /// Put the clock right.
    SyncClock(SyncClock),
    /// End the billing period, or reset the maximum demands.
    Reset(Reset),
    /// Take a snapshot of the registers.
    TakeSnapshot(TakeSnapshot),
    /// Clear the meter, or the sub-unit of it.
    Clear(Clear),
}

impl Task {
    /// The kind of the task in a word, such as `read_profile`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::ReadClock => "read_clock",
            Self::ReadRegisters(_) => "read_registers",
            Self::ReadProfile(_) => "read_profile",
            Self::ReadLog(_) => "read_log",
            Self::Discover => "discover",
            Self::ListNodes => "list_nodes",
            Self::ReadTariff => "read_tariff",
            Self::PushTariff(_) => "push_tariff",
            Self::Switch(_) => "switch",
            Self::InstallFirmware(_) => "install_firmware",
            Self::ReleaseTamperLock(_) => "release_tamper_lock",
            Self::SetParameter(_) => "set_parameter",
            Self::BuyCredit(_) => "buy_credit",
            Self::SetTimes(_) => "set_times",
            Self::SyncClock(_) => "sync_clock",
            Self::Reset(Reset { of: ResetOf::BillingPeriod, .. }) => "close_billing_period",
            Self::Reset(Reset { of: ResetOf::Demand, .. }) => "reset_demand",
            Self::TakeSnapshot(_) => "take_snapshot",
            Self::Clear(_) => "clear",
        }
    }

    /// The terms of an order; `None` for a read.
    pub const fn terms(&self) -> Option<&Terms> {
        match self {
            Self::Switch(Switch { terms, .. })
            | Self::InstallFirmware(Install { terms, .. })
            | Self::SetParameter(SetParameter { terms, .. })
            | Self::BuyCredit(BuyCredit { terms, .. })
            | Self::SetTimes(SetTimes { terms, .. })
            | Self::SyncClock(SyncClock { terms, .. })
            | Self::Reset(Reset { terms, .. })
            | Self::TakeSnapshot(TakeSnapshot { terms, .. })
            | Self::Clear(Clear { terms, .. })
            | Self::ReleaseTamperLock(terms) => Some(terms),
            Self::PushTariff(push) => Some(&push.terms),
            Self::Identify
            | Self::ReadClock
            | Self::ReadRegisters(_)
            | Self::ReadProfile(_)
            | Self::ReadLog(_)
            | Self::Discover
            | Self::ListNodes
            | Self::ReadTariff => None,
        }
    }
}

/// A register to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterRequest {
    /// Logical name.
    pub obis: Obis,
    /// Interface class: 1 data, 3 register, 4 extended register, 5 demand register.
    pub class_id: u16,
    /// Attribute that holds the value, normally 2.
    pub attribute: i8,
}

impl RegisterRequest {
    /// The attribute as the protocol names it.
    pub const fn descriptor(&self) -> AttributeDescriptor {
        AttributeDescriptor { class_id: self.class_id, instance: self.obis, attribute: self.attribute }
    }
}

/// Which captures of which profile to read.
#[derive(Debug, Clone, PartialEq)]
pub struct ProfileRange {
    /// The profile (class 7).
    pub obis: Obis,
    /// Earliest time of capture, inclusive.
    pub from: Timestamp,
    /// Latest time of capture, inclusive.
    pub to: Timestamp,
    /// The columns as they were last time; `None` makes the collector read them first.
    pub layout: Option<Arc<Layout>>,
    /// The latest capture that is known; those that follow it show whether they still come at the rate of the layout.
    pub last: Option<Timestamp>,
}

/// What a channel says about a work. The reports of one work arrive in order and end with one [`Event::Ended`].
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The job of the work.
    pub job: JobId,
    /// The meter of the work.
    pub meter: MeterId,
    /// What happened.
    pub event: Event,
}

/// What can be reported.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Who the meter says it is.
    Identity {
        /// Serial number.
        serial: String,
        /// COSEM logical device name; `None` when the meter does not give it.
        logical_device_name: Option<String>,
        /// Version of the firmware; `None` when the meter does not give it.
        firmware: Option<String>,
        /// System title; `None` when the meter did not prove by ciphering that it is its own.
        system_title: Option<SystemTitle>,
    },
    /// What the meter's clock showed: asked for, or looked at beside something else.
    Clock(ClockReading),
    /// How the clock is set up, and what of it will be wrong in the zone of its place.
    ClockSetup(ClockSetup, Option<ZoneFault>),
    /// The ratios of the transformers in front of the meter, where its model names objects for them.
    Ratios(Ratios),
    /// What is on the M-Bus channels of the meter, where its model has some and the meter shows them.
    MBus(Vec<MBusChannel>),
    /// Values of single registers.
    Registers(Vec<RegisterValue>),
    /// The columns of a profile, before the first captures that have them.
    Layout(Arc<Layout>),
    /// How many rows a profile keeps before it overwrites the oldest, behind its columns; not sent by a meter that does not say. At least 1.
    Capacity {
        /// The profile.
        profile: Obis,
        /// Rows.
        rows: u32,
    },
    /// Captures of a profile, as they arrive.
    Captures(Captures),
    /// Something of what arrived is odd.
    Odd(Oddity),
    /// Entries of a log of events, as they arrive.
    Logged(LogEntries),
    /// A log of events was read to its end.
    LogRead(LogRead),
    /// A draft of the meter's model: a file without its first line, which is the model's name.
    ModelDraft(String),
    /// The nodes that a concentrator names now, at most 4096; what is not among them it does not reach.
    Nodes(Vec<Node>),
    /// The objects of the tariff.
    Tariff(TariffObjects),
    /// What an attempt to carry out an order found out or did.
    Found(Finding),
    /// How far an order with many steps has come.
    Progress {
        /// Steps done.
        done: u32,
        /// Steps there are.
        total: u32,
    },
    /// The work is over.
    Ended(Result<Covered, Failure>),
}

/// A node of a concentrator, as the concentrator has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name in an address, at most 64 letters.
    pub name: String,
    /// What else the concentrator says it is: a logical device name, a serial number, the number of a measuring point.
    pub identity: Option<String>,
    /// Whether the concentrator reaches it.
    pub is_linked: bool,
    /// Phase of the supply that it is on, 1 to 3.
    pub phase: Option<u8>,
    /// Repeaters in between.
    pub level: Option<u8>,
}

impl Node {
    /// A node that is reached, and of which no more is known.
    pub(crate) const fn linked(name: String) -> Self {
        Self { name, identity: None, is_linked: true, phase: None, level: None }
    }
}

/// What a register held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterValue {
    /// Logical name.
    pub obis: Obis,
    /// Attribute that was read.
    pub attribute: i8,
    /// Interface class.
    pub class_id: u16,
    /// The meter's own integer.
    pub value: i64,
    /// `value` times ten to the power of the scaler is in `unit`.
    pub scaler: i8,
    /// Unit; 255 when the meter gives none.
    pub unit: Unit,
    /// Our time when the value had arrived.
    pub at: Timestamp,
}

/// Some captures of one profile, column by column: index `i` of every vector is capture `i`.
#[derive(Debug, Clone, PartialEq)]
pub struct Captures {
    /// The columns.
    pub layout: Arc<Layout>,
    /// Instant of each capture: the end of its interval.
    pub at: Vec<Timestamp>,
    /// The meter's offset from UTC in minutes, positive to the east; `None` when it did not say.
    pub offset_min: Vec<Option<i16>>,
    /// Clock status bits, as in [`ClockReading`].
    pub clock_status: Vec<u8>,
    /// Bits of the profile's status column; `None` when there is none. A status above 2³¹ is the negative number of the
    /// same bits.
    pub status: Vec<Option<i32>>,
    /// Values per capture: those of [`Layout::values`].
    pub width: usize,
    /// Values capture after capture; `None` when the meter gave none. The meter's own integers.
    pub values: Vec<Option<i64>>,
}

impl Captures {
    /// Whether the clock of the meter called the time of this capture invalid.
    pub fn is_invalid(&self, index: usize) -> bool {
        self.clock_status.get(index).is_some_and(|status| is_invalid(*status))
    }
}

/// What a work that succeeded covered and cost.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Covered {
    /// For a profile: the range, both ends inclusive, in which the meter has no other captures than those reported. Of a profile without a period it begins
    /// with the first capture that there is: those before it may have been overwritten.
    pub range: Option<(Timestamp, Timestamp)>,
    /// For an order: what the meter showed when it was read back.
    pub outcome: Option<Outcome>,
    /// For an operator: what of what was asked for did not come, and why; `None` when all came.
    pub note: Option<String>,
    /// Octets sent and received, wrapper headers included, TCP and below not.
    pub bytes_on_wire: u64,
    /// Requests that were answered, those that opened associations included.
    pub exchanges: u32,
}
