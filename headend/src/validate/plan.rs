//! What each column of a layout can be, and captures held against it.

use collectors::Layout;
use dlms::{Obis, Unit};
use models::Validation;

use super::counter::{Counter, Point, Trace, digits};
use super::sums::{Sum, sums};
use super::{Found, Numbers};
use crate::store::FlagRule;

/// `profile_row.clock_status` of a capture whose clock status the meter did not give.
const NOT_GIVEN: i16 = 255;
/// Clock status bits (IEC 62056-6-2, 4.1.6.1).
const INVALID: i16 = 1;
const DOUBTFUL: i16 = 2;
/// Microseconds.
const SECOND: i64 = 1_000_000;

/// The highest and lowest numbers of the types of 32 and 64 bits: meters send them where there is no value.
const ENDS: [i64; 5] = [u32::MAX as i64, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN];

/// Numbers that a memory has for each counter when it is stored.
const STORED: usize = 5;

/// The rules for the captures of a layout. Cheap to make; made once for each layout of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    no_value: Vec<i64>,
    counters: Vec<(usize, Counter)>,
    /// Columns whose distance from 0 has a bound.
    bounded: Vec<(usize, i64)>,
    sums: Vec<Sum>,
    /// Columns with the energy of one capture period, each with the counter that it is the advance of.
    intervals: Vec<(usize, usize)>,
    /// Capture period in microseconds; 0 when the captures are not periodic.
    period: i64,
    scalers: Vec<i8>,
    /// Columns with numbers of 16 bits, maybe, of which the highest stands for "no value".
    short: Vec<usize>,
}

/// What the next capture of a profile is compared with, counter by counter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory(Vec<(usize, Trace)>);

impl Plan {
    /// The rules for a layout of a meter of which this is plausible.
    pub fn of(layout: &Layout, validation: &Validation) -> Self {
        let mut plan = Self {
            no_value: validation.no_value.iter().copied().chain(ENDS).collect(),
            counters: Vec::new(),
            bounded: Vec::new(),
            sums: Vec::new(),
            intervals: Vec::new(),
            period: i64::from(layout.period_s) * SECOND,
            scalers: Vec::new(),
            short: Vec::new(),
        };
        let mut added = Vec::new();
        for (slot, column) in layout.values().enumerate() {
            let (object, scaler, unit) = (&column.capture, column.scaler, column.unit);
            plan.scalers.push(scaler);
            if is_short(unit) {
                plan.short.push(slot);
            }
            if object.attribute != 2 || object.data_index != 0 {
                continue;
            }
            added.push((slot, object.instance, scaler));
            if let Some(counter) = counter_of(object.instance, unit, scaler, validation) {
                plan.counters.push((slot, counter));
            } else if let Some(bound) = bound(object.instance, unit, scaler, layout.period_s, validation) {
                plan.bounded.push((slot, bound));
            }
        }
        plan.sums = sums(&added);
        plan.intervals = intervals(&added);
        plan
    }

    /// Holds one capture against the rules; `values` are its columns. Captures of one profile come in ascending order.
    pub fn check(
        &self,
        memory: &mut Memory,
        (ts, clock_status): (i64, i16),
        values: &[Option<i64>],
        found: &mut Vec<Found>,
    ) {
        let is_valid = clock(ts, clock_status, found);
        let value = |slot: usize| values.get(slot).copied().flatten();
        let usable = |slot: usize| value(slot).filter(|value| !self.is_no_value(slot, *value));
        let mut raise = |rule, slot: usize, numbers| {
            found.push(Found { rule, ts, slot: Some(slot), numbers });
        };
        for (slot, &scaler) in self.scalers.iter().enumerate() {
            if let Some(value) = value(slot).filter(|value| self.is_no_value(slot, *value)) {
                raise(FlagRule::NoValue, slot, Numbers { value: Some(value), scaler, ..Numbers::default() });
            }
        }
        for &(slot, bound) in &self.bounded {
            if let Some(value) = usable(slot).filter(|value| value.unsigned_abs() > bound.unsigned_abs()) {
                let (value, bound) = (Some(value), Some(bound));
                let numbers = Numbers { value, reference: None, bound, scaler: self.scalers[slot] };
                raise(FlagRule::Spike, slot, numbers);
            }
        }
        for sum in &self.sums {
            if let Some(numbers) = sum.check(usable) {
                raise(FlagRule::SumMismatch, sum.total.slot, numbers);
            }
        }
        for &(slot, counter) in &self.intervals {
            let advance = self.advance(memory, counter, ts, usable(counter));
            if let Some(numbers) = usable(slot).and_then(|value| self.against_advance(slot, value, advance?))
            {
                raise(FlagRule::SumMismatch, slot, numbers);
            }
        }
        // Where the time is not to be believed, neither is what came before.
        for (slot, counter) in self.counters.iter().filter(|_| is_valid) {
            let Some(value) = usable(*slot) else { continue };
            let (trace, verdict) = counter.step(memory.get(*slot), Point { ts, value });
            memory.set(*slot, trace);
            if let Some((rule, reference, bound)) = verdict {
                let (value, reference) = (Some(value), Some(reference));
                raise(rule, *slot, Numbers { value, reference, bound, scaler: counter.scaler });
            }
        }
    }

    /// How far a counter came in the capture period that ends now, and its scaler; `None` when the capture before is missing or doubted.
    fn advance(&self, memory: &Memory, slot: usize, ts: i64, value: Option<i64>) -> Option<(i64, i8)> {
        let Trace { base, suspect: None } = memory.get(slot)? else { return None };
        let follows = self.period > 0 && base.ts.checked_add(self.period) == Some(ts);
        let advance = value?.checked_sub(base.value).filter(|advance| follows && *advance >= 0)?;
        Some((advance, self.scalers[slot]))
    }

    /// Compares the energy of a capture period with the advance of its counter, whose last digits may both be cut off.
    fn against_advance(&self, slot: usize, value: i64, (advance, scaler): (i64, i8)) -> Option<Numbers> {
        let own = self.scalers[slot];
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
        self.no_value.contains(&value) || (value == i64::from(u16::MAX) && self.short.contains(&slot))
    }
}

/// Whether a number stands for "no value", whatever it is the number of.
pub fn is_no_value(value: i64, validation: &Validation) -> bool {
    ENDS.contains(&value) || validation.no_value.contains(&value)
}

/// What a clock says of itself; whether the time can be believed.
fn clock(ts: i64, status: i16, found: &mut Vec<Found>) -> bool {
    if status == NOT_GIVEN {
        return true;
    }
    let rule = match (status & INVALID != 0, status & DOUBTFUL != 0) {
        (true, _) => FlagRule::ClockInvalid,
        (false, true) => FlagRule::ClockDoubtful,
        (false, false) => return true,
    };
    let numbers = Numbers { value: Some(status.into()), ..Numbers::default() };
    found.push(Found { rule, ts, slot: None, numbers });
    rule != FlagRule::ClockInvalid
}

/// What is known of a counter; `None` when the object counts nothing that only grows.
pub fn counter_of(obis: Obis, unit: Unit, scaler: i8, validation: &Validation) -> Option<Counter> {
    let [a, _, c, d, ..] = obis.octets();
    let is_energy = matches!(unit.0, 30..=32);
    let counter = |max_power| Counter {
        max_power,
        scaler,
        modulus: i64::try_from(validation.counter_modulus).unwrap_or(i64::MAX),
    };
    match (a, d) {
        // Import less export of the meter or of a phase goes both ways.
        (1, 8) if is_energy && c % 20 == 16 => None,
        (1, 8) if is_energy => Some(counter(validation.max_power)),
        // Cumulative maximum demand: it grows at the end of a billing period.
        (1, 2) if is_power(unit) => Some(counter(None)),
        // Heat, cold, gas and water.
        (4..=9, 1 | 3) if is_energy || matches!(unit.0, 13 | 14 | 19 | 25) => Some(counter(None)),
        _ => None,
    }
}

/// Columns with the energy of a capture period (value group D 29, time integral 5) whose counter (D 8) is captured beside them.
fn intervals(columns: &[(usize, Obis, i8)]) -> Vec<(usize, usize)> {
    let of = |&(slot, obis, _): &(usize, Obis, i8)| {
        let [a, b, c, d, e, f] = obis.octets();
        let counter = columns.iter().find(|(_, other, _)| *other == Obis::new([a, b, c, 8, e, f]))?;
        (a == 1 && d == 29 && c % 20 != 16).then_some((slot, counter.0))
    };
    columns.iter().filter_map(of).collect()
}

/// How far a value may be from 0.
fn bound(obis: Obis, unit: Unit, scaler: i8, period_s: u32, validation: &Validation) -> Option<i64> {
    let power = i128::from(validation.max_power?);
    match obis.octets() {
        [1, ..] if is_power(unit) => Some(digits(power, 1, scaler)),
        // Energy of a capture period.
        [1, _, _, 29, ..] if matches!(unit.0, 30..=32) && period_s > 0 => {
            Some(digits(power * i128::from(period_s), 3600, scaler))
        }
        _ => None,
    }
}

const fn is_power(unit: Unit) -> bool {
    matches!(unit.0, 27..=29)
}

/// Angles, voltages, currents, frequencies and factors have 16 bits in most meters.
const fn is_short(unit: Unit) -> bool {
    matches!(unit.0, 8 | 33 | 35 | 44 | 255)
}

pub(super) fn pow10(exponent: u8) -> i128 {
    10_i128.saturating_pow(exponent.into())
}

impl Memory {
    /// A memory as it was stored; empty when it can not be read.
    pub fn stored(numbers: &[Option<i64>]) -> Self {
        let (traces, _) = numbers.as_chunks::<STORED>();
        let trace = |trace: &[Option<i64>; STORED]| {
            let [slot, ts, value, later, suspect] = *trace;
            let point = |ts: Option<i64>, value: Option<i64>| Some(Point { ts: ts?, value: value? });
            let trace = Trace { base: point(ts, value)?, suspect: point(later, suspect) };
            Some((usize::try_from(slot?).ok()?, trace))
        };
        Self(traces.iter().filter_map(trace).collect())
    }

    /// The memory as it is stored: five numbers for each counter.
    pub fn to_stored(&self) -> Vec<Option<i64>> {
        let numbers = self.0.iter().flat_map(|(slot, trace)| {
            let suspect = trace.suspect;
            let slot = i64::try_from(*slot).ok();
            let base = trace.base;
            let suspected = [suspect.map(|point| point.ts), suspect.map(|point| point.value)];
            [slot, Some(base.ts), Some(base.value), suspected[0], suspected[1]]
        });
        numbers.collect()
    }

    fn get(&self, slot: usize) -> Option<Trace> {
        self.0.iter().find(|(other, _)| *other == slot).map(|(_, trace)| *trace)
    }

    fn set(&mut self, slot: usize, trace: Trace) {
        match self.0.iter_mut().find(|(other, _)| *other == slot) {
            Some((_, held)) => *held = trace,
            None => self.0.push((slot, trace)),
        }
    }
}

#[cfg(test)]
mod tests {
    use collectors::LayoutColumn;
    use dlms::profile::{CaptureObject, Column};
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

    fn checked(
        memory: &mut Memory,
        ts: i64,
        status: i16,
        values: [i64; 4],
    ) -> Vec<(FlagRule, Option<usize>)> {
        let mut found = Vec::new();
        plan().check(memory, (ts, status), &values.map(Some), &mut found);
        found.iter().map(|found| (found.rule, found.slot)).collect()
    }

    #[test]
    fn numbers_that_stand_for_none_are_flagged_and_compared_with_nothing() {
        let mut memory = Memory::default();
        assert_eq!(checked(&mut memory, QUARTER, 0, [7000, 2301, 800, -5]), []);
        let no_value = |slot| (FlagRule::NoValue, Some(slot));
        let ends = [4_294_967_295, 65_535, 999_999_999, i64::from(i32::MIN)];
        assert_eq!(checked(&mut memory, 2 * QUARTER, 0, ends), [0, 1, 2, 3].map(no_value));
        assert_eq!(
            checked(&mut memory, 3 * QUARTER, 0, [65_535, 2301, 800, -5]),
            [(FlagRule::Spike, Some(0))]
        );
        assert_eq!(checked(&mut memory, 4 * QUARTER, 0, [7100, 2301, 800, -9]), [], "net may fall");
    }

    #[test]
    fn powers_have_a_bound_and_captures_without_a_time_are_not_compared() {
        let mut memory = Memory::default();
        assert_eq!(checked(&mut memory, QUARTER, 0, [7000, 2301, 10_001, 0]), [], "a digit may be cut off");
        assert_eq!(
            checked(&mut memory, 2 * QUARTER, 0, [7000, 2301, -10_002, 0]),
            [(FlagRule::Spike, Some(2))]
        );
        assert_eq!(checked(&mut memory, 3 * QUARTER, 1, [0, 2301, 0, 0]), [(FlagRule::ClockInvalid, None)]);
        assert_eq!(
            checked(&mut memory, 4 * QUARTER, 2, [7001, 2301, 0, 0]),
            [(FlagRule::ClockDoubtful, None)]
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
            plan.check(&mut memory, (n * QUARTER, 0), &values.map(Some), &mut found);
        }
        let mismatch = found.first().unwrap();
        let numbers = Numbers { value: Some(150), reference: Some(200), bound: Some(1), scaler: 0 };
        assert_eq!((mismatch.ts, mismatch.slot, mismatch.numbers), (3 * QUARTER, Some(1), numbers));
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
                let time = (i64::try_from(index).unwrap() * QUARTER, *status);
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
        fn nothing_stored_breaks_it(numbers in proptest::collection::vec(proptest::option::of(any::<i64>()), 0..20)) {
            let mut memory = Memory::stored(&numbers);
            checked(&mut memory, 0, 0, [1, 1, 1, 1]);
        }
    }
}
