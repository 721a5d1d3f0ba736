//! From the text of an address to what it means.

use std::{net::Ipv6Addr, str::FromStr};

use super::{Address, AddressError, Characters, FramingKind, Parity, Way};

/// Longest address, in octets: a DNS name (RFC 1035), a scheme and a port fit.
pub(super) const LENGTH_MAX: usize = 255;
/// Longest name of a caller, a concentrator or a node, in octets.
pub(super) const NAME_MAX: usize = 64;
/// Speeds of serial lines, in bits per second (IEC 62056-46, 6.2.1, and IEC 62056-21, 6.3.14).
const SPEEDS: [u32; 10] = [300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200];
/// Speed of a line when its address names none.
const SPEED: u32 = 9600;
/// Speed at which an opening by IEC 62056-21 begins (6.3.1).
const OPENING_SPEED: u32 = 300;
/// Where devices are: nothing else is opened, whatever an address says.
const DEVICES: &str = "/dev/";
/// The options of everything serial.
const CHARACTERS: [&str; 3] = ["baud", "parity", "echo"];

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > LENGTH_MAX {
            return Err(AddressError::TooLong);
        }
        let way = match text.split_once("://") {
            None => Way::Tcp { host: host(text)?, framing: FramingKind::Wrapper },
            Some(("hdlc", rest)) => Way::Tcp { host: host(rest)?, framing: FramingKind::Hdlc },
            Some(("udp", rest)) => Way::Udp(host(rest)?),
            Some(("serial", rest)) => {
                let (place, values) = split(rest, CHARACTERS)?;
                let characters = characters(values)?;
                if place.starts_with('/') {
                    Way::Device { device: device(place)?, characters }
                } else {
                    Way::Gateway { host: host(place)?, characters, orders: false }
                }
            }
            Some(("rfc2217", rest)) => {
                let (place, values) = split(rest, CHARACTERS)?;
                Way::Gateway { host: host(place)?, characters: characters(values)?, orders: true }
            }
            Some(("optical", rest)) => {
                let (place, [baud]) = split(rest, ["baud"])?;
                Way::Optical { device: device(place)?, speed: baud.map_or(Ok(OPENING_SPEED), speed)? }
            }
            Some(("inbound", rest)) => {
                let (id, [framing]) = split(rest, ["framing"])?;
                let framing = framing.map_or(Ok(FramingKind::Wrapper), self::framing)?;
                Way::Inbound { id: name(id).ok_or(AddressError::Caller)?, framing }
            }
            Some(("concentrator", rest)) => {
                let (serial, node) = rest.split_once('/').ok_or(AddressError::Node)?;
                let part = |text| name(text).ok_or(AddressError::Node);
                Way::Concentrator { serial: part(serial)?, node: part(node)? }
            }
            Some(_) => return Err(AddressError::Scheme),
        };
        Ok(Self(way))
    }
}

/// A place, and the values of its options in the order of their names.
fn split<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> Result<(&'a str, [Option<&'a str>; N]), AddressError> {
    let (place, options) = match text.split_once('?') {
        Some((place, options)) => (place, options.split('&').collect()),
        None => (text, Vec::new()),
    };
    let mut values = [None; N];
    for option in options {
        let (name, value) = option.split_once('=').ok_or(AddressError::Option)?;
        let place = names.iter().position(|known| *known == name).ok_or(AddressError::Option)?;
        if values[place].replace(value).is_some() {
            return Err(AddressError::Option);
        }
    }
    Ok((place, values))
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

fn device(path: &str) -> Result<String, AddressError> {
    let name = path.strip_prefix(DEVICES).ok_or(AddressError::Device)?;
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".-_:+".contains(&octet))
    };
    if name.split('/').all(is_part) { Ok(path.to_owned()) } else { Err(AddressError::Device) }
}

/// What somebody calls himself.
fn name(text: &str) -> Option<String> {
    let is_visible = |octet: u8| octet.is_ascii_graphic() && !b"/?,".contains(&octet);
    let fits = (1..=NAME_MAX).contains(&text.len()) && text.bytes().all(is_visible);
    fits.then(|| text.to_owned())
}

fn characters([baud, parity, echo]: [Option<&str>; 3]) -> Result<Characters, AddressError> {
    Ok(Characters {
        speed: baud.map_or(Ok(SPEED), speed)?,
        parity: parity.map_or(Ok(Parity::None), self::parity)?,
        echo: echo.map_or(Ok(false), self::echo)?,
    })
}

fn speed(text: &str) -> Result<u32, AddressError> {
    SPEEDS.into_iter().find(|speed| speed.to_string() == text).ok_or(AddressError::Speed)
}

fn parity(text: &str) -> Result<Parity, AddressError> {
    Parity::ALL.into_iter().find(|parity| parity.as_str() == text).ok_or(AddressError::Parity)
}

fn echo(text: &str) -> Result<bool, AddressError> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(AddressError::Echo),
    }
}

fn framing(text: &str) -> Result<FramingKind, AddressError> {
    match text {
        "wrapper" => Ok(FramingKind::Wrapper),
        "hdlc" => Ok(FramingKind::Hdlc),
        _ => Err(AddressError::Framing),
    }
}
