//! A device on a line: a meter and its sub-units.

use std::sync::Arc;
use std::time::Duration;

use dlms::Obis;
use jiff::{SignedDuration, Timestamp};
use models::{Dlt645Profile, Language, Model, ProfilePlace, Register};

use crate::fault::Trouble;
use crate::ledger::{Access, Event};
use crate::{Meter, SecurityLevel, load};

/// Interface class and methods under which the ledger notes what was ordered of a load switch (Blue Book, 4.5.8).
const SWITCH_CLASS: u16 = 70;
const DISCONNECT: i8 = 1;
const RECONNECT: i8 = 2;
/// Interface class and method under which it notes that maximum demands were reset: under the name of their counter.
const DATA_CLASS: u16 = 1;
const RESET: i8 = 1;
/// Interface class and method under which it notes that a snapshot was ordered (Blue Book, 4.3.6).
const PROFILE_CLASS: u16 = 7;
const CAPTURE: i8 = 2;
/// Interface class and name under which it notes that times were set at which a household is switched.
const SCHEDULE_CLASS: u16 = 10;
const TIMES: Obis = Obis::new([0, 0, 12, 0, 0, 255]);
const MINUTE_S: i64 = 60;
/// Attribute that holds the value of a register.
const VALUE: i8 = 2;

/// A meter and its sub-units, which are meters of the fleet, too.
pub(super) struct Device {
    /// By the number of the sub-unit; the meter itself is the first.
    parts: Vec<Arc<Meter>>,
}

/// What a switch is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Open,
    Close,
    /// Somebody at the meter may close it.
    Permit,
}

impl Device {
    /// The devices that meters of a line are.
    pub(super) fn all(meters: &[Arc<Meter>]) -> impl Iterator<Item = Self> {
        meters.chunk_by(|_, next| next.subunit().is_some()).map(|parts| Self { parts: parts.to_vec() })
    }

    pub(super) fn model(&self) -> &Model {
        &self.itself().fleet().plan.model
    }

    pub(super) fn language(&self) -> &Language {
        &self.model().language
    }

    /// Nobody there ever answers.
    pub(super) fn is_silent(&self) -> bool {
        self.itself().faults().silent
    }

    /// How much later it answers than it should.
    pub(super) fn delay(&self) -> Duration {
        self.itself().faults().delay
    }

    /// The meter itself.
    pub(super) fn itself(&self) -> &Meter {
        &self.parts[0]
    }

    /// A sub-unit, or the meter itself.
    pub(super) fn part(&self, subunit: Option<u8>) -> Option<&Meter> {
        self.parts.get(usize::from(subunit.unwrap_or_default())).map(Arc::as_ref)
    }

    /// The meter itself and its sub-units, each with its number.
    pub(super) fn parts(&self) -> impl Iterator<Item = (Option<u8>, &Meter)> {
        self.parts.iter().map(|meter| (meter.subunit(), meter.as_ref()))
    }

    /// Digits of the serial number that is shown.
    pub(super) fn serial(&self, subunit: Option<u8>) -> i64 {
        self.part(subunit).and_then(|meter| meter.shown_serial().parse().ok()).unwrap_or_default()
    }

    /// What a register holds now, in the scaler of the model.
    pub(super) fn value(&self, subunit: Option<u8>, register: &Register) -> Option<i64> {
        self.part(subunit)?.register(register.obis)
    }

    /// Local time.
    pub(super) fn local(&self) -> jiff::civil::DateTime {
        self.local_of(self.itself())
    }

    fn local_of(&self, meter: &Meter) -> jiff::civil::DateTime {
        Timestamp::from_second(meter.now()).unwrap_or_default().to_zoned(meter.zone().clone()).datetime()
    }

    /// Makes local time of a part another one.
    pub(super) fn set_clock(&self, subunit: Option<u8>, local: jiff::civil::DateTime) -> Option<()> {
        let meter = self.part(subunit)?;
        let at = local.to_zoned(meter.zone().clone()).ok()?.timestamp();
        meter.set_clock(at.as_second());
        Some(())
    }

    /// Tells a part the time. It heeds that once a day, and when it is off by five minutes at most.
    pub(super) fn tell_time(&self, subunit: Option<u8>, local: jiff::civil::DateTime) {
        const HEEDED: SignedDuration = SignedDuration::from_mins(5);
        let Some(meter) = self.part(subunit) else { return };
        let shown = self.local_of(meter);
        let is_near = local.duration_since(shown).abs() <= HEEDED;
        if is_near && meter.act(|state, _| state.time_told.replace(shown.date()) != Some(shown.date())) {
            self.set_clock(subunit, local);
        }
    }

    /// Whether this is the password of a part; one without takes any.
    pub(super) fn admits(&self, subunit: Option<u8>, digits: &str) -> bool {
        self.part(subunit).is_some_and(|meter| password(meter).is_none_or(|password| password == digits))
    }

    /// Whether the switch of a part is open, and whether it was ordered to be.
    pub(super) fn switch(&self, subunit: Option<u8>) -> Option<(bool, bool)> {
        self.model().switch.as_ref()?;
        self.part(subunit)
            .map(|meter| meter.act(|state, _| (!state.switch.closed(), state.switch.is_ordered_open())))
    }

    /// Moves a switch, as its faults let it. Whether an answer arrives; `None` when there is no such switch.
    pub(super) fn order(&self, subunit: Option<u8>, order: Order) -> Option<bool> {
        let object = self.model().switch.as_ref()?.obis;
        let meter = self.part(subunit)?;
        if meter.strikes(Trouble::Unexecuted) {
            return Some(false);
        }
        meter.act(|state, now| {
            let (method, moved) = match order {
                Order::Open => (DISCONNECT, state.switch.remote_disconnect(now)),
                Order::Close => (RECONNECT, state.switch.remote_reconnect(now)),
                Order::Permit => (RECONNECT, state.switch.permit(now)),
            };
            if method == RECONNECT && moved.is_ok() {
                load::closed(state, self.model(), now);
            }
            let result = moved.err().map_or(0, dlms::ActionResult::code);
            let event =
                Event::Executed { class_id: SWITCH_CLASS, object, access: Access::Action(method), result };
            state.book.note(now, event);
        });
        Some(!meter.strikes(Trouble::Unanswered))
    }

    /// What may be written: parameters, and the counter of trips.
    pub(super) fn writable(&self) -> impl Iterator<Item = &Register> {
        let counter = self.model().load.and_then(|load| load.counter(self.model()));
        self.model().parameters().map(|(register, _)| register).chain(counter)
    }

    /// Writes a register. Whether an answer arrives; `None` when there is no such meter, or it does not take that.
    pub(super) fn set(&self, subunit: Option<u8>, register: &Register, value: i64) -> Option<bool> {
        let meter = self.part(subunit)?;
        let load = self.model().load.filter(|load| load.trips == register.obis);
        if load.is_some() && value != 0 {
            return None;
        }
        if meter.strikes(Trouble::Unexecuted) {
            return Some(false);
        }
        meter.act(|state, now| {
            match load {
                Some(load) => load::force(state, self.model(), load, now),
                None => _ = state.set.insert(register.obis, value),
            }
            let (class_id, object) = (register.class_id, register.obis);
            state.book.note(now, Event::Executed { class_id, object, access: Access::Set(VALUE), result: 0 });
        });
        Some(!meter.strikes(Trouble::Unanswered))
    }

    /// Takes a table of times at which it is switched. Whether an answer arrives; `None` when it takes none.
    pub(super) fn set_times(&self, subunit: Option<u8>, table: &[u8]) -> Option<bool> {
        let meter = self.part(subunit)?;
        self.model().times.as_ref()?;
        if meter.strikes(Trouble::Unexecuted) {
            return Some(false);
        }
        meter.act(|state, now| {
            state.household.times = table.to_vec();
            let access = Access::Set(VALUE);
            state
                .book
                .note(now, Event::Executed { class_id: SCHEDULE_CLASS, object: TIMES, access, result: 0 });
        });
        Some(!meter.strikes(Trouble::Unanswered))
    }

    /// Takes a purchase. Whether an answer arrives; `None` when nothing can be bought.
    pub(super) fn buy(&self, subunit: Option<u8>, number: i64, amount: i64) -> Option<bool> {
        let (credit, meter) = (self.model().credit.as_ref()?, self.part(subunit)?);
        if meter.strikes(Trouble::Unexecuted) {
            return Some(false);
        }
        meter.buy(credit, number, amount);
        Some(!meter.strikes(Trouble::Unanswered))
    }

    /// Resets the maximum demands. Whether an answer arrives; `None` when the model cannot do that.
    pub(super) fn clear_demand(&self, subunit: Option<u8>) -> Option<bool> {
        let object = self.model().billing.as_ref().filter(|billing| billing.reset_demand.is_some())?.counter;
        let meter = self.part(subunit)?;
        if meter.strikes(Trouble::Unexecuted) {
            return Some(false);
        }
        meter.act(|state, now| {
            state.resets.reset(now);
            let (class_id, access) = (DATA_CLASS, Access::Action(RESET));
            state.book.note(now, Event::Executed { class_id, object, access, result: 0 });
        });
        Some(!meter.strikes(Trouble::Unanswered))
    }

    /// Clears a part, or all parts where it is the meter itself. Whether an answer arrives; `None` when the model cannot do that.
    pub(super) fn clear(&self, subunit: Option<u8>) -> Option<bool> {
        let clearing = self.model().clearing.as_ref().filter(|clearing| clearing.admits(subunit))?;
        let asked = self.part(subunit)?;
        if asked.strikes(Trouble::Unexecuted) {
            return Some(false);
        }
        let cleared = self.parts().filter(|(part, _)| subunit.is_none() || *part == subunit);
        cleared.for_each(|(_, meter)| meter.clear(clearing));
        Some(!asked.strikes(Trouble::Unanswered))
    }

    /// Takes a snapshot of a part's registers, in whole minutes. Whether an answer arrives; `None` when it takes none.
    pub(super) fn freeze(&self, subunit: Option<u8>) -> Option<bool> {
        let taken = |profile: &&models::Profile| match &profile.at {
            Some(ProfilePlace::Dlt645(Dlt645Profile::Frozen(frozen))) => frozen.ordered,
            _ => false,
        };
        let object = self.model().profiles.iter().find(taken)?.obis;
        let meter = self.part(subunit)?;
        if meter.strikes(Trouble::Unexecuted) {
            return Some(false);
        }
        meter.act(|state, now| {
            state.snapshots.push(now.as_second() - now.as_second().rem_euclid(MINUTE_S));
            let access = Access::Action(CAPTURE);
            state.book.note(now, Event::Executed { class_id: PROFILE_CLASS, object, access, result: 0 });
        });
        Some(!meter.strikes(Trouble::Unanswered))
    }

    /// Whether an answer gets lost on the way.
    pub(super) fn drops(&self) -> bool {
        self.itself().strikes(Trouble::Dropped)
    }
}

/// The password of a meter that speaks no DLMS: six digits, where it demands one.
pub(crate) fn password(meter: &Meter) -> Option<String> {
    const DIGITS: usize = 6;
    let mut password = meter.secrets().password;
    (meter.security() == SecurityLevel::Lls)
        .then(|| password.split_off(password.len().saturating_sub(DIGITS)))
}
