//! The languages other than DLMS: what a task means in each of them.
//!
//! The tasks are the same for all (`tasks.rs`, `switch.rs`, `parameter.rs`, `credit.rs`, `times.rs`, `reset.rs`, `clearing.rs`); a file for each language says how a serial number, a clock, registers and a switch are asked for in it; an
//! [`Ear`] (`ear.rs`) tells when an answer is whole. What a language does not have, or a type of meter does not do, is refused by its name, and never silently left out.

mod clearing;
mod clock;
mod credit;
mod digits;
mod dlt645;
mod ear;
mod gdw376;
mod modbus;
mod mode_c;
mod parameter;
mod reset;
mod snapshot;
mod switch;
mod tasks;
mod times;

use dlms::{AttributeDescriptor, MethodDescriptor, Obis};
use jiff::{Timestamp, civil::DateTime};
use models::{Decimal, Language, Model, Register};

pub(crate) use self::ear::{Ear, Memory, Pitch, Rejected, Say};
use self::{
    dlt645::Dlt645Driver, gdw376::TerminalDriver, modbus::ModbusDriver, mode_c::ModeCDriver,
    switch::SwitchState,
};
use crate::{
    ClockReading, Failure, ProfileRange, Reason, RegisterRequest, SwitchTo, Task,
    diagnosis::Setback,
    exchange::Subject,
    task::{
        Done,
        sync_clock::{Step, put_right},
    },
    turn::Turn,
    value::no_value,
};

/// Interface class of the disconnect control, under whose name a switch is spoken of.
const SWITCH: u16 = 70;
/// Interface class data, under whose name the counter of resets is spoken of.
const DATA: u16 = 1;
/// Interface class register, under whose name clearing is spoken of.
const REGISTER: u16 = 3;

/// Interface class schedule, and its logical name, under which the times of a household are spoken of.
const SCHEDULE: u16 = 10;
const TIMES: Obis = Obis::new([0, 0, 12, 0, 0, 255]);

/// Does a task in the language of the meter, which is not DLMS.
pub(crate) async fn run(turn: &mut Turn<'_>, task: &Task) -> Result<Done, Setback> {
    let model = turn.station().model.clone();
    let Some(mut driver) = Driver::of(&model) else { return Err(unsupported(turn, task.kind())) };
    match task {
        Task::Identify => tasks::identify(turn, &mut driver).await.map(Done::from),
        Task::ReadClock => tasks::read_clock(turn, &mut driver).await.map(Done::from),
        Task::ReadRegisters(requests) => {
            let done = tasks::read_registers(turn, &mut driver, &known(&model, requests)?).await?;
            if driver.shows_clock_beside() && turn.clock_is_due() {
                tasks::look_at_clock(turn, &mut driver).await?;
            }
            Ok(done)
        }
        Task::ReadLog(wanted) => match &mut driver {
            Driver::Terminal(terminal) => terminal.log(turn, wanted).await.map(Done::from),
            _ => Err(unsupported(turn, task.kind())),
        },
        Task::SyncClock(order) => match &mut driver {
            Driver::Terminal(terminal) => put_right(turn, terminal, order).await.map(Done::from),
            _ => clock::run(turn, &mut driver, order).await.map(Done::from),
        },
        Task::Switch(order) => switch::run(turn, &mut driver, order).await.map(Done::from),
        Task::SetParameter(order) => parameter::run(turn, &mut driver, order).await.map(Done::from),
        Task::BuyCredit(order) => credit::run(turn, &mut driver, order).await.map(Done::from),
        Task::SetTimes(order) => times::run(turn, &mut driver, order).await.map(Done::from),
        Task::Reset(order) => reset::run(turn, &mut driver, order).await.map(Done::from),
        Task::Clear(order) => clearing::run(turn, &mut driver, order).await.map(Done::from),
        Task::TakeSnapshot(order) => snapshot::run(turn, &mut driver, order).await.map(Done::from),
        Task::ReadProfile(range) => tasks::read_profile(turn, &mut driver, range).await.map(Done::from),
        Task::ListNodes => match &mut driver {
            Driver::Terminal(terminal) => terminal.nodes(turn).await.map(Done::from),
            _ => Err(unsupported(turn, task.kind())),
        },
        Task::Discover
        | Task::ReadTariff
        | Task::PushTariff(_)
        | Task::InstallFirmware(_)
        | Task::ReleaseTamperLock(_) => Err(unsupported(turn, task.kind())),
    }
}

/// What is spoken with a meter.
enum Driver<'a> {
    Dlt645(Dlt645Driver<'a>),
    ModeC(ModeCDriver<'a>),
    Modbus(ModbusDriver<'a>),
    Terminal(TerminalDriver<'a>),
}

/// What a register held: the meter's own integer, and the scaler that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number {
    value: i64,
    scaler: i8,
    /// When it was read, where that was before the others.
    at: Option<Timestamp>,
}

/// What came of each register that was asked for.
type Numbers = Vec<Result<Number, Setback>>;

impl<'a> Driver<'a> {
    /// The driver of a model's language; `None` for DLMS, which is no driver's.
    fn of(model: &'a Model) -> Option<Self> {
        match &model.language {
            Language::Dlms => None,
            Language::Dlt645(spec) => Some(Self::Dlt645(Dlt645Driver::new(model, spec))),
            Language::Iec62056_21(spec) => Some(Self::ModeC(ModeCDriver::new(spec))),
            Language::Modbus(spec) => Some(Self::Modbus(ModbusDriver::new(model, spec))),
            Language::Gdw376(_) => Some(Self::Terminal(TerminalDriver::new(model))),
        }
    }

    /// The serial number that the meter shows; `None` where it shows none, and nothing but its address is known of it.
    async fn serial(&mut self, turn: &mut Turn<'_>) -> Result<Option<String>, Setback> {
        match self {
            Self::Dlt645(driver) => driver.serial(turn).await,
            Self::ModeC(driver) => driver.serial(turn).await,
            Self::Modbus(driver) => driver.serial(turn).await,
            Self::Terminal(driver) => driver.serial(turn).await,
        }
    }

    /// The version of what runs in it, once its serial number was asked for; `None` where it does not say.
    fn firmware(&self) -> Option<String> {
        match self {
            Self::Dlt645(_) | Self::ModeC(_) | Self::Modbus(_) => None,
            Self::Terminal(driver) => driver.firmware(),
        }
    }

    /// Local time of the meter.
    async fn clock(&mut self, turn: &mut Turn<'_>) -> Result<DateTime, Setback> {
        match self {
            Self::Dlt645(driver) => driver.clock(turn).await,
            Self::ModeC(driver) => driver.clock(turn).await,
            Self::Modbus(_) => Err(unsupported(turn, "read_clock")),
            Self::Terminal(driver) => driver.clock(turn).await,
        }
    }

    /// Whether its clock costs no more than a question or two.
    fn shows_clock_beside(&self) -> bool {
        match self {
            Self::Dlt645(driver) => driver.has_clock(),
            Self::ModeC(driver) => driver.has_clock_of_its_own(),
            Self::Modbus(_) => false,
            Self::Terminal(_) => true,
        }
    }

    /// Moves the clock once.
    async fn move_clock(
        &mut self,
        turn: &mut Turn<'_>,
        step: Step,
        shown: &ClockReading,
    ) -> Result<(), Setback> {
        match self {
            Self::Dlt645(driver) => driver.move_clock(turn, step, shown).await,
            Self::ModeC(_) | Self::Modbus(_) | Self::Terminal(_) => Err(unsupported(turn, "sync_clock")),
        }
    }

    /// What registers hold, in their order; what the meter refuses, or holds that is no number, is an error in its place.
    async fn registers(&mut self, turn: &mut Turn<'_>, registers: &[&Register]) -> Result<Numbers, Setback> {
        match self {
            Self::Dlt645(driver) => driver.registers(turn, registers).await,
            Self::ModeC(driver) => driver.registers(turn, registers).await,
            Self::Modbus(driver) => driver.registers(turn, registers).await,
            Self::Terminal(_) => Err(unsupported(turn, "read_registers")),
        }
    }

    /// The captures of a range of a profile; what of it is covered by them.
    async fn profile(
        &mut self,
        turn: &mut Turn<'_>,
        range: &ProfileRange,
    ) -> Result<(Timestamp, Timestamp), Setback> {
        match self {
            Self::Dlt645(driver) => driver.profile(turn, range).await,
            Self::ModeC(_) | Self::Modbus(_) | Self::Terminal(_) => Err(unsupported(turn, "read_profile")),
        }
    }

    /// When the last snapshot was taken that was ordered; `None` when there is none yet.
    async fn last_snapshot(&mut self, turn: &mut Turn<'_>) -> Result<Option<Timestamp>, Setback> {
        match self {
            Self::Dlt645(driver) => driver.last_snapshot(turn).await,
            Self::ModeC(_) | Self::Modbus(_) | Self::Terminal(_) => Err(unsupported(turn, "take_snapshot")),
        }
    }

    /// Orders a snapshot once; `everybody`: of all meters of the line.
    async fn take_snapshot(&mut self, turn: &mut Turn<'_>, everybody: bool) -> Result<(), Setback> {
        match self {
            Self::Dlt645(driver) => driver.take_snapshot(turn, everybody).await,
            Self::ModeC(_) | Self::Modbus(_) | Self::Terminal(_) => Err(unsupported(turn, "take_snapshot")),
        }
    }

    /// What the switch shows.
    async fn switch_state(&mut self, turn: &mut Turn<'_>) -> Result<SwitchState, Setback> {
        match self {
            Self::Dlt645(driver) => driver.switch_state(turn).await,
            Self::ModeC(_) | Self::Terminal(_) => Err(unsupported(turn, "switch")),
            Self::Modbus(driver) => driver.switch_state(turn).await,
        }
    }

    /// What a register that may be set holds.
    async fn parameter(&mut self, turn: &mut Turn<'_>, register: &Register) -> Result<Number, Setback> {
        if let Self::ModeC(driver) = self {
            return driver.parameter(turn, register).await;
        }
        self.registers(turn, &[register]).await?.pop().ok_or_else(no_value)?
    }

    /// Writes registers that stand behind each other once, in one go.
    async fn write(&mut self, turn: &mut Turn<'_>, values: &[(&Register, Decimal)]) -> Result<(), Setback> {
        match (self, values) {
            (Self::Dlt645(driver), _) => driver.write(turn, values).await,
            (Self::ModeC(driver), [(register, value)]) => driver.write(turn, register, *value).await,
            (Self::Modbus(driver), _) => driver.write(turn, values).await,
            (Self::ModeC(_) | Self::Terminal(_), _) => Err(unsupported(turn, "set_parameter")),
        }
    }

    /// Orders once that the maximum demands are cleared.
    async fn clear_demand(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback> {
        match self {
            Self::Dlt645(driver) => driver.clear_demand(turn).await,
            Self::ModeC(_) | Self::Modbus(_) | Self::Terminal(_) => Err(unsupported(turn, "reset_demand")),
        }
    }

    /// Orders once that the meter is cleared.
    async fn clear(&mut self, turn: &mut Turn<'_>) -> Result<(), Setback> {
        match self {
            Self::Dlt645(driver) => driver.clear(turn).await,
            Self::ModeC(_) | Self::Modbus(_) | Self::Terminal(_) => Err(unsupported(turn, "clear")),
        }
    }

    /// Orders the switch once.
    async fn order(&mut self, turn: &mut Turn<'_>, to: SwitchTo) -> Result<(), Setback> {
        match self {
            Self::Dlt645(driver) => driver.order(turn, to).await,
            Self::ModeC(_) | Self::Terminal(_) => Err(unsupported(turn, "switch")),
            Self::Modbus(driver) => driver.order(turn, to).await,
        }
    }
}

/// The registers of the model that are asked for.
fn known<'a>(model: &'a Model, requests: &[RegisterRequest]) -> Result<Vec<&'a Register>, Setback> {
    let find = |request: &RegisterRequest| {
        model.registers.iter().find(|register| register.obis == request.obis).ok_or_else(|| {
            let detail = format!(
                "Model {} does not say where {} is; choose a register that it names.",
                model.name, request.obis
            );
            Setback::Final(Failure::new(Reason::Unsupported, detail))
        })
    };
    requests.iter().map(find).collect()
}

/// What the language, or this type of meter, cannot do.
fn unsupported(turn: &Turn<'_>, capability: &str) -> Setback {
    let model = &turn.station().model;
    let detail = format!(
        "A meter of model {} that speaks {} cannot do {capability}: order something that it can, or correct the model.",
        model.name,
        model.language.as_str()
    );
    Setback::Final(Failure::new(Reason::Unsupported, detail))
}

/// What reading a register is about, for whoever looks on.
fn register_subject(register: &Register) -> Subject {
    Subject::get(&AttributeDescriptor { class_id: register.class_id, instance: register.obis, attribute: 2 })
}

/// What reading a profile is about.
fn profile_subject(profile: Obis) -> Subject {
    Subject::get(&AttributeDescriptor { class_id: 7, instance: profile, attribute: 2 })
}

/// What having a profile capture now is about.
fn capture_subject(profile: Obis) -> Subject {
    Subject::action(&MethodDescriptor { class_id: 7, instance: profile, method: 2 })
}

/// What writing a register is about.
fn write_subject(register: &Register) -> Subject {
    Subject::set(&AttributeDescriptor { class_id: register.class_id, instance: register.obis, attribute: 2 })
}

/// What clearing the maximum demands is about.
fn demand_subject(model: &Model) -> Subject {
    let instance = model.billing.as_ref().map_or(model.clock, |billing| billing.counter);
    Subject::action(&MethodDescriptor { class_id: DATA, instance, method: 1 })
}

/// What clearing a meter is about: the first of what it counts.
fn clear_subject(model: &Model) -> Subject {
    let first = model.clearing.as_ref().and_then(|clearing| clearing.counters.first());
    let instance = first.copied().unwrap_or(model.clock);
    Subject::action(&MethodDescriptor { class_id: REGISTER, instance, method: 1 })
}

/// What reading the clock is about.
fn clock_subject(model: &Model) -> Subject {
    Subject::get(&AttributeDescriptor { class_id: 8, instance: model.clock, attribute: 2 })
}

/// What setting the clock is about.
fn write_clock_subject(model: &Model) -> Subject {
    Subject::set(&AttributeDescriptor { class_id: 8, instance: model.clock, attribute: 2 })
}

/// What reading the switch, or ordering it, is about.
fn switch_subject(model: &Model, to: Option<SwitchTo>) -> Subject {
    let instance = model.switch.as_ref().map_or(model.clock, |switch| switch.obis);
    let method = match to {
        None => return Subject::get(&AttributeDescriptor { class_id: SWITCH, instance, attribute: 2 }),
        Some(SwitchTo::Disconnected) => 1,
        Some(SwitchTo::Connected) => 2,
    };
    Subject::action(&MethodDescriptor { class_id: SWITCH, instance, method })
}

/// What reading or writing the times of a household is about.
fn times_subject(is_written: bool) -> Subject {
    let attribute = AttributeDescriptor { class_id: SCHEDULE, instance: TIMES, attribute: 2 };
    if is_written { Subject::set(&attribute) } else { Subject::get(&attribute) }
}

/// An answer that contradicts the standard or the model.
fn wrong(what: impl std::fmt::Display) -> Setback {
    let detail =
        format!("The meter's answer is wrong ({what}); check its model, and note firmware and maker.");
    Setback::Final(Failure::new(Reason::MeterBrokeRules, detail))
}

/// Something that this side cannot say.
fn unspeakable(what: impl std::fmt::Display) -> Setback {
    let detail =
        format!("The head-end cannot ask for that: {what}; correct the meter's model or its device address.");
    Setback::Final(Failure::new(Reason::Unsupported, detail))
}
