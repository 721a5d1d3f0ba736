/// The control octet (Q/GDW 376.1, 4.3.3.2).
///
/// Its letters are kept as they came: bit 7 up from the terminal, bit 6 from the station that began, bit 5 frame count (down) or events waiting (up), bit 4 frame
/// count valid, bits 0 to 3 the function of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control(pub u8);

impl Control {
    /// From a terminal that begins: a test of its link.
    pub const LINK_TEST: Self = Self(0xC9);
    /// To a terminal that began: the link stands.
    pub const LINK_STANDS: Self = Self(0x0B);
    /// To a terminal, from a master station that begins: a request for data.
    pub const REQUEST: Self = Self(0x4B);
    /// To a terminal, from a master station that begins: an order that is confirmed.
    pub const ORDER: Self = Self(0x4A);
    /// From a terminal: the data that were asked for.
    pub const ANSWER: Self = Self(0x88);

    /// Whether a terminal sent it.
    pub const fn is_up(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Whether it begins an exchange.
    pub const fn is_first(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// Whether events wait in the terminal; `false` in what goes to it.
    pub const fn has_events(self) -> bool {
        self.is_up() && self.0 & 0x20 != 0
    }

    /// The function of the link.
    pub const fn function(self) -> u8 {
        self.0 & 0x0F
    }
}
