//! What is remembered of the counters of a profile from one read to the next.

use dlms::{Obis, Unit};

use super::counter::{Point, Trace};

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
    /// A memory as it was stored, up to where it can not be read.
    pub fn stored(mut octets: &[u8]) -> Self {
        let mut traces = Vec::new();
        while let Some(trace) = take_trace(&mut octets) {
            traces.push(trace);
        }
        Self(traces)
    }

    /// The memory as it is stored: for each counter an octet that says whether there is another capture, and three or five numbers of eight octets, the highest first.
    pub fn to_stored(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(self.0.len() * (1 + 5 * 8));
        for (key, Trace { base, other }) in &self.0 {
            octets.push(u8::from(other.is_some()));
            let other = other.iter().flat_map(|point| [point.ts, point.value]);
            for number in [key.0, base.ts, base.value].into_iter().chain(other) {
                octets.extend_from_slice(&number.to_be_bytes());
            }
        }
        octets
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

/// Takes the next counter off the octets; `None` when there is none that can be read.
fn take_trace(octets: &mut &[u8]) -> Option<(Key, Trace)> {
    let has_other = take::<1>(octets)? == [1];
    let mut number = || take(octets).map(i64::from_be_bytes);
    let (key, ts, value) = (number()?, number()?, number()?);
    let other = if has_other { Some(Point { ts: number()?, value: number()? }) } else { None };
    Some((Key(key), Trace { base: Point { ts, value }, other }))
}

fn take<const N: usize>(octets: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = octets.split_first_chunk()?;
    *octets = rest;
    Some(*first)
}
