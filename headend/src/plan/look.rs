//! When a meter is to be looked at again: pure. The planner looks at a meter when something may be due, so that what it costs follows from the
//! work there is and not from the number of meters.

use std::time::Duration;

use collectors::MeterId;
use jiff::{SignedDuration, Timestamp};
use models::{Model, Register};
use sha2::{Digest as _, Sha256};

use super::grid::{self, later, phase};
use super::{IDENTIFY_AGAIN, MeterState, NODES_EVERY, ledger, schedule};
use crate::config;

/// The longest time for which a meter is not looked at.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// When something may be due that is not due, or was made a job, at `now`.
pub fn next_look(state: &MeterState, model: &Model, now: Timestamp, config: &config::Plan) -> Timestamp {
    if model.read_with_parent {
        return later(now, LONGEST);
    }
    let phase = phase(state.meter);
    let turns = turns(state, model, config).map(|every| grid::next(every, phase, now));
    let holes = model.profiles.iter().filter_map(|profile| ledger::look_again(state, profile, now, config));
    let wanted = model.profiles.iter().filter_map(|profile| schedule::next_look(state, profile, now));
    turns.chain(holes).chain(wanted).min().unwrap_or(Timestamp::MAX).min(later(now, LONGEST))
}

/// The registers of a meter that are due in a planned read of them that began at `now`: those of which a turn has passed since the last one that
/// succeeded began, at `last`. When none has, somebody wanted all.
pub fn due_registers(
    meter: MeterId,
    model: &Model,
    last: Option<Timestamp>,
    now: Timestamp,
) -> Vec<&Register> {
    let is_due = |register: &&Register| grid::passed(last, register.read_every, phase(meter), now);
    let due: Vec<&Register> = model.registers.iter().filter(is_due).collect();
    if due.is_empty() { model.registers.iter().collect() } else { due }
}

/// How often a meter is asked who it is.
pub(super) fn identify_every(state: &MeterState, config: &config::Plan) -> Duration {
    match state.identified_at {
        Some(_) => config.identify_every,
        None => config.identify_every.min(IDENTIFY_AGAIN),
    }
}

/// How often each register of a meter is read. One whose parts are named in each request has nothing to be read itself.
pub(super) fn registers_every(state: &MeterState, model: &Model) -> impl Iterator<Item = Duration> {
    let has_registers = state.is_subunit || !model.names_subunits();
    model.registers.iter().map(|register| register.read_every).filter(move |_| has_registers)
}

/// How often it is asked for its nodes, if it has some.
pub(super) fn nodes_every(model: &Model) -> Option<Duration> {
    model.concentrator.as_ref().and_then(|concentrator| concentrator.node_list.as_ref()).map(|_| NODES_EVERY)
}

/// What the planning of the meters of a model depends on, as a digest.
pub(super) fn basis(model: &Model, config: &config::Plan) -> [u8; 32] {
    Sha256::digest(format!("{model:?} {config:?}")).into()
}

/// The intervals of everything that is read of a meter again and again.
fn turns(state: &MeterState, model: &Model, config: &config::Plan) -> impl Iterator<Item = Duration> {
    let profiles = model.profiles.iter().map(|profile| ledger::read_within(state, profile));
    let logs = model.logs.iter().filter(|_| state.identified_at.is_some()).map(|log| log.read_every);
    let others = registers_every(state, model).chain(nodes_every(model));
    std::iter::once(identify_every(state, config)).chain(others).chain(profiles).chain(logs)
}
