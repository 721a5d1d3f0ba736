//! What a household draws, and how its meter cuts it off for that.

use jiff::Timestamp;
use models::{Load, Model};

use crate::Meter;
use crate::meter::State;

/// What a household draws, or would if it were not cut off.
#[derive(Debug, Default)]
pub(crate) struct Household {
    watts: i64,
    /// What came on last only heats, and is no less than the step.
    is_malignant: bool,
    trip: Trip,
    /// The table of the times at which it is switched, as it was written; empty when there was none.
    pub(crate) times: Vec<u8>,
}

/// Why it is cut off for its load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Trip {
    #[default]
    No,
    Malignant,
    Limit,
    Locked,
}

impl Meter {
    /// Lets its household draw so many watts from now on, with motors and lamps.
    pub fn draw(&self, watts: i64) {
        self.change(watts, false);
    }

    /// Lets its household draw so many watts from now on, and what comes on only heats.
    pub fn heat(&self, watts: i64) {
        self.change(watts, true);
    }

    /// The table of the times at which its household is switched, as it was written last; empty while there was none.
    pub fn times(&self) -> Vec<u8> {
        self.act(|state, _| state.household.times.clone())
    }

    /// The time is over after which the meter closes again by itself, if it is not locked.
    pub fn close_again(&self) {
        self.act(|state, now| closed(state, self.model(), now));
    }

    fn change(&self, watts: i64, only_heats: bool) {
        let Some(load) = self.model().load else { return };
        self.act(|state, now| {
            let step = held(state, load.malignant_step);
            let comes_on = watts - state.household.watts;
            state.household.is_malignant = only_heats && step > 0 && comes_on >= step;
            state.household.watts = watts;
            if state.household.trip == Trip::No {
                look(state, self.model(), load, now);
            }
        });
    }
}

impl Household {
    /// Whether it is cut off for its load.
    pub(crate) fn is_off(&self) -> bool {
        self.trip != Trip::No
    }
}

/// A switch that was closed while its household was cut off for its load looks at that anew.
pub(crate) fn closed(state: &mut State, model: &Model, now: Timestamp) {
    let Some(load) = model.load else { return };
    if matches!(state.household.trip, Trip::Malignant | Trip::Limit) {
        look(state, model, load, now);
    }
}

/// Closes a switch by force, and counts its trips anew.
pub(crate) fn force(state: &mut State, model: &Model, load: Load, now: Timestamp) {
    state.set.insert(load.trips, 0);
    if state.household.is_off() {
        enter(state, model, Trip::No, now);
        look(state, model, load, now);
    }
}

/// Cuts a household off whose load is malignant or too high, and supplies it where it is neither.
fn look(state: &mut State, model: &Model, load: Load, now: Timestamp) {
    let limit = held(state, load.limit);
    let trip = if state.household.is_malignant {
        Trip::Malignant
    } else if limit > 0 && state.household.watts > limit {
        let trips = held(state, load.trips) + 1;
        state.set.insert(load.trips, trips);
        if trips >= load.locked_after.into() { Trip::Locked } else { Trip::Limit }
    } else {
        Trip::No
    };
    enter(state, model, trip, now);
}

fn enter(state: &mut State, model: &Model, trip: Trip, now: Timestamp) {
    // A switch that nobody may move stays where it is.
    match (state.household.trip, trip) {
        (_, Trip::Locked) => state.switch.lock(now),
        (_, Trip::Malignant | Trip::Limit) => _ = state.switch.remote_disconnect(now),
        (Trip::Locked, Trip::No) => state.switch.unlock(now),
        (Trip::Malignant | Trip::Limit, Trip::No) if !state.cut.is_off() => {
            _ = state.switch.remote_reconnect(now);
        }
        _ => {}
    }
    state.household.trip = trip;
    state.show(model, "load.malignant", trip == Trip::Malignant);
    state.show(model, "limiter.exceeded", matches!(trip, Trip::Limit | Trip::Locked));
    state.show(model, "load.lockout", trip == Trip::Locked);
}

fn held(state: &State, register: dlms::Obis) -> i64 {
    state.set.get(&register).copied().unwrap_or_default()
}
