use super::address::Address;
use super::control::Control;
use super::fcs::check_sequence;
use crate::Error;

/// What begins and ends a frame; one may do both.
pub const FLAG: u8 = 0x7E;
/// Most octets between the flags: the length has eleven bits.
const MAX_LENGTH: usize = 0x07FF;
/// Most octets of information in a frame (IEC 62056-46, 6.4.4.4.3.2).
pub const MAX_INFORMATION: usize = 2030;

/// Format type 3, the only one of DLMS, in the upper four bits of the first octet.
const FORMAT: u16 = 0xA000;
const FORMAT_MASK: u16 = 0xF000;
const SEGMENTED: u16 = 0x0800;
/// Octets of the format field, and of a check sequence.
const FIELD: usize = 2;
/// Fewest octets between the flags: format, two addresses of one octet, control, check sequence.
pub(super) const MIN_LENGTH: usize = FIELD + 1 + 1 + 1 + FIELD;

/// A frame (IEC 62056-46, 6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Who shall take it.
    pub destination: Address,
    /// Who sent it.
    pub source: Address,
    /// What it is for.
    pub control: Control,
    /// More segments of the same APDU follow.
    pub segmented: bool,
    /// What it carries; often nothing.
    pub information: &'a [u8],
}

/// Octets that are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It does not begin with format type 3.
    #[error("the format of the frame is not type 3")]
    Format,
    /// The length says something else than the flags, or less than any frame has.
    #[error("the length of the frame is {told}, but {got} octets came")]
    Length {
        /// Octets that the frame claims to have.
        told: usize,
        /// Octets that came.
        got: usize,
    },
    /// No flag stands where the length says that the frame ends.
    #[error("no flag stands at the end of the frame")]
    Flag,
    /// An address has not 1, 2 or 4 octets.
    #[error("an address of the frame has no end")]
    Address,
    /// The check sequence of the header (HCS) is wrong.
    #[error("the header of the frame was damaged on the way (HCS)")]
    HeaderCheck,
    /// The check sequence of the frame (FCS) is wrong.
    #[error("the frame was damaged on the way (FCS)")]
    FrameCheck,
}

impl<'a> Frame<'a> {
    /// Appends the frame with a flag on each side.
    ///
    /// # Errors
    /// [`Error::TooLong`] when it has more than 2047 octets between the flags, which is more than [`MAX_INFORMATION`] with the longest addresses; then
    /// nothing is appended.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        out.push(FLAG);
        let start = out.len();
        out.extend([0; FIELD]);
        self.destination.encode(out);
        self.source.encode(out);
        out.push(self.control.octet());
        let header = out.len() - start;
        let carried = if self.information.is_empty() { 0 } else { self.information.len() + FIELD };
        let length = header + carried + FIELD;
        if length > MAX_LENGTH {
            out.truncate(start - 1);
            return Err(Error::TooLong { what: "frame", limit: MAX_LENGTH });
        }
        let format = FORMAT | if self.segmented { SEGMENTED } else { 0 } | length as u16;
        out[start..start + FIELD].copy_from_slice(&format.to_be_bytes());
        if !self.information.is_empty() {
            let check = check_sequence(&out[start..]);
            out.extend(check.to_le_bytes());
            out.extend_from_slice(self.information);
        }
        let check = check_sequence(&out[start..]);
        out.extend(check.to_le_bytes());
        out.push(FLAG);
        Ok(())
    }

    /// Reads what stands between two flags.
    ///
    /// # Errors
    /// Any [`FrameError`] but [`FrameError::Flag`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, FrameError> {
        let header = Header::decode(octets)?;
        if header.length != octets.len() {
            return Err(FrameError::Length { told: header.length, got: octets.len() });
        }
        header.check(octets)?;
        Ok(header.open(octets))
    }
}

/// What the format field at the beginning says about the octets between the flags; `None` as long as it is not whole.
pub(super) fn told_length(octets: &[u8]) -> Result<Option<usize>, FrameError> {
    let high = octets.first().map_or(FORMAT, |high| u16::from(*high) << 8);
    if high & FORMAT_MASK != FORMAT {
        return Err(FrameError::Format);
    }
    Ok(octets.get(1).map(|low| usize::from(high | u16::from(*low)) & MAX_LENGTH))
}

/// What stands in front of the information. It has a check sequence of its own, so that a length can be trusted before the frame is
/// there as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    destination: Address,
    source: Address,
    control: Control,
    segmented: bool,
    /// Octets between the flags.
    pub(super) length: usize,
    /// Where the check sequence of the header begins.
    end: usize,
}

impl Header {
    /// Most octets that [`decode`](Self::decode) looks at.
    pub(super) const MAX_LENGTH: usize = FIELD + 4 + 4 + 1 + FIELD;

    /// Reads the header at the beginning of `octets`, which may end behind it.
    pub(super) fn decode(octets: &[u8]) -> Result<Self, FrameError> {
        let short = |told| FrameError::Length { told, got: octets.len() };
        let length = told_length(octets)?.ok_or(short(0))?;
        let segmented = u16::from(octets[0]) << 8 & SEGMENTED != 0;
        let (destination, rest) = Address::split(&octets[FIELD..]).ok_or(FrameError::Address)?;
        let (source, rest) = Address::split(rest).ok_or(FrameError::Address)?;
        let (control, rest) = rest.split_first().ok_or(short(length))?;
        let end = octets.len() - rest.len();
        // Behind the header stands its own check sequence, or that of the frame when nothing is carried.
        let check = rest.first_chunk().ok_or(short(length))?;
        if length < end + FIELD || length == end + FIELD + 1 {
            return Err(short(length));
        }
        if *check != check_sequence(&octets[..end]).to_le_bytes() {
            return Err(if end + FIELD == length { FrameError::FrameCheck } else { FrameError::HeaderCheck });
        }
        Ok(Self { destination, source, control: Control::new(*control), segmented, length, end })
    }
    /// Whether a frame of this header, which `octets` are, arrived as it was sent.
    pub(super) fn check(&self, octets: &[u8]) -> Result<(), FrameError> {
        let (body, check) = octets.split_at(self.length - FIELD);
        if check == check_sequence(body).to_le_bytes() { Ok(()) } else { Err(FrameError::FrameCheck) }
    }

    /// The frame that `octets` are.
    pub(super) fn open(self, octets: &[u8]) -> Frame<'_> {
        Frame {
            destination: self.destination,
            source: self.source,
            control: self.control,
            segmented: self.segmented,
            information: octets.get(self.end + FIELD..self.length - FIELD).unwrap_or_default(),
        }
    }
}
