use crate::{
    Carrier, Line, What,
    frame::{Connection, OCTETS_MAX},
};

/// Block types (draft-ietf-opsawg-pcapng, 4.1, 4.2, 4.3).
pub(crate) const SECTION: u32 = 0x0A0D_0D0A;
pub(crate) const INTERFACE: u32 = 1;
pub(crate) const PACKET: u32 = 6;
/// By it a reader knows the order of octets.
pub(crate) const MAGIC: u32 = 0x1A2B_3C4D;
/// Options: the program that wrote a section, the name of an interface, the direction of a packet.
const APPLICATION: u16 = 4;
pub(crate) const NAME: u16 = 2;
const FLAGS: u16 = 2;
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// Writes a capture file, piece by piece: [`begin`](Self::begin) once, [`line`](Self::line) for each line before what happens on it.
#[derive(Debug)]
pub struct Writer {
    lines: Vec<(Carrier, Connection)>,
}

impl Writer {
    /// Begins a file (section header block), and says which program writes it.
    ///
    /// Octets are in the order of little-endian machines, and times in microseconds.
    pub fn begin(application: &str, out: &mut Vec<u8>) -> Self {
        block(SECTION, out, |out| {
            out.extend_from_slice(&MAGIC.to_le_bytes());
            out.extend_from_slice(&[1, 0, 0, 0]);
            // The length of the section is not known yet.
            out.extend_from_slice(&u64::MAX.to_le_bytes());
            option(APPLICATION, application.as_bytes(), out);
        });
        Self { lines: Vec::new() }
    }

    /// Appends a line (interface description block); its place among the lines of the file.
    pub fn line(&mut self, line: &Line, out: &mut Vec<u8>) -> usize {
        block(INTERFACE, out, |out| {
            out.extend_from_slice(&line.carrier.link_type().to_le_bytes());
            // No limit of what is captured of a packet; times are microseconds when nothing else is said.
            out.extend_from_slice(&[0; 6]);
            option(NAME, line.name.as_bytes(), out);
        });
        self.lines.push((line.carrier, Connection::default()));
        self.lines.len() - 1
    }

    /// Appends what happened on a line, with its octets, at a time in microseconds since 1970 (enhanced packet block); nothing for a line that is
    /// not there. More than 65,000 octets become several packets.
    pub fn packet(&mut self, line: usize, at_us: u64, what: What, octets: &[u8], out: &mut Vec<u8>) {
        let Some((carrier, connection)) = self.lines.get_mut(line) else { return };
        let (mut rest, mut is_first) = (octets, true);
        while is_first || !rest.is_empty() {
            let (some, behind) = rest.split_at(rest.len().min(OCTETS_MAX));
            let mut packet = Vec::with_capacity(some.len() + 40);
            connection.frame(*carrier, what, at_us, some, &mut packet);
            block(PACKET, out, |out| {
                out.extend_from_slice(&u32::try_from(line).unwrap_or(u32::MAX).to_le_bytes());
                let [high, low] =
                    [at_us >> 32, at_us & 0xFFFF_FFFF].map(|half| u32::try_from(half).unwrap_or(0));
                let length = u32::try_from(packet.len()).unwrap_or(u32::MAX);
                [high, low, length, length]
                    .iter()
                    .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
                out.extend_from_slice(&packet);
                pad(out, packet.len());
                let flags = if what == What::Received { INBOUND } else { OUTBOUND };
                option(FLAGS, &flags.to_le_bytes(), out);
            });
            (rest, is_first) = (behind, false);
        }
    }
}

/// Appends a block, with the length of all of it at both ends.
fn block(kind: u32, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    body(out);
    // The end of the options.
    out.extend_from_slice(&[0; 4]);
    let length = u32::try_from(out.len() - start + 4).unwrap_or(u32::MAX).to_le_bytes();
    out[start + 4..start + 8].copy_from_slice(&length);
    out.extend_from_slice(&length);
}

fn option(code: u16, value: &[u8], out: &mut Vec<u8>) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&code.to_le_bytes());
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(value);
    pad(out, value.len());
}

/// Fills up to whole words.
fn pad(out: &mut Vec<u8>, length: usize) {
    out.extend_from_slice(&[0; 3][..length.next_multiple_of(4) - length]);
}
