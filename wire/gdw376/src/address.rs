use std::fmt;

/// Octets of an address on the wire.
pub(crate) const LENGTH: usize = 5;

/// Who is meant, or who speaks (Q/GDW 376.1, 4.3.3.3): administrative code, number of the terminal, master station.
///
/// It is written as terminals are: eight hexadecimal digits, code and number, such as `07550007`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// Administrative code of the region, four decimal digits (A1).
    pub region: u16,
    /// Number of the terminal in the region (A2); 0xFFFF with [`group`](Self::is_group) is every terminal.
    pub terminal: u16,
    /// Which master station began the exchange, 0 to 127; 0 is the terminal itself.
    pub station: u8,
    /// Whether `terminal` names a group.
    pub is_group: bool,
}

impl Address {
    pub(crate) const fn octets(self) -> [u8; LENGTH] {
        let ([r1, r2], [t1, t2]) = (self.region.to_le_bytes(), self.terminal.to_le_bytes());
        [r1, r2, t1, t2, self.station << 1 | self.is_group as u8]
    }

    pub(crate) const fn of([r1, r2, t1, t2, a3]: [u8; LENGTH]) -> Self {
        Self {
            region: u16::from_le_bytes([r1, r2]),
            terminal: u16::from_le_bytes([t1, t2]),
            station: a3 >> 1,
            is_group: a3 & 1 == 1,
        }
    }

    /// The same terminal, in an exchange that this master station began.
    #[must_use]
    pub const fn by(self, station: u8) -> Self {
        Self { station, ..self }
    }

    /// The terminal of a text such as `07550007`, in an exchange that it began; `None` for any other text.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 8 && text.bytes().all(|octet| octet.is_ascii_hexdigit());
        let number = u32::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
        let [r1, r2, t1, t2] = number.to_be_bytes();
        let (region, terminal) = (u16::from_be_bytes([r1, r2]), u16::from_be_bytes([t1, t2]));
        Some(Self { region, terminal, station: 0, is_group: false })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}{:04X}", self.region, self.terminal)
    }
}
