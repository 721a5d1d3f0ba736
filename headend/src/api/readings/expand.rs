//! Stored rows as readings: a capture becomes a reading for each of its values.

use std::collections::{BTreeMap, BTreeSet};

use ami_proto::v1::{Decimal, Reading, ReadingKind};
use dlms::Unit;

use super::super::convert;
use super::super::status::Refusal;
use super::flags::Flags;
use crate::store::Store;
use crate::store::readings::{Capture, RegisterRow, Slot};

/// `profile_row.clock_status` of a capture whose clock status the meter did not give.
const CLOCK_STATUS_NOT_GIVEN: i16 = 255;

/// What captures mean and which of their values are wanted. Layouts never change, so they are looked up once.
#[derive(Debug, Default)]
pub(super) struct Expander {
    /// Only these logical names; empty = all.
    obis: Vec<Vec<u8>>,
    layouts: BTreeMap<i32, Vec<Column>>,
}

/// A value column that is wanted.
#[derive(Debug)]
struct Column {
    slot: i16,
    profile: String,
    obis: String,
    object: (Vec<u8>, i16),
    exponent: i32,
    unit: &'static str,
}

impl Expander {
    /// An expander for some logical names; none = all.
    pub(super) fn new(obis: Vec<Vec<u8>>) -> Self {
        Self { obis, layouts: BTreeMap::new() }
    }

    /// The logical names that are wanted; empty = all.
    pub(super) fn obis(&self) -> &[Vec<u8>] {
        &self.obis
    }

    /// Looks up what these captures mean.
    pub(super) async fn learn(&mut self, store: &Store, captures: &[Capture]) -> Result<(), Refusal> {
        let used: BTreeSet<_> = captures.iter().map(|capture| capture.layout_id).collect();
        let unknown: Vec<_> = used.into_iter().filter(|layout| !self.layouts.contains_key(layout)).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let slots = store.slots(&unknown).await?;
        self.layouts.extend(unknown.into_iter().map(|layout| (layout, Vec::new())));
        for slot in slots.iter().filter(|slot| self.obis.is_empty() || self.obis.contains(&slot.obis)) {
            let column = column(slot)?;
            self.layouts.entry(slot.layout_id).or_default().push(column);
        }
        Ok(())
    }

    /// The wanted readings of a capture with their slots, from slot `first` on. A value that the meter did not give is none.
    pub(super) fn capture<'a>(
        &'a self,
        serial: &'a str,
        capture: &'a Capture,
        flags: &'a Flags,
        first: i16,
    ) -> impl Iterator<Item = (i16, Reading)> + 'a {
        let columns = self.layouts.get(&capture.layout_id).into_iter().flatten();
        columns.filter(move |column| column.slot >= first).filter_map(move |column| {
            let mantissa = capture.values.get(usize::try_from(column.slot).ok()?).copied().flatten()?;
            let reading = Reading {
                meter_serial: serial.to_owned(),
                obis: column.obis.clone(),
                attribute: column.object.1.into(),
                at: Some(convert::instant(capture.ts)),
                value: Some(Decimal { mantissa, exponent: column.exponent }),
                unit: column.unit.to_owned(),
                kind: ReadingKind::Profile.into(),
                profile: column.profile.clone(),
                // The bits as the meter sent them.
                status: capture.status.map(i32::cast_unsigned),
                clock_status: clock_status(capture.clock_status),
                clock_offset_minutes: capture.clock_offset_min.map(i32::from),
                job_id: capture.job_id,
                flags: flags.of(capture.ts, Some(capture.layout_id), &column.object),
            };
            Some((column.slot, reading))
        })
    }
}

/// The reading of a register.
pub(super) fn register(serial: &str, row: &RegisterRow, flags: &Flags) -> Result<Reading, Refusal> {
    Ok(Reading {
        meter_serial: serial.to_owned(),
        obis: convert::obis(&row.obis)?,
        attribute: row.attribute.into(),
        at: Some(convert::stored(row.ts)),
        value: Some(Decimal { mantissa: row.value, exponent: row.scaler.into() }),
        unit: unit(row.unit).to_owned(),
        kind: ReadingKind::Register.into(),
        profile: String::new(),
        status: None,
        clock_status: None,
        clock_offset_minutes: None,
        job_id: row.job_id,
        flags: flags.of(row.ts.to_jiff(), None, &(row.obis.clone(), row.attribute)),
    })
}

/// Clock status bits; `None` when the meter did not give them.
pub(in crate::api) fn clock_status(stored: i16) -> Option<u32> {
    u32::try_from(stored).ok().filter(|_| stored != CLOCK_STATUS_NOT_GIVEN)
}

fn column(slot: &Slot) -> Result<Column, Refusal> {
    Ok(Column {
        slot: slot.slot,
        profile: convert::obis(&slot.profile)?,
        obis: convert::obis(&slot.obis)?,
        object: (slot.obis.clone(), slot.attribute),
        exponent: slot.scaler.into(),
        unit: unit(slot.unit),
    })
}

pub(super) fn unit(code: i16) -> &'static str {
    u8::try_from(code).map_or("", |code| Unit(code).symbol())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_becomes_a_reading_for_each_value_that_is_there() {
        let column = |slot, obis: &str| Column {
            slot,
            profile: "1.0.99.1.0.255".into(),
            obis: obis.into(),
            object: (obis.parse::<dlms::Obis>().unwrap().octets().to_vec(), 2),
            exponent: -3,
            unit: "Wh",
        };
        let columns =
            vec![column(0, "1.0.1.8.0.255"), column(1, "1.0.2.8.0.255"), column(2, "1.0.3.8.0.255")];
        let expander = Expander { obis: vec![], layouts: BTreeMap::from([(4, columns)]) };
        let mut values = [None; 16];
        (values[0], values[2]) = (Some(i64::MAX), Some(0));
        let capture = Capture {
            layout_id: 4,
            ts: "2026-01-31T00:15:00Z".parse().unwrap(),
            status: Some(-1),
            clock_offset_min: Some(-30),
            clock_status: 255,
            job_id: 9,
            values,
        };
        let flags = Flags::default();
        let found: Vec<_> = expander.capture("17", &capture, &flags, 0).collect();
        assert_eq!(found.iter().map(|(slot, _)| *slot).collect::<Vec<_>>(), [0, 2]);
        let first = &found[0].1;
        assert_eq!(first.value, Some(Decimal { mantissa: i64::MAX, exponent: -3 }));
        assert_eq!(
            (first.status, first.clock_status, first.clock_offset_minutes),
            (Some(u32::MAX), None, Some(-30))
        );
        assert_eq!(expander.capture("17", &capture, &flags, 1).count(), 1);
    }
}
