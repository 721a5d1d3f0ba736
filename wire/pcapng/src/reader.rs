use crate::{
    Carrier, Line, Packet,
    frame::unframe,
    writer::{INTERFACE, MAGIC, NAME, PACKET, SECTION},
};

/// Packets that a file may have.
pub const PACKETS_MAX: usize = 1_000_000;
/// Lines that a file may have.
const LINES_MAX: usize = 65_536;
/// Octets of a block without a body.
const BARE: usize = 12;

/// Why octets are no capture file of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// They do not begin as one.
    #[error("this is no pcapng file, or one in the other order of octets")]
    NoCapture,
    /// They end in the middle of a block, or a length in it is wrong.
    #[error("the file is cut off or damaged at octet {offset}")]
    Damaged {
        /// Where the block begins.
        offset: usize,
    },
    /// The file has a packet that is not of a line to a meter as the head-end writes it.
    #[error("the packet at octet {offset} is none that the head-end captured")]
    Foreign {
        /// Where its block begins.
        offset: usize,
    },
    /// It has more lines or packets than are taken.
    #[error("the file has more than {PACKETS_MAX} packets or {LINES_MAX} lines")]
    TooLong,
}

/// What is in a capture file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// The lines, in the order in which they came up.
    pub lines: Vec<Line>,
    /// What happened on them, in the order of the file.
    pub packets: Vec<Packet>,
}

/// Takes a file apart that [`Writer`](crate::Writer) made.
///
/// # Errors
/// Every [`Error`].
pub fn read(octets: &[u8]) -> Result<File, Error> {
    let mut file = File::default();
    let mut link_types = Vec::new();
    let mut offset = 0;
    while offset < octets.len() {
        let damaged = Error::Damaged { offset };
        let length = word(octets, offset + 4).ok_or(damaged)? as usize;
        let kind = word(octets, offset).ok_or(damaged)?;
        if offset == 0 && (kind != SECTION || word(octets, 8) != Some(MAGIC)) {
            return Err(Error::NoCapture);
        }
        let block = offset.checked_add(length).and_then(|end| octets.get(offset..end)).ok_or(damaged)?;
        if length < BARE || !length.is_multiple_of(4) || word(block, length - 4) != word(block, 4) {
            return Err(damaged);
        }
        let body = &block[8..length - 4];
        match kind {
            INTERFACE => {
                let (link_type, line) = interface(body).ok_or(damaged)?;
                link_types.push(link_type);
                file.lines.push(line);
            }
            PACKET => file.packets.push(packet(body, &mut file.lines, &link_types, offset)?),
            // Whatever else stands in a file says nothing of a line.
            _ => {}
        }
        if file.packets.len() > PACKETS_MAX || file.lines.len() > LINES_MAX {
            return Err(Error::TooLong);
        }
        offset += length;
    }
    if offset == 0 { Err(Error::NoCapture) } else { Ok(file) }
}

/// The link type and the line of an interface. What carries it is shown by its first packet.
fn interface(body: &[u8]) -> Option<(u16, Line)> {
    let link_type = u16::from_le_bytes(*body.first_chunk()?);
    let mut options = body.get(8..)?;
    let mut name = String::new();
    while let Some(([c0, c1, l0, l1], rest)) = options.split_first_chunk() {
        let (code, length) = (u16::from_le_bytes([*c0, *c1]), usize::from(u16::from_le_bytes([*l0, *l1])));
        if code == 0 {
            break;
        }
        let value = rest.get(..length)?;
        if code == NAME {
            name = String::from_utf8_lossy(value).into_owned();
        }
        options = rest.get(length.next_multiple_of(4)..)?;
    }
    let carrier = if link_type == Carrier::Serial.link_type() { Carrier::Serial } else { Carrier::Tcp };
    Some((link_type, Line { carrier, name }))
}

fn packet(body: &[u8], lines: &mut [Line], link_types: &[u16], offset: usize) -> Result<Packet, Error> {
    let damaged = Error::Damaged { offset };
    let [line, high, low, length] = [0, 4, 8, 12].map(|at| word(body, at)).map(|word| word.ok_or(damaged));
    let (line, length) = (line? as usize, length? as usize);
    let packet = body.get(20..).and_then(|rest| rest.get(..length)).ok_or(damaged)?;
    let link_type = *link_types.get(line).ok_or(damaged)?;
    let (carrier, what, octets) = unframe(link_type, packet).ok_or(Error::Foreign { offset })?;
    lines[line].carrier = carrier;
    Ok(Packet { line, at_us: u64::from(high?) << 32 | u64::from(low?), what, octets: octets.to_vec() })
}

fn word(octets: &[u8], at: usize) -> Option<u32> {
    octets.get(at..)?.first_chunk().map(|word| u32::from_le_bytes(*word))
}
