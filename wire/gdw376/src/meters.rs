//! The meters that a terminal was configured with (AFN 04H and 0AH, F10): one entry of 27 octets for each.
//!
//! | octets | what |
//! |---|---|
//! | 2 | number of the entry, from 1 |
//! | 2 | its measuring point; 0: the entry was deleted |
//! | 1 | bits 0 to 4 the port, 5 to 7 its speed |
//! | 1 | protocol of the meter |
//! | 6 | address of the meter, two digits in each octet, the lowest first |
//! | 6 | password of the meter |
//! | 1 | number of rates |
//! | 1 | digits of its energies |
//! | 6 | address of the collector in front of it |
//! | 1 | class of the customer |

use crate::Error;

/// Entries that a terminal may have.
pub const ENTRIES: u16 = 2040;
/// Octets of an entry, those behind the address among them: nobody asks for a password.
const LENGTH: usize = 27;
const BEHIND_ADDRESS: usize = 15;
/// Octets of an address.
const ADDRESS: usize = 6;

/// A meter as a terminal was configured with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configured {
    /// Number of the entry, from 1.
    pub number: u16,
    /// The measuring point that it is; 0: none, the entry was deleted.
    pub point: u16,
    /// Its address, the lowest digits first.
    pub address: [u8; ADDRESS],
}

impl Configured {
    /// The address as people write it, without zeros in front; `None` for an address of nothing but zeros.
    pub fn name(&self) -> Option<String> {
        let digits: String = self.address.iter().rev().map(|octet| format!("{octet:02X}")).collect();
        Some(digits.trim_start_matches('0').to_owned()).filter(|digits| !digits.is_empty())
    }

    /// The address of a meter that is written so: up to twelve hexadecimal digits, which are decimal ones as a rule.
    pub fn address_of(name: &str) -> Option<[u8; ADDRESS]> {
        let is_name = name.len() <= 2 * ADDRESS && name.bytes().all(|octet| octet.is_ascii_hexdigit());
        let number = u64::from_str_radix(name, 16).ok().filter(|_| is_name)?;
        number.to_le_bytes().first_chunk().copied()
    }
}

/// What stands in a question: how many entries, and the number of each.
pub(crate) fn asked(first: u16, count: u16) -> Vec<u8> {
    let numbers = (0..count).map(|step| first.saturating_add(step));
    std::iter::once(count).chain(numbers).flat_map(u16::to_le_bytes).collect()
}

/// The first entry that is asked for, and how many that follow one another.
pub(crate) fn wanted(data: &[u8]) -> Result<(u16, u16), Error> {
    let (count, rest) = number(data, "the number of meters")?;
    let (first, _) = number(rest, "the number of a meter")?;
    match data.starts_with(&asked(first, count)) {
        true => Ok((first, count)),
        false => Err(Error::Other { what: "question about meters that follow one another" }),
    }
}

pub(crate) fn encode(configured: &[Configured], out: &mut Vec<u8>) -> Result<(), Error> {
    let (got, limit) = (configured.len(), usize::from(ENTRIES));
    let count = u16::try_from(got).ok().filter(|count| *count <= ENTRIES);
    out.extend(count.ok_or(Error::TooLong { what: "the list of meters", got, limit })?.to_le_bytes());
    for Configured { number, point, address } in configured {
        out.extend(number.to_le_bytes());
        out.extend(point.to_le_bytes());
        out.extend([0; 2]);
        out.extend(address);
        out.extend([0; BEHIND_ADDRESS]);
    }
    Ok(())
}

pub(crate) fn read(data: &[u8]) -> Result<Vec<Configured>, Error> {
    let (count, rest) = number(data, "the number of meters")?;
    let entries = rest.chunks_exact(LENGTH).take(usize::from(count)).map(|entry| {
        let (number, rest) = number(entry, "a meter")?;
        let (point, rest) = self::number(rest, "a meter")?;
        let address = rest.get(2..).and_then(|rest| rest.first_chunk().copied());
        Ok(Configured { number, point, address: address.ok_or(Error::Truncated { what: "a meter" })? })
    });
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    match entries.len() == usize::from(count) {
        true => Ok(entries),
        false => Err(Error::Truncated { what: "the list of meters" }),
    }
}

fn number<'a>(data: &'a [u8], what: &'static str) -> Result<(u16, &'a [u8]), Error> {
    let (octets, rest) = data.split_first_chunk().ok_or(Error::Truncated { what })?;
    Ok((u16::from_le_bytes(*octets), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two entries as the layout above has them, with a speed, a protocol, a password and so on: 2400 bits per second at port 1, DL/T 645-2007.
    #[test]
    fn entries_are_cut_out_of_octets_as_the_standard_lays_them_out() {
        let mut octets = vec![0x02, 0x00];
        octets.extend([0x01, 0x00, 0x01, 0x00, 0x61, 0x1E, 0x56, 0x34, 0x12, 0x90, 0x78, 0x00]);
        octets.extend([0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x04, 0x09, 0, 0, 0, 0, 0, 0, 0x11]);
        octets.extend([0x02, 0x01, 0x00, 0x00, 0x61, 0x1E, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00]);
        octets.extend([0; 15]);
        // Whatever stands behind is of no interest.
        octets.extend([0xEE; 4]);
        let found = read(&octets).unwrap();
        let shown: Vec<_> = found.iter().map(|meter| (meter.number, meter.point, meter.name())).collect();
        assert_eq!(shown, [(1, 1, Some("7890123456".to_owned())), (258, 0, None)]);
        assert_eq!(read(&octets[..octets.len() - 5]), Err(Error::Truncated { what: "the list of meters" }));
        assert_eq!(read(&octets[..1]), Err(Error::Truncated { what: "the number of meters" }));
    }

    #[test]
    fn a_question_names_each_entry() {
        assert_eq!(asked(0x1FF, 2), [2, 0, 0xFF, 1, 0, 2]);
        assert_eq!(wanted(&[2, 0, 0xFF, 1, 0, 2, 0xEE]), Ok((0x1FF, 2)));
        assert!(matches!(wanted(&[2, 0, 1, 0, 3, 0]), Err(Error::Other { .. })));
    }
}
