//! CIASE, by which a concentrator finds and registers the meters on a power line (S-FSK, IEC 61334-4-511; Green Book, 10.4), and on an HDLC line.
//!
//! A head-end meets these messages in captures of what a concentrator does; they stand where an APDU stands.

use crate::Error;
use crate::axdr::Reader;

const PING_REQUEST: u8 = 0x19;
const PING_RESPONSE: u8 = 0x1A;
const REGISTER: u8 = 0x1C;
const DISCOVER: u8 = 0x1D;
const DISCOVER_REPORT: u8 = 0x1E;
const REPEATER_CALL: u8 = 0x1F;

/// Octets of the system titles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TitleLength {
    /// On a power line with IEC 61334-4-32.
    Six = 6,
    /// Where HDLC is spoken.
    Eight = 8,
}

/// A message. System titles have the length that was said when it was decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ciase<'a> {
    /// Are you there?
    PingRequest {
        /// System title of the meter.
        server: &'a [u8],
    },
    /// Here I am.
    PingResponse {
        /// System title of the meter.
        server: &'a [u8],
    },
    /// Meters get their addresses.
    Register {
        /// System title of the concentrator.
        initiator: &'a [u8],
        /// The meters.
        meters: Vec<Registration<'a>>,
    },
    /// Who is there and not registered?
    Discover {
        /// How likely a meter shall answer, in percent.
        response_probability: u8,
        /// Time slots among which it chooses.
        allowed_time_slots: u16,
        /// Initial credit of its report.
        initial_credit: u8,
        /// Whether the report keeps that credit while it is repeated.
        ic_equal_credit: u8,
    },
    /// I am, or these are.
    DiscoverReport {
        /// The meters.
        meters: Vec<Discovered<'a>>,
    },
    /// Who hears whom, to choose who repeats.
    RepeaterCall {
        /// Greatest address of a meter.
        max_address: u16,
        /// Time slots for meters that are not registered.
        slots_for_new: u8,
        /// Signal above which a meter counts as heard, in dBµV.
        reception_threshold: u8,
    },
}

/// A meter and its new address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration<'a> {
    /// System title.
    pub title: &'a [u8],
    /// Address on the power line (MAC).
    pub address: u16,
}

/// A meter that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discovered<'a> {
    /// System title.
    pub title: &'a [u8],
    /// What it has to complain about.
    pub alarm: Option<u8>,
}

impl<'a> Ciase<'a> {
    /// Reads a message that fills `octets`.
    ///
    /// # Errors
    /// [`Error::Unexpected`] for another message, [`Error::Truncated`], [`Error::Trailing`].
    pub fn decode(octets: &'a [u8], titles: TitleLength) -> Result<Self, Error> {
        let mut reader = Reader::new(octets);
        let tag = reader.u8()?;
        let message = Self::read(tag, &mut reader, titles as usize)?;
        reader.finish()?;
        Ok(message)
    }

    fn read(tag: u8, reader: &mut Reader<'a>, title: usize) -> Result<Self, Error> {
        Ok(match tag {
            PING_REQUEST => Self::PingRequest { server: reader.take(title)? },
            PING_RESPONSE => Self::PingResponse { server: reader.take(title)? },
            REGISTER => {
                let initiator = reader.take(title)?;
                let registration = |reader: &mut Reader<'a>| {
                    Ok(Registration { title: reader.take(title)?, address: reader.u16()? })
                };
                Self::Register { initiator, meters: list(reader, registration)? }
            }
            DISCOVER => Self::Discover {
                response_probability: reader.u8()?,
                allowed_time_slots: reader.u16()?,
                initial_credit: reader.u8()?,
                ic_equal_credit: reader.u8()?,
            },
            DISCOVER_REPORT => {
                let discovered = |reader: &mut Reader<'a>| {
                    let title = reader.take(title)?;
                    let alarm = if reader.flag()? { Some(reader.u8()?) } else { None };
                    Ok(Discovered { title, alarm })
                };
                Self::DiscoverReport { meters: list(reader, discovered)? }
            }
            REPEATER_CALL => Self::RepeaterCall {
                max_address: reader.u16()?,
                slots_for_new: reader.u8()?,
                reception_threshold: reader.u8()?,
            },
            tag => return Err(Error::Unexpected { tag }),
        })
    }

    /// Appends the message.
    ///
    /// # Errors
    /// [`Error::TooLong`] for more than 255 meters.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        match self {
            Self::PingRequest { server } => {
                out.push(PING_REQUEST);
                out.extend_from_slice(server);
            }
            Self::PingResponse { server } => {
                out.push(PING_RESPONSE);
                out.extend_from_slice(server);
            }
            Self::Register { initiator, meters } => {
                let count = count(meters)?;
                out.push(REGISTER);
                out.extend_from_slice(initiator);
                out.push(count);
                for meter in meters {
                    out.extend_from_slice(meter.title);
                    out.extend(meter.address.to_be_bytes());
                }
            }
            Self::Discover { response_probability, allowed_time_slots, initial_credit, ic_equal_credit } => {
                out.extend([DISCOVER, *response_probability]);
                out.extend(allowed_time_slots.to_be_bytes());
                out.extend([*initial_credit, *ic_equal_credit]);
            }
            Self::DiscoverReport { meters } => {
                out.extend([DISCOVER_REPORT, count(meters)?]);
                for meter in meters {
                    out.extend_from_slice(meter.title);
                    out.push(u8::from(meter.alarm.is_some()));
                    out.extend(meter.alarm);
                }
            }
            Self::RepeaterCall { max_address, slots_for_new, reception_threshold } => {
                out.push(REPEATER_CALL);
                out.extend(max_address.to_be_bytes());
                out.extend([*slots_for_new, *reception_threshold]);
            }
        }
        Ok(())
    }
}

/// A list whose count is one octet.
fn list<'a, T>(
    reader: &mut Reader<'a>,
    mut element: impl FnMut(&mut Reader<'a>) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    (0..reader.u8()?).map(|_| element(reader)).collect()
}

fn count<T>(meters: &[T]) -> Result<u8, Error> {
    let limit = usize::from(u8::MAX);
    u8::try_from(meters.len()).map_err(|_| Error::TooLong { what: "list of meters", limit })
}
