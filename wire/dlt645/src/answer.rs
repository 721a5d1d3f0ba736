use crate::{Address, Edition, Error, Frame, Identifier, Refusal, Request};

/// What a station answers to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The octets of the item, or of a part of it; `more`: another part can be read.
    Item {
        /// The octets.
        octets: &'a [u8],
        /// Whether another part can be read.
        more: bool,
    },
    /// The station's own address.
    Address(Address),
    /// It did what was asked.
    Done,
}

impl<'a> Answer<'a> {
    /// Takes the answer to `request` apart. The caller has compared the address.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::OtherFunction`], [`Error::OtherItem`] and [`Error::OtherPart`] for an answer to something else, which may be
    /// late: keep waiting; [`Error::Truncated`]; [`Error::NotInEdition`].
    pub fn read(edition: Edition, request: &Request<'_>, frame: &Frame<'a>) -> Result<Self, Error> {
        let asked = request.function().code(edition)?;
        let control = frame.control;
        if !control.is_answer() || control.function() != asked {
            return Err(Error::OtherFunction { asked, got: control.octet() });
        }
        if control.is_refusal() {
            return Err(Error::Refused(Refusal(frame.data.first().copied().unwrap_or_default())));
        }
        match request {
            Request::Read(item) | Request::ReadRecords { item, .. } => {
                let octets = behind(*item, edition, frame.data)?;
                Ok(Self::Item { octets, more: control.has_more() })
            }
            Request::ReadNext(item, part) => {
                let octets = behind(*item, edition, frame.data)?;
                let octets = if edition == Edition::Of2007 { part_of(octets, *part)? } else { octets };
                Ok(Self::Item { octets, more: control.has_more() })
            }
            Request::ReadAddress => match frame.data.first_chunk() {
                Some(address) => Ok(Self::Address(Address::from_wire(*address))),
                None => Err(Error::Truncated { what: "the address", offset: frame.data.len() }),
            },
            _ => Ok(Self::Done),
        }
    }
}

/// What stands behind the identifier, which has to be the one asked for.
fn behind(asked: Identifier, edition: Edition, data: &[u8]) -> Result<&[u8], Error> {
    let short = Error::Truncated { what: "the identifier", offset: data.len() };
    let (identifier, rest) = data.split_at_checked(Identifier::length(edition)).ok_or(short)?;
    let got = identifier.iter().rev().fold(0, |all, octet| (all << 8) | u32::from(*octet));
    if got == asked.0 { Ok(rest) } else { Err(Error::OtherItem { asked: asked.0, got }) }
}

/// What stands in front of the number of the part, which has to be the one that is due.
fn part_of(octets: &[u8], due: u8) -> Result<&[u8], Error> {
    match octets.split_last() {
        Some((part, octets)) if *part == due => Ok(octets),
        Some((part, _)) => Err(Error::OtherPart { due, got: *part }),
        None => Err(Error::Truncated { what: "the number of the part", offset: 4 }),
    }
}
