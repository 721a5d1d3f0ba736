//! What is remembered of the counters of a profile from one read to the next.

use dlms::{Obis, Unit};

use super::counter::{Point, Trace};

/// Numbers that a memory has for each counter when it is stored.
const STORED: usize = 5;

/// Which counter of a profile: its logical name, its unit and its scaler, as they follow in the number. A counter stays the same when the columns around it
/// change; one that shows other digits does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(i64);

/// What the next capture of a profile is compared with, counter by counter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory(Vec<(Key, Trace)>);

impl Key {
    pub(super) const fn of(obis: Obis, unit: Unit, scaler: i8) -> Self {
        let [a, b, c, d, e, f] = obis.octets();
        Self(i64::from_be_bytes([a, b, c, d, e, f, unit.0, scaler.cast_unsigned()]))
    }
}

impl Memory {
    /// A memory as it was stored; empty when it can not be read.
    pub fn stored(numbers: &[Option<i64>]) -> Self {
        let (traces, _) = numbers.as_chunks::<STORED>();
        let trace = |trace: &[Option<i64>; STORED]| {
            let [key, ts, value, other_ts, other] = *trace;
            let point = |ts: Option<i64>, value: Option<i64>| Some(Point { ts: ts?, value: value? });
            Some((Key(key?), Trace { base: point(ts, value)?, other: point(other_ts, other) }))
        };
        Self(traces.iter().filter_map(trace).collect())
    }

    /// The memory as it is stored: five numbers for each counter.
    pub fn to_stored(&self) -> Vec<Option<i64>> {
        let numbers = self.0.iter().flat_map(|(key, Trace { base, other })| {
            let other = [other.map(|point| point.ts), other.map(|point| point.value)];
            [Some(key.0), Some(base.ts), Some(base.value), other[0], other[1]]
        });
        numbers.collect()
    }

    /// The memory for captures with other columns: of earlier captures nothing is said any more.
    pub fn beyond(self) -> Self {
        Self(self.0.into_iter().map(|(key, trace)| (key, trace.without_former())).collect())
    }

    pub(super) fn get(&self, key: Key) -> Option<Trace> {
        self.0.iter().find(|(other, _)| *other == key).map(|(_, trace)| *trace)
    }

    pub(super) fn set(&mut self, key: Key, trace: Trace) {
        match self.0.iter_mut().find(|(other, _)| *other == key) {
            Some((_, held)) => *held = trace,
            None => self.0.push((key, trace)),
        }
    }

    /// Forgets the counters that are not among these.
    pub(super) fn keep(&mut self, keys: impl Fn(Key) -> bool) {
        self.0.retain(|(key, _)| keys(*key));
    }
}
