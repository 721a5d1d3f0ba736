use std::{fmt, net::Ipv6Addr, str::FromStr};

/// Longest address, in octets: a DNS name (RFC 1035), a scheme and a port fit.
const LENGTH_MAX: usize = 255;
/// Speeds of serial lines, in bits per second (IEC 62056-46, 6.2.1, and IEC 62056-21, 6.3.14).
const SPEEDS: [u32; 10] = [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200];
/// Speed of a line when its address names none.
const SPEED: u32 = 9600;
/// Speed at which an opening by mode E begins (IEC 62056-21, 6.3.1).
const OPENING_SPEED: u32 = 300;
/// Where devices are: nothing else is opened, whatever an address says.
const DEVICES: &str = "/dev/";

/// Where a line ends and what is spoken on it. All meters of one bus have the same address.
///
/// | text | what it means |
/// |---|---|
/// | `host:port` | TCP with the wrapper of IEC 62056-47; an IPv6 address stands in brackets |
/// | `hdlc://host:port` | TCP with HDLC (IEC 62056-46): a meter, or a gateway to a bus |
/// | `serial:///dev/ttyS0?baud=9600&parity=none` | HDLC on a serial device of this machine; both options may be left out |
/// | `optical:///dev/ttyUSB0?baud=300` | the same behind an opening by IEC 62056-21 mode E that begins at this speed, 300 when it is left out |
///
/// `baud` is 300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600 or 115200; `parity` is `none`, `even` or `odd`; there are always 8 data bits
/// and 1 stop bit. It is read by [`FromStr`] and written by [`Display`](fmt::Display) with every option, so that one line has one text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address(Line);

/// The kinds of lines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Line {
    /// TCP with the wrapper, to `host:port`.
    Wrapper(String),
    /// TCP with HDLC, to `host:port`.
    Hdlc(String),
    /// A serial device with HDLC.
    Serial { device: String, speed: u32, parity: Parity },
    /// A serial device with HDLC behind an opening by mode E, which begins at `speed`.
    Optical { device: String, speed: u32 },
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
    #[error("at most {LENGTH_MAX} characters are expected")]
    TooLong,
    /// It begins with another scheme than those that are known.
    #[error("host:port, hdlc://host:port, serial:///dev/NAME or optical:///dev/NAME is expected")]
    Scheme,
    /// It is no host and port.
    #[error("host:port is expected, with an IPv6 address in brackets and a port from 1 to 65535")]
    Host,
    /// The device is none of this machine.
    #[error("a device below /dev/ is expected")]
    Device,
    /// An option is unknown for this kind of line, or is given twice.
    #[error("the options of serial are baud and parity, that of optical is baud, each at most once")]
    Option,
    /// There is no such speed.
    #[error("baud is 300, 600, 1200, 2400, 4800, 9600, 19200, 38400, 57600 or 115200")]
    Speed,
    /// There is no such parity.
    #[error("parity is none, even or odd")]
    Parity,
}

impl Address {
    /// Whether HDLC is spoken there, which has addresses of its own: a client address of one octet, and device addresses.
    pub const fn is_hdlc(&self) -> bool {
        !matches!(self.0, Line::Wrapper(_))
    }

    /// Whether the line is a device of this machine.
    pub(crate) const fn is_device(&self) -> bool {
        matches!(self.0, Line::Serial { .. } | Line::Optical { .. })
    }

    pub(crate) const fn line(&self) -> &Line {
        &self.0
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > LENGTH_MAX {
            return Err(AddressError::TooLong);
        }
        let line = match text.split_once("://") {
            None => Line::Wrapper(host(text)?),
            Some(("hdlc", rest)) => Line::Hdlc(host(rest)?),
            Some(("serial", rest)) => {
                let (device, [speed, parity]) = device(rest, ["baud", "parity"])?;
                let parity = parity.map_or(Ok(Parity::None), self::parity)?;
                Line::Serial { device, speed: speed.map_or(Ok(SPEED), self::speed)?, parity }
            }
            Some(("optical", rest)) => {
                let (device, [speed]) = device(rest, ["baud"])?;
                Line::Optical { device, speed: speed.map_or(Ok(OPENING_SPEED), self::speed)? }
            }
            Some(_) => return Err(AddressError::Scheme),
        };
        Ok(Self(line))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Line::Wrapper(host) => f.write_str(host),
            Line::Hdlc(host) => write!(f, "hdlc://{host}"),
            Line::Serial { device, speed, parity } => {
                write!(f, "serial://{device}?baud={speed}&parity={}", parity.as_str())
            }
            Line::Optical { device, speed } => write!(f, "optical://{device}?baud={speed}"),
        }
    }
}

fn host(text: &str) -> Result<String, AddressError> {
    let (host, port) = text.rsplit_once(':').ok_or(AddressError::Host)?;
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".-_".contains(&octet))
    };
    let host_fits = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().is_ok(),
        None => is_name(host),
    };
    let digits = !port.is_empty() && port.bytes().all(|octet| octet.is_ascii_digit());
    let fits = host_fits && digits && port.parse::<u16>().is_ok_and(|port| port > 0);
    if fits { Ok(text.to_owned()) } else { Err(AddressError::Host) }
}

/// A device, and the values of its options in the order of their names.
fn device<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> Result<(String, [Option<&'a str>; N]), AddressError> {
    let (path, options) = match text.split_once('?') {
        Some((path, options)) => (path, options.split('&').collect()),
        None => (text, Vec::new()),
    };
    let name = path.strip_prefix(DEVICES).ok_or(AddressError::Device)?;
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".-_:+".contains(&octet))
    };
    if !name.split('/').all(is_part) {
        return Err(AddressError::Device);
    }
    let mut values = [None; N];
    for option in options {
        let (name, value) = option.split_once('=').ok_or(AddressError::Option)?;
        let place = names.iter().position(|known| *known == name).ok_or(AddressError::Option)?;
        if values[place].replace(value).is_some() {
            return Err(AddressError::Option);
        }
    }
    Ok((path.to_owned(), values))
}

fn speed(text: &str) -> Result<u32, AddressError> {
    SPEEDS.into_iter().find(|speed| speed.to_string() == text).ok_or(AddressError::Speed)
}

fn parity(text: &str) -> Result<Parity, AddressError> {
    Parity::ALL.into_iter().find(|parity| parity.as_str() == text).ok_or(AddressError::Parity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_has_one_text() {
        for (given, kept) in [
            ("10.1.2.3:4059", "10.1.2.3:4059"),
            ("meter-17.example.com:1", "meter-17.example.com:1"),
            ("[2001:db8::1]:65535", "[2001:db8::1]:65535"),
            ("a_b:80", "a_b:80"),
            ("hdlc://gateway.example:4001", "hdlc://gateway.example:4001"),
            ("hdlc://[::1]:4001", "hdlc://[::1]:4001"),
            ("serial:///dev/ttyS0", "serial:///dev/ttyS0?baud=9600&parity=none"),
            ("serial:///dev/ttyS0?parity=even", "serial:///dev/ttyS0?baud=9600&parity=even"),
            ("serial:///dev/pts/5?parity=odd&baud=300", "serial:///dev/pts/5?baud=300&parity=odd"),
            (
                "serial:///dev/serial/by-id/usb-FTDI_FT232R-if00-port0?baud=115200",
                "serial:///dev/serial/by-id/usb-FTDI_FT232R-if00-port0?baud=115200&parity=none",
            ),
            ("optical:///dev/ttyUSB0", "optical:///dev/ttyUSB0?baud=300"),
            ("optical:///dev/ttyUSB0?baud=9600", "optical:///dev/ttyUSB0?baud=9600"),
        ] {
            let address: Address = given.parse().unwrap();
            assert_eq!(address.to_string(), kept);
            assert_eq!(kept.parse(), Ok(address));
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        use AddressError as Error;
        let long = format!("{}:1", "a".repeat(254));
        for (wrong, error) in [
            ("", Error::Host),
            ("host", Error::Host),
            (":1", Error::Host),
            ("host:", Error::Host),
            ("host:0", Error::Host),
            ("host:65536", Error::Host),
            ("2001:db8::1:80", Error::Host),
            ("[x]:1", Error::Host),
            ("a b:1", Error::Host),
            ("h:+1", Error::Host),
            ("hdlc://host", Error::Host),
            ("hdlc:///dev/ttyS0", Error::Host),
            ("hdlc://host:1/", Error::Host),
            ("hdlc://host:1?baud=300", Error::Host),
            (&long, Error::TooLong),
            ("tcp://host:1", Error::Scheme),
            ("HDLC://host:1", Error::Scheme),
            ("serial://ttyS0", Error::Device),
            ("serial:///etc/passwd", Error::Device),
            ("serial:///dev/", Error::Device),
            ("serial:///dev/../etc/passwd", Error::Device),
            ("serial:///dev//ttyS0", Error::Device),
            ("serial:///dev/tty S0", Error::Device),
            ("serial:///dev/ttyS0?", Error::Option),
            ("serial:///dev/ttyS0?baud", Error::Option),
            ("serial:///dev/ttyS0?stop=2", Error::Option),
            ("serial:///dev/ttyS0?baud=300&baud=300", Error::Option),
            ("serial:///dev/ttyS0?baud=9601", Error::Speed),
            ("serial:///dev/ttyS0?baud=09600", Error::Speed),
            ("serial:///dev/ttyS0?parity=mark", Error::Parity),
            ("optical:///dev/ttyUSB0?parity=even", Error::Option),
        ] {
            assert_eq!(wrong.parse::<Address>(), Err(error), "{wrong}");
        }
    }

    #[test]
    fn what_speaks_hdlc() {
        let is_hdlc = |text: &str| text.parse::<Address>().unwrap().is_hdlc();
        assert!(!is_hdlc("h:1"));
        assert!(["hdlc://h:1", "serial:///dev/ttyS0", "optical:///dev/ttyS0"].into_iter().all(is_hdlc));
    }
}
