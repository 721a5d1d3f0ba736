use super::frame::MAX_INFORMATION;
use crate::Error;
use crate::axdr::Reader;

/// Fewest octets of information that stations agree on; what is below makes no sense and is a mistake of the peer.
const MIN_INFORMATION: u16 = 16;
/// Most frames that may be on their way: their numbers have three bits.
const MAX_WINDOW: u8 = 7;

const FORMAT: u8 = 0x81;
const GROUP: u8 = 0x80;
const INFORMATION_TRANSMIT: u8 = 0x05;
const INFORMATION_RECEIVE: u8 = 0x06;
const WINDOW_TRANSMIT: u8 = 0x07;
const WINDOW_RECEIVE: u8 = 0x08;

/// What a station wants to send and can receive on a link, or what two of them agreed on (IEC 62056-46, 6.4.4.4.3.2), from its own point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most octets of information in a frame that it sends.
    pub max_info_transmit: u16,
    /// Most octets of information in a frame that it receives.
    pub max_info_receive: u16,
    /// Most frames that it sends before it waits.
    pub window_transmit: u8,
    /// Most frames that it receives before it answers.
    pub window_receive: u8,
}

/// What holds where nothing is said: 128 octets, one frame.
impl Default for Settings {
    fn default() -> Self {
        Self { max_info_transmit: 128, max_info_receive: 128, window_transmit: 1, window_receive: 1 }
    }
}

impl Settings {
    /// The same within what the standard allows: 16 to 2030 octets, 1 to 7 frames.
    pub fn clamped(self) -> Self {
        let info = |octets: u16| octets.clamp(MIN_INFORMATION, MAX_INFORMATION as u16);
        Self {
            max_info_transmit: info(self.max_info_transmit),
            max_info_receive: info(self.max_info_receive),
            window_transmit: self.window_transmit.clamp(1, MAX_WINDOW),
            window_receive: self.window_receive.clamp(1, MAX_WINDOW),
        }
    }

    /// What holds for this station when the other one is as `peer` says of itself: the least of what one sends and the other one receives.
    pub fn agreed(self, peer: Self) -> Self {
        let (own, peer) = (self.clamped(), peer.clamped());
        Self {
            max_info_transmit: own.max_info_transmit.min(peer.max_info_receive),
            max_info_receive: own.max_info_receive.min(peer.max_info_transmit),
            window_transmit: own.window_transmit.min(peer.window_receive),
            window_receive: own.window_receive.min(peer.window_transmit),
        }
    }

    /// Appends the information of an SNRM or UA frame.
    pub fn encode(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([FORMAT, GROUP, 0]);
        for (parameter, octets) in
            [(INFORMATION_TRANSMIT, self.max_info_transmit), (INFORMATION_RECEIVE, self.max_info_receive)]
        {
            match u8::try_from(octets) {
                Ok(octet) => out.extend([parameter, 1, octet]),
                Err(_) => {
                    let [high, low] = octets.to_be_bytes();
                    out.extend([parameter, 2, high, low]);
                }
            }
        }
        for (parameter, frames) in
            [(WINDOW_TRANSMIT, self.window_transmit), (WINDOW_RECEIVE, self.window_receive)]
        {
            out.extend([parameter, 4, 0, 0, 0, frames]);
        }
        out[start + 2] = (out.len() - start - 3) as u8;
    }

    /// Reads the information of an SNRM or UA frame. What it does not name has its default; what is too great for its field has the
    /// greatest value.
    ///
    /// # Errors
    /// [`Error::Value`] for another format than that of parameters, [`Error::Truncated`] when it ends early.
    pub fn decode(information: &[u8]) -> Result<Self, Error> {
        let mut settings = Self::default();
        if information.is_empty() {
            return Ok(settings);
        }
        let mut reader = Reader::new(information);
        for (what, expected) in
            [("format of the link parameters", FORMAT), ("group of the link parameters", GROUP)]
        {
            let got = reader.u8()?;
            if got != expected {
                return Err(Error::Value { what, got: u32::from(got) });
            }
        }
        let length = usize::from(reader.u8()?);
        let mut group = Reader::new(reader.take(length)?);
        while group.remaining() > 0 {
            let parameter = group.u8()?;
            let length = usize::from(group.u8()?);
            let value = group
                .take(length)?
                .iter()
                .fold(0_u32, |value, octet| value.saturating_mul(256).saturating_add(u32::from(*octet)));
            let (octets, frames) = (saturated(value, u16::MAX), saturated(value, u8::MAX));
            match parameter {
                INFORMATION_TRANSMIT => settings.max_info_transmit = octets,
                INFORMATION_RECEIVE => settings.max_info_receive = octets,
                WINDOW_TRANSMIT => settings.window_transmit = frames,
                WINDOW_RECEIVE => settings.window_receive = frames,
                _ => {}
            }
        }
        Ok(settings)
    }
}

fn saturated<T: TryFrom<u32>>(value: u32, greatest: T) -> T {
    T::try_from(value).unwrap_or(greatest)
}
