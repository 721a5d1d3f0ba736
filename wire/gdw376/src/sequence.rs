/// The sequence octet (Q/GDW 376.1, 4.3.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence(pub u8);

impl Sequence {
    /// A message of one frame with this number, of which the lower four bits count.
    pub const fn single(number: u8) -> Self {
        Self(FIRST | LAST | number & NUMBER)
    }

    /// The number, 0 to 15: an answer has that of its request.
    pub const fn number(self) -> u8 {
        self.0 & NUMBER
    }

    /// Whether the sender wants a confirmation.
    pub const fn wants_confirmation(self) -> bool {
        self.0 & CONFIRM != 0
    }

    /// Whether a time stamp stands at the end of the frame.
    pub const fn has_time(self) -> bool {
        self.0 & TIME != 0
    }

    /// Whether the message is this one frame.
    pub const fn is_single(self) -> bool {
        self.0 & (FIRST | LAST) == FIRST | LAST
    }
}

const TIME: u8 = 0x80;
const FIRST: u8 = 0x40;
const LAST: u8 = 0x20;
const CONFIRM: u8 = 0x10;
const NUMBER: u8 = 0x0F;
