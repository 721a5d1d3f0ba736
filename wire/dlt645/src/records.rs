//! Load records (DL/T 645-2007, annex B): what a meter captured at an instant, in up to six classes.
//!
//! `A0 A0 | octets up to the last separator | minute hour day month year | class AA … class AA | sum | E5`. A class that is not recorded is
//! empty; a meter that is asked for one class alone may leave the separators of the others out. No number has an octet `AA`.

use crate::frame::checksum;
use crate::{Error, Moment};

/// Classes of load records: voltages, currents and frequency; powers; power factors; energies; reactive energies of the quadrants; demands.
pub const CLASSES: usize = 6;
/// Octets of each class.
pub const CLASS_OCTETS: [u8; CLASSES] = [17, 24, 8, 16, 16, 6];

const START: u8 = 0xA0;
/// In the place of the start: the meter knows that the record is damaged.
const DAMAGED: u8 = 0xE0;
const SEPARATOR: u8 = 0xAA;
const END: u8 = 0xE5;
/// Start, start, length.
const HEAD: usize = 3;
/// Minute, hour, day, month, year.
const TIME: usize = 5;
/// Sum and end.
const TAIL: usize = 2;

/// What a meter captured at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// When, by the meter's clock; whole minutes.
    pub at: Moment,
    /// The octets of each class; empty where there are none.
    pub classes: [&'a [u8]; CLASSES],
    /// The meter says that what it kept of it is damaged: its numbers are none.
    pub damaged: bool,
}

/// Reads the records of an answer, all parts of it together, in their order. `class` is the one that was asked for, 1 to 6; `None` for all.
///
/// # Errors
/// [`Error::Truncated`]; [`Error::Value`] for a start, an end or a time that is none; [`Error::Sum`]; [`Error::Classes`].
pub fn records(octets: &[u8], class: Option<u8>) -> Result<Vec<Record<'_>>, Error> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < octets.len() {
        let (record, length) = one(&octets[at..], at, class)?;
        found.push(record);
        at += length;
    }
    Ok(found)
}

/// The first record of some octets, which begin at `offset` of the answer, and how many octets it has.
fn one(octets: &[u8], offset: usize, class: Option<u8>) -> Result<(Record<'_>, usize), Error> {
    let short = || Error::Truncated { what: "a load record", offset: offset + octets.len() };
    let wrong = |what, place: usize, got: u8| Error::Value { what, got: got.into(), offset: offset + place };
    let [first, second, length, ..] = *octets else { return Err(short()) };
    if !matches!((first, second), (START, START) | (DAMAGED, DAMAGED)) {
        return Err(wrong("the start of a load record", 0, first));
    }
    let end = HEAD + usize::from(length);
    let [sum, last] = *octets.get(end..end + TAIL).and_then(<[u8]>::first_chunk).ok_or_else(short)?;
    if last != END {
        return Err(wrong("the end of a load record", end + 1, last));
    }
    if sum != checksum(&octets[..end]) {
        return Err(Error::Sum { offset: offset + end });
    }
    let (time, body) = octets[HEAD..end].split_first_chunk::<TIME>().ok_or_else(short)?;
    let at = Moment::from_minutes(*time).ok_or_else(|| wrong("the time of a load record", HEAD, time[0]))?;
    let classes = classes(body, class).ok_or(Error::Classes { offset: offset + HEAD + TIME })?;
    Ok((Record { at, classes, damaged: first == DAMAGED }, end + TAIL))
}

/// What stands between the separators; `None` when it is not as long as the classes are, or there is more.
fn classes(body: &[u8], class: Option<u8>) -> Option<[&[u8]; CLASSES]> {
    let mut parts: Vec<&[u8]> = body.split(|octet| *octet == SEPARATOR).collect();
    // Behind the last separator stands nothing.
    if parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    let mut classes: [&[u8]; CLASSES] = [&[]; CLASSES];
    match class.map(|class| usize::from(class.saturating_sub(1))) {
        Some(class) => {
            let mut there = parts.into_iter().filter(|part| !part.is_empty());
            *classes.get_mut(class)? = there.next().unwrap_or_default();
            if there.next().is_some() {
                return None;
            }
        }
        None if parts.len() > CLASSES => return None,
        None => classes.iter_mut().zip(parts).for_each(|(class, part)| *class = part),
    }
    let fits = |(class, octets): (&&[u8], u8)| class.is_empty() || class.len() == usize::from(octets);
    classes.iter().zip(CLASS_OCTETS).all(fits).then_some(classes)
}

impl Record<'_> {
    /// Appends the record as a meter sends it: all classes, or the one alone.
    ///
    /// # Errors
    /// [`Error::Classes`] when they have more octets than a record has room for.
    pub fn write(&self, class: Option<u8>, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        let mark = if self.damaged { DAMAGED } else { START };
        out.extend_from_slice(&[mark, mark, 0]);
        out.extend_from_slice(&self.at.minutes());
        for (number, octets) in (1..).zip(self.classes) {
            if class.is_none_or(|class| class == number) {
                out.extend_from_slice(octets);
                out.push(SEPARATOR);
            }
        }
        let length = out.len() - start - HEAD;
        out[start + 2] = u8::try_from(length).map_err(|_| Error::Classes { offset: start })?;
        out.extend_from_slice(&[checksum(&out[start..]), END]);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Moment = Moment { year: 26, month: 3, day: 1, hour: 0, minute: 15, second: 0 };
    const ENERGIES: [u8; 16] = [0x26, 0, 0, 0, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    fn record() -> Record<'static> {
        let mut classes: [&[u8]; CLASSES] = [&[]; CLASSES];
        classes[3] = &ENERGIES;
        Record { at: AT, classes, damaged: false }
    }

    #[test]
    fn one_class_is_found_with_and_without_the_separators_of_the_others() {
        let mut alone = Vec::new();
        record().write(Some(4), &mut alone).unwrap();
        // Field by field: start, length, time, class 4 and its separator, sum, end.
        let fields: [&[u8]; 5] =
            [&[0xA0, 0xA0, 22], &[0x15, 0x00, 0x01, 0x03, 0x26], &ENERGIES, &[0xAA], &[0x76, 0xE5]];
        assert_eq!(alone, fields.concat());
        let mut whole = Vec::new();
        record().write(None, &mut whole).unwrap();
        assert_eq!(whole.len(), alone.len() + 5);
        for octets in [&alone, &whole] {
            assert_eq!(records(octets, Some(4)), Ok(vec![record()]));
        }
        assert_eq!(records(&whole, None), Ok(vec![record()]));
        assert_eq!(records(&[&whole[..], &whole].concat(), None), Ok(vec![record(); 2]));
        assert_eq!(records(&[], None), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_record_is_named_with_its_place() {
        let mut octets = Vec::new();
        record().write(None, &mut octets).unwrap();
        let end = octets.len() - 1;
        for cut in 1..octets.len() {
            let short = Error::Truncated { what: "a load record", offset: cut };
            assert_eq!(records(&octets[..cut], None), Err(short), "{cut}");
        }
        let with = |at: usize, octet: u8| {
            let mut octets = octets.clone();
            octets[at] = octet;
            records(&octets, None).unwrap_err()
        };
        assert!(matches!(with(0, 0x68), Error::Value { what: "the start of a load record", offset: 0, .. }));
        assert!(matches!(with(end, 0x16), Error::Value { what: "the end of a load record", .. }));
        assert_eq!(with(12, 0x27), Error::Sum { offset: end - 1 });
        assert_eq!(records(&octets, Some(6)), Err(Error::Classes { offset: 8 }));
    }

    #[test]
    fn a_record_that_the_meter_calls_damaged_says_so() {
        let mut octets = Vec::new();
        Record { damaged: true, ..record() }.write(Some(4), &mut octets).unwrap();
        assert!(records(&octets, Some(4)).unwrap()[0].damaged);
    }
}
