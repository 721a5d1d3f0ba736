//! What each column of a layout can be, and captures held against it.

use collectors::Layout;
use dlms::{
    Obis, Unit,
    profile::{Column, FLOAT_EXPONENT},
};
use models::Validation;

use super::counter::{Counter, Point, Trace, Verdict};
use super::limits::{bound, is_no_value, is_power};
use super::memory::{Key, Memory};
use super::sums::{Sum, sums};
use super::{Found, Numbers, Place, Stamp, status};
use crate::store::FlagRule;

/// Microseconds.
const SECOND: i64 = 1_000_000;

/// Units in which a float is stored, of its own.
const FLOAT_UNITS: i64 = 10_i64.pow(FLOAT_EXPONENT.unsigned_abs() as u32);

/// The rules for the captures of a layout. Cheap to make; made once for each layout of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    validation: Validation,
    counters: Vec<(usize, Key, Counter)>,
    /// Columns whose distance from 0 has a bound.
    bounded: Vec<(usize, i64)>,
    sums: Vec<Sum>,
    /// Columns with the energy of one capture period, each with the counter that it is the advance of.
    intervals: Vec<(usize, (usize, Key))>,
    /// Capture period in microseconds; 0 when the captures are not periodic.
    period: i64,
    /// Unit and scaler of each column.
    units: Vec<(Unit, i8)>,
}

impl Plan {
    /// The rules for a layout of a meter of which this is plausible.
    pub fn of(layout: &Layout, validation: &Validation) -> Self {
        let mut plan = Self {
            validation: validation.clone(),
            counters: Vec::new(),
            bounded: Vec::new(),
            sums: Vec::new(),
            intervals: Vec::new(),
            period: i64::from(layout.period_s) * SECOND,
            units: Vec::new(),
        };
        let mut added = Vec::new();
        for (slot, column) in layout.values().enumerate() {
            let (object, scaler, unit) = (&column.capture, column.scaler, column.unit);
            plan.units.push((unit, scaler));
            if object.attribute != 2 || object.data_index != 0 {
                continue;
            }
            let is_float = column.column == Column::Float;
            // Floats add up to others but for their last digits.
            if !is_float {
                added.push((slot, object.instance, scaler));
            }
            if let Some(mut counter) = counter_of(object.instance, unit, scaler, validation) {
                if is_float {
                    counter.modulus = counter.modulus.saturating_mul(FLOAT_UNITS);
                }
                plan.counters.push((slot, Key::of(object.instance, unit, scaler), counter));
            } else if let Some(bound) = bound(object.instance, unit, scaler, layout.period_s, validation) {
                plan.bounded.push((slot, bound));
            }
        }
        plan.sums = sums(&added);
        let key = |slot| {
            plan.counters.iter().find(|(other, ..)| *other == slot).map(|(slot, key, _)| (*slot, *key))
        };
        let intervals = intervals(&added);
        plan.intervals = intervals.filter_map(|(slot, counter)| Some((slot, key(counter)?))).collect();
        plan
    }

    /// Holds one capture against the rules; `values` are its columns. Captures of one profile come in ascending order.
    pub fn check(&self, memory: &mut Memory, stamp: Stamp, values: &[Option<i64>], found: &mut Vec<Found>) {
        let is_valid = status::said(&self.validation.status, stamp, found);
        let ts = stamp.ts;
        let value = |slot: usize| values.get(slot).copied().flatten();
        let usable = |slot: usize| value(slot).filter(|value| !self.is_no_value(slot, *value));
        let mut raise = |rule, slot: usize, numbers| {
            found.push(Found { rule, ts, place: Place::Value(slot), numbers });
        };
        for (slot, &(_, scaler)) in self.units.iter().enumerate() {
            if let Some(value) = value(slot).filter(|value| self.is_no_value(slot, *value)) {
                raise(FlagRule::NoValue, slot, Numbers { value: Some(value), scaler, ..Numbers::default() });
            }
        }
        for &(slot, bound) in &self.bounded {
            if let Some(value) = usable(slot).filter(|value| value.unsigned_abs() > bound.unsigned_abs()) {
                let (value, bound) = (Some(value), Some(bound));
                let numbers = Numbers { value, reference: None, bound, scaler: self.units[slot].1 };
                raise(FlagRule::Spike, slot, numbers);
            }
        }
        for sum in &self.sums {
            if let Some(numbers) = sum.check(usable, modulus(&self.validation), 0) {
                raise(FlagRule::SumMismatch, sum.total.slot, numbers);
            }
        }
        for &(slot, (counter, key)) in &self.intervals {
            let advance = self.advance(memory.get(key), counter, ts, usable(counter));
            if let Some(numbers) = usable(slot).and_then(|value| self.against_advance(slot, value, advance?))
            {
                raise(FlagRule::SumMismatch, slot, numbers);
            }
        }
        // Where the time is not to be believed, neither is what came before.
        for (slot, key, counter) in self.counters.iter().filter(|_| is_valid) {
            let Some(value) = usable(*slot) else { continue };
            let (trace, verdict) = counter.step(memory.get(*key), Point { ts, value });
            memory.set(*key, trace);
            if let Some(Verdict { rule, about, reference, bound }) = verdict {
                let (value, reference) = (Some(about.value), Some(reference));
                let numbers = Numbers { value, reference, bound, scaler: counter.scaler };
                found.push(Found { rule, ts: about.ts, place: Place::Value(*slot), numbers });
            }
        }
    }

    /// Leaves what the next captures with these columns are compared with.
    pub fn keep(&self, memory: &mut Memory) {
        memory.keep(|key| self.counters.iter().any(|(_, other, _)| *other == key));
    }

    /// How far a counter came in the capture period that ends now, and its scaler; `None` when the capture before is missing or doubted.
    fn advance(&self, trace: Option<Trace>, slot: usize, ts: i64, value: Option<i64>) -> Option<(i64, i8)> {
        let base = trace.filter(|trace| trace.suspect().is_none())?.base;
        let follows = self.period > 0 && base.ts.checked_add(self.period) == Some(ts);
        let advance = value?.checked_sub(base.value).filter(|advance| follows && *advance >= 0)?;
        Some((advance, self.units[slot].1))
    }

    /// Compares the energy of a capture period with the advance of its counter, whose last digits may both be cut off.
    fn against_advance(&self, slot: usize, value: i64, (advance, scaler): (i64, i8)) -> Option<Numbers> {
        let own = self.units[slot].1;
        let (finest, coarsest) = (own.min(scaler), own.max(scaler));
        let digits =
            |value: i64, scaler: i8| i128::from(value).saturating_mul(pow10(scaler.abs_diff(finest)));
        let (value, advance) = (digits(value, own), digits(advance, scaler));
        let bound = pow10(coarsest.abs_diff(finest));
        let stored = |value: i128| i64::try_from(value).ok();
        (value.abs_diff(advance) > bound.unsigned_abs()).then(|| Numbers {
            value: stored(value),
            reference: stored(advance),
            bound: stored(bound),
            scaler: finest,
        })
    }

    fn is_no_value(&self, slot: usize, value: i64) -> bool {
        self.units.get(slot).is_some_and(|&(unit, scaler)| is_no_value(value, unit, scaler, &self.validation))
    }
}

/// The number at which counters begin anew.
pub(super) fn modulus(validation: &Validation) -> i64 {
    i64::try_from(validation.counter_modulus).unwrap_or(i64::MAX)
}

/// What is known of a counter; `None` when the object counts nothing that only grows.
pub fn counter_of(obis: Obis, unit: Unit, scaler: i8, validation: &Validation) -> Option<Counter> {
    let [a, _, c, d, ..] = obis.octets();
    let is_energy = matches!(unit.0, 30..=32);
    let counter = |max_power| Counter { max_power, scaler, modulus: modulus(validation) };
    match (a, d) {
        // Import less export of the meter or of a phase goes both ways.
        (1, 8) if is_energy && c % 20 == 16 => None,
        (1, 8) if is_energy => Some(counter(validation.max_power)),
        // Cumulative maximum demand: it grows at the end of a billing period.
        (1, 2) if is_power(unit) => Some(counter(None)),
        _ if !is_energy && !is_amount(unit) => None,
        // Heat costs, cold, heat and water (EN 13757-1): energy, volume, mass, now and at a set or billing date. With other values of D they are lowest, highest
        // or of a period.
        (4..=6 | 8 | 9, 0 | 2 | 3) if matches!(c, 1..=3) => Some(counter(None)),
        // Gas: volumes and energies of the meter, the converter and the logger, as measured, corrected or at base conditions. With higher values of D they are of
        // a period.
        (7, 0..=3) if matches!(c, 1..=36 | 61..=66) => Some(counter(None)),
        // What an M-Bus device counts, by the standard and as one maker names it.
        (0, 2) if c == 24 => Some(counter(None)),
        (0, 50) if c == 128 => Some(counter(None)),
        _ => None,
    }
}

/// Whether a unit is one of what meters of gas, water and heat count: m³, corrected m³, l, kg, J.
const fn is_amount(unit: Unit) -> bool {
    matches!(unit.0, 13 | 14 | 19 | 20 | 25)
}

/// Columns with the energy of a capture period (value group D 29, time integral 5) whose counter (D 8) is captured beside them.
fn intervals(columns: &[(usize, Obis, i8)]) -> impl Iterator<Item = (usize, usize)> {
    let of = |&(slot, obis, _): &(usize, Obis, i8)| {
        let [a, b, c, d, e, f] = obis.octets();
        let counter = columns.iter().find(|(_, other, _)| *other == Obis::new([a, b, c, 8, e, f]))?;
        (a == 1 && d == 29 && c % 20 != 16).then_some((slot, counter.0))
    };
    columns.iter().filter_map(of)
}

pub(super) fn pow10(exponent: u8) -> i128 {
    10_i128.saturating_pow(exponent.into())
}

#[cfg(test)]
mod tests {
    use collectors::LayoutColumn;
    use dlms::profile::CaptureObject;
    use proptest::prelude::*;

    use super::*;

    const QUARTER: i64 = 900_000_000;

    fn layout(columns: &[(u16, &str, i8, u8)]) -> Layout {
        let column = |&(class_id, obis, scaler, unit): &(u16, &str, i8, u8)| {
            let capture =
                CaptureObject { class_id, instance: obis.parse().unwrap(), attribute: 2, data_index: 0 };
            LayoutColumn { capture, column: Column::of(&capture), scaler, unit: Unit(unit) }
        };
        let columns = columns.iter().map(column).collect();
        Layout { obis: "1.0.99.1.0.255".parse().unwrap(), period_s: 900, columns }
    }

    fn stamp(ts: i64, clock_status: i16) -> Stamp {
        Stamp { ts, clock_status, status: None }
    }

    /// Clock, import in Wh, voltage in tenths, power in W, net in Wh.
    fn plan() -> Plan {
        let columns = [
            (8, "0.0.1.0.0.255", 0, 255),
            (3, "1.0.1.8.0.255", 0, 30),
            (3, "1.0.32.7.0.255", -1, 35),
            (3, "1.0.1.7.0.255", 0, 27),
            (3, "1.0.16.8.0.255", 0, 30),
        ];
        let validation =
            Validation { max_power: Some(10_000), no_value: vec![999_999_999], ..Validation::default() };
        Plan::of(&layout(&columns), &validation)
    }

    fn checked(memory: &mut Memory, ts: i64, status: i16, values: [i64; 4]) -> Vec<(FlagRule, Place)> {
        let mut found = Vec::new();
        plan().check(memory, stamp(ts, status), &values.map(Some), &mut found);
        found.iter().map(|found| (found.rule, found.place)).collect()
    }

    #[test]
    fn numbers_that_stand_for_none_are_flagged_and_compared_with_nothing() {
        let mut memory = Memory::default();
        assert_eq!(checked(&mut memory, QUARTER, 0, [7000, 2301, 800, -5]), []);
        let no_value = |slot| (FlagRule::NoValue, Place::Value(slot));
        let ends = [4_294_967_295, 65_535, 999_999_999, i64::from(i32::MIN)];
        assert_eq!(checked(&mut memory, 2 * QUARTER, 0, ends), [0, 1, 2, 3].map(no_value));
        assert_eq!(
            checked(&mut memory, 3 * QUARTER, 0, [65_535, 2301, 800, -5]),
            [(FlagRule::Spike, Place::Value(0))]
        );
        assert_eq!(checked(&mut memory, 4 * QUARTER, 0, [7100, 2301, 800, -9]), [], "net may fall");
    }

    #[test]
    fn gas_water_heat_and_what_m_bus_devices_count_only_grows() {
        let counts = |obis: &str, unit: u8| {
            counter_of(obis.parse().unwrap(), Unit(unit), 0, &Validation::default()).is_some()
        };
        for (obis, unit) in [
            ("7.0.3.0.0.255", 13),
            ("7.0.13.2.0.255", 14),
            ("8.0.1.0.0.255", 13),
            ("9.0.1.0.1.255", 19),
            ("6.0.1.0.0.255", 30),
            ("6.0.1.0.0.255", 25),
            ("5.0.2.3.0.255", 13),
            ("0.1.24.2.1.255", 13),
            ("0.4.24.2.2.255", 30),
            ("0.1.128.50.0.255", 13),
        ] {
            assert!(counts(obis, unit), "{obis} {unit}");
        }
        for (obis, unit) in [
            ("7.0.43.0.0.255", 15),
            ("7.0.3.6.0.255", 13),
            ("8.0.2.0.0.255", 15),
            ("8.0.1.5.0.255", 13),
            ("8.0.3.0.0.255", 9),
            ("6.0.8.0.0.255", 27),
            ("0.1.24.2.1.255", 9),
            ("0.0.128.19.10.255", 30),
            ("1.0.16.8.0.255", 30),
            ("1.0.1.29.0.255", 30),
        ] {
            assert!(!counts(obis, unit), "{obis} {unit}");
        }
    }

    #[test]
    fn a_counter_is_known_again_when_the_columns_around_it_change() {
        let clock = (8, "0.0.1.0.0.255", 0, 255);
        let before = layout(&[clock, (3, "1.0.1.8.0.255", 0, 30)]);
        let after = layout(&[clock, (3, "1.0.2.8.0.255", 0, 30), (3, "1.0.1.8.0.255", 0, 30)]);
        let said = |now: i64, after: &Layout| {
            let (mut memory, mut found) = (Memory::default(), Vec::new());
            let plan = |layout| Plan::of(layout, &Validation::default());
            plan(&before).check(&mut memory, stamp(QUARTER, 0), &[Some(7000)], &mut found);
            plan(after).check(&mut memory.beyond(), stamp(2 * QUARTER, 0), &[Some(5), Some(now)], &mut found);
            found.iter().map(|found| (found.rule, found.place)).collect::<Vec<_>>()
        };
        assert_eq!(said(7100, &after), []);
        assert_eq!(said(0, &after), [(FlagRule::Zero, Place::Value(1))]);
        let coarser = layout(&[clock, (3, "1.0.2.8.0.255", 0, 30), (3, "1.0.1.8.0.255", 3, 30)]);
        assert_eq!(said(7, &coarser), [], "other digits are compared with nothing");
    }

    /// Floats are rounded, each by itself, and begin anew where the meter's own number does.
    #[test]
    fn floats_fall_as_others_do_and_add_up_to_nothing() {
        let columns = [
            (8, "0.0.1.0.0.255", 0, 255),
            (3, "1.0.1.8.0.255", -9, 30),
            (3, "1.0.1.8.1.255", -9, 30),
            (3, "1.0.1.8.2.255", -9, 30),
        ];
        let said = |is_float: bool| {
            let mut layout = layout(&columns);
            let kind = if is_float { Column::Float } else { Column::Value };
            layout.columns[1..].iter_mut().for_each(|column| column.column = kind);
            let plan = Plan::of(&layout, &Validation::default());
            let (mut memory, mut found) = (Memory::default(), Vec::new());
            let units = [4_290_000_000, 2_145_000_000, 2_145_000_002];
            plan.check(&mut memory, stamp(QUARTER, 0), &units.map(Some), &mut found);
            plan.check(&mut memory, stamp(2 * QUARTER, 0), &[Some(0), None, None], &mut found);
            found.iter().map(|found| found.rule).collect::<Vec<_>>()
        };
        assert_eq!(said(true), [FlagRule::Zero], "it had counted 4.29");
        assert_eq!(said(false), [FlagRule::SumMismatch, FlagRule::RolledOver]);
    }

    #[test]
    fn powers_have_a_bound_and_captures_without_a_time_are_not_compared() {
        let mut memory = Memory::default();
        assert_eq!(checked(&mut memory, QUARTER, 0, [7000, 2301, 10_001, 0]), [], "a digit may be cut off");
        assert_eq!(
            checked(&mut memory, 2 * QUARTER, 0, [7000, 2301, -10_002, 0]),
            [(FlagRule::Spike, Place::Value(2))]
        );
        assert_eq!(
            checked(&mut memory, 3 * QUARTER, 1, [0, 2301, 0, 0]),
            [(FlagRule::ClockInvalid, Place::Clock)]
        );
        assert_eq!(
            checked(&mut memory, 4 * QUARTER, 2, [7001, 2301, 0, 0]),
            [(FlagRule::ClockDoubtful, Place::Clock)]
        );
        assert_eq!(checked(&mut memory, 5 * QUARTER, 255, [7002, 2301, 0, 0]), []);
    }

    #[test]
    fn the_energy_of_an_interval_is_the_advance_of_its_counter() {
        let columns =
            [(8, "0.0.1.0.0.255", 0, 255), (3, "1.0.1.8.0.255", 0, 30), (3, "1.0.1.29.0.255", 0, 30)];
        let plan = Plan::of(&layout(&columns), &Validation::default());
        let (mut memory, mut found) = (Memory::default(), Vec::new());
        for (n, values) in [(1, [7000, 5]), (2, [7100, 101]), (3, [7300, 150]), (5, [7400, 1]), (6, [0, 90])]
        {
            plan.check(&mut memory, stamp(n * QUARTER, 0), &values.map(Some), &mut found);
        }
        let mismatch = found.first().unwrap();
        let numbers = Numbers { value: Some(150), reference: Some(200), bound: Some(1), scaler: 0 };
        assert_eq!((mismatch.ts, mismatch.place, mismatch.numbers), (3 * QUARTER, Place::Value(1), numbers));
        let rules: Vec<_> = found.iter().map(|found| found.rule).collect();
        assert_eq!(
            rules,
            [FlagRule::SumMismatch, FlagRule::Zero],
            "a capture is missing, then the counter slips"
        );
    }

    proptest! {
        #[test]
        fn a_memory_survives_the_store_and_goes_on_the_same(
            rows in proptest::collection::vec((any::<i32>(), 0_i16..4), 1..30), cut in 0_usize..30
        ) {
            let (mut whole, mut parted) = (Memory::default(), Memory::default());
            let (mut first, mut second) = (Vec::new(), Vec::new());
            for (index, (value, status)) in rows.iter().enumerate() {
                let time = stamp(i64::try_from(index).unwrap() * QUARTER, *status);
                let values = [Some(i64::from(*value)), None, Some(1), None];
                plan().check(&mut whole, time, &values, &mut first);
                if index == cut {
                    parted = Memory::stored(&parted.to_stored());
                }
                plan().check(&mut parted, time, &values, &mut second);
            }
            prop_assert_eq!(first, second);
            prop_assert_eq!(Memory::stored(&whole.to_stored()), whole);
        }

        #[test]
        fn nothing_stored_breaks_it(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut memory = Memory::stored(&octets);
            checked(&mut memory, 0, 0, [1, 1, 1, 1]);
        }
    }
}
