//! One meter: who it is, what it has captured, and the little that it remembers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dlms::Obis;
use dlms::cosem::activity_calendar::Calendar;
use dlms::profile::CaptureObject;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use models::{Language, Model};

use crate::around::Around;
use crate::calendar::Tariffs;
use crate::config::{FIRST_DEVICE, FleetConfig, Framing, SecurityLevel};
use crate::credit::Cut;
use crate::fault::{Faults, Occasions, Trouble};
use crate::image::Image;
use crate::ledger::{Book, Journal, Ledger};
use crate::load::Household;
use crate::local::{Offsets, timestamp};
use crate::noise::Noise;
use crate::plan::{Cell, Plan, ProfilePlan};
use crate::quantity::Moment;
use crate::resets::Resets;
use crate::schedule::{Captures, Schedule};
use crate::switch::{ControlState, Switch};
use crate::{Counts, Error, Event};

/// Bit of the status column that is set in summer time (AMR profile status of the IDIS companion specification).
const STATUS_SUMMER: u8 = 0x08;
/// Day that the history is counted in.
const DAY_S: i64 = 86_400;

/// A simulated meter. What it measures is a pure function of seed, serial number and time; what it is told, it remembers.
pub struct Meter {
    fleet: Arc<Shared>,
    number: u32,
    noise: Noise,
    state: Mutex<State>,
    /// Seconds by which its clock is ahead of that of the fleet.
    ahead_s: AtomicI64,
}

/// What all meters of a fleet have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: FleetConfig,
    pub(crate) plan: Plan,
    /// When the meters were put up (seconds since 1970): there is no older capture.
    pub(crate) history_from: i64,
    journal: Option<Arc<Journal>>,
}

/// What a meter remembers between associations.
#[derive(Debug)]
pub(crate) struct State {
    /// Last invocation counter accepted from the client, if any.
    pub(crate) client_counter: Option<u32>,
    /// Next invocation counter of the meter's own answers.
    pub(crate) own_counter: u32,
    pub(crate) switch: Switch,
    pub(crate) image: Image,
    pub(crate) tariffs: Tariffs,
    pub(crate) book: Book,
    /// When snapshots were taken by order (seconds since 1970), the last one last.
    pub(crate) snapshots: Vec<i64>,
    /// The last day on which it heeded the time that everybody was told.
    pub(crate) time_told: Option<jiff::civil::Date>,
    /// Registers that were set, in place of what they would hold.
    pub(crate) set: BTreeMap<Obis, i64>,
    /// What counters had counted when they were cleared, and do not show any more.
    pub(crate) cleared: BTreeMap<Obis, i64>,
    pub(crate) resets: Resets,
    pub(crate) around: Around,
    pub(crate) cut: Cut,
    pub(crate) household: Household,
    occasions: Occasions,
}

/// One row of a profile, as a correct reader must have stored it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capture {
    /// When it was captured: the end of the interval.
    pub at: Timestamp,
    /// The status column, when the profile has one.
    pub status: Option<u8>,
    /// The value columns in order, in the meter's own integers.
    pub values: Vec<i64>,
}

/// Secrets of a meter, derived from seed and serial number. They protect nothing and may be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secrets {
    /// Password of the association with LLS: eight digits.
    pub password: String,
    /// AES-128 key for global unicast encryption.
    pub encryption_key: [u8; 16],
    /// AES-128 authentication key.
    pub authentication_key: [u8; 16],
}

impl Shared {
    pub(crate) fn new(config: FleetConfig) -> Result<Self, Error> {
        config.check()?;
        let plan = Plan::new(Arc::clone(&config.model));
        let history_from = config.clock.seconds() - i64::from(config.history_days) * DAY_S;
        let journal = config.ledger.as_deref().map(Journal::open).transpose()?.map(Arc::new);
        Ok(Self { config, plan, history_from, journal })
    }
}

impl State {
    fn new(fleet: &Shared, number: u32) -> Self {
        let config = &fleet.config;
        let faults = Faults::of(&config.faults, config.seed, number);
        let mut switch = Switch::new(config.switch, faults.welded);
        if faults.tampered {
            // Before the fleet started: what came of it is no news.
            switch.lock(Timestamp::MIN);
            switch.settle(Timestamp::MAX);
        }
        let second_initiate = config.model.firmware.as_ref().map(|firmware| firmware.second_initiate);
        Self {
            client_counter: None,
            own_counter: 1,
            switch,
            image: Image::new(config.firmware, second_initiate.unwrap_or_default(), &faults),
            tariffs: Tariffs::new(Arc::clone(&fleet.plan.calendar), faults.tariff_not_kept),
            book: Book::new(number, fleet.journal.clone()),
            set: BTreeMap::new(),
            cleared: BTreeMap::new(),
            resets: Resets::default(),
            around: Around::new(config, number),
            cut: Cut::default(),
            household: Household::default(),
            snapshots: Vec::new(),
            time_told: None,
            occasions: Occasions::default(),
        }
    }

    /// Does what is due.
    fn settle(&mut self, now: Timestamp) {
        if let Some((at, closed)) = self.switch.settle(now) {
            self.book.note(at, Event::Relay { closed });
        }
        let activated = [self.image.settle(now), self.tariffs.settle(now)];
        activated.into_iter().flatten().for_each(|(at, event)| self.book.note(at, event));
    }
}

impl Meter {
    /// A meter of a fleet that is not started: for asking what it would have captured.
    ///
    /// # Errors
    /// What [`Fleet::start`](crate::Fleet::start) refuses, and [`Error::NoMeter`].
    pub fn offline(config: FleetConfig, number: u32) -> Result<Self, Error> {
        let fleet = Shared::new(config)?;
        if number >= fleet.config.count {
            return Err(Error::NoMeter { number, count: fleet.config.count });
        }
        Ok(Self::new(Arc::new(fleet), number))
    }

    pub(crate) fn new(fleet: Arc<Shared>, number: u32) -> Self {
        let noise = Noise::of(fleet.config.seed, fleet.config.serial_base + u64::from(number));
        let state = Mutex::new(State::new(&fleet, number));
        let off_s = Faults::of(&fleet.config.faults, fleet.config.seed, number).clock_off_s;
        Self { fleet, number, noise, state, ahead_s: AtomicI64::new(off_s) }
    }

    /// Number in the fleet, counted from 0.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The serial number that the inventory holds. A meter with [`Fault::WrongSerial`](crate::Fault::WrongSerial)
    /// gives another one when it is asked.
    pub fn serial(&self) -> String {
        format!("{:08}", self.serial_number())
    }

    /// What type of meter it is.
    pub fn model(&self) -> &Model {
        &self.fleet.plan.model
    }

    /// The security level that the meter demands of readers.
    pub fn security(&self) -> SecurityLevel {
        self.fleet.config.security.of(self.number)
    }

    /// Its device address, when it is on an HDLC line.
    pub fn device_address(&self) -> Option<u16> {
        match self.fleet.config.framing {
            Framing::Wrapper | Framing::Datagrams | Framing::Plain { .. } => None,
            Framing::Hdlc { .. } => {
                let place = self.number % self.fleet.config.meters_per_line();
                Some(FIRST_DEVICE.saturating_add(u16::try_from(place).unwrap_or(u16::MAX)))
            }
        }
    }

    /// Which sub-unit of a meter it is, counted from 1; `None` for a meter itself. A meter and its sub-units follow each other in the fleet.
    pub fn subunit(&self) -> Option<u8> {
        let parts = u32::from(self.fleet.plan.model.subunits) + 1;
        u8::try_from(self.number % parts).ok().filter(|subunit| *subunit > 0)
    }

    /// Serial number of the meter whose sub-unit it is.
    pub fn parent(&self) -> Option<String> {
        self.subunit().map(|subunit| format!("{:08}", self.serial_number() - u64::from(subunit)))
    }

    /// The address on its line, as the model's language has it; `None` where there is none, and for a sub-unit that shares that of its meter.
    pub fn line_address(&self) -> Option<u64> {
        let model = &self.fleet.plan.model;
        if self.subunit().is_some() && model.names_subunits() {
            return None;
        }
        match model.language {
            Language::Dlms => self.device_address().map(u64::from),
            Language::Gdw376(_) => None,
            Language::Dlt645(_) | Language::Iec62056_21(_) => Some(self.serial_number()),
            Language::Modbus(_) => {
                let place = self.number % self.fleet.config.meters_per_line();
                Some(u64::from(place / (u32::from(model.subunits) + 1)) + 1)
            }
        }
    }

    /// What a register of the model holds now, in the scaler of the model, or with DLMS in that of the meter.
    pub fn register(&self, obis: Obis) -> Option<i64> {
        if self.fleet.plan.model.billing.as_ref().is_some_and(|billing| billing.counter == obis) {
            return Some(i64::from(self.resets()));
        }
        let mut registers = self.fleet.plan.registers.iter();
        let (_, plan) = registers.find(|((_, name), _)| *name == obis)?;
        let (set, cleared) = self.act(|state, _| {
            (state.set.get(&obis).copied(), state.cleared.get(&obis).copied().unwrap_or_default())
        });
        Some(set.unwrap_or_else(|| plan.value.value(self.moment(self.now())) - cleared))
    }

    /// How often a billing period was ended, or maximum demands were reset, by an order.
    pub fn resets(&self) -> u32 {
        self.act(|state, _| state.resets.count())
    }

    /// Password and keys.
    pub fn secrets(&self) -> Secrets {
        let password = self.noise.below(0xE0, 0, 100_000_000);
        Secrets {
            password: format!("{password:08}"),
            encryption_key: self.noise.octets(0xE1, 0),
            authentication_key: self.noise.octets(0xE2, 0),
        }
    }

    /// The values that a profile of the model captures at an instant, whether or not the meter has kept them.
    ///
    /// # Errors
    /// [`Error::NoProfile`].
    pub fn capture(&self, profile: &str, at: Timestamp) -> Result<Vec<i64>, Error> {
        let profile = &self.fleet.plan.profiles[self.fleet.plan.profile_named(profile)?];
        Ok(self.values(&profile.cells, at.as_second()))
    }

    /// The rows that the meter holds now of an interval, both ends included: what a correct reader must have stored
    /// after reading it.
    ///
    /// # Errors
    /// [`Error::NoProfile`].
    pub fn expected(&self, profile: &str, from: Timestamp, to: Timestamp) -> Result<Vec<Capture>, Error> {
        let index = self.fleet.plan.profile_named(profile)?;
        let view = self.view(index);
        let has_status = view.cells().contains(&Cell::Status);
        let mut offsets = Offsets::new(self.zone());
        // A limit between two seconds takes nothing in, so rounding up is exact for both.
        let to = to.as_second();
        let from = from.as_second() + i64::from(from.subsec_nanosecond() > 0);
        let rows = view.captures(from, to).map(|at| Capture {
            at: timestamp(at),
            status: has_status.then(|| status(offsets.at(at).summer)),
            values: self.values(view.cells(), at),
        });
        Ok(rows.collect())
    }

    /// Logical name and attribute of the value columns of a profile, as the meter has them now.
    ///
    /// # Errors
    /// [`Error::NoProfile`].
    pub fn columns(&self, profile: &str) -> Result<Vec<(Obis, i8)>, Error> {
        let view = self.view(self.fleet.plan.profile_named(profile)?);
        let columns = view.cells().iter().zip(view.captured());
        Ok(columns
            .filter(|(cell, _)| matches!(cell, Cell::Value(_) | Cell::Time(_) | Cell::Device(_)))
            .map(|(_, captured)| (captured.instance, captured.attribute))
            .collect())
    }

    /// Whether the relay of the load switch is closed.
    pub fn connected(&self) -> bool {
        self.act(|state, _| state.switch.closed())
    }

    /// What the meter says of its load switch.
    pub fn control_state(&self) -> ControlState {
        self.act(|state, _| state.switch.control())
    }

    /// The firmware that runs: what the meter was made with, or the identifier of the image that was activated last.
    pub fn firmware(&self) -> String {
        self.act(|state, _| String::from_utf8_lossy(state.image.version()).into_owned())
    }

    /// The octets of the image that was transferred last, with zeros where blocks are missing; empty when there was none.
    pub fn image(&self) -> Vec<u8> {
        self.act(|state, _| state.image.octets().to_vec())
    }

    /// Seconds by which its clock is ahead of that of the fleet; negative when it is behind.
    pub fn clock_ahead(&self) -> i64 {
        self.ahead_s.load(Ordering::Relaxed)
    }

    /// The calendar in force; empty where the model takes no tariff.
    pub fn calendar(&self) -> Calendar {
        self.act(|state, _| state.tariffs.active().clone())
    }

    /// What happened to the meter since the fleet started.
    pub fn ledger(&self) -> Ledger {
        self.act(|state, _| state.book.ledger().clone())
    }

    /// How often what happened to the meter since the fleet started.
    pub fn counts(&self) -> Counts {
        self.act(|state, _| state.book.ledger().counts)
    }

    /// The highest invocation counter that the meter accepted from a client.
    pub fn highest_client_counter(&self) -> Option<u32> {
        self.act(|state, _| state.client_counter)
    }

    /// The serial number that the meter gives when it is asked.
    pub(crate) fn shown_serial(&self) -> String {
        if self.faults().wrong_serial { format!("9{}", self.serial()) } else { self.serial() }
    }

    pub(crate) fn fleet(&self) -> &Shared {
        &self.fleet
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.fleet.config.zone
    }

    /// The meter's time, seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.fleet.config.clock.seconds().saturating_add(self.clock_ahead())
    }

    /// Makes the meter's time another one.
    pub(crate) fn set_clock(&self, seconds: i64) {
        self.ahead_s.store(seconds.saturating_sub(self.fleet.config.clock.seconds()), Ordering::Relaxed);
    }

    pub(crate) fn moment(&self, at: i64) -> Moment<'_> {
        Moment { noise: self.noise, zone: self.zone(), at }
    }

    pub(crate) fn faults(&self) -> Faults {
        Faults::of(&self.fleet.config.faults, self.fleet.config.seed, self.number)
    }

    /// Three letters and five octets, as IEC 62056-5-3 wants a system title.
    pub(crate) fn system_title(&self) -> [u8; 8] {
        let mut title = *b"SIM\0\0\0\0\0";
        title[3..].copy_from_slice(&self.serial_number().to_be_bytes()[3..]);
        title
    }

    /// What a client has to prove its key on; another one for each association.
    pub(crate) fn challenge(&self, association: u32) -> [u8; 16] {
        self.noise.octets(0xE3, association)
    }

    /// The profile as the meter has it at this moment.
    pub(crate) fn view(&self, index: usize) -> View<'_> {
        let now = self.now();
        let plan = &self.fleet.plan.profiles[index];
        let depth = self.fleet.plan.model.profiles[index].depth;
        let mut view = View {
            plan,
            zone: self.zone(),
            columns: plan.cells.len(),
            from: plan.schedule.oldest(self.zone(), now, depth).max(self.fleet.history_from),
            to: now,
            closed: if plan.schedule == Schedule::Months {
                self.act(|state, _| state.resets.closed().to_vec())
            } else {
                Vec::new()
            },
        };
        if let Some(change) = self.faults().other_layout_from.filter(|&change| index == 0 && change <= now) {
            view.columns -= 1;
            view.from = view.from.max(change);
        }
        view
    }

    /// The values that a profile captured at an instant.
    pub(crate) fn row(&self, index: usize, at: i64) -> Vec<i64> {
        self.values(self.view(index).cells(), at)
    }

    /// Does something with what the meter remembers. What is due by now is done before, and what falls due through it
    /// afterwards.
    pub(crate) fn act<T>(&self, what: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        // No code that holds the lock can leave the state half written.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.fleet.config.clock.now();
        state.settle(now);
        let done = what(&mut state, now);
        state.settle(now);
        done
    }

    /// Whether a fault that strikes now and then strikes now.
    pub(crate) fn strikes(&self, trouble: Trouble) -> bool {
        let faults = self.faults();
        self.act(|state, _| state.occasions.strikes(trouble, &faults, self.noise))
    }

    fn serial_number(&self) -> u64 {
        self.fleet.config.serial_base + u64::from(self.number)
    }

    fn values(&self, cells: &[Cell], at: i64) -> Vec<i64> {
        let moment = self.moment(at);
        let value = |cell: &Cell| match cell {
            Cell::Value(quantity) => Some(quantity.value(moment)),
            Cell::Time(quantity) => Some(quantity.since(moment)),
            Cell::Device(channel) => Some(self.mbus_total(*channel, at).into()),
            Cell::Clock | Cell::Status | Cell::Nothing => None,
        };
        cells.iter().filter_map(value).collect()
    }
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("serial", &self.serial()).finish_non_exhaustive()
    }
}

/// A profile with the columns and rows that it has at a moment.
#[derive(Debug, Clone)]
pub(crate) struct View<'a> {
    plan: &'a ProfilePlan,
    zone: &'a TimeZone,
    columns: usize,
    from: i64,
    to: i64,
    /// Captures out of turn, ascending.
    closed: Vec<i64>,
}

impl<'a> View<'a> {
    pub(crate) fn cells(&self) -> &'a [Cell] {
        &self.plan.cells[..self.columns]
    }

    pub(crate) fn captured(&self) -> &'a [CaptureObject] {
        &self.plan.captured[..self.columns]
    }

    /// The captures that are kept of an interval, both ends included.
    pub(crate) fn captures(&self, from: i64, to: i64) -> Captures {
        let (from, to) = (from.max(self.from), to.min(self.to));
        self.plan.schedule.captures(self.zone, from, to).with(self.closed.iter().copied(), from, to)
    }

    /// All captures that are kept.
    pub(crate) fn all(&self) -> Captures {
        self.captures(self.from, self.to)
    }
}

/// The status column.
pub(crate) fn status(summer: bool) -> u8 {
    if summer { STATUS_SUMMER } else { 0 }
}
