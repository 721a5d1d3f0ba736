//! Meter models: what a type of meter can do, as data.
//!
//! A model is one TOML file: the associations a meter offers, the names of its identity objects, its profiles with
//! their capture objects, its registers, what its events mean, and the few habits in which it differs from the standard. Nothing about a
//! vendor is written in code; the collector and the simulator both work from what is said here.
//!
//! From the outside in:
//! - [`builtin`] and [`load_dir`] (`source.rs`) find the files and give back models by name, [`written`] what stands in them;
//! - [`Model`] and its parts (`model.rs`) are the manual of the file: each field says meaning, unit and limits;
//! - [`Alarms`] (`alarm.rs`) turns the codes and bits of the meter into the keys that all meters share; [`CimCodes`] (`cim.rs`) has the codes that
//!   other systems give to these keys;
//! - [`Language`] says what is spoken with it (`language.rs`; of each but DLMS `dlt645.rs`, `iec62056_21.rs`, `modbus.rs`, `gdw376.rs`), and where registers are in it;
//! - a capability that not every meter has is a section with a file of its own (`clock_sync.rs`, `firmware.rs`, `tariff.rs`, `billing.rs`, `clearing.rs`, `log.rs`, `concentrator.rs`, `transformers.rs`, `mbus.rs`);
//! - [`Bounds`] (`bounds.rs`) say what a register may be set to, in exact numbers ([`Decimal`], `decimal.rs`);
//! - what values can be is in `validation.rs`;
//! - `base.rs` lets a model be like another one but for some things;
//! - `check.rs` refuses what the types alone cannot (a profile twice, a first column that is no clock, …);
//! - `draft.rs` writes a model down that was made from what a meter shows;
//! - [`Error`] names the file and the key or line, so that whoever wrote the file can mend it.
//!
//! The files that come with the program lie beside this crate: one for each type of meter, from the manufacturer's datasheet (what that leaves open is
//! marked as assumed), and `generic-*.toml` (the common minimum of a language, for meters whose type is not known).

mod alarm;
mod base;
mod billing;
mod bounds;
mod check;
mod cim;
mod clearing;
mod clock_sync;
mod concentrator;
mod credit;
mod decimal;
mod dlt645;
mod draft;
mod error;
mod firmware;
mod form;
mod gdw376;
mod iec62056_21;
mod language;
mod load;
mod log;
mod mbus;
mod modbus;
mod model;
mod quirks;
mod source;
mod switch;
mod tariff;
mod times;
mod transformers;
mod validation;

pub use alarm::{AlarmBit, AlarmObject, Alarms, EventCode, KEYS, Meaning, Severity, Source, TEST_KEY};
pub use billing::{Billing, Script};
pub use bounds::{Bounds, OutOfBounds};
pub use check::is_name;
pub use cim::CimCodes;
pub use clearing::Clearing;
pub use clock_sync::ClockSync;
pub use concentrator::{Concentrator, NodeList, Parity, Reach};
pub use credit::{Credit, CreditRegisters};
pub use decimal::{Decimal, NoDecimal};
pub use dlt645::{
    ClockItems, Dlt645, Dlt645Frozen, Dlt645Place, Dlt645Profile, Dlt645Records, Dlt645Settled, Dlt645Switch,
    ItemName, Part, Reconnect,
};
pub use draft::{draft, with_name};
pub use error::Error;
pub use firmware::{Firmware, SecondInitiate};
pub use gdw376::Gdw376;
pub use iec62056_21::{ClockSets, Iec62056_21, Iec62056_21Place, ReadBy};
pub use language::{Language, Place, ProfilePlace, SwitchPlace};
pub use load::Load;
pub use log::{Log, Outages, StatusWord};
pub use mbus::{MBUS_DEVICE, MBus};
pub use modbus::{Modbus, ModbusPlace, ModbusState, ModbusSwitch};
pub use model::{AssociationSpec, ColumnSpec, Identity, Model, Profile, Register, StatedScaler, Wrapping};
pub use quirks::{
    Answers, DeviationSign, DeviationSummer, LocalTime, NullRule, ProofCounter, Quirks, RangeDeviation,
};
pub use source::{builtin, load_dir, parse, written};
pub use switch::{DlmsSwitch, Switch};
pub use tariff::Tariff;
pub use times::{BadTimes, DayTime, DayTimes, Dlt645Times, Times, TimesPlace};
pub use transformers::{RatioObjects, Transformers};
pub use validation::{StatusBit, StatusMeaning, Validation};
