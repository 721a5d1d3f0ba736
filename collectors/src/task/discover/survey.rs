//! What the list of objects of a meter says, without asking the meter anything else.

use std::collections::BTreeSet;
use std::time::Duration;

use dlms::cosem::association::{CLASS as ASSOCIATION, CURRENT, Object};
use dlms::cosem::{
    activity_calendar, disconnect_control, image_transfer, single_action_schedule, special_days,
};
use dlms::{Obis, Unit};
use models::{Billing, Firmware, Model, Register, Script, SecondInitiate, Switch, Tariff};

const DATA: u16 = 1;
const PROFILE: u16 = 7;
const CLOCK: u16 = 8;
const SCRIPTS: u16 = 9;
/// Registers that a model may have.
const REGISTERS_MAX: usize = 64;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Logical names that the objects normally have.
mod usual {
    use dlms::Obis;

    pub(super) const CLOCK: Obis = Obis::new([0, 0, 1, 0, 0, 255]);
    pub(super) const SWITCH: Obis = Obis::new([0, 0, 96, 3, 10, 255]);
    pub(super) const IMAGE: Obis = Obis::new([0, 0, 44, 0, 0, 255]);
    pub(super) const IMAGE_ACTIVATION: Obis = Obis::new([0, 0, 15, 0, 2, 255]);
    pub(super) const CALENDAR: Obis = Obis::new([0, 0, 13, 0, 0, 255]);
    pub(super) const SPECIAL_DAYS: Obis = Obis::new([0, 0, 11, 0, 0, 255]);
    pub(super) const TARIFF_SCRIPTS: Obis = Obis::new([0, 0, 10, 0, 100, 255]);
    /// Versions of the firmware; most meters have one of these.
    pub(super) const FIRMWARE: [Obis; 3] =
        [Obis::new([1, 0, 0, 2, 0, 255]), Obis::new([0, 0, 0, 2, 0, 255]), Obis::new([0, 0, 0, 2, 1, 255])];
}

/// The objects of a meter.
pub(super) struct Survey {
    objects: Vec<Object>,
    /// Of the association, which says how access modes are meant.
    version: u8,
}

impl Survey {
    pub(super) fn of(mut objects: Vec<Object>) -> Self {
        objects.sort_by_key(|object| (object.class_id, object.instance));
        let association = |object: &&Object| object.class_id == ASSOCIATION;
        let current = objects.iter().filter(association).find(|object| object.instance == CURRENT);
        let version = current.or_else(|| objects.iter().find(association)).map_or(0, |object| object.version);
        Self { objects, version }
    }

    /// A model like `known` with the objects that this meter has in place of those.
    pub(super) fn model(&self, known: &Model, notes: &mut Vec<String>) -> Model {
        let mut model = known.clone();
        model.clock = self.first(CLOCK, usual::CLOCK).unwrap_or(usual::CLOCK);
        let counters: Vec<Obis> = self.of_class(DATA).filter(|obis| is(*obis, [43, 1])).collect();
        if !counters.contains(&model.invocation_counter) {
            model.invocation_counter = counters.first().copied().unwrap_or(model.invocation_counter);
        }
        if counters.is_empty() {
            notes.push(format!("No invocation counter is listed; {} is assumed.", model.invocation_counter));
        }
        let firmware = [&[known.identity.firmware][..], &usual::FIRMWARE].concat();
        let firmware = firmware.into_iter().find(|obis| self.of_class(DATA).any(|listed| listed == *obis));
        model.identity.firmware = firmware.unwrap_or(known.identity.firmware);
        model.switch = self.switch(known);
        model.firmware = self.firmware(known);
        model.tariff = self.tariff(known, notes);
        model.billing = self.billing(known);
        model.registers = self.registers();
        let logs: Vec<String> = self.logs().iter().map(Obis::to_string).collect();
        if !logs.is_empty() {
            notes.push(format!("Logs, whose codes belong into [alarms]: {}.", logs.join(", ")));
        }
        model
    }

    /// Profiles other than logs, in the order of their names.
    pub(super) fn profiles(&self) -> Vec<Obis> {
        self.of_class(PROFILE).filter(|obis| !is_log(*obis)).collect()
    }

    /// Logs of events, in the order of their names.
    pub(super) fn logs(&self) -> Vec<Obis> {
        self.of_class(PROFILE).filter(|obis| is_log(*obis)).collect()
    }

    /// Data objects that may hold the serial number, the likeliest first.
    pub(super) fn identities(&self, known: Obis) -> Vec<Obis> {
        let listed: Vec<Obis> = self.of_class(DATA).collect();
        let mut likely = vec![known];
        likely.extend(listed.iter().copied().filter(|obis| is(*obis, [96, 1])));
        likely.extend(listed.iter().copied().filter(|obis| obis.octets()[0] == 1 && is(*obis, [0, 0])));
        likely.extend(listed.iter().copied().filter(|obis| is(*obis, [42, 0])));
        let mut seen = BTreeSet::new();
        likely.retain(|obis| seen.insert(*obis));
        likely
    }

    fn switch(&self, known: &Model) -> Option<Switch> {
        let obis = self.first(disconnect_control::CLASS, usual::SWITCH)?;
        let lock = known.switch.as_ref().and_then(|switch| switch.tamper_lock);
        let tamper_lock = lock.filter(|lock| self.of_class(DATA).any(|listed| listed == *lock));
        let settle = known.switch.as_ref().map_or(Duration::from_secs(10), |switch| switch.settle);
        Some(Switch { obis, settle, tamper_lock, at: None })
    }

    fn firmware(&self, known: &Model) -> Option<Firmware> {
        let image_transfer = self.first(image_transfer::CLASS, usual::IMAGE)?;
        let mut schedules = self.of_class(single_action_schedule::CLASS);
        let activation_schedule = schedules.find(|obis| *obis == usual::IMAGE_ACTIVATION);
        Some(match &known.firmware {
            Some(firmware) => Firmware { image_transfer, activation_schedule, ..firmware.clone() },
            None => Firmware {
                image_transfer,
                activation_schedule,
                max_block_size: 2048,
                second_initiate: SecondInitiate::DiscardsBlocks,
                verify_within: Duration::from_secs(600),
                activate_within: Duration::from_secs(900),
            },
        })
    }

    /// A reset is ordered by the table that the model knows, and only where a counter shows it.
    fn billing(&self, known: &Model) -> Option<Billing> {
        let billing = known.billing.clone()?;
        let counts = self.of_class(DATA).any(|listed| listed == billing.counter);
        let has = |script: &Script| self.of_class(SCRIPTS).any(|listed| listed == script.table);
        let (close, reset_demand) = (billing.close.filter(has), billing.reset_demand.filter(has));
        let last = billing.last.filter(|last| self.of_class(DATA).any(|listed| listed == *last));
        let is_any = counts && (close.is_some() || reset_demand.is_some());
        is_any.then_some(Billing { close, reset_demand, last, ..billing })
    }

    /// How large a calendar may be is not told by a meter, so only a model that knows it passes it on.
    fn tariff(&self, known: &Model, notes: &mut Vec<String>) -> Option<Tariff> {
        let calendar = self.first(activity_calendar::CLASS_ID, usual::CALENDAR)?;
        let Some(sizes) = &known.tariff else {
            notes.push(format!("Add [tariff] by hand: the meter has the calendar {calendar}."));
            return None;
        };
        let special_days_table = self.first(special_days::CLASS_ID, usual::SPECIAL_DAYS);
        Some(Tariff {
            calendar,
            special_days_table,
            script_table: self.first(SCRIPTS, usual::TARIFF_SCRIPTS).unwrap_or(usual::TARIFF_SCRIPTS),
            special_days: if special_days_table.is_some() { sizes.special_days.max(1) } else { 0 },
            ..sizes.clone()
        })
    }

    /// Totals, rates and maxima of electricity that are no snapshots.
    fn registers(&self) -> Vec<Register> {
        let mut registers = Vec::new();
        for object in
            self.objects.iter().filter(|object| matches!(object.class_id, 3..=5) && self.shows(object))
        {
            let [a, _, c, d, _, f] = object.instance.octets();
            let is_total = a == 1 && (1..=80).contains(&c) && matches!(d, 6 | 8) && f == 255;
            let is_known = registers.iter().any(|known: &Register| known.obis == object.instance);
            let Some(name) = object.instance.name().filter(|_| is_total && !is_known) else { continue };
            if registers.len() < REGISTERS_MAX {
                registers.push(Register {
                    name,
                    obis: object.instance,
                    class_id: object.class_id,
                    read_every: DAY,
                    at: None,
                    scaler: 0,
                    unit: Unit::NONE,
                    set: None,
                });
            }
        }
        registers.sort_by_key(|register| register.obis);
        registers
    }

    /// The object of a class that is called `usual`, or else the first one of the class.
    fn first(&self, class_id: u16, usual: Obis) -> Option<Obis> {
        let mut listed = self.of_class(class_id);
        listed.find(|obis| *obis == usual).or_else(|| self.of_class(class_id).next())
    }

    /// The objects of a class whose attribute 2 may be read, in order.
    fn of_class(&self, class_id: u16) -> impl Iterator<Item = Obis> {
        let objects =
            self.objects.iter().filter(move |object| object.class_id == class_id && self.shows(object));
        objects.map(|object| object.instance)
    }

    fn shows(&self, object: &Object) -> bool {
        object.rights.as_ref().is_none_or(|rights| rights.may_read(2, self.version))
    }
}

/// Whether groups C and D are these.
fn is(obis: Obis, [c, d]: [u8; 2]) -> bool {
    obis.octets()[2..4] == [c, d]
}

/// Event logs, which hold codes and no readings.
fn is_log(obis: Obis) -> bool {
    is(obis, [99, 98]) || is(obis, [99, 97])
}
