//! What a concentrator holds of its meters, as documents.

use dlms::profile::{CaptureObject, Column};
use dlms::{Obis, Unit};
use jiff::Timestamp;
use models::{ColumnSpec, Profile as Spec};
use p2lpc::{Decimal, Device, Event, Ident, Profile, Register};

use crate::Capture;
use crate::concentrator::NodeEventKind;
use crate::concentrator::site::{Node, Site};
use crate::local::timestamp;

/// Rounds that are looked through for one in which a node was there.
const ROUNDS_LIMIT: i64 = 10_000;
/// Status words of a meter's log: its supply failed, and is back.
const POWER_FAILED: u32 = 0x0080;
const POWER_BACK: u32 = 0x0040;
/// Quantities that are displayed in thousands of their unit: W, VA, var, Wh, VAh, varh.
const IN_THOUSANDS: std::ops::RangeInclusive<u8> = 27..=32;
/// What that is as an exponent.
const THOUSAND: i8 = 3;

impl Site {
    /// When the concentrator began its round of that number; round 0 was over when it started.
    pub(super) fn round_ms(&self, round: i64) -> i64 {
        self.started_ms.saturating_add(round.saturating_mul(self.round_ms))
    }

    /// The round that it has begun last.
    pub(super) fn last_round(&self) -> i64 {
        (self.now_ms() - self.started_ms).div_euclid(self.round_ms)
    }

    /// The time up to which it holds what a node has captured, after a round: that of the last one in which the node was there.
    pub(super) fn held_until(&self, node: &Node, round: i64) -> Option<Timestamp> {
        let rounds = (0..ROUNDS_LIMIT).map(|back| round - back).take_while(|round| *round >= 0);
        let mut read = rounds.map(|round| self.round_ms(round));
        let at_ms = read.find(|at_ms| node.presence.is_linked(*at_ms))?;
        Some(timestamp(at_ms.div_euclid(1000)))
    }

    /// What it holds of a profile of a node for a time, both ends included; nothing when it has none of that name.
    pub(super) fn stored(
        &self,
        node: &Node,
        ident: Ident,
        register: Option<Ident>,
        (from, to): (Timestamp, Timestamp),
    ) -> Option<Profile> {
        let model = &node.meter.fleet().plan.model;
        let spec = model.profiles.iter().find(|spec| spec.obis.octets() == ident.0)?;
        let to = self.held_until(node, self.last_round()).map_or(Timestamp::MIN, |held| held.min(to));
        Some(profile(node, spec, register, (from, to)))
    }

    /// A node as a device of a document.
    pub(super) fn device(&self, node: &Node, profiles: Vec<Profile>, events: Vec<Event>) -> Device {
        Device { id: node.meter.serial(), concentrator: self.serial.clone(), profiles, events }
    }

    /// The log of a node, as the concentrator holds it: it gets lost when its supply fails.
    pub(super) fn node_events(&self, node: &Node, (from, to): (Timestamp, Timestamp)) -> Vec<Event> {
        let held = self.held_until(node, self.last_round()).unwrap_or(Timestamp::MIN).min(to);
        let events = node.presence.events(from.as_millisecond(), held.as_millisecond()).into_iter();
        let event = |(at_ms, kind): (i64, NodeEventKind)| {
            let status = match kind {
                NodeEventKind::Discovered => return None,
                NodeEventKind::Deregistered => POWER_FAILED,
                NodeEventKind::Registered if at_ms == node.presence.first_seen_ms() => return None,
                NodeEventKind::Registered => POWER_BACK,
            };
            Some(Event { at: at_ms.div_euclid(1000), status, meter: None })
        };
        events.filter_map(event).collect()
    }
}

/// The captures of a profile of a node for a time, both ends included.
pub(super) fn profile(
    node: &Node,
    spec: &Spec,
    register: Option<Ident>,
    (from, to): (Timestamp, Timestamp),
) -> Profile {
    let is_value = |column: &&ColumnSpec| {
        let &ColumnSpec { class_id, obis: instance, attribute, .. } = *column;
        Column::of(&CaptureObject { class_id, instance, attribute, data_index: 0 }) == Column::Value
    };
    let columns: Vec<_> = spec.columns.iter().filter(is_value).collect();
    // The profile is one of the meter's own model.
    let captures = if from <= to { node.meter.expected(&spec.name, from, to) } else { Ok(Vec::new()) };
    let registers = captures.unwrap_or_default().into_iter().flat_map(|Capture { at, status, values }| {
        let row = columns.iter().zip(values).map(move |(column, value)| Register {
            ident: ident(column.obis),
            value: displayed(value, column.scaler, column.unit),
            at: at.as_second(),
            status: status.map_or(0, u32::from),
        });
        row.filter(|entry| register.is_none_or(|register| register == entry.ident)).collect::<Vec<_>>()
    });
    Profile { ident: ident(spec.obis), period_s: spec.period_s, registers: registers.collect() }
}

fn ident(obis: Obis) -> Ident {
    Ident(obis.octets())
}

/// A value as a meter displays it.
fn displayed(value: i64, scaler: i8, unit: Unit) -> Decimal {
    let exponent = if IN_THOUSANDS.contains(&unit.0) { scaler.saturating_sub(THOUSAND) } else { scaler };
    let power = 10_i64.checked_pow(u32::try_from(exponent).unwrap_or(0)).unwrap_or(1);
    let decimals = u8::try_from(-i16::from(exponent)).unwrap_or(0);
    // What meters of models count has far fewer digits than a decimal holds.
    Decimal::new(value.saturating_mul(power), decimals).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_displayed_in_thousands_of_energy_and_power() {
        assert_eq!(displayed(31_184, 0, Unit(30)).to_string(), "31.184");
        assert_eq!(displayed(5, 2, Unit(27)).to_string(), "0.5");
        assert_eq!(displayed(5, 4, Unit(30)).to_string(), "50");
        assert_eq!(displayed(2301, -1, Unit(35)).to_string(), "230.1");
        assert_eq!(displayed(-7, 0, Unit::NONE).to_string(), "-7");
    }
}
