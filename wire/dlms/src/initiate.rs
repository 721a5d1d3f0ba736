//! The xDLMS initiate service (Green Book, 9.4.3 and 9.5), which rides in the AARQ and AARE.

use std::fmt;

use zeroize::Zeroizing;

use crate::axdr::{Reader, write_octets};
use crate::{ConfirmedServiceError, Error};

const REQUEST: u8 = 0x01;
const RESPONSE: u8 = 0x08;
const SERVICE_ERROR: u8 = 0x0E;
/// The only version of DLMS.
pub const DLMS_VERSION: u8 = 6;
/// `vaa-name` of logical name referencing.
pub const VAA_NAME_LN: u16 = 0x0007;
/// `vaa-name` of short name referencing: the short name of the association.
pub const VAA_NAME_SN: u16 = 0xFA00;

/// Services that a side offers: 24 bits, bit 0 the most significant (Green Book, 9.4.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conformance(u32);

impl Conformance {
    /// Names of the bits from 0 to 23, as in the standard.
    pub const NAMES: [&'static str; 24] = [
        "reserved-zero",
        "general-protection",
        "general-block-transfer",
        "read",
        "write",
        "unconfirmed-write",
        "delta-value-encoding",
        "reserved-seven",
        "attribute0-supported-with-set",
        "priority-mgmt-supported",
        "attribute0-supported-with-get",
        "block-transfer-with-get-or-read",
        "block-transfer-with-set-or-write",
        "block-transfer-with-action",
        "multiple-references",
        "information-report",
        "data-notification",
        "access",
        "parameterized-access",
        "get",
        "set",
        "selective-access",
        "event-notification",
        "action",
    ];
    /// General ciphering APDUs.
    pub const GENERAL_PROTECTION: Self = Self::bit(1);
    /// Read, with short names.
    pub const READ: Self = Self::bit(3);
    /// Write, with short names.
    pub const WRITE: Self = Self::bit(4);
    /// Write without an answer, with short names.
    pub const UNCONFIRMED_WRITE: Self = Self::bit(5);
    /// Parts of attributes, with short names.
    pub const PARAMETERISED_ACCESS: Self = Self::bit(18);
    /// What the client of this crate proposes to a meter with short names.
    pub const CLIENT_SN: Self = Self(
        Self::READ.0
            | Self::WRITE.0
            | Self::UNCONFIRMED_WRITE.0
            | Self::BLOCK_GET.0
            | Self::BLOCK_SET.0
            | Self::MULTIPLE_REFERENCES.0
            | Self::PARAMETERISED_ACCESS.0,
    );
    /// GET.
    pub const GET: Self = Self::bit(19);
    /// SET.
    pub const SET: Self = Self::bit(20);
    /// ACTION.
    pub const ACTION: Self = Self::bit(23);
    /// Selective access.
    pub const SELECTIVE_ACCESS: Self = Self::bit(21);
    /// Block transfer with GET.
    pub const BLOCK_GET: Self = Self::bit(11);
    /// Block transfer with SET.
    pub const BLOCK_SET: Self = Self::bit(12);
    /// Block transfer with ACTION.
    pub const BLOCK_ACTION: Self = Self::bit(13);
    /// Priority management.
    pub const PRIORITY: Self = Self::bit(9);
    /// General block transfer.
    pub const GENERAL_BLOCK_TRANSFER: Self = Self::bit(2);
    /// Several attributes or methods in one GET, SET or ACTION.
    pub const MULTIPLE_REFERENCES: Self = Self::bit(14);
    /// ACCESS.
    pub const ACCESS: Self = Self::bit(17);
    /// What the client of this crate proposes; general block transfer and ACCESS are proposed where they are wanted.
    pub const CLIENT: Self = Self(
        Self::GET.0
            | Self::SET.0
            | Self::ACTION.0
            | Self::SELECTIVE_ACCESS.0
            | Self::BLOCK_GET.0
            | Self::BLOCK_SET.0
            | Self::BLOCK_ACTION.0
            | Self::MULTIPLE_REFERENCES.0
            | Self::PRIORITY.0,
    );

    const fn bit(number: u32) -> Self {
        Self(1 << (23 - number))
    }

    /// The services of these three octets.
    pub const fn new([a, b, c]: [u8; 3]) -> Self {
        Self(u32::from_be_bytes([0, a, b, c]))
    }

    /// The three octets.
    pub const fn octets(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }

    /// Whether every service of `other` is offered.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether these are services with short names; an association has one kind of names.
    pub const fn has_short_names(self) -> bool {
        self.0 & (Self::READ.0 | Self::WRITE.0 | Self::UNCONFIRMED_WRITE.0) != 0
    }

    /// The services that either offers.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The services that both offer.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The names of the services that are offered, by bit.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        (0..24).filter(move |bit| self.contains(Self::bit(*bit))).map(|bit| Self::NAMES[bit as usize])
    }

    /// Tag, length and number of unused bits: a BER bit string of application tag 31 (Green Book, 9.5).
    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[0x5F, 0x1F, 0x04, 0x00]);
        out.extend_from_slice(&self.octets());
    }

    /// Some meters write the tag as `5F` alone.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let tag = reader.u8()?;
        if tag != 0x5F {
            return Err(Error::Unexpected { tag });
        }
        if reader.peek()? == 0x1F {
            reader.u8()?;
        }
        let length = reader.u8()?;
        if length != 4 {
            return Err(Error::Length { what: "conformance", expected: 4, got: usize::from(length) });
        }
        let unused = reader.u8()?;
        if unused != 0 {
            return Err(Error::Value { what: "unused bits of the conformance", got: u32::from(unused) });
        }
        reader.array().map(Self::new)
    }
}

/// InitiateRequest (Green Book, 9.5).
#[derive(Clone, PartialEq, Eq)]
pub struct InitiateRequest {
    /// Key for this association only; `None` when the global key serves.
    pub dedicated_key: Option<Zeroizing<Vec<u8>>>,
    /// Whether an answer is wanted; always so with confirmed associations.
    pub response_allowed: bool,
    /// Proposed quality of service, unused by DLMS.
    pub quality_of_service: Option<u8>,
    /// Proposed version of DLMS.
    pub dlms_version: u8,
    /// Proposed services.
    pub conformance: Conformance,
    /// Longest APDU that the client accepts; 0 without a limit.
    pub max_receive_pdu: u16,
}

impl InitiateRequest {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(REQUEST);
        match &self.dedicated_key {
            Some(key) => {
                out.push(1);
                write_octets(key, out);
            }
            None => out.push(0),
        }
        // DEFAULT TRUE: absent when true.
        match self.response_allowed {
            true => out.push(0),
            false => out.extend_from_slice(&[1, 0]),
        }
        encode_quality(self.quality_of_service, out);
        out.push(self.dlms_version);
        self.conformance.encode(out);
        out.extend_from_slice(&self.max_receive_pdu.to_be_bytes());
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Unexpected`], [`Error::Truncated`], [`Error::Trailing`], [`Error::Value`], [`Error::Length`].
    pub fn decode(octets: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets);
        let tag = reader.u8()?;
        if tag != REQUEST {
            return Err(Error::Unexpected { tag });
        }
        let dedicated_key =
            reader.flag()?.then(|| reader.octets().map(|key| key.to_vec().into())).transpose()?;
        let response_allowed = if reader.flag()? { reader.u8()? != 0 } else { true };
        let quality_of_service = read_quality(&mut reader)?;
        let dlms_version = reader.u8()?;
        let conformance = Conformance::read(&mut reader)?;
        let max_receive_pdu = reader.u16()?;
        reader.finish()?;
        Ok(Self {
            dedicated_key,
            response_allowed,
            quality_of_service,
            dlms_version,
            conformance,
            max_receive_pdu,
        })
    }
}

impl fmt::Debug for InitiateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InitiateRequest")
            .field("dedicated_key", &self.dedicated_key.as_ref().map(|_| "***"))
            .field("response_allowed", &self.response_allowed)
            .field("quality_of_service", &self.quality_of_service)
            .field("dlms_version", &self.dlms_version)
            .field("conformance", &self.conformance)
            .field("max_receive_pdu", &self.max_receive_pdu)
            .finish()
    }
}

/// InitiateResponse (Green Book, 9.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitiateResponse {
    /// Negotiated quality of service, unused by DLMS.
    pub quality_of_service: Option<u8>,
    /// Negotiated version of DLMS.
    pub dlms_version: u8,
    /// Negotiated services.
    pub conformance: Conformance,
    /// Longest APDU that the server accepts; 0 without a limit.
    pub max_receive_pdu: u16,
    /// 0x0007 with logical names.
    pub vaa_name: u16,
}

impl InitiateResponse {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(RESPONSE);
        encode_quality(self.quality_of_service, out);
        out.push(self.dlms_version);
        self.conformance.encode(out);
        out.extend_from_slice(&self.max_receive_pdu.to_be_bytes());
        out.extend_from_slice(&self.vaa_name.to_be_bytes());
    }

    /// Decodes the APDU.
    ///
    /// # Errors
    /// [`Error::Confirmed`] when the peer refused the initiation; [`Error::Unexpected`], [`Error::Truncated`], [`Error::Trailing`],
    /// [`Error::Value`], [`Error::Length`].
    pub fn decode(octets: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(octets);
        match reader.u8()? {
            RESPONSE => {}
            SERVICE_ERROR => {
                let error =
                    ConfirmedServiceError { service: reader.u8()?, class: reader.u8()?, error: reader.u8()? };
                reader.finish()?;
                return Err(Error::Confirmed(error));
            }
            tag => return Err(Error::Unexpected { tag }),
        }
        let quality_of_service = read_quality(&mut reader)?;
        let dlms_version = reader.u8()?;
        let conformance = Conformance::read(&mut reader)?;
        let (max_receive_pdu, vaa_name) = (reader.u16()?, reader.u16()?);
        reader.finish()?;
        Ok(Self { quality_of_service, dlms_version, conformance, max_receive_pdu, vaa_name })
    }
}

impl ConfirmedServiceError {
    /// Appends the APDU.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[SERVICE_ERROR, self.service, self.class, self.error]);
    }
}

fn encode_quality(quality: Option<u8>, out: &mut Vec<u8>) {
    match quality {
        Some(quality) => out.extend_from_slice(&[1, quality]),
        None => out.push(0),
    }
}

fn read_quality(reader: &mut Reader<'_>) -> Result<Option<u8>, Error> {
    if reader.flag()? { reader.u8().map(Some) } else { Ok(None) }
}
