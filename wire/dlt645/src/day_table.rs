//! Day tables (DL/T 645-2007, annex A, items 04 01 …): what holds from which time of the day on, in slots `hhmmNN`.

use crate::{Error, Format};

/// Slots of a day table at most (item 04000203).
pub const DAY_SLOTS: usize = 14;
/// Octets of a slot.
const OCTETS: usize = 3;
const SLOT: Format = Format { octets: 3, decimals: 0, signed: false };
/// The number of a place that is no slot.
const EMPTY: u8 = 0;

/// From a time of the day on something holds that has a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySlot {
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// What holds from then on, 1 to 99; what the number means is the meter's.
    pub number: u8,
}

/// Reads the slots of a table, up to the first place that is empty; places that repeat the slot before them are none.
///
/// # Errors
/// [`Error::Truncated`]; [`Error::Value`] for a digit above 9 or a time that is none.
pub fn read_day_slots(octets: &[u8]) -> Result<Vec<DaySlot>, Error> {
    let mut slots = Vec::new();
    for (place, octets) in octets.chunks(OCTETS).enumerate() {
        let offset = place * OCTETS;
        let Some(digits) = SLOT.read(octets, offset)? else { break };
        let slot = slot(digits.mantissa, offset)?;
        if slot.number == EMPTY {
            break;
        }
        if slots.last() != Some(&slot) {
            slots.push(slot);
        }
    }
    Ok(slots)
}

/// Appends a table of so many places. Those that are left repeat the last slot; without any slot they are empty. `None` when there are more slots than places, or one is none.
#[must_use]
pub fn write_day_slots(slots: &[DaySlot], places: usize, out: &mut Vec<u8>) -> Option<()> {
    if slots.len() > places.min(DAY_SLOTS) {
        return None;
    }
    let rest = slots.last().copied().unwrap_or(DaySlot { hour: 0, minute: 0, number: EMPTY });
    for place in 0..places {
        let DaySlot { hour, minute, number } = slots.get(place).copied().unwrap_or(rest);
        let is_slot = hour < 24 && minute < 60 && number < 100;
        let digits =
            is_slot.then(|| (i64::from(hour) * 100 + i64::from(minute)) * 100 + i64::from(number))?;
        SLOT.write(digits, out)?;
    }
    Some(())
}

fn slot(digits: i64, offset: usize) -> Result<DaySlot, Error> {
    let [hour, minute, number] = [digits / 10_000, digits / 100 % 100, digits % 100];
    let part = |value: i64| u8::try_from(value).unwrap_or(u8::MAX);
    if hour > 23 || minute > 59 {
        let got = u32::try_from(digits / 100).unwrap_or(u32::MAX);
        return Err(Error::Value { what: "a time of the day", got, offset });
    }
    Ok(DaySlot { hour: part(hour), minute: part(minute), number: part(number) })
}
