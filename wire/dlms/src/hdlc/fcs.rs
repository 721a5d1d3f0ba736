//! The check sequence of a frame: CRC-16 of ITU-T X.25, as in IEC 62056-46, 6.4.2.
//!
//! It decides what a frame costs, so eight octets are taken at a time, each with a table of its own ("slicing by eight").

/// Octets that are taken at a time.
const SLICE: usize = 8;
const POLYNOMIAL: u16 = 0x8408;

/// What an octet does to the remainder when `index` more octets follow it.
static TABLES: [[u16; 256]; SLICE] = tables();

/// The check sequence of `octets`; on the wire its low octet comes first.
pub fn check_sequence(octets: &[u8]) -> u16 {
    let (slices, rest) = octets.as_chunks::<SLICE>();
    let mut remainder = u16::MAX;
    for slice in slices {
        let word = u64::from_le_bytes(*slice);
        // Apart from the two octets that have to wait for the remainder.
        let ahead = at(5, word >> 16)
            ^ at(4, word >> 24)
            ^ at(3, word >> 32)
            ^ at(2, word >> 40)
            ^ at(1, word >> 48)
            ^ at(0, word >> 56);
        let first = word ^ u64::from(remainder);
        remainder = ahead ^ at(7, first) ^ at(6, first >> 8);
    }
    for octet in rest {
        remainder = at(0, u64::from(remainder) ^ u64::from(*octet)) ^ (remainder >> 8);
    }
    !remainder
}

/// What the lowest octet of `word` does.
fn at(table: usize, word: u64) -> u16 {
    TABLES[table][(word & 0xFF) as usize]
}

const fn tables() -> [[u16; 256]; SLICE] {
    let mut tables = [[0_u16; 256]; SLICE];
    let mut octet = 0;
    while octet < 256 {
        let mut remainder = octet as u16;
        let mut bit = 0;
        while bit < 8 {
            let carry = remainder & 1;
            remainder = (remainder >> 1) ^ (POLYNOMIAL * carry);
            bit += 1;
        }
        tables[0][octet] = remainder;
        octet += 1;
    }
    let mut table = 1;
    while table < SLICE {
        let mut octet = 0;
        while octet < 256 {
            let before = tables[table - 1][octet];
            tables[table][octet] = (before >> 8) ^ tables[0][(before & 0xFF) as usize];
            octet += 1;
        }
        table += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: one bit at a time.
    fn bit_by_bit(octets: &[u8]) -> u16 {
        let mut remainder = u16::MAX;
        for octet in octets {
            remainder ^= u16::from(*octet);
            for _ in 0..8 {
                let carry = remainder & 1;
                remainder = (remainder >> 1) ^ (POLYNOMIAL * carry);
            }
        }
        !remainder
    }

    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!(check_sequence(b"123456789"), 0x906E);
        assert_eq!(check_sequence(&[]), 0);
    }

    #[test]
    fn every_length_as_the_definition_has_it() {
        let octets: Vec<u8> = (0..200_u32).map(|at| ((at * at * 31) >> 3) as u8).collect();
        for end in 0..octets.len() {
            assert_eq!(check_sequence(&octets[..end]), bit_by_bit(&octets[..end]), "{end} octets");
        }
    }
}
