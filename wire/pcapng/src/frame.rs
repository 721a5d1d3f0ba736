//! What stands in front of the octets of a packet: IPv4 with TCP or UDP, or the header of a serial line.

use crate::{Carrier, What};

/// The two sides (RFC 5737: addresses for documentation).
const HEAD_END: [u8; 4] = [192, 0, 2, 1];
const METER: [u8; 4] = [192, 0, 2, 2];
/// The port of DLMS/COSEM (IANA).
const DLMS_PORT: u16 = 4059;
/// Our port on the first connection of a file; the others follow.
const FIRST_PORT: u16 = 49_152;
/// IP protocols.
const TCP: u8 = 6;
const UDP: u8 = 17;
const IP_LENGTH: usize = 20;
const TCP_LENGTH: usize = 20;
const UDP_LENGTH: usize = 8;
/// Octets in front of those of a serial line.
const SERIAL_LENGTH: usize = 12;
/// Flags of TCP: acknowledgement with push, and the opening.
const ACK_PUSH: u8 = 0x18;
const SYN: u8 = 0x02;
/// Event types of a serial line: a change of its state, and the first octets of what was sent and received.
const CHANGED: u8 = 0;
const SENT: u8 = 1;
const RECEIVED: u8 = 2;

/// Octets of a packet at most, so that an IPv4 packet can have them.
pub(crate) const OCTETS_MAX: usize = 65_000;

/// What a connection remembers: octets in each direction and its number.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    sent: u32,
    received: u32,
    number: u16,
}

impl Connection {
    /// Appends what stands in front of octets, and the octets.
    pub(crate) fn frame(
        &mut self,
        carrier: Carrier,
        what: What,
        at_us: u64,
        octets: &[u8],
        out: &mut Vec<u8>,
    ) {
        if what == What::Opened {
            *self = Self { number: self.number.wrapping_add(1), ..Self::default() };
        }
        match carrier {
            Carrier::Serial => serial(what, at_us, octets, out),
            Carrier::Udp => self.internet(UDP, what, octets, out),
            Carrier::Tcp => self.internet(TCP, what, octets, out),
        }
    }

    fn internet(&mut self, protocol: u8, what: What, octets: &[u8], out: &mut Vec<u8>) {
        let ours = FIRST_PORT.wrapping_add(self.number % (u16::MAX - FIRST_PORT));
        let (source, destination, from, to) = match what {
            What::Opened | What::Sent => (HEAD_END, METER, ours, DLMS_PORT),
            What::Received => (METER, HEAD_END, DLMS_PORT, ours),
        };
        let header = if protocol == TCP { TCP_LENGTH } else { UDP_LENGTH };
        let length = u16::try_from(IP_LENGTH + header + octets.len()).unwrap_or(u16::MAX);
        let start = out.len();
        // Version 4 with five words, no fragments, time to live 64.
        out.extend_from_slice(&[0x45, 0]);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
        out.extend_from_slice(&source);
        out.extend_from_slice(&destination);
        let sum = check_sum(&out[start..], 0);
        out[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
        let body = out.len();
        out.extend_from_slice(&from.to_be_bytes());
        out.extend_from_slice(&to.to_be_bytes());
        let place = if protocol == TCP { self.tcp(what, octets.len(), out) } else { udp(octets.len(), out) };
        out.extend_from_slice(octets);
        let pseudo = [&source[..], &destination, &[0, protocol]].concat();
        let length = u32::from(length) - IP_LENGTH as u32;
        let sum = check_sum(&out[body..], sum_of(&pseudo) + length);
        out[body + place..body + place + 2].copy_from_slice(&sum.to_be_bytes());
    }

    /// Appends the rest of a TCP header; the place of its check sum.
    fn tcp(&mut self, what: What, octets: usize, out: &mut Vec<u8>) -> usize {
        let count = u32::try_from(octets).unwrap_or_default();
        // An opening takes a number of its own.
        let (sequence, acknowledged, flags) = match what {
            What::Opened => (0, 0, SYN),
            What::Sent => (self.sent.wrapping_add(1), self.received.wrapping_add(1), ACK_PUSH),
            What::Received => (self.received.wrapping_add(1), self.sent.wrapping_add(1), ACK_PUSH),
        };
        match what {
            What::Received => self.received = self.received.wrapping_add(count),
            What::Opened | What::Sent => self.sent = self.sent.wrapping_add(count),
        }
        out.extend_from_slice(&sequence.to_be_bytes());
        out.extend_from_slice(&acknowledged.to_be_bytes());
        out.extend_from_slice(&[0x50, flags, 0xFF, 0xFF, 0, 0, 0, 0]);
        16
    }
}

/// Appends the rest of a UDP header; the place of its check sum.
fn udp(octets: usize, out: &mut Vec<u8>) -> usize {
    let length = u16::try_from(UDP_LENGTH + octets).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    6
}

/// LINKTYPE_RTAC_SERIAL: the time again, what happened, the state of the control lines, a footer.
fn serial(what: What, at_us: u64, octets: &[u8], out: &mut Vec<u8>) {
    let part = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
    let event = match what {
        What::Opened => CHANGED,
        What::Sent => SENT,
        What::Received => RECEIVED,
    };
    out.extend_from_slice(&part(at_us / 1_000_000));
    out.extend_from_slice(&part(at_us % 1_000_000));
    out.extend_from_slice(&[event, 0, 0, 0]);
    out.extend_from_slice(octets);
}

/// The octets behind what stands in front of them, what carried them, and what happened; `None` when it is something else.
pub(crate) fn unframe(link_type: u16, packet: &[u8]) -> Option<(Carrier, What, &[u8])> {
    if link_type == Carrier::Serial.link_type() {
        let (header, octets) = packet.split_at_checked(SERIAL_LENGTH)?;
        let what = match header[8] {
            CHANGED => What::Opened,
            SENT => What::Sent,
            RECEIVED => What::Received,
            _ => return None,
        };
        return Some((Carrier::Serial, what, octets));
    }
    let (ip, rest) = packet.split_at_checked(IP_LENGTH)?;
    let is_sent = ip[12..16] == HEAD_END;
    let (carrier, header) = match (ip[0], ip[9]) {
        (0x45, TCP) => (Carrier::Tcp, TCP_LENGTH),
        (0x45, UDP) => (Carrier::Udp, UDP_LENGTH),
        _ => return None,
    };
    let (header, octets) = rest.split_at_checked(header)?;
    let what = match (is_sent, carrier) {
        (true, Carrier::Tcp) if header[13] == SYN => What::Opened,
        (true, Carrier::Udp) if octets.is_empty() => What::Opened,
        (true, _) => What::Sent,
        (false, _) => What::Received,
    };
    Some((carrier, what, octets))
}

/// The sum of 16-bit words, not folded.
fn sum_of(octets: &[u8]) -> u32 {
    octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0))).sum()
}

/// The check sum of the Internet (RFC 1071) over octets and what is added to them.
fn check_sum(octets: &[u8], more: u32) -> u16 {
    let mut sum = sum_of(octets) + more;
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}
