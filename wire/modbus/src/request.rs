use crate::Error;
use crate::check::{is_whole, seal};

/// Most registers in one read, and in one write (application protocol 1.1b3, 6.3 and 6.12).
const READ_MAX: u16 = 125;
const WRITE_MAX: u16 = 123;
/// Most bits in one read (6.1).
const BITS_MAX: u16 = 2000;
/// Function codes of the writes.
const WRITE_COIL: u8 = 0x05;
const WRITE_REGISTER: u8 = 0x06;
const WRITE_REGISTERS: u8 = 0x10;
/// A coil is written with these.
const ON: u16 = 0xFF00;
const OFF: u16 = 0x0000;

/// The four tables of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// Bits that can be read and written.
    Coils,
    /// Bits that can be read.
    DiscreteInputs,
    /// Registers that can be read and written.
    HoldingRegisters,
    /// Registers that can be read.
    InputRegisters,
}

impl Table {
    /// Code of the function that reads it.
    pub const fn read_code(self) -> u8 {
        match self {
            Self::Coils => 0x01,
            Self::DiscreteInputs => 0x02,
            Self::HoldingRegisters => 0x03,
            Self::InputRegisters => 0x04,
        }
    }

    /// Whether it holds bits and not registers.
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::DiscreteInputs)
    }

    const fn of(code: u8) -> Option<Self> {
        match code {
            0x01 => Some(Self::Coils),
            0x02 => Some(Self::DiscreteInputs),
            0x03 => Some(Self::HoldingRegisters),
            0x04 => Some(Self::InputRegisters),
            _ => None,
        }
    }
}

/// What a master asks of a server. Places count from 0, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Bits or registers in a row.
    Read {
        /// Where from.
        table: Table,
        /// The first one.
        first: u16,
        /// How many.
        count: u16,
    },
    /// One coil is set or reset.
    WriteCoil {
        /// Which.
        coil: u16,
        /// On or off.
        on: bool,
    },
    /// One register is set.
    WriteRegister {
        /// Which.
        register: u16,
        /// To what.
        value: u16,
    },
    /// Registers in a row are set.
    WriteRegisters {
        /// The first one.
        first: u16,
        /// Their octets, the higher one of each register first.
        octets: &'a [u8],
    },
}

impl<'a> Request<'a> {
    /// Code of its function.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Read { table, .. } => table.read_code(),
            Self::WriteCoil { .. } => WRITE_COIL,
            Self::WriteRegister { .. } => WRITE_REGISTER,
            Self::WriteRegisters { .. } => WRITE_REGISTERS,
        }
    }

    /// Appends the frame of the request to the server of this address; 0 is everybody, and nobody answers.
    ///
    /// # Errors
    /// [`Error::Count`] for more than one frame can carry.
    pub fn encode(&self, server: u8, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        let [one, two] = self.fields()?;
        out.extend_from_slice(&[server, self.code()]);
        out.extend_from_slice(&one.to_be_bytes());
        out.extend_from_slice(&two.to_be_bytes());
        if let Self::WriteRegisters { octets, .. } = self {
            // The count was checked: at most 246 octets.
            out.push(u8::try_from(octets.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(octets);
        }
        seal(out, start);
        Ok(())
    }

    /// The two fields behind the code: a place, and a count or value. An answer to a write repeats them.
    pub(crate) fn fields(&self) -> Result<[u16; 2], Error> {
        let counted = |first: u16, count: usize, limit: u16| match u16::try_from(count) {
            Ok(fits @ 1..) if fits <= limit && usize::from(first) + count <= 0x1_0000 => Ok([first, fits]),
            _ => Err(Error::Count { first, count, limit }),
        };
        match *self {
            Self::Read { table, first, count } => {
                counted(first, count.into(), if table.is_bits() { BITS_MAX } else { READ_MAX })
            }
            Self::WriteCoil { coil, on } => Ok([coil, if on { ON } else { OFF }]),
            Self::WriteRegister { register, value } => Ok([register, value]),
            Self::WriteRegisters { first, octets } => {
                // Half a register is none.
                counted(first, if octets.len() % 2 == 0 { octets.len() / 2 } else { 0 }, WRITE_MAX)
            }
        }
    }

    /// Reads the frame of a request whose check is right; `None` for one that the standard does not know or allow.
    fn read(frame: &'a [u8]) -> Option<Self> {
        let [_, code, p0, p1, v0, v1, rest @ ..] = frame else { return None };
        let (place, value) = (u16::from_be_bytes([*p0, *p1]), u16::from_be_bytes([*v0, *v1]));
        let request = match (*code, value) {
            (WRITE_COIL, ON | OFF) => Self::WriteCoil { coil: place, on: value == ON },
            (WRITE_REGISTER, _) => Self::WriteRegister { register: place, value },
            (WRITE_REGISTERS, count) => {
                let octets = rest.get(1..rest.len().checked_sub(2)?)?;
                if octets.len() != usize::from(count) * 2 {
                    return None;
                }
                Self::WriteRegisters { first: place, octets }
            }
            (code, count) => Self::Read { table: Table::of(code)?, first: place, count },
        };
        request.fields().is_ok().then_some(request)
    }
}

/// Cuts the requests to one server out of what it hears, whatever stands between them and wherever the stream is cut.
///
/// Order: [`push`](Self::push) what arrived, then [`next_request`](Self::next_request) until it has none.
#[derive(Debug)]
pub struct Requests {
    server: u8,
    received: Vec<u8>,
    used: usize,
}

impl Requests {
    /// Nothing heard yet by the server of this address.
    pub const fn of(server: u8) -> Self {
        Self { server, received: Vec::new(), used: 0 }
    }

    /// Takes octets as they arrived.
    pub fn push(&mut self, octets: &[u8]) {
        /// Twice the longest frame: what is older begins no request any more.
        const KEPT: usize = 512;
        self.received.drain(..self.used);
        self.used = 0;
        self.received.extend_from_slice(octets);
        let old = self.received.len().saturating_sub(KEPT);
        self.received.drain(..old);
    }

    /// The next request that is whole.
    pub fn next_request(&mut self) -> Option<Request<'_>> {
        let rest = &self.received[self.used..];
        let (start, length) = (0..rest.len()).find_map(|start| {
            let length = length(&rest[start..]).filter(|_| rest[start] == self.server)?;
            let frame = rest.get(start..start + length)?;
            (is_whole(frame) && Request::read(frame).is_some()).then_some((start, length))
        })?;
        let from = self.used + start;
        self.used = from + length;
        Request::read(&self.received[from..from + length])
    }
}

/// Octets of the request that begins here, if one does.
fn length(octets: &[u8]) -> Option<usize> {
    match octets {
        [_, 0x01..=0x06, ..] => Some(8),
        [_, WRITE_REGISTERS, _, _, _, _, count, ..] => Some(9 + usize::from(*count)),
        _ => None,
    }
}
