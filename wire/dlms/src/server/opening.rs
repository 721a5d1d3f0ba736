//! AARQ, the HLS proof and RLRQ.

use super::Policy;
use super::incoming::{Incoming, Target};
use super::session::{Agreed, MALFORMED, NOT_POSSIBLE, Session, Stage};
use crate::acse::{Aare, Aarq, Mechanism, Release, ReleaseKind};
use crate::apdu::{ActionRequest, ActionResponse, ActionReturn, InvokeId};
use crate::axdr::Data;
use crate::initiate::{DLMS_VERSION, InitiateRequest, InitiateResponse, VAA_NAME_LN};
use crate::security::{
    Authentication, Challenge, Dialogue, Envelope, Hls, Key, Manner, SealAs, Shield, SystemTitle,
};
use crate::{
    ActionResult, AssociationResult, ConfirmedServiceError, Conformance, Diagnostic, ExceptionResponse,
    MethodDescriptor, Obis,
};

/// Association of the current client (Blue Book, 4.4.4), and its method `reply_to_HLS_authentication`.
const ASSOCIATION: (u16, Obis, i8) = (15, Obis::new([0, 0, 40, 0, 0, 255]), 1);
/// Octets of a GET response with a block in front of the block's own.
pub(super) const BLOCK_HEADER: usize = 12;
const NORMAL: u8 = 0;
const NOT_FINISHED: u8 = 1;

/// Errors of ConfirmedServiceError, service initiate, class initiate.
const VERSION_TOO_LOW: u8 = 1;
const INCOMPATIBLE_CONFORMANCE: u8 = 2;
const PDU_TOO_SHORT: u8 = 3;

/// Why a client is not let in.
enum Refusal {
    /// It is not allowed in.
    Diagnostic(Diagnostic),
    /// What it proposes does not work: error of the class initiate.
    Initiate(u8),
    /// It cannot be understood.
    Exception(ExceptionResponse),
}

impl From<ExceptionResponse> for Refusal {
    fn from(exception: ExceptionResponse) -> Self {
        Self::Exception(exception)
    }
}

impl Session {
    /// Answers an AARQ. An association that there was is gone.
    pub(super) fn open(&mut self, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), ExceptionResponse> {
        self.close();
        let aarq = Aarq::decode(apdu).map_err(|_| MALFORMED)?;
        let judged = self.authenticate(&aarq).and_then(|()| self.negotiate(&aarq));
        if judged.is_err() {
            self.stage = Stage::Closed;
        }
        let (result, diagnostic, information) = match judged {
            Ok(manner) => {
                let hls = matches!(self.stage, Stage::Proving { .. });
                let diagnostic = if hls { Diagnostic::AUTHENTICATION_REQUIRED } else { Diagnostic::NONE };
                (AssociationResult::Accepted, diagnostic, Some(self.initiate_response(manner)?))
            }
            Err(Refusal::Diagnostic(diagnostic)) => (AssociationResult::RejectedPermanent, diagnostic, None),
            Err(Refusal::Initiate(error)) => {
                let mut plain = Vec::new();
                ConfirmedServiceError { service: 1, class: 6, error }.encode(&mut plain);
                let information = self.inform(Manner::global(SealAs::Service), plain)?;
                (AssociationResult::RejectedPermanent, Diagnostic::NO_REASON, Some(information))
            }
            Err(Refusal::Exception(exception)) => return Err(exception),
        };
        let mut aare = self.policy.aare(result, diagnostic);
        aare.user_information = information.as_deref();
        if let Stage::Proving { ours, .. } = &self.stage {
            aare.authentication = Some(ours.octets());
        }
        aare.encode(out);
        Ok(())
    }

    /// Answers an RLRQ. In a ciphered association it must prove that the client itself sent it.
    pub(super) fn release(&mut self, apdu: &[u8], out: &mut Vec<u8>) -> Result<(), ExceptionResponse> {
        let request = Release::decode(ReleaseKind::Request, apdu).map_err(|_| MALFORMED)?;
        let mut response = Release { reason: Some(NORMAL), user_information: None };
        let mut information = None;
        if self.is_ciphered() {
            let Some(proof) = request.user_information else {
                response.reason = Some(NOT_FINISHED);
                response.encode(ReleaseKind::Response, out);
                return Ok(());
            };
            let mut proof = proof.to_vec();
            let (plain, manner) = self.unprotect(&mut proof)?;
            InitiateRequest::decode(plain).map_err(|_| MALFORMED)?;
            information = Some(self.initiate_response(manner)?);
        }
        self.close();
        response.user_information = information.as_deref();
        response.encode(ReleaseKind::Response, out);
        Ok(())
    }

    /// Answers the only request that HLS allows before the proof, which may come in blocks.
    pub(super) fn prove(&mut self, plain: &[u8], out: &mut Vec<u8>) -> Result<(), ExceptionResponse> {
        let blocks = self.agreed.conformance.contains(Conformance::BLOCK_ACTION);
        let before = self.incoming.take();
        let (invoke, block, mut incoming) = match ActionRequest::decode(plain) {
            Ok(ActionRequest::Normal { invoke, method, parameters: Some(proof) }) => {
                return self.judge(invoke, &method, proof, out);
            }
            Ok(ActionRequest::FirstBlock { invoke, method, block }) if blocks => {
                (invoke, block, Incoming::new(Target::Method(method), invoke.id()))
            }
            Ok(ActionRequest::Block { invoke, block }) => (invoke, block, before.ok_or(NOT_POSSIBLE)?),
            _ => return Err(NOT_POSSIBLE),
        };
        incoming.take(invoke.id(), &block).map_err(|_| NOT_POSSIBLE)?;
        if !block.last {
            self.incoming = Some(incoming);
            ActionResponse::NextBlock { invoke, block: block.number }.encode(out);
            return Ok(());
        }
        match incoming.into_parts() {
            (Target::Method(method), proof) => self.judge(invoke, &method, &proof, out),
            _ => Err(NOT_POSSIBLE),
        }
    }

    /// Answers to the client's proof, whole.
    fn judge(
        &mut self,
        invoke: InvokeId,
        method: &MethodDescriptor,
        proof: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), ExceptionResponse> {
        if (method.class_id, method.instance, method.method) != ASSOCIATION {
            return Err(NOT_POSSIBLE);
        }
        // The shield stays for the answer, whatever it says.
        let Stage::Proving { client, theirs, ours } = std::mem::replace(&mut self.stage, Stage::Closed)
        else {
            return Err(NOT_POSSIBLE);
        };
        let security = &mut self.policy.security;
        let Authentication::Hls { hls, .. } = &security.authentication else { return Err(NOT_POSSIBLE) };
        let (client, server) = (client.as_ref(), security.title.as_ref());
        let (theirs, ours) = (theirs.octets(), ours.octets());
        let owed = Dialogue { prover: client, verifier: server, challenge: ours, countered: theirs };
        let cipher = self.shield.as_ref().map(Shield::global);
        let proven = match Data::decode(proof) {
            Ok(Data::OctetString(proof)) => hls.verify(&owed, &proof, cipher.map(|(cipher, _)| cipher)),
            _ => false,
        };
        let mut encoded = Vec::new();
        if proven {
            let gmac = match (hls, cipher, &mut security.ciphering) {
                (Hls::Gmac, Some((cipher, suite)), Some(ciphering)) => {
                    Some((cipher, suite, ciphering.counters.take().map_err(|_| NOT_POSSIBLE)?))
                }
                _ => None,
            };
            let dialogue = Dialogue { prover: server, verifier: client, challenge: theirs, countered: ours };
            let proof = hls.prove(&dialogue, gmac).map_err(|_| NOT_POSSIBLE)?;
            Data::OctetString(proof).encode(&mut encoded);
            self.stage = Stage::Open;
        }
        let returned = match proven {
            true => ActionReturn { result: ActionResult::Success, returned: Some(Ok(&encoded)) },
            false => ActionReturn { result: ActionResult::OtherReason, returned: None },
        };
        ActionResponse::Normal { invoke, returned }.encode(out);
        Ok(())
    }

    /// Judges who the client is and, when there are keys, sets up the ciphering.
    fn authenticate(&mut self, aarq: &Aarq<'_>) -> Result<(), Refusal> {
        let security = &mut self.policy.security;
        if !aarq.knows_version_1() {
            return Err(Refusal::Diagnostic(Diagnostic::NO_COMMON_VERSION));
        }
        if aarq.context != security.context() {
            return Err(Refusal::Diagnostic(Diagnostic::CONTEXT_NOT_SUPPORTED));
        }
        let asked = aarq.mechanism.unwrap_or(Mechanism::Lowest);
        if asked != security.authentication.mechanism() {
            return Err(Refusal::Diagnostic(match asked {
                Mechanism::Lowest => Diagnostic::AUTHENTICATION_REQUIRED,
                _ => Diagnostic::MECHANISM_NOT_RECOGNISED,
            }));
        }
        let client = aarq.calling_title.and_then(|title| SystemTitle::try_from(title).ok());
        let client = client.filter(|client| Some(*client) != security.title);
        if client.is_none() && security.takes_titles() {
            return Err(Refusal::Diagnostic(Diagnostic::TITLE_NOT_RECOGNISED));
        }
        let failed = || Refusal::Diagnostic(Diagnostic::AUTHENTICATION_FAILURE);
        let offered = aarq.authentication.unwrap_or_default();
        self.stage = match &mut security.authentication {
            Authentication::None => Stage::Open,
            Authentication::Lls { password } if password.matches(offered) => Stage::Open,
            Authentication::Lls { .. } => return Err(failed()),
            Authentication::Hls { challenge, .. } => {
                let theirs = Challenge::try_from(offered).map_err(|_| failed())?;
                if theirs == *challenge {
                    return Err(failed());
                }
                let ours = challenge.clone();
                challenge.step();
                Stage::Proving { client, theirs, ours }
            }
        };
        if let (Some(own), Some(client), Some(ciphering)) = (security.title, client, &security.ciphering) {
            let policy = (ciphering.policy, ciphering.policy);
            let last = ciphering.last_client_counter;
            self.shield = Some(Shield::new(ciphering.keys.clone(), (own, client), policy, last));
        }
        Ok(())
    }

    /// Judges what the client proposes.
    ///
    /// Returns how the proposal was protected, as the answer will be.
    fn negotiate(&mut self, aarq: &Aarq<'_>) -> Result<Manner, Refusal> {
        let mut information = aarq.user_information.to_vec();
        let (plain, manner) = match self.shield {
            Some(_) => self.unprotect(&mut information)?,
            None => (&information[..], Manner::global(SealAs::Service)),
        };
        let request = InitiateRequest::decode(plain).map_err(|_| MALFORMED)?;
        if request.dlms_version < DLMS_VERSION {
            return Err(Refusal::Initiate(VERSION_TOO_LOW));
        }
        let conformance = self.policy.conformance.intersection(request.conformance);
        if conformance == Conformance::new([0; 3]) {
            return Err(Refusal::Initiate(INCOMPATIBLE_CONFORMANCE));
        }
        let overhead = if self.is_ciphered() { Envelope::OVERHEAD } else { 0 };
        let max_pdu = request.max_receive_pdu;
        if max_pdu != 0 && usize::from(max_pdu) <= overhead + BLOCK_HEADER {
            return Err(Refusal::Initiate(PDU_TOO_SHORT));
        }
        if let (Some(shield), Some(key)) = (&mut self.shield, &request.dedicated_key) {
            shield.dedicate(&Key::try_from(key.as_slice()).map_err(|_| MALFORMED)?);
        }
        self.agreed = Agreed { conformance, max_pdu };
        Ok(manner)
    }

    /// The initiate response, protected when the association is.
    fn initiate_response(&mut self, manner: Manner) -> Result<Vec<u8>, ExceptionResponse> {
        let mut plain = Vec::new();
        let response = InitiateResponse {
            quality_of_service: None,
            dlms_version: DLMS_VERSION,
            conformance: self.agreed.conformance,
            max_receive_pdu: self.policy.max_pdu,
            vaa_name: VAA_NAME_LN,
        };
        response.encode(&mut plain);
        self.inform(manner, plain)
    }

    fn inform(&mut self, manner: Manner, plain: Vec<u8>) -> Result<Vec<u8>, ExceptionResponse> {
        if !self.is_ciphered() {
            return Ok(plain);
        }
        let mut information = Vec::new();
        self.protect(manner, &plain, &mut information)?;
        Ok(information)
    }
}

impl Policy {
    /// An AARE without challenge and user information.
    fn aare(&self, result: AssociationResult, diagnostic: Diagnostic) -> Aare<'_> {
        let security = &self.security;
        let mechanism = Some(security.authentication.mechanism()).filter(|named| *named != Mechanism::Lowest);
        let title = security.title.as_ref().filter(|_| security.takes_titles());
        Aare {
            context: security.context(),
            result,
            diagnostic,
            responding_title: title.map(|title| &title.octets()[..]),
            responding_qualifier: None,
            requirements: mechanism.is_some(),
            mechanism,
            authentication: None,
            user_information: None,
        }
    }
}
