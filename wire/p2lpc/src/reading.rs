//! A result document, element by element.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event as Piece};

use crate::xml::{damage, find, local};
use crate::{Device, Document, Error, Event, Profile, Register, time};

/// Longest document, in octets.
pub const OCTETS_LIMIT: usize = 16 << 20;
/// Most elements inside one another.
pub const DEPTH_LIMIT: usize = 16;
/// What a document may begin with.
const ROOTS: [&str; 5] =
    ["MeterProfile", "MeterEvents", "MeterResults", "MeterPowerFailures", "ConcentratorEvents"];
/// Characters of an unknown name that are shown.
const SHOWN: usize = 40;

impl Document {
    /// Reads a document. It never fails: what is whole is there, [`damage`](Self::damage) says why the rest is not.
    pub fn read(octets: &[u8]) -> Self {
        let mut reading = Reading::default();
        if octets.len() > OCTETS_LIMIT {
            reading.document.damage = Some(Error::TooLong { what: "octets", limit: OCTETS_LIMIT });
            return reading.document;
        }
        let (text, broken) = match str::from_utf8(octets) {
            Ok(text) => (text, None),
            Err(error) => {
                let (valid, rest) = octets.split_at(error.valid_up_to());
                // A character that is cut off at the end may go on in what is missing.
                let broken = match error.error_len() {
                    None => Error::Truncated { octets: octets.len() },
                    Some(_) => Error::Malformed { octet: octets.len() - rest.len() },
                };
                (str::from_utf8(valid).unwrap_or_default(), Some(broken))
            }
        };
        let ended = reading.run(text);
        reading.document.damage = broken.or(ended.err());
        reading.document
    }
}

/// A document that is being read, and where in it.
#[derive(Default)]
struct Reading {
    document: Document,
    depth: usize,
    in_device: bool,
    in_profile: bool,
    /// What stands between an opening tag and the closing one that makes it whole.
    open: Option<Entry>,
    is_over: bool,
}

/// What is taken from a document.
enum Entry {
    Register(Register),
    Event(Event),
}

impl Reading {
    fn run(&mut self, text: &str) -> Result<(), Error> {
        let mut reader = Reader::from_str(text);
        loop {
            match reader.read_event().map_err(|_| damage(&reader, text))? {
                Piece::Start(tag) => {
                    self.begin(&tag)?;
                    self.depth += 1;
                    if self.depth > DEPTH_LIMIT {
                        return Err(Error::TooLong {
                            what: "elements inside one another",
                            limit: DEPTH_LIMIT,
                        });
                    }
                }
                Piece::Empty(tag) => {
                    self.begin(&tag)?;
                    self.end(&local(&tag));
                }
                Piece::End(tag) => {
                    self.depth = self.depth.saturating_sub(1);
                    self.end(tag.local_name().as_ref());
                }
                Piece::Eof
                    if !self.is_over && !text.trim_start().starts_with('<') && !text.trim().is_empty() =>
                {
                    return Err(Error::Malformed { octet: 0 });
                }
                Piece::Eof if !self.is_over => {
                    return Err(Error::Truncated { octets: text.len() });
                }
                Piece::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    fn begin(&mut self, tag: &BytesStart<'_>) -> Result<(), Error> {
        let name = local(tag);
        if self.depth == 0 && (self.is_over || !ROOTS.contains(&name.as_str())) {
            return Err(Error::Unexpected { element: name.chars().take(SHOWN).collect() });
        }
        let taken = match name.as_str() {
            "Device" => self.device(tag),
            "Profile" => self.profile(tag),
            "Register" => register(tag).map(|register| self.open = Some(Entry::Register(register))),
            "Event" => event(tag).map(|event| self.open = Some(Entry::Event(event))),
            _ => Ok(()),
        };
        if let Err(refusal) = taken {
            self.refuse(refusal);
        }
        Ok(())
    }

    fn end(&mut self, name: &str) {
        match name {
            "Device" => (self.in_device, self.in_profile) = (false, false),
            "Profile" => self.in_profile = false,
            "Register" | "Event" => self.keep(),
            _ => {}
        }
        self.is_over = self.depth == 0;
    }

    fn device(&mut self, tag: &BytesStart<'_>) -> Result<(), Error> {
        self.in_device = false;
        let id = find(tag, "DeviceID")?.ok_or(Error::Missing { what: "DeviceID" })?;
        let concentrator = find(tag, "P2LPCIdent")?.unwrap_or_default();
        self.document.devices.push(Device { id, concentrator, ..Device::default() });
        self.in_device = true;
        Ok(())
    }

    fn profile(&mut self, tag: &BytesStart<'_>) -> Result<(), Error> {
        self.in_profile = false;
        let ident = find(tag, "Ident")?.ok_or(Error::Missing { what: "Ident" })?.parse()?;
        let period_s = find(tag, "Period")?.map_or(Ok(0), |period| number(&period, "a period"))?;
        let device = self.document.devices.last_mut().filter(|_| self.in_device);
        let device = device.ok_or(Error::Missing { what: "Device" })?;
        device.profiles.push(Profile { ident, period_s, registers: Vec::new() });
        self.in_profile = true;
        Ok(())
    }

    /// Keeps what is whole now, at the place where it stands.
    fn keep(&mut self) {
        let Some(entry) = self.open.take() else { return };
        let device = self.document.devices.last_mut().filter(|_| self.in_device);
        match (entry, device) {
            (Entry::Event(event), Some(device)) => device.events.push(event),
            (Entry::Register(register), Some(device)) if self.in_profile => {
                device.profiles.last_mut().into_iter().for_each(|profile| profile.registers.push(register));
            }
            _ => self.refuse(Error::Missing { what: "Device or Profile" }),
        }
    }

    fn refuse(&mut self, refusal: Error) {
        self.document.refused = self.document.refused.saturating_add(1);
        self.document.refusal.get_or_insert(refusal);
    }
}

fn register(tag: &BytesStart<'_>) -> Result<Register, Error> {
    let ident = find(tag, "Ident")?.ok_or(Error::Missing { what: "Ident" })?.parse()?;
    let value = find(tag, "Value")?.ok_or(Error::Missing { what: "Value" })?.parse()?;
    Ok(Register { ident, value, at: when(tag)?, status: status(tag)?.unwrap_or(0) })
}

fn event(tag: &BytesStart<'_>) -> Result<Event, Error> {
    let status = status(tag)?.ok_or(Error::Missing { what: "Status" })?;
    Ok(Event { at: when(tag)?, status, meter: find(tag, "MeterID")? })
}

fn when(tag: &BytesStart<'_>) -> Result<i64, Error> {
    time::read(&find(tag, "DateTime")?.ok_or(Error::Missing { what: "DateTime" })?)
}

fn status(tag: &BytesStart<'_>) -> Result<Option<u32>, Error> {
    find(tag, "Status")?.map(|text| number(&text, "a status")).transpose()
}

fn number(text: &str, what: &'static str) -> Result<u32, Error> {
    text.parse().map_err(|_| Error::Value { what })
}
