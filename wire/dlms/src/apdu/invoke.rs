/// Invoke-Id-And-Priority (Green Book, 9.5): which request, and how urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvokeId(u8);

impl InvokeId {
    const CONFIRMED: u8 = 0x40;
    const HIGH: u8 = 0x80;

    /// The octet as it came.
    pub const fn new(octet: u8) -> Self {
        Self(octet)
    }

    /// A confirmed service of high priority; `id` is taken modulo 16.
    pub const fn confirmed(id: u8) -> Self {
        Self(id & 0x0F | Self::CONFIRMED | Self::HIGH)
    }

    /// The octet.
    pub const fn octet(self) -> u8 {
        self.0
    }

    /// Number of the request, 0 to 15; the answer bears the same.
    pub const fn id(self) -> u8 {
        self.0 & 0x0F
    }

    /// Whether an answer is wanted.
    pub const fn is_confirmed(self) -> bool {
        self.0 & Self::CONFIRMED != 0
    }

    /// Whether it has high priority.
    pub const fn is_high(self) -> bool {
        self.0 & Self::HIGH != 0
    }
}
