//! Any plain APDU by its tag: decoded without a context, encoded again.

use dlms::acse::{self, Aare, Aarq, Release, ReleaseKind};
use dlms::apdu::{
    self, AccessRequest, AccessResponse, ActionRequest, ActionResponse, DataNotification, EventNotification,
    GeneralBlock, GetRequest, GetResponse, InformationReport, ReadRequest, ReadResponse, SetRequest,
    SetResponse, WriteRequest, WriteResponse,
};
use dlms::initiate::{InitiateRequest, InitiateResponse};
use dlms::{Error, ExceptionResponse};

/// A decoded APDU.
#[derive(Debug, PartialEq)]
pub(crate) enum Apdu<'a> {
    InitiateRequest(InitiateRequest),
    InitiateResponse(InitiateResponse),
    Aarq(Aarq<'a>),
    Aare(Aare<'a>),
    Rlrq(Release<'a>),
    Rlre(Release<'a>),
    GetRequest(GetRequest<'a>),
    GetResponse(GetResponse<'a>),
    SetRequest(SetRequest<'a>),
    SetResponse(SetResponse),
    ActionRequest(ActionRequest<'a>),
    ActionResponse(ActionResponse<'a>),
    Exception(ExceptionResponse),
    DataNotification(DataNotification<'a>),
    EventNotification(EventNotification<'a>),
    AccessRequest(AccessRequest<'a>),
    AccessResponse(AccessResponse<'a>),
    GeneralBlock(GeneralBlock<'a>),
    ReadRequest(ReadRequest<'a>),
    ReadResponse(ReadResponse<'a>),
    WriteRequest(WriteRequest<'a>),
    WriteResponse(WriteResponse),
    InformationReport(InformationReport<'a>),
}

impl<'a> Apdu<'a> {
    pub(crate) fn decode(octets: &'a [u8]) -> Result<Self, Error> {
        let tag = *octets.first().ok_or(Error::Truncated)?;
        Ok(match tag {
            0x01 => Self::InitiateRequest(InitiateRequest::decode(octets)?),
            0x08 => Self::InitiateResponse(InitiateResponse::decode(octets)?),
            acse::tag::AARQ => Self::Aarq(Aarq::decode(octets)?),
            acse::tag::AARE => Self::Aare(Aare::decode(octets)?),
            acse::tag::RLRQ => Self::Rlrq(Release::decode(ReleaseKind::Request, octets)?),
            acse::tag::RLRE => Self::Rlre(Release::decode(ReleaseKind::Response, octets)?),
            apdu::tag::GET_REQUEST => Self::GetRequest(GetRequest::decode(octets)?),
            apdu::tag::GET_RESPONSE => Self::GetResponse(GetResponse::decode(octets)?),
            apdu::tag::SET_REQUEST => Self::SetRequest(SetRequest::decode(octets)?),
            apdu::tag::SET_RESPONSE => Self::SetResponse(SetResponse::decode(octets)?),
            apdu::tag::ACTION_REQUEST => Self::ActionRequest(ActionRequest::decode(octets)?),
            apdu::tag::ACTION_RESPONSE => Self::ActionResponse(ActionResponse::decode(octets)?),
            apdu::tag::EXCEPTION_RESPONSE => Self::Exception(ExceptionResponse::decode(octets)?),
            apdu::tag::DATA_NOTIFICATION => Self::DataNotification(DataNotification::decode(octets)?),
            apdu::tag::EVENT_NOTIFICATION => Self::EventNotification(EventNotification::decode(octets)?),
            apdu::tag::ACCESS_REQUEST => Self::AccessRequest(AccessRequest::decode(octets)?),
            apdu::tag::ACCESS_RESPONSE => Self::AccessResponse(AccessResponse::decode(octets)?),
            apdu::tag::GENERAL_BLOCK_TRANSFER => Self::GeneralBlock(GeneralBlock::decode(octets)?),
            apdu::tag::READ_REQUEST => Self::ReadRequest(ReadRequest::decode(octets)?),
            apdu::tag::READ_RESPONSE => Self::ReadResponse(ReadResponse::decode(octets)?),
            apdu::tag::WRITE_REQUEST | apdu::tag::UNCONFIRMED_WRITE_REQUEST => {
                Self::WriteRequest(WriteRequest::decode(octets)?)
            }
            apdu::tag::WRITE_RESPONSE => Self::WriteResponse(WriteResponse::decode(octets)?),
            apdu::tag::INFORMATION_REPORT => Self::InformationReport(InformationReport::decode(octets)?),
            tag => return Err(Error::Unexpected { tag }),
        })
    }

    /// Whether octets that are the beginning of an APDU are taken for truncated, or for the whole of one in the shorter form that some meters
    /// use: an exception that does not say which counter is expected, or a method that does not say that it returned nothing.
    pub(crate) fn is_cut(octets: &[u8]) -> bool {
        match Apdu::decode(octets) {
            Ok(exception @ Apdu::Exception(_)) => octets.len() == 3 && exception.encode() == octets,
            Ok(action @ Apdu::ActionResponse(_)) => Apdu::decode(&[octets, &[0]].concat()) == Ok(action),
            other => other == Err(Error::Truncated),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::InitiateRequest(apdu) => apdu.encode(&mut out),
            Self::InitiateResponse(apdu) => apdu.encode(&mut out),
            Self::Aarq(apdu) => apdu.encode(&mut out),
            Self::Aare(apdu) => apdu.encode(&mut out),
            Self::Rlrq(apdu) => apdu.encode(ReleaseKind::Request, &mut out),
            Self::Rlre(apdu) => apdu.encode(ReleaseKind::Response, &mut out),
            Self::GetRequest(apdu) => apdu.encode(&mut out),
            Self::GetResponse(apdu) => apdu.encode(&mut out),
            Self::SetRequest(apdu) => apdu.encode(&mut out),
            Self::SetResponse(apdu) => apdu.encode(&mut out),
            Self::ActionRequest(apdu) => apdu.encode(&mut out),
            Self::ActionResponse(apdu) => apdu.encode(&mut out),
            Self::Exception(apdu) => apdu.encode(&mut out),
            Self::DataNotification(apdu) => apdu.encode(&mut out),
            Self::EventNotification(apdu) => apdu.encode(&mut out),
            Self::AccessRequest(apdu) => apdu.encode(&mut out),
            Self::AccessResponse(apdu) => apdu.encode(&mut out),
            Self::GeneralBlock(apdu) => apdu.encode(&mut out),
            Self::ReadRequest(apdu) => apdu.encode(&mut out),
            Self::ReadResponse(apdu) => apdu.encode(&mut out),
            Self::WriteRequest(apdu) => apdu.encode(&mut out),
            Self::WriteResponse(apdu) => apdu.encode(&mut out),
            Self::InformationReport(apdu) => apdu.encode(&mut out),
        }
        out
    }

    /// The piece of a long value that the APDU carries, with its number and whether it is the last.
    pub(crate) fn piece(&self) -> Option<(u32, bool, &'a [u8])> {
        match self {
            Self::GetResponse(GetResponse::Block { last, number, result: Ok(octets), .. }) => {
                Some((*number, *last, octets))
            }
            Self::SetRequest(SetRequest::FirstBlock { block, .. } | SetRequest::Block { block, .. }) => {
                Some((block.number, block.last, block.octets))
            }
            _ => None,
        }
    }
}
