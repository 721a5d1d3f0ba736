//! What can be asked of a meter: one file per task, and what several of them need.

mod discover;
mod identify;
mod install_firmware;
pub(crate) mod list_nodes;
mod mbus_client;
mod numbers;
pub(crate) mod ordered;
mod push_tariff;
mod read_channel;
mod read_clock;
pub(crate) mod read_layout;
pub(crate) mod read_log;
mod read_profile;
pub(crate) mod read_registers;
mod read_stored;
mod read_stored_log;
mod read_tariff;
mod release_tamper_lock;
pub(crate) mod reset;
mod scaler_unit;
pub(crate) mod set_parameter;
mod stored;
mod switch;
pub(crate) mod switching;
pub(crate) mod sync_clock;

use std::{future::Future, pin::Pin};

use jiff::Timestamp;
use models::{Language, MBus};

use crate::{Outcome, Task, diagnosis::Setback, driver, turn::Turn};

/// What a task did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Done {
    /// The range of captures that it covered, if it was about any.
    pub(crate) range: Option<(Timestamp, Timestamp)>,
    /// What the meter showed, if something was ordered.
    pub(crate) outcome: Option<Outcome>,
    /// What of what was asked for did not come, and why.
    pub(crate) note: Option<String>,
}

impl From<()> for Done {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<(Timestamp, Timestamp)> for Done {
    fn from(range: (Timestamp, Timestamp)) -> Self {
        Some(range).into()
    }
}

impl From<Option<(Timestamp, Timestamp)>> for Done {
    fn from(range: Option<(Timestamp, Timestamp)>) -> Self {
        Self { range, ..Self::default() }
    }
}

impl From<Outcome> for Done {
    fn from(outcome: Outcome) -> Self {
        Self { outcome: Some(outcome), ..Self::default() }
    }
}

/// Does the task. The future is boxed, because one work is served within another: where futures stand in each other, every level would have
/// room for all tasks on its stack.
pub(crate) fn run<'a>(
    turn: &'a mut Turn<'_>,
    task: &'a Task,
) -> Pin<Box<dyn Future<Output = Result<Done, Setback>> + Send + 'a>> {
    if turn.station().model.language != Language::Dlms {
        return Box::pin(driver::run(turn, task));
    }
    if let Task::ReadProfile(range) = task
        && let Some(channel) = MBus::channel(range.obis)
    {
        return done(read_channel::run(turn, channel, range));
    }
    match task {
        Task::Identify => done(identify::run(turn)),
        Task::ReadClock => done(read_clock::run(turn)),
        Task::ReadRegisters(requests) => done(read_registers::run(turn, requests)),
        Task::ReadProfile(range) if turn.station().is_stored() => Box::pin(read_stored::run(turn, range)),
        Task::ReadProfile(range) => done(read_profile::run(turn, range)),
        Task::ReadLog(wanted) if read_stored_log::is_held(turn.station(), wanted.range.obis) => {
            Box::pin(read_stored_log::run(turn, wanted))
        }
        Task::ReadLog(wanted) => done(read_log::run(turn, wanted)),
        Task::Discover => done(discover::run(turn)),
        Task::ListNodes => done(list_nodes::run(turn)),
        Task::ReadTariff => done(read_tariff::run(turn)),
        Task::PushTariff(push) => done(push_tariff::run(turn, push)),
        Task::Switch(order) => done(switch::run(turn, order)),
        Task::InstallFirmware(install) => done(install_firmware::run(turn, install)),
        Task::ReleaseTamperLock(terms) => done(release_tamper_lock::run(turn, terms)),
        Task::SetParameter(order) => done(set_parameter::run(turn, order)),
        Task::SyncClock(order) => done(sync_clock::run(turn, order)),
        Task::Reset(order) => done(reset::run(turn, order)),
        // No profile of DLMS has an order for it that is the same in two types of meters.
        Task::BuyCredit(_) | Task::SetTimes(_) => done(async { Err::<Outcome, _>(reset::unsupported()) }),
        // Meters that speak DLMS take theirs by scripts that end a billing period, or by themselves.
        Task::TakeSnapshot(_) => done(async { Err::<Outcome, _>(reset::unsupported()) }),
        // Clearing is of the language that has an order for it.
        Task::Clear(_) => done(async { Err::<Outcome, _>(reset::unsupported()) }),
    }
}

/// Looks at the clock of the meter after a read, when that is due. Nobody taking reports is all that can go wrong.
pub(crate) async fn look_at_clock(turn: &mut Turn<'_>, task: &Task) -> Result<(), Setback> {
    let is_read =
        matches!(task, Task::Identify | Task::ReadRegisters(_) | Task::ReadProfile(_) | Task::ReadLog(_));
    if matches!(task, Task::Identify)
        && turn.station().model.language == Language::Dlms
        && turn.minds_clocks()
    {
        read_clock::setup_in_passing(turn).await?;
    }
    if is_read && turn.station().model.language == Language::Dlms && turn.clock_is_due() {
        return read_clock::in_passing(turn).await;
    }
    Ok(())
}

fn done<'a, T: Into<Done>>(
    task: impl Future<Output = Result<T, Setback>> + Send + 'a,
) -> Pin<Box<dyn Future<Output = Result<Done, Setback>> + Send + 'a>> {
    Box::pin(async move { task.await.map(T::into) })
}
