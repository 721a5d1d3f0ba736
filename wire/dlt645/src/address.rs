use std::fmt;
use std::str::FromStr;

/// The address of a station: twelve decimal digits, on the wire six BCD octets with the last two digits first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 6]);

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address of one to twelve decimal digits")]
pub struct AddressError(String);

impl Address {
    /// Everybody; nobody answers.
    pub const BROADCAST: Self = Self([0x99; 6]);
    /// Whoever is there: only where one station is on the line.
    pub const ANY: Self = Self([0xAA; 6]);
    const WILDCARD: u8 = 0xAA;

    /// The address of these octets, as on the wire.
    pub const fn from_wire(octets: [u8; 6]) -> Self {
        Self(octets)
    }

    /// The octets as on the wire.
    pub const fn wire(self) -> [u8; 6] {
        self.0
    }

    /// Whether a request to this address concerns the station with address `own`: the same digits, where this one has none that
    /// stand for any (`AA`), or everybody.
    pub fn reaches(self, own: Self) -> bool {
        self == Self::BROADCAST
            || self.0.iter().zip(own.0).all(|(asked, own)| *asked == Self::WILDCARD || *asked == own)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.chars().take(20).collect());
        if text.is_empty() || text.len() > 12 || !text.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(wrong());
        }
        let mut octets = [0; 6];
        for (position, digit) in text.bytes().rev().enumerate() {
            octets[position / 2] |= (digit - b'0') << (4 * (position % 2));
        }
        Ok(Self(octets))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|octet| write!(f, "{octet:02X}"))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn the_last_digits_come_first_on_the_wire() {
        let address: Address = "800013000754".parse().unwrap();
        assert_eq!(address.wire(), [0x54, 0x07, 0x00, 0x13, 0x00, 0x80]);
        assert_eq!(address.to_string(), "800013000754");
        assert_eq!("1".parse::<Address>().unwrap().wire(), [1, 0, 0, 0, 0, 0]);
        for wrong in ["", "1234567890123", "12A", "-1", "1 2"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn wildcards_and_broadcast_reach_a_station() {
        let own: Address = "123456".parse().unwrap();
        assert!(Address::ANY.reaches(own) && Address::BROADCAST.reaches(own) && own.reaches(own));
        assert!(Address::from_wire([0x56, 0x34, 0x12, 0xAA, 0xAA, 0xAA]).reaches(own));
        assert!(!Address::from_wire([0x57, 0x34, 0x12, 0xAA, 0xAA, 0xAA]).reaches(own));
    }
}
