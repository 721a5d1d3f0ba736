use std::fmt;

/// Greatest value in one octet, which has seven bits: all stations.
const ALL_SHORT: u16 = 0x7F;
/// Greatest value in two octets, which have fourteen bits: all stations.
const ALL_LONG: u16 = 0x3FFF;

/// Octets of an address on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressSize {
    /// The logical address alone. Clients always have this size.
    One = 1,
    /// One octet each for the logical and the physical address.
    Two = 2,
    /// Two octets each.
    Four = 4,
}

impl AddressSize {
    /// The address of all stations; the one below it is that of the station that is calling.
    const fn all(self) -> u16 {
        match self {
            Self::One | Self::Two => ALL_SHORT,
            Self::Four => ALL_LONG,
        }
    }
}

impl TryFrom<u8> for AddressSize {
    type Error = AddressError;

    fn try_from(octets: u8) -> Result<Self, AddressError> {
        match octets {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            4 => Ok(Self::Four),
            got => Err(AddressError::Octets { got }),
        }
    }
}

/// Address of a station (IEC 62056-46, 6.4.2.2): of a client, or of a logical device (upper address) in a physical device
/// (lower address).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    logical: u16,
    physical: Option<u16>,
    size: AddressSize,
}

/// Numbers that are no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A number has more bits than the size leaves it.
    #[error("address {got} is above {limit}, the greatest of this size")]
    TooGreat {
        /// The number.
        got: u16,
        /// Greatest one.
        limit: u16,
    },
    /// An address has another number of octets.
    #[error("an address has 1, 2 or 4 octets, not {got}")]
    Octets {
        /// The number.
        got: u8,
    },
    /// One octet holds no physical address, two and four do not do without.
    #[error("a physical address takes an address of 2 or 4 octets, and these take one")]
    Size,
}

impl Address {
    /// Address of a client, as wide as one octet.
    ///
    /// # Errors
    /// [`AddressError::TooGreat`] above 127.
    pub fn client(number: u8) -> Result<Self, AddressError> {
        Self::sized(u16::from(number), None, AddressSize::One)
    }

    /// Address of a logical device (1 is the management) in the least octets that hold it. `physical` tells apart the meters of a
    /// line; on a line of its own a meter may go without. Since 126 and 127 mean others in one octet, they take two.
    ///
    /// # Errors
    /// [`AddressError::TooGreat`] above 127 without physical address, above 16,383 with one.
    pub fn server(logical: u16, physical: Option<u16>) -> Result<Self, AddressError> {
        let size = match physical {
            None => AddressSize::One,
            Some(physical) if logical <= ALL_SHORT && physical < ALL_SHORT - 1 => AddressSize::Two,
            Some(_) => AddressSize::Four,
        };
        Self::sized(logical, physical, size)
    }

    /// The same with a size that the meter insists on.
    ///
    /// # Errors
    /// [`AddressError`] when the numbers do not fit into that size.
    pub fn sized(logical: u16, physical: Option<u16>, size: AddressSize) -> Result<Self, AddressError> {
        if physical.is_some() != (size != AddressSize::One) {
            return Err(AddressError::Size);
        }
        let limit = size.all();
        let got = logical.max(physical.unwrap_or(0));
        if got > limit {
            return Err(AddressError::TooGreat { got, limit });
        }
        Ok(Self { logical, physical, size })
    }

    /// The logical device, or the client.
    pub fn logical(self) -> u16 {
        self.logical
    }

    /// The physical device, when it is named.
    pub fn physical(self) -> Option<u16> {
        self.physical
    }

    /// Octets on the wire.
    pub fn size(self) -> AddressSize {
        self.size
    }

    /// Whether more than one physical device is meant: nobody may answer.
    pub fn is_broadcast(self) -> bool {
        self.physical.unwrap_or(self.logical) == self.size.all()
    }

    /// Whether the physical device is meant that is calling, whatever its number.
    pub fn is_calling(self) -> bool {
        self.physical == Some(self.size.all() - 1)
    }

    /// Whether a frame from `source` may be the answer of whom this address asked. A station may answer with an address of another
    /// size, leave its physical address out, and has one of its own when it was asked as the one that is calling.
    pub fn is_answered_by(self, source: Self) -> bool {
        let logical = self.logical == source.logical || self.logical == self.size.all();
        let physical = match (self.physical, source.physical) {
            (Some(asked), Some(got)) => asked == got || self.is_calling() || self.is_broadcast(),
            _ => true,
        };
        logical && physical
    }

    /// Appends the octets.
    pub fn encode(self, out: &mut Vec<u8>) {
        let physical = self.physical.unwrap_or(0);
        match self.size {
            AddressSize::One => out.push(last(self.logical)),
            AddressSize::Two => out.extend([more(self.logical), last(physical)]),
            AddressSize::Four => {
                out.extend([more(self.logical >> 7), more(self.logical), more(physical >> 7), last(physical)])
            }
        }
    }

    /// Splits the address off the beginning of `octets`; `None` when there is none of 1, 2 or 4 octets.
    pub fn split(octets: &[u8]) -> Option<(Self, &[u8])> {
        let length = 1 + octets.iter().take(4).position(|octet| octet & 1 == 1)?;
        let (address, rest) = octets.split_at(length);
        let bits = |at: usize| u16::from(address[at] >> 1);
        let (logical, physical, size) = match length {
            1 => (bits(0), None, AddressSize::One),
            2 => (bits(0), Some(bits(1)), AddressSize::Two),
            4 => (bits(0) << 7 | bits(1), Some(bits(2) << 7 | bits(3)), AddressSize::Four),
            _ => return None,
        };
        Some((Self { logical, physical, size }, rest))
    }
}

/// Seven bits, behind which more octets of the address follow.
fn more(bits: u16) -> u8 {
    (bits << 1) as u8
}

/// The last seven bits of an address.
fn last(bits: u16) -> u8 {
    more(bits) | 1
}

/// For example `1/17`, or `16` without physical address.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.physical {
            None => write!(f, "{}", self.logical),
            Some(physical) => write!(f, "{}/{physical}", self.logical),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} in {} octets", self.size as u8)
    }
}
