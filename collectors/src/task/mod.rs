//! What can be asked of a meter: one file per task, and the two things that several of them need.

mod identify;
mod read_clock;
mod read_layout;
mod read_profile;
mod read_registers;
mod scaler_unit;

use jiff::Timestamp;

use crate::{Task, diagnosis::Setback, turn::Turn};

/// Does the task and returns the range of captures that it covered, if it was about any.
pub(crate) async fn run(turn: &mut Turn<'_>, task: &Task) -> Result<Option<(Timestamp, Timestamp)>, Setback> {
    match task {
        Task::Identify => identify::run(turn).await.map(|()| None),
        Task::ReadClock => read_clock::run(turn).await.map(|()| None),
        Task::ReadRegisters(requests) => read_registers::run(turn, requests).await.map(|()| None),
        Task::ReadProfile(range) => read_profile::run(turn, range).await.map(Some),
    }
}
