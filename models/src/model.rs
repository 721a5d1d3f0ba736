//! The model of a meter type. The structs are the manual of the TOML file: unknown keys are refused.

use std::time::Duration;

use dlms::{Obis, ScalerUnit, Unit};
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{
    Alarms, Billing, Bounds, Clearing, ClockSync, Concentrator, Credit, Dlt645Profile, Firmware, Language,
    Load, Log, MBus, Place, ProfilePlace, Quirks, Switch, Tariff, Times, Transformers, Validation,
};

/// No profile is read more often.
const READ_WITHIN_MIN: Duration = Duration::from_secs(60);

/// What a type of meter can do.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// Name by which the inventory refers to the model; the same as the file's name without `.toml`.
    /// Lower-case letters, digits and hyphens, at most 32.
    pub name: String,
    /// Who makes the meter, as people write it.
    pub manufacturer: String,
    /// One sentence for a person who has to choose a model.
    pub description: String,
    /// What is spoken with the meter. Default `"dlms"`; the others are sections, such as `[language.dlt645]`.
    #[serde(default)]
    pub language: Language,
    /// Sub-units with an account of their own at most, such as the households of a multi-user meter or the channels of M-Bus; they are counted from 1.
    /// Default 0.
    #[serde(default)]
    pub subunits: u8,
    /// Whether it is never asked itself: what it measures is read with the meter that it is a part of. Default false.
    #[serde(default)]
    pub read_with_parent: bool,
    /// Which circuits of a household it is about. Default 1: the first, whose load, credit and times the meter controls. Higher: the second up to this one,
    /// which can only be switched.
    #[serde(default = "default_last_circuit")]
    pub last_circuit: u8,
    /// How the meter is spoken to. This and what follows up to the profiles is of DLMS; the defaults are the usual ones.
    #[serde(default)]
    pub association: AssociationSpec,
    /// Objects that say which meter this is.
    #[serde(default)]
    pub identity: Identity,
    /// Ratios of transformers that it shows. Default: none.
    #[serde(default)]
    pub transformers: Option<Transformers>,
    /// Channels of M-Bus. Default: it has none.
    #[serde(default)]
    pub mbus: Option<MBus>,
    /// The clock object (class 8). Default `0.0.1.0.0.255`.
    #[serde(default = "default_clock")]
    pub clock: Obis,
    /// Data object (class 1, double-long-unsigned) with the last invocation counter that the meter accepted from
    /// the head-end, readable without security. Default `0.0.43.1.0.255`.
    #[serde(default = "default_invocation_counter")]
    pub invocation_counter: Obis,
    /// Profiles that are read periodically; at least one with DLMS, at most 16. Other languages than DLMS and DL/T 645 have none, nor has a concentrator
    /// that measures nothing.
    #[serde(default)]
    pub profiles: Vec<Profile>,
    /// Logs of events that are read periodically; at most 16. Default: none.
    #[serde(default)]
    pub logs: Vec<Log>,
    /// The load switch; absent when the meter has none.
    #[serde(default)]
    pub switch: Option<Switch>,
    /// Registers that are read on their own; may be empty, at most 128.
    #[serde(default)]
    pub registers: Vec<Register>,
    /// Scalers and units that the datasheet states of objects whose own the meter refuses to show, wherever their values are read; what it shows goes before
    /// that. At most 128. Default: none, and such a value is not used.
    #[serde(default)]
    pub scalers: Vec<StatedScaler>,
    /// How it takes new firmware. Default: it does not.
    #[serde(default)]
    pub firmware: Option<Firmware>,
    /// How it takes a tariff. Default: it does not.
    #[serde(default)]
    pub tariff: Option<Tariff>,
    /// How its clock is put right. Default: it is not.
    #[serde(default)]
    pub clock_sync: Option<ClockSync>,
    /// How it ends a billing period and resets its maximum demands from afar. Default: it does not.
    #[serde(default)]
    pub billing: Option<Billing>,
    /// How it takes prepaid energy that was bought. Default: it does not.
    #[serde(default)]
    pub credit: Option<Credit>,
    /// How it watches what its household draws. Default: it does not.
    #[serde(default)]
    pub load: Option<Load>,
    /// How it switches its household on and off at times of the day. Default: it does not.
    #[serde(default)]
    pub times: Option<Times>,
    /// How it is cleared from afar. Default: it is not.
    #[serde(default)]
    pub clearing: Option<Clearing>,
    /// What it does for meters behind it. Default: it stands in front of none.
    #[serde(default)]
    pub concentrator: Option<Concentrator>,
    /// What events and alarms of the meter mean. Default: nothing is known of them.
    #[serde(default)]
    pub alarms: Alarms,
    /// What its values can be. Default: hardly anything is known of it.
    #[serde(default)]
    pub validation: Validation,
    /// Where the meter differs from the standard.
    #[serde(default)]
    pub quirks: Quirks,
}

/// Addresses and sizes of the associations that the meter offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssociationSpec {
    /// Client address of the association without security. Default 16, the public client of the standard.
    #[serde(default = "default_client_sap_none")]
    pub client_sap_none: u16,
    /// Client address of the association with a password (LLS). Default 32.
    #[serde(default = "default_client_sap_lls")]
    pub client_sap_lls: u16,
    /// Client address of the association with high level security. Default 1.
    #[serde(default = "default_client_sap_hls")]
    pub client_sap_hls: u16,
    /// Address of the logical device inside the meter. Default 1, the management logical device.
    #[serde(default = "default_server_sap")]
    pub server_sap: u16,
    /// Largest APDU in octets that the client offers to receive; the meter may answer with less.
    /// Default 1024, at least 64.
    #[serde(default = "default_max_pdu")]
    pub max_pdu: u16,
    /// Blocks that the meter may send in one go when an answer is longer than an APDU (general block transfer), 1 to 63:
    /// for lines on which an answer is a long way off. Default 0: not proposed, each block is asked for. Without effect over
    /// HDLC, whose frames have windows of their own.
    #[serde(default)]
    pub general_block_window: u8,
    /// Whether each ciphered association has a key of its own (dedicated key), which spares the global one and its invocation
    /// counters. Default false.
    #[serde(default)]
    pub dedicated_key: bool,
    /// How ciphered messages are wrapped. Default `"service"`.
    #[serde(default)]
    pub ciphering: Wrapping,
}

/// How ciphered messages are wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrapping {
    /// In the ciphered message of their own service (`glo-`, `ded-`).
    #[default]
    Service,
    /// In a general one with the head-end's system title (`general-glo-`, `general-ded-ciphering`).
    General,
    /// In a general one whose title is empty, as meters in Italy have it.
    GeneralUntitled,
}

/// Data objects (class 1) that identify the meter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// Serial number as printed on the meter; compared with the inventory once per association. Default `0.0.96.1.0.255`.
    pub serial: Obis,
    /// COSEM logical device name (IEC 62056-6-2). Default `0.0.42.0.0.255`.
    pub logical_device_name: Obis,
    /// Version of the active firmware. Default `1.0.0.2.0.255`.
    pub firmware: Obis,
}

/// A profile-generic object (class 7) and what the datasheet says of it. The collector reads the layout that the
/// meter really has; the simulator builds meters from the columns given here.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Short name for people and for the command line, such as `energy`; unique in the model.
    pub name: String,
    /// Logical name of the profile; unique in the model.
    pub obis: Obis,
    /// Capture period in seconds: a divisor of a day, 86400 for local midnight, 0 when the captures are not
    /// periodic (monthly billing: 00:00:00 on the first of the month).
    pub period_s: u32,
    /// Rows that the meter keeps before it overwrites the oldest; at least 1.
    pub depth: u32,
    /// How often new captures are read, such as `"1h"`; at least one minute. Where the meter holds them for less than twice as long, they are read more
    /// often: see [`read_within`](Self::read_within).
    #[serde(with = "humantime_serde")]
    pub read_every: Duration,
    /// With DL/T 645: how the captures are kept, such as `at.dlt645.frozen = { time = "05060001" }`.
    #[serde(default)]
    pub at: Option<ProfilePlace>,
    /// Capture objects in order; the first is the clock, at most 16 of them hold values. Of a meter that captures more than 16 values, those that stand here
    /// are stored, before others.
    pub columns: Vec<ColumnSpec>,
}

impl Profile {
    /// How often new captures have to be read of a meter that captures every `period_s` seconds and keeps `depth` rows, which may be others than those of the
    /// model: as often as the model says, but at least twice within the time for which the meter holds a capture, so that a read that fails loses nothing; once
    /// a minute at most.
    pub fn read_within(&self, period_s: u32, depth: u32) -> Duration {
        let held = Duration::from_secs(u64::from(period_s) * u64::from(depth));
        match period_s {
            0 => self.read_every,
            _ => self.read_every.min((held / 2).max(READ_WITHIN_MIN)),
        }
    }
}

/// One capture object of a profile.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnSpec {
    /// Logical name of the captured object.
    pub obis: Obis,
    /// Interface class of the captured object.
    pub class_id: u16,
    /// Captured attribute, 2 or more. Default 2.
    #[serde(default = "default_attribute")]
    pub attribute: i8,
    /// The value times ten to the power of the scaler is in `unit`. Default 0.
    #[serde(default)]
    pub scaler: i8,
    /// Unit by its symbol, such as `"Wh"`. Default: no unit (255).
    #[serde(default = "no_unit", deserialize_with = "unit_by_symbol")]
    pub unit: Unit,
    /// With DL/T 645: where it is, such as `at.dlt645 = { item = "05060101", octets = 4 }`.
    #[serde(default)]
    pub at: Option<Place>,
}

/// A register that is read on its own. A meter that speaks DLMS is asked for scaler and unit; of others, both stand here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// Short name for people, such as `active import`; unique in the model.
    pub name: String,
    /// Logical name; unique in the model. Readings go by it, whatever the language.
    pub obis: Obis,
    /// Interface class: 1 data, 3 register, 4 extended register, 5 demand register. Default 3.
    #[serde(default = "default_class_id")]
    pub class_id: u16,
    /// How often it is read, such as `"1day"`; at least one minute.
    #[serde(with = "humantime_serde")]
    pub read_every: Duration,
    /// Where it is in a language other than DLMS, such as `at.dlt645 = { item = "00010000", octets = 4 }`.
    #[serde(default)]
    pub at: Option<Place>,
    /// With another language than DLMS: its last digit times ten to the power of the scaler is in `unit`. Default 0.
    #[serde(default)]
    pub scaler: i8,
    /// With another language than DLMS: unit by its symbol, such as `"Wh"`. Default: no unit (255).
    #[serde(default = "no_unit", deserialize_with = "unit_by_symbol")]
    pub unit: Unit,
    /// What it may be set to, such as `set = { least = "0", most = "5000" }`: it is a parameter then. Default: it is only read.
    #[serde(default)]
    pub set: Option<Bounds>,
}

/// Scaler and unit of an object's values, as somebody states them who knows: a wrong one puts each value off by powers of ten.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatedScaler {
    /// Logical name; unique in the list.
    pub obis: Obis,
    /// A value times ten to the power of the scaler is in `unit`.
    pub scaler: i8,
    /// Unit by its symbol, such as `"Wh"`. Default: no unit (255).
    #[serde(default = "no_unit", deserialize_with = "unit_by_symbol")]
    pub unit: Unit,
}

impl Register {
    /// Whether registers of Modbus hold it as a whole number.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(&self.at, Some(Place::Modbus(place)) if place.kind != ::modbus::Kind::Float)
    }
}

impl Default for AssociationSpec {
    fn default() -> Self {
        Self {
            client_sap_none: default_client_sap_none(),
            client_sap_lls: default_client_sap_lls(),
            client_sap_hls: default_client_sap_hls(),
            server_sap: default_server_sap(),
            max_pdu: default_max_pdu(),
            general_block_window: 0,
            dedicated_key: false,
            ciphering: Wrapping::Service,
        }
    }
}

impl Default for Identity {
    fn default() -> Self {
        Self {
            serial: Obis::new([0, 0, 96, 1, 0, 255]),
            logical_device_name: Obis::new([0, 0, 42, 0, 0, 255]),
            firmware: Obis::new([1, 0, 0, 2, 0, 255]),
        }
    }
}

impl Model {
    /// Whether it is about circuits of a household that can only be switched.
    pub fn is_only_switched(&self) -> bool {
        self.last_circuit > 1
    }

    /// Whether sub-units are named inside of requests, and share the device address of their meter.
    pub fn names_subunits(&self) -> bool {
        self.registers.iter().any(|register| match &register.at {
            Some(Place::Dlt645(place)) => place.item.names_subunit() || place.step > 0,
            Some(Place::Modbus(place)) => place.step > 0,
            Some(Place::Iec62056_21(_)) | None => false,
        })
    }

    /// The register of that name that may be set, and what it may be set to, if the model has it.
    pub fn parameter(&self, name: &str) -> Option<(&Register, Bounds)> {
        self.parameters().find(|(register, _)| register.name == name)
    }

    /// The registers that may be set, each with what it may be set to.
    pub fn parameters(&self) -> impl Iterator<Item = (&Register, Bounds)> {
        self.registers.iter().filter_map(|register| Some((register, register.set?)))
    }

    /// Whether it takes snapshots of its registers when that is ordered.
    pub fn takes_snapshots(&self) -> bool {
        self.profiles.iter().any(|profile| {
            matches!(&profile.at, Some(ProfilePlace::Dlt645(Dlt645Profile::Frozen(frozen))) if frozen.ordered)
        })
    }

    /// Scaler and unit that are stated of an object, if they are.
    pub fn stated_scaler(&self, obis: Obis) -> Option<ScalerUnit> {
        let stated = self.scalers.iter().find(|stated| stated.obis == obis)?;
        Some(ScalerUnit { scaler: stated.scaler, unit: stated.unit })
    }

    /// The profile of that name, if the model has it.
    pub fn profile(&self, name: &str) -> Option<&Profile> {
        self.profiles.iter().find(|profile| profile.name == name)
    }

    /// The log with that logical name, if the model has it.
    pub fn log(&self, obis: Obis) -> Option<&Log> {
        self.logs.iter().find(|log| log.obis == obis)
    }
}

fn default_client_sap_none() -> u16 {
    16
}

fn default_client_sap_lls() -> u16 {
    32
}

fn default_client_sap_hls() -> u16 {
    1
}

fn default_last_circuit() -> u8 {
    1
}

fn default_server_sap() -> u16 {
    1
}

fn default_max_pdu() -> u16 {
    1024
}

fn default_clock() -> Obis {
    Obis::new([0, 0, 1, 0, 0, 255])
}

fn default_invocation_counter() -> Obis {
    Obis::new([0, 0, 43, 1, 0, 255])
}

fn default_attribute() -> i8 {
    2
}

fn default_class_id() -> u16 {
    3
}

fn no_unit() -> Unit {
    Unit::NONE
}

/// The unit whose symbol is the given text; IEC 62056-6-2 numbers units 1 to 255.
fn unit_by_symbol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Unit, D::Error> {
    let text = String::deserialize(deserializer)?;
    (1..=u8::MAX).map(Unit).find(|unit| !text.is_empty() && unit.symbol() == text).ok_or_else(|| {
        de::Error::custom(format!("`{text}` is no unit of the standard; try Wh, varh, W, var, V, A, Hz"))
    })
}
