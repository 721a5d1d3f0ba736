//! What a meter sends unasked: DataNotification (Green Book, 9.3.10) with its confirmation, and EventNotification (Green
//! Book, 9.3.9).

use super::{tag, value};
use crate::axdr::{Reader, tag as data, write_octets};
use crate::{AttributeDescriptor, DateTime, Error};

/// Octets of a date-time.
const TIME: usize = 12;

/// Long-Invoke-Id-And-Priority (Green Book, 9.5): which notification or ACCESS request, and how it is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongInvokeId(u32);

impl LongInvokeId {
    const SELF_DESCRIPTIVE: u32 = 1 << 28;
    const BREAK_ON_ERROR: u32 = 1 << 29;
    const CONFIRMED: u32 = 1 << 30;
    const HIGH: u32 = 1 << 31;

    /// The number as it came.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The greatest number of a request.
    pub const ID_MAX: u32 = 0x00FF_FFFF;

    /// A confirmed service of high priority that goes on behind errors; `id` is taken modulo 2²⁴.
    pub const fn confirmed(id: u32) -> Self {
        Self(id & Self::ID_MAX | Self::CONFIRMED | Self::HIGH)
    }

    /// The number as it goes.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Its number, 24 bits.
    pub const fn id(self) -> u32 {
        self.0 & Self::ID_MAX
    }

    /// Whether the body describes itself.
    pub const fn is_self_descriptive(self) -> bool {
        self.0 & Self::SELF_DESCRIPTIVE != 0
    }

    /// Whether processing ends with the first error.
    pub const fn breaks_on_error(self) -> bool {
        self.0 & Self::BREAK_ON_ERROR != 0
    }

    /// Whether an answer is wanted.
    pub const fn is_confirmed(self) -> bool {
        self.0 & Self::CONFIRMED != 0
    }

    /// Whether it has high priority.
    pub const fn is_high(self) -> bool {
        self.0 & Self::HIGH != 0
    }
}

/// DataNotification: a push of any data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataNotification<'a> {
    /// Which notification.
    pub invoke: LongInvokeId,
    /// When it was made, if the meter says so.
    pub time: Option<DateTime>,
    /// What it says: one encoded `Data`, by convention a structure in the order of the push object list.
    pub body: &'a [u8],
}

impl<'a> DataNotification<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::DATA_NOTIFICATION);
        out.extend_from_slice(&self.invoke.number().to_be_bytes());
        write_time(self.time.as_ref(), out);
        out.extend_from_slice(self.body);
    }

    /// Decodes the APDU. A date-time with its type in front (`09 0C` or `19`) is taken, too.
    ///
    /// # Errors
    /// [`Error::Unexpected`]; [`Error::Length`] for a date-time that has neither 12 octets nor none; those of the body;
    /// [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = begin(tag::DATA_NOTIFICATION, octets)?;
        let invoke = LongInvokeId::new(reader.u32()?);
        let time = time_or_none(&mut reader)?;
        let body = value(&mut reader)?;
        reader.finish()?;
        Ok(Self { invoke, time, body })
    }
}

/// Data-Notification-Confirm (IEC 62056-5-3:2023): the answer to a notification that [asked for
/// one](LongInvokeId::is_confirmed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataNotificationConfirm {
    /// Which notification, as it came.
    pub invoke: LongInvokeId,
    /// When it was taken, if that is said.
    pub time: Option<DateTime>,
}

impl DataNotificationConfirm {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(tag::DATA_NOTIFICATION_CONFIRM);
        out.extend_from_slice(&self.invoke.number().to_be_bytes());
        write_time(self.time.as_ref(), out);
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`]; [`Error::Length`] for a date-time that has neither 12 octets nor none; [`Error::Truncated`];
    /// [`Error::Trailing`].
    pub fn decode(octets: &[u8]) -> Result<Self, Error> {
        let mut reader = begin(tag::DATA_NOTIFICATION_CONFIRM, octets)?;
        let invoke = LongInvokeId::new(reader.u32()?);
        let time = time_or_none(&mut reader)?;
        reader.finish()?;
        Ok(Self { invoke, time })
    }
}

/// EventNotification-Request: a push of one attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventNotification<'a> {
    /// When it was made, if the meter says so.
    pub time: Option<DateTime>,
    /// Whose value it is.
    pub attribute: AttributeDescriptor,
    /// The value: one encoded `Data`.
    pub value: &'a [u8],
}

impl<'a> EventNotification<'a> {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[tag::EVENT_NOTIFICATION, u8::from(self.time.is_some())]);
        if let Some(time) = &self.time {
            write_octets(&time.octets(), out);
        }
        self.attribute.encode(out);
        out.extend_from_slice(self.value);
    }

    /// Decodes the APDU. Some meters put the type of an octet-string (9) in the place of the usage flag of the time; that is
    /// taken, too.
    ///
    /// # Errors
    /// [`Error::Unexpected`]; [`Error::Value`] for another usage flag; [`Error::Length`] for a time that has not 12 octets;
    /// those of the elements; [`Error::Trailing`].
    pub fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let mut reader = begin(tag::EVENT_NOTIFICATION, octets)?;
        let time = match reader.peek()? {
            data::OCTET_STRING => Some(time(&mut reader)?),
            _ => reader.flag()?.then(|| time(&mut reader)).transpose()?,
        };
        let attribute = AttributeDescriptor::read(&mut reader)?;
        let value = value(&mut reader)?;
        reader.finish()?;
        Ok(Self { time, attribute, value })
    }
}

pub(super) fn begin(expected: u8, octets: &[u8]) -> Result<Reader<'_>, Error> {
    let mut reader = Reader::new(octets);
    match reader.u8()? {
        tag if tag == expected => Ok(reader),
        tag => Err(Error::Unexpected { tag }),
    }
}

/// A date-time behind its length, which is 0 when there is none.
pub(super) fn time_or_none(reader: &mut Reader<'_>) -> Result<Option<DateTime>, Error> {
    if reader.peek()? == 0 {
        reader.u8()?;
        return Ok(None);
    }
    time(reader).map(Some)
}

pub(super) fn write_time(time: Option<&DateTime>, out: &mut Vec<u8>) {
    match time {
        Some(time) => write_octets(&time.octets(), out),
        None => out.push(0),
    }
}

/// A date-time behind its length. Some meters put the type in front, as if it were a value.
fn time(reader: &mut Reader<'_>) -> Result<DateTime, Error> {
    match reader.peek()? {
        data::DATE_TIME => {
            reader.u8()?;
            return reader.array().map(DateTime::new);
        }
        data::OCTET_STRING => drop(reader.u8()?),
        _ => {}
    }
    match reader.length()? {
        TIME => reader.array().map(DateTime::new),
        got => Err(Error::Length { what: "time of a notification", expected: TIME, got }),
    }
}
