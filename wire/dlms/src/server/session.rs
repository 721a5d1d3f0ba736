use super::incoming::Incoming;
use super::transfer::Transfer;
use super::{Objects, Policy};
use crate::apdu::tag;
use crate::gbt;
use crate::initiate::Conformance;
use crate::security::{Challenge, Counters, Manner, Shield, SystemTitle};
use crate::{Downgrade, Error, ExceptionResponse, ServiceError, StateError};

const AARQ: u8 = 0x60;
const RLRQ: u8 = 0x62;

/// How far the association has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// There is none.
    Closed,
    /// HLS: the client still owes the answer to our challenge. Holds the client's title and challenge, and ours.
    Proving { client: Option<SystemTitle>, theirs: Challenge, ours: Challenge },
    /// Open.
    Open,
}

/// What the client may be sent in the present association.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    pub(super) conformance: Conformance,
    /// Longest APDU that the client accepts; 0 for no limit.
    pub(super) max_pdu: u16,
}

/// The meter's side of one connection of one client.
#[derive(Debug)]
pub struct Session {
    pub(super) policy: Policy,
    pub(super) stage: Stage,
    pub(super) agreed: Agreed,
    /// Present when there are keys.
    pub(super) shield: Option<Shield>,
    /// What goes to the client in blocks.
    pub(super) transfer: Option<Transfer>,
    /// What comes from the client in blocks.
    pub(super) incoming: Option<Incoming>,
    /// What goes either way in general block transfer.
    pub(super) general: Option<Box<gbt::Transfer>>,
    /// Whether the present request came in it, so that its answer goes in it.
    pub(super) is_general: bool,
    /// Memory for the plain answer and for values, kept from request to request.
    pub(super) plain: Vec<u8>,
    pub(super) value: Vec<u8>,
}

impl Session {
    /// A session without association.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            stage: Stage::Closed,
            agreed: Agreed { conformance: Conformance::new([0; 3]), max_pdu: 0 },
            shield: None,
            transfer: None,
            incoming: None,
            general: None,
            is_general: false,
            plain: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Answers one APDU, which is deciphered in place; one answer is appended to `out`, an
    /// exception-response when the request breaks the rules. Only blocks of a general block transfer may have none, or
    /// several: see [`stream`](Self::stream).
    pub fn handle(&mut self, apdu: &mut [u8], objects: &mut impl Objects, out: &mut Vec<u8>) {
        if apdu.first() != Some(&tag::GENERAL_BLOCK_TRANSFER) {
            self.general = None;
            self.answer_or_refuse(apdu, objects, out);
        } else if let Err(exception) = self.general_block(apdu, objects, out) {
            exception.encode(out);
        }
    }

    /// Answers one whole APDU.
    pub(super) fn answer_or_refuse(
        &mut self,
        apdu: &mut [u8],
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) {
        let start = out.len();
        if let Err(exception) = self.answer(apdu, objects, out) {
            out.truncate(start);
            exception.encode(out);
        }
    }

    /// Whether an association is open and the client proved who it is.
    pub fn is_associated(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    /// The highest invocation counter that the client has used; the policy of the next session wants it.
    pub fn last_client_counter(&self) -> Option<u32> {
        self.policy.security.ciphering.as_ref().and_then(|ciphering| ciphering.last_client_counter)
    }

    /// Our own counters that are left, when there are keys.
    pub fn counters(&self) -> Option<&Counters> {
        self.policy.security.ciphering.as_ref().map(|ciphering| &ciphering.counters)
    }

    fn answer(
        &mut self,
        apdu: &mut [u8],
        objects: &mut impl Objects,
        out: &mut Vec<u8>,
    ) -> Result<(), ExceptionResponse> {
        let tag = *apdu.first().ok_or(NOT_POSSIBLE)?;
        // The limit is told in the answer to the AARQ and concerns services (Green Book, 9.4.3).
        let limit = usize::from(self.policy.max_pdu);
        if limit != 0 && apdu.len() > limit && !self.is_general && !matches!(tag, AARQ | RLRQ) {
            return Err(refusal(StateError::ServiceNotAllowed, ServiceError::PduTooLong));
        }
        match tag {
            AARQ => self.open(apdu, out),
            _ if matches!(self.stage, Stage::Closed) => Err(NOT_POSSIBLE),
            RLRQ => self.release(apdu, out),
            _ if !self.is_ciphered() => self.serve(apdu, objects, out),
            _ => {
                let (request, manner) = self.unprotect(apdu)?;
                let mut plain = std::mem::take(&mut self.plain);
                plain.clear();
                let served = self.serve(request, objects, &mut plain);
                let sealed = served.and_then(|()| self.protect(manner, &plain, out));
                self.plain = plain;
                sealed
            }
        }
    }

    /// Whether the present association is ciphered.
    pub(super) fn is_ciphered(&self) -> bool {
        self.shield.as_ref().is_some_and(Shield::is_ciphered)
    }

    /// Unprotects what the client sent and remembers its counter beyond this association.
    pub(super) fn unprotect<'a>(
        &mut self,
        apdu: &'a mut [u8],
    ) -> Result<(&'a [u8], Manner), ExceptionResponse> {
        let shield = self.shield.as_mut().ok_or(NOT_POSSIBLE)?;
        let opened = shield.open(apdu).map_err(undecipherable)?;
        if let Some(ciphering) = &mut self.policy.security.ciphering {
            ciphering.last_client_counter = shield.last();
        }
        Ok(opened)
    }

    /// Appends `plain` to `out`, protected in the manner of the request.
    pub(super) fn protect(
        &mut self,
        manner: Manner,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ExceptionResponse> {
        let (Some(shield), Some(ciphering)) = (&mut self.shield, &mut self.policy.security.ciphering) else {
            return Err(NOT_POSSIBLE);
        };
        shield.seal(manner, &mut ciphering.counters, plain, out).map_err(|_| NOT_POSSIBLE)
    }

    pub(super) fn close(&mut self) {
        self.stage = Stage::Closed;
        self.shield = None;
        self.transfer = None;
        self.incoming = None;
        self.general = None;
    }
}

/// The request cannot be served in this state.
pub(super) const NOT_POSSIBLE: ExceptionResponse =
    refusal(StateError::ServiceNotAllowed, ServiceError::OperationNotPossible);
/// There is no such service here.
pub(super) const UNKNOWN: ExceptionResponse =
    refusal(StateError::ServiceUnknown, ServiceError::ServiceNotSupported);
/// The request is not encoded as the standard demands.
pub(super) const MALFORMED: ExceptionResponse =
    refusal(StateError::ServiceNotAllowed, ServiceError::OtherReason);

const fn refusal(state: StateError, service: ServiceError) -> ExceptionResponse {
    ExceptionResponse { state, service, expected_counter: None }
}

/// What a client is told whose APDU could not be unprotected.
fn undecipherable(error: Error) -> ExceptionResponse {
    match error {
        Error::CounterReplayed { last, .. } => ExceptionResponse {
            state: StateError::ServiceNotAllowed,
            service: ServiceError::InvocationCounterError,
            expected_counter: Some(last.saturating_add(1)),
        },
        Error::Unexpected { .. } => UNKNOWN,
        // In a ciphered association nothing travels in the clear.
        Error::Downgrade(Downgrade::Clear) => NOT_POSSIBLE,
        _ => refusal(StateError::ServiceNotAllowed, ServiceError::DecipheringError),
    }
}
