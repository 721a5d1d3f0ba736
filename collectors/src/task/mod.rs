//! What can be asked of a meter: one file per task, and what several of them need.

mod discover;
mod identify;
mod install_firmware;
mod list_nodes;
pub(crate) mod ordered;
mod push_tariff;
mod read_clock;
mod read_layout;
mod read_log;
mod read_profile;
mod read_registers;
mod read_stored;
mod read_tariff;
mod release_tamper_lock;
mod scaler_unit;
mod switch;

use jiff::Timestamp;
use models::Language;

use crate::{Outcome, Task, diagnosis::Setback, driver, turn::Turn};

/// What a task did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    /// The range of captures that it covered, if it was about any.
    pub(crate) range: Option<(Timestamp, Timestamp)>,
    /// What the meter showed, if something was ordered.
    pub(crate) outcome: Option<Outcome>,
}

impl From<()> for Done {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl From<Outcome> for Done {
    fn from(outcome: Outcome) -> Self {
        Self { range: None, outcome: Some(outcome) }
    }
}

/// Does the task.
pub(crate) async fn run(turn: &mut Turn<'_>, task: &Task) -> Result<Done, Setback> {
    if turn.station().model.language != Language::Dlms {
        return driver::run(turn, task).await;
    }
    match task {
        Task::Identify => identify::run(turn).await.map(Done::from),
        Task::ReadClock => read_clock::run(turn).await.map(Done::from),
        Task::ReadRegisters(requests) => read_registers::run(turn, requests).await.map(Done::from),
        Task::ReadProfile(range) if turn.station().is_stored() => read_stored::run(turn, range).await,
        Task::ReadProfile(range) => {
            read_profile::run(turn, range).await.map(|range| Done { range: Some(range), outcome: None })
        }
        Task::ReadLog(wanted) => read_log::run(turn, wanted).await.map(|range| Done { range, outcome: None }),
        Task::Discover => discover::run(turn).await.map(Done::from),
        Task::ListNodes => list_nodes::run(turn).await.map(Done::from),
        Task::ReadTariff => read_tariff::run(turn).await.map(Done::from),
        Task::PushTariff(push) => push_tariff::run(turn, push).await.map(Done::from),
        Task::Switch(order) => switch::run(turn, order).await.map(Done::from),
        Task::InstallFirmware(install) => install_firmware::run(turn, install).await.map(Done::from),
        Task::ReleaseTamperLock(terms) => release_tamper_lock::run(turn, terms).await.map(Done::from),
    }
}
