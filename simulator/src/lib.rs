//! Meters that do not exist: a deterministic fleet of DLMS meters over TCP, with the wrapper or HDLC, over UDP, or on RS485 buses, and with scripted faults.
//!
//! What a meter has measured is a pure function of seed, serial number and time, in integers, computed when it is asked
//! for. So thousands of meters fit into one process, a test can ask what a correct reader must have stored
//! ([`Fleet::expected`], [`Meter::expected`]), and two runs with the same seed and clock give the same octets.
//!
//! From the data to the wire:
//! - `noise.rs` hashes, `energy.rs` makes registers that never fall in closed form, `quantity.rs` says what stands behind
//!   an OBIS code, `plan.rs` prepares a [`models::Model`] with it;
//! - `local.rs` and `schedule.rs` know zones and when profiles capture; [`Clock`] is the time that meters believe in;
//! - [`Meter`] is one meter: identity, keys, captures, and what it remembers; `switch.rs` is its load switch,
//!   `image.rs` its firmware, `calendar.rs` its tariff;
//! - `buffer.rs` and `objects/` answer requests, a file for each group of objects;
//! - [`Ledger`] is what really happened to a meter, whatever its answers said;
//! - `talk.rs` is what is spoken with one meter, `serve.rs` one connection, `udp.rs` a meter on UDP, `framing.rs` what stands between its octets and APDUs, [`Fleet`] all of them;
//!   `bus/` is the same on RS485, `concentrator/` behind concentrators; [`FaultRule`] says what is wrong with whom;
//! - [`Modems`] call a head-end that the lines of a fleet are behind;
//! - [`inventory`] lists a fleet as the head-end imports it.
//!
//! Deliberately absent: services with list, push, event logs. Meters forget when the program ends.

mod around;
mod buffer;
mod bus;
mod calendar;
mod caller;
mod clearing;
mod clock;
mod concentrator;
mod config;
mod credit;
mod energy;
mod error;
mod fault;
mod fleet;
mod framing;
mod held;
mod image;
mod inventory;
mod languages;
mod ledger;
mod load;
mod local;
mod mbus;
mod meter;
mod noise;
mod objects;
mod plan;
mod push;
mod quantity;
mod ratios;
mod resets;
mod schedule;
mod serve;
mod switch;
mod talk;
mod udp;

pub use bus::{Bus, BusConfig, Buses, Station, Terminal, Wire};
pub use caller::{CallConfig, Modems, call, caller_id};
pub use clock::Clock;
pub use concentrator::{
    Backend, ConcentratorConfig, Concentrators, NODES_LIMIT, NodeEvent, NodeEventKind, NodeState,
};
pub use config::{
    CONNECTIONS_PER_METER, DEVICES_LIMIT, FIRST_DEVICE, FleetConfig, Framing, METERS_LIMIT, SecretKind,
    Security, SecurityLevel,
};
pub use error::Error;
pub use fault::{Affected, Fault, FaultRule, Often};
pub use fleet::Fleet;
pub use image::FirmwareConfig;
pub use inventory::{inventory, inventory_of_buses, inventory_of_callers, inventory_of_concentrators};
pub use ledger::{Access, Counts, Event, LEDGER_RECORDS, Ledger, Record};
pub use mbus::MBusDevice;
pub use meter::{Capture, Meter, Secrets};
pub use push::{PushOptions, Pusher, Transport, send};
pub use ratios::Ratios;
pub use switch::{ControlState, SwitchConfig};
