mod parse;
#[cfg(test)]
mod tests;

use std::{fmt, time::Duration};

/// Where a line ends and what is spoken on it.
///
/// | text | what it means |
/// |---|---|
/// | `host:port` | TCP with the wrapper of IEC 62056-47; an IPv6 address stands in brackets |
/// | `udp://host:port` | UDP with the wrapper |
/// | `hdlc://host:port` | TCP with HDLC (IEC 62056-46): a meter, or a gateway to a bus |
/// | `serial:///dev/ttyS0?baud=9600&parity=none` | a serial device of this machine; DLMS meters speak HDLC there |
/// | `serial://host:port?baud=9600&parity=none` | a serial port behind a TCP gateway that is set to this speed and parity |
/// | `rfc2217://host:port?baud=9600&parity=none` | a serial port behind a gateway that is told speed and parity (RFC 2217) |
/// | `optical:///dev/ttyUSB0?baud=300` | a device behind an opening by IEC 62056-21 that begins at this speed, 300 when it is left out |
/// | `inbound://ID` | a connection that the meter, or its modem, opens and on which it calls itself so; with `?framing=hdlc` HDLC, else the wrapper |
/// | `concentrator://SERIAL/NODE` | a node of the concentrator with this serial number |
///
/// `baud` is 300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600 or 115200; `parity` is `none`, `even` or `odd`; there are always 8 data bits
/// and 1 stop bit. Serial ways take `echo=yes`, too, where the adapter sends back what it is sent. It is read by
/// [`FromStr`](std::str::FromStr) and written by [`Display`](fmt::Display) with speed and parity, and with other options only where they
/// are not the usual ones, so that one way has one text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(Way);

/// The kinds of ways.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// TCP to `host:port`.
    Tcp { host: String, framing: FramingKind },
    /// UDP to `host:port`, with the wrapper.
    Udp(String),
    /// A serial device.
    Device { device: String, characters: Characters },
    /// A serial port behind `host:port`; with `orders` that end takes those of RFC 2217.
    Gateway { host: String, characters: Characters, orders: bool },
    /// A serial device behind an opening by IEC 62056-21, which begins at `speed`.
    Optical { device: String, speed: u32 },
    /// A connection of somebody who calls himself `id`.
    Inbound { id: String, framing: FramingKind },
    /// A node of a concentrator.
    Concentrator { serial: String, node: String },
}

/// What stands between octets and APDUs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FramingKind {
    Wrapper,
    Hdlc,
}

/// How characters go over a serial line; 8 data bits and 1 stop bit always.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Characters {
    /// Bits per second.
    pub(crate) speed: u32,
    pub(crate) parity: Parity,
    /// What is sent comes back.
    pub(crate) echo: bool,
}

impl Characters {
    /// Characters without a parity bit, of which none comes back.
    pub(crate) const fn plain(speed: u32) -> Self {
        Self { speed, parity: Parity::None, echo: false }
    }

    /// Time of one character: a start bit, eight data bits, the parity bit where there is one, a stop bit.
    pub(crate) fn time(self) -> Duration {
        let bits = if self.parity == Parity::None { 10 } else { 11 };
        Duration::from_secs(bits) / self.speed.max(1)
    }
}

/// The parity bit of a serial line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Parity {
    None,
    Even,
    Odd,
}

impl Parity {
    const ALL: [Self; 3] = [Self::None, Self::Even, Self::Odd];

    const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Even => "even",
            Self::Odd => "odd",
        }
    }
}

/// Why a text is no address. What was written is not quoted: in a shifted column it could be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is too long.
    #[error("at most {} characters are expected", parse::LENGTH_MAX)]
    TooLong,
    /// It begins with another scheme than those that are known.
    #[error(
        "host:port is expected, or something that begins with udp://, hdlc://, serial://, rfc2217://, optical://, inbound:// or concentrator://"
    )]
    Scheme,
    /// It is no host and port.
    #[error("host:port is expected, with an IPv6 address in brackets and a port from 1 to 65535")]
    Host,
    /// The device is none of this machine.
    #[error("a device below /dev/ is expected")]
    Device,
    /// An option is unknown for this kind of line, or is given twice.
    #[error(
        "the options of serial and rfc2217 are baud, parity and echo, that of optical is baud, that of inbound is framing, each at most once"
    )]
    Option,
    /// There is no such speed.
    #[error("baud is 300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600 or 115200")]
    Speed,
    /// There is no such parity.
    #[error("parity is none, even or odd")]
    Parity,
    /// It is neither yes nor no.
    #[error("echo is yes or no")]
    Echo,
    /// There is no such framing.
    #[error("framing is wrapper or hdlc")]
    Framing,
    /// It names nobody who calls.
    #[error("inbound://ID is expected, with up to {} visible characters but / ? and comma", parse::NAME_MAX)]
    Caller,
    /// It names no node of a concentrator.
    #[error(
        "concentrator://SERIAL/NODE is expected, with up to {} visible characters but / ? and comma each",
        parse::NAME_MAX
    )]
    Node,
}

impl Address {
    /// Whether DLMS meters speak HDLC there, which has addresses of its own: a client address of one octet, and device addresses.
    pub const fn is_hdlc(&self) -> bool {
        match &self.0 {
            Way::Tcp { framing, .. } | Way::Inbound { framing, .. } => matches!(framing, FramingKind::Hdlc),
            Way::Device { .. } | Way::Gateway { .. } | Way::Optical { .. } => true,
            Way::Udp(_) | Way::Concentrator { .. } => false,
        }
    }

    /// The name of the line, which is the same for all stations that share it, whatever is spoken with each of them. One line is used by one
    /// channel at a time.
    pub fn line(&self) -> String {
        match &self.0 {
            Way::Tcp { host, .. } | Way::Udp(host) | Way::Gateway { host, .. } => host.clone(),
            Way::Device { device, .. } | Way::Optical { device, .. } => device.clone(),
            Way::Inbound { id, .. } => format!("inbound://{id}"),
            Way::Concentrator { serial, .. } => Self::line_of_concentrator(serial),
        }
    }

    /// The name of the line that a concentrator and its nodes share.
    pub fn line_of_concentrator(serial: &str) -> String {
        format!("concentrator://{serial}")
    }

    /// The serial number of the concentrator before the station, and the station's name there.
    pub fn node(&self) -> Option<(&str, &str)> {
        match &self.0 {
            Way::Concentrator { serial, node } => Some((serial, node)),
            _ => None,
        }
    }

    /// What the caller has to call himself, when the meter opens the connection.
    pub fn caller(&self) -> Option<&str> {
        match &self.0 {
            Way::Inbound { id, .. } => Some(id),
            _ => None,
        }
    }

    /// Whether several stations may share the line, of which one that does not answer must not keep the others waiting.
    pub(crate) const fn is_shared(&self) -> bool {
        match &self.0 {
            Way::Tcp { framing, .. } => matches!(framing, FramingKind::Hdlc),
            Way::Device { .. } | Way::Gateway { .. } | Way::Concentrator { .. } => true,
            Way::Udp(_) | Way::Optical { .. } | Way::Inbound { .. } => false,
        }
    }

    /// How characters go over the serial line, where that is known.
    pub(crate) const fn characters(&self) -> Option<Characters> {
        match &self.0 {
            Way::Device { characters, .. } | Way::Gateway { characters, .. } => Some(*characters),
            Way::Optical { speed, .. } => Some(Characters::plain(*speed)),
            Way::Tcp { .. } | Way::Udp(_) | Way::Inbound { .. } | Way::Concentrator { .. } => None,
        }
    }

    /// Bits per second at which a meter behind an optical head is woken up.
    pub(crate) const fn opening_speed(&self) -> Option<u32> {
        match &self.0 {
            Way::Optical { speed, .. } => Some(*speed),
            _ => None,
        }
    }

    /// Whether the line is a device of this machine.
    pub(crate) const fn is_device(&self) -> bool {
        matches!(self.0, Way::Device { .. } | Way::Optical { .. })
    }

    pub(crate) const fn way(&self) -> &Way {
        &self.0
    }
}

impl fmt::Display for Characters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let echo = if self.echo { "&echo=yes" } else { "" };
        write!(f, "baud={}&parity={}{echo}", self.speed, self.parity.as_str())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Way::Tcp { host, framing: FramingKind::Wrapper } => f.write_str(host),
            Way::Tcp { host, framing: FramingKind::Hdlc } => write!(f, "hdlc://{host}"),
            Way::Udp(host) => write!(f, "udp://{host}"),
            Way::Device { device, characters } => write!(f, "serial://{device}?{characters}"),
            Way::Gateway { host, characters, orders: false } => write!(f, "serial://{host}?{characters}"),
            Way::Gateway { host, characters, orders: true } => write!(f, "rfc2217://{host}?{characters}"),
            Way::Optical { device, speed } => write!(f, "optical://{device}?baud={speed}"),
            Way::Inbound { id, framing: FramingKind::Wrapper } => write!(f, "inbound://{id}"),
            Way::Inbound { id, framing: FramingKind::Hdlc } => write!(f, "inbound://{id}?framing=hdlc"),
            Way::Concentrator { serial, node } => write!(f, "concentrator://{serial}/{node}"),
        }
    }
}
